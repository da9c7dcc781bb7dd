"""CoNLL-U: sentences with a dependency tree each, as parsers write and treebanks publish them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from datamodules.errors import DataError

_COLUMNS = 10
_ID, _FORM, _HEAD = 0, 1, 6
REMEDY = "correct the parse, or leave the sentence out"


class ParsedSentence(NamedTuple):
    """One sentence.

    Attributes:
        line: number of its first line, comments among them.
        comments: lines that begin with #, without that mark.
        lines: lines of its words, as they were read.
        words: forms of its n words.
        heads: number of each word's head, from 1; 0 for the root.
    """

    line: int
    comments: list[str]
    lines: list[str]
    words: list[str]
    heads: list[int]


def read_conllu(lines: Iterable[str], place: Path | str) -> Iterator[ParsedSentence]:
    """Yields the sentences of a file, each checked to be a tree.

    Words of several syntactic words (`3-4`) and empty nodes (`5.1`) are left out, as the tree does
    not contain them.

    Args:
        lines: lines of the file.
        place: its name in error messages.

    Raises:
        DataError: a line is no word with ten columns, words are not numbered from 1, a head is
            none of the sentence's words, or the words are no tree with one root.
    """
    block: list[str] = []
    start = number = 1
    for number, line in enumerate(lines, start=1):
        line = line.rstrip("\r\n")
        if line.strip():
            start = start if block else number
            block.append(line)
        elif block:
            yield from _sentence(block, start, place)
            block = []
    if block:
        yield from _sentence(block, start, place)


def _sentence(block: list[str], start: int, place: Path | str) -> Iterator[ParsedSentence]:
    """The sentence of some lines; none if these are comments alone."""
    comments, kept, words, heads, at = [], list[str](), list[str](), list[int](), list[int]()
    for number, line in enumerate(block, start=start):
        if line.startswith("#"):
            comments.append(line[1:].strip())
            continue
        columns = line.split("\t")
        where = f"{place}:{number}"
        if len(columns) != _COLUMNS:
            raise DataError(
                f"{where}: has {len(columns)} columns; a word has {_COLUMNS}, with tabs between "
                "them (ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC). Write _ in those "
                "without a value"
            )
        name = columns[_ID]
        if "-" in name or "." in name:
            continue
        if name != str(len(words) + 1):
            raise DataError(
                f"{where}: the number of the word is {name!r}; it must be {len(words) + 1}, as "
                "words are numbered from 1 in each sentence. Is an empty line missing before it?"
            )
        if not columns[_FORM].strip():
            raise DataError(f"{where}: word {name} has no form; write it in the second column")
        if not columns[_HEAD].isdecimal():
            raise DataError(
                f"{where}: the head of word {name} is {columns[_HEAD]!r}; it must be the number of "
                f"a word, or 0 for the root. {REMEDY}"
            )
        kept.append(line)
        words.append(columns[_FORM])
        heads.append(int(columns[_HEAD]))
        at.append(number)
    if words:
        _check_tree(heads, at, place)
        yield ParsedSentence(start, comments, kept, words, heads)


def _check_tree(heads: list[int], at: list[int], place: Path | str) -> None:
    """Refuse heads that are no tree.

    Args:
        heads: of words 1 … n.
        at: line of each word.
        place: name of the file.
    """
    size, roots = len(heads), [word for word, head in enumerate(heads, start=1) if head == 0]
    for word, head in enumerate(heads, start=1):
        if head > size:
            raise DataError(
                f"{place}:{at[word - 1]}: the head of word {word} is {head}, and the sentence has "
                f"{size} words; it must be one of them, or 0 for the root. {REMEDY}"
            )
    if len(roots) > 1:
        raise DataError(
            f"{place}:{at[roots[1] - 1]}: word {roots[1]} is a root (its head is 0), and so is "
            f"word {roots[0]}; a sentence has one. Split it in two, or attach one to the other"
        )
    checked = {0}  # words from which the root is reached
    for word in range(1, size + 1):
        path, node = [word], word
        while node not in checked and heads[node - 1] not in path:
            node = heads[node - 1]
            path.append(node)
        if node not in checked:
            cycle = path[path.index(heads[node - 1]) :]
            words = " → ".join(map(str, [*cycle, cycle[0]]))
            raise DataError(
                f"{place}:{at[cycle[0] - 1]}: the heads of words {words} are a cycle; from every "
                f"word its heads must lead to the root. {REMEDY}"
            )
        checked.update(path)
