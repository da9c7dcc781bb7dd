"""Small made treebanks in CoNLL-U, with words that reveal the label."""

from __future__ import annotations

import random
from pathlib import Path

from tests.corpora import BAD, GOOD, NOUNS, OTHERS


def sentence(text: str, root: int) -> str:
    """Lines of a sentence whose word `root`, from 0, is the head of all others."""
    lines = []
    for number, word in enumerate(text.split()):
        head = 0 if number == root else root + 1
        lines.append(f"{number + 1}\t{word}\t_\t_\t_\t_\t{head}\tdep\t_\t_")
    return "\n".join(lines)


def made_sentence(rng: random.Random, words: list[str]) -> str:
    """Lines of a sentence with a random tree."""
    order = rng.sample(range(len(words)), len(words))
    heads = {order[0]: 0}
    for place, word in enumerate(order[1:], start=1):
        heads[word] = order[rng.randrange(place)] + 1
    return "\n".join(
        f"{number + 1}\t{word}\t_\t_\t_\t_\t{heads[number]}\tdep\t_\t_"
        for number, word in enumerate(words)
    )


def write_treebank(file: Path, texts: int, seed: int = 0) -> None:
    """Writes texts of one to three sentences, each of them with a word of its label."""
    rng, blocks = random.Random(seed), []
    for number in range(texts):
        label, signs = (("bad", BAD), ("good", GOOD))[number % 2]
        for part in range(rng.randint(1, 3)):
            words = [*rng.choices(NOUNS + OTHERS, k=rng.randint(1, 9)), rng.choice(signs)]
            rng.shuffle(words)
            head = f"# newdoc id = {number}\n# label = {label}\n" if part == 0 else ""
            blocks.append(head + made_sentence(rng, words))
    file.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
