"""Corpora whose texts are easy and whose files are odd."""

from __future__ import annotations

import csv
import gzip
import json
import random
import zipfile
from pathlib import Path

from tests.own_data.case import Case, reviews, write_csv

NAMED = r"--data\.\w+"


def semicolons(folder: Path) -> Case:
    """CSV of a German Excel: semicolons, a byte order mark, CRLF, commas in the texts."""
    rows, probes = reviews(60)
    rows = [(text.replace(" and ", ", and, "), label) for text, label in rows]
    file = folder / "Export.csv"
    write_csv(file, rows, ("Text", "Label"), delimiter=";", encoding="utf-8-sig", newline="\r\n")
    return Case(file, rows, probes, 0.9)


def excel_separator(folder: Path) -> Case:
    """CSV whose first line is `sep=;`, which Excel writes and reads, and hides."""
    rows, probes = reviews(61)
    file = write_csv(folder / "sep.csv", rows, delimiter=";")
    file.write_text("sep=;\n" + file.read_text("utf-8"), "utf-8")
    return Case(file, rows, probes, 0.9, "either", refusal=("(?i)delimiter|separator",))


def tabs_in_csv(folder: Path) -> Case:
    """Tabs between the columns of a file that is named .csv."""
    rows, probes = reviews(62)
    return Case(write_csv(folder / "tabs.csv", rows, delimiter="\t"), rows, probes, 0.9)


def pipes(folder: Path) -> Case:
    """Columns between `|` in a file that is named .txt, as databases export them."""
    rows, probes = reviews(63)
    return Case(write_csv(folder / "dump.txt", rows, delimiter="|"), rows, probes, 0.9)


def no_header(folder: Path) -> Case:
    """CSV without header: the first line is a text and its label."""
    rows, probes = reviews(64)
    file = write_csv(folder / "plain.csv", rows, None)
    return Case(file, rows, probes, 0.9, "either", refusal=("(?i)header|first line", NAMED))


def label_first_no_header(folder: Path) -> Case:
    """CSV without header, label before text, as fastText's and AG News' files have it."""
    rows, probes = reviews(65)
    names = {"negative": "1", "positive": "2"}
    rows, probes = ([(t, names[y]) for t, y in part] for part in (rows, probes))
    file = write_csv(folder / "train.csv", [(y, t) for t, y in rows], None, quoting=csv.QUOTE_ALL)
    return Case(file, rows, probes, 0.9, "either", refusal=("(?i)header|first line", NAMED))


def utf16(folder: Path) -> Case:
    """Excel's "Unicode text": UTF-16, tabs, CRLF."""
    rows, probes = reviews(66)
    file = folder / "unicode.txt"
    write_csv(file, rows, delimiter="\t", encoding="utf-16", newline="\r\n")
    return Case(
        file, rows, probes, 0.9, "either", refusal=("(?i)utf-16",),
        remedy=("--data.encoding", "utf-16"),
    )  # fmt: skip


def latin1(folder: Path) -> Case:
    """Latin-1, one text in four with `é` or `ü`."""
    rows, probes = reviews(67)
    rows = [(f"Café Müller: {t}" if i % 4 == 0 else t, y) for i, (t, y) in enumerate(rows)]
    file = write_csv(folder / "ancien.csv", rows, encoding="latin-1")
    return Case(
        file, rows, probes, 0.9, "either", refusal=("(?i)utf-8",),
        remedy=("--data.encoding", "latin-1"),
    )  # fmt: skip


def old_mac(folder: Path) -> Case:
    """CSV in which a carriage return alone ends a line."""
    rows, probes = reviews(68)
    return Case(write_csv(folder / "mac.csv", rows, newline="\r"), rows, probes, 0.9)


def json_records(folder: Path) -> Case:
    """One JSON list of objects."""
    rows, probes = reviews(69)
    file = folder / "records.json"
    content = [{"text": text, "label": label} for text, label in rows]
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return Case(file, rows, probes, 0.9)


def json_columns(folder: Path) -> Case:
    """pandas' `to_json()`: an object for each column, with the row numbers as keys."""
    rows, probes = reviews(70)
    columns = {
        "text": {str(i): text for i, (text, _) in enumerate(rows)},
        "label": {str(i): label for i, (_, label) in enumerate(rows)},
    }
    file = folder / "frame.json"
    file.write_text(json.dumps(columns), encoding="utf-8")
    return Case(file, rows, probes, 0.9, "either")


def json_lines_in_json(folder: Path) -> Case:
    """One object a line in a file that is named .json, as Yelp's and Amazon's reviews are."""
    rows, probes = reviews(71)
    lines = [json.dumps({"stars": 1, "text": text, "label": label}) for text, label in rows]
    file = folder / "dataset.json"
    file.write_text("\n".join(lines), encoding="utf-8")
    return Case(file, rows, probes, 0.9)


def gzipped(folder: Path) -> Case:
    """CSV in gzip."""
    rows, probes = reviews(72)
    plain = write_csv(folder / "reviews.csv", rows)
    file = folder / "reviews.csv.gz"
    file.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    plain.unlink()
    return Case(file, rows, probes, 0.9)


def unquoted(folder: Path) -> Case:
    """TSV without quoting, in which texts have quotation marks, also at their beginning.

    A reader for which `"` opens a field joins all lines up to the next one that begins so.
    """
    rows, probes = reviews(73)
    marks = {3: '"{}', 10: '"Well," he said. {}', 17: 'They call it "good. {}', 24: '"{}"'}
    rows = [(marks.get(i % 30, "{}").format(text), label) for i, (text, label) in enumerate(rows)]
    lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]
    file = folder / "sst.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Case(file, rows, probes, 0.9)


def line_breaks(folder: Path) -> Case:
    """CSV with line breaks of three kinds, doubled quotation marks and U+2028 in its texts."""
    rows, probes = reviews(74)
    breaks = ("\n", "\r\n", "\n\n", "\u2028", ' "" ')
    rows = [(t.replace(" the ", breaks[i % 5]), y) for i, (t, y) in enumerate(rows)]
    return Case(write_csv(folder / "posts.csv", rows, newline="\r\n"), rows, probes, 0.9)


def one_megabyte(folder: Path) -> Case:
    """One text of a megabyte, a log that somebody has pasted."""
    rows, probes = reviews(75)
    rows[5] = (rows[5][0] + " 2026-11-29 INFO line of a log" * 35_000, rows[5][1])
    return Case(write_csv(folder / "pasted.csv", rows), rows, probes, 0.9)


def odd_columns(folder: Path) -> Case:
    """Columns named `Review: text` and `[label] #1`, which are named on the command line."""
    rows, probes = reviews(76)
    file = write_csv(folder / "form.csv", rows, ("Review: text", "[label] #1"))
    words = ("--data.text_column", "Review: text", "--data.label_column", "[label] #1")
    return Case(file, rows, probes, 0.9, options=words)


def numeric_columns(folder: Path) -> Case:
    """Columns named `0` and `1`, as pandas names those of a table without header."""
    rows, probes = reviews(77)
    table = [(i, text, label) for i, (text, label) in enumerate(rows)]
    file = write_csv(folder / "frame.csv", table, ("", "0", "1"))
    words = ("--data.text_column", "0", "--data.label_column", "1")
    return Case(file, rows, probes, 0.9, options=words)


def spaced_header(folder: Path) -> Case:
    """A header with spaces and capitals (` Text `, `LABEL`), and an index column without name."""
    rows, probes = reviews(78)
    table = [(i, text, label) for i, (text, label) in enumerate(rows)]
    file = write_csv(folder / "sheet.csv", table, ("", " Text ", "LABEL"))
    return Case(file, rows, probes, 0.9, "either", refusal=("Text",))


def two_text_columns(folder: Path) -> Case:
    """Two columns named `text`: the first with the texts, the second empty after a join."""
    rows, probes = reviews(79)
    table = [(text, label, "") for text, label in rows]
    file = write_csv(folder / "joined.csv", table, ("text", "label", "text"))
    return Case(
        file,
        rows,
        probes,
        outcome="refuses",
        refusal=("text", "occurs 2 times"),
    )


def file_name(folder: Path) -> Case:
    """A file whose name has spaces, umlauts, brackets, `=` and a comma."""
    rows, probes = reviews(80)
    file = folder / "Bewertungen für März, v=2 [final] #1.csv"
    return Case(write_csv(file, rows), rows, probes, 0.9)


def numeric_file_name(folder: Path) -> Case:
    """A folder and a file whose names YAML reads as numbers or nothing."""
    rows, probes = reviews(81)
    (folder / "null").mkdir()
    return Case(write_csv(folder / "null" / "2026.csv", rows), rows, probes, 0.9)


def excel(folder: Path) -> Case:
    """An Excel workbook that was named .csv."""
    rows, _ = reviews(82)
    file = folder / "book.csv"
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("xl/worksheets/sheet1.xml", (2026, 1, 1, 0, 0, 0))
        archive.writestr(entry, "<worksheet>" + "<row/>" * 500 + "</worksheet>")
    return Case(file, rows, outcome="refuses", refusal=("(?i)zip|excel|xlsx|utf-8",))


def ragged(folder: Path) -> Case:
    """CSV whose texts have commas that nobody has quoted, in every tenth row."""
    rows, probes = reviews(83)
    rows = [(t.replace(" to ", ", ") if i % 10 == 0 else t, y) for i, (t, y) in enumerate(rows)]
    rows[7] = ("good, bad, and ugly", rows[7][1])
    file = folder / "typed.csv"
    lines = ["text,label", *(f"{text},{label}" for text, label in rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Case(file, rows, probes, 0.9, "either", refusal=(r"(?i)(row|line|:)\s*\d",))


def blank_ends(folder: Path) -> Case:
    """A spreadsheet's export with three empty columns and 200 empty rows at its end."""
    rows, probes = reviews(84)
    table = [(*row, "", "", "") for row in rows] + [("",) * 5] * 200
    file = write_csv(folder / "sheet.csv", table, ("text", "label", "", "", ""))
    return Case(file, rows, probes, 0.9, "either", refusal=(r"(?i)row|line|column",))


def nul_bytes(folder: Path) -> Case:
    """CSV in which three texts have a NUL byte."""
    rows, probes = reviews(85)
    rng = random.Random(85)
    chosen = set(rng.sample(range(len(rows)), 3))
    rows = [(t.replace(" ", " \0", 1) if i in chosen else t, y) for i, (t, y) in enumerate(rows)]
    lines = ["text,label", *(f"{text},{label}" for text, label in rows)]
    file = folder / "tape.csv"
    file.write_bytes("\n".join(lines).encode() + b"\n")
    return Case(file, rows, probes, 0.9, "either", refusal=("(?i)nul|zero|byte",))


def header_only(folder: Path) -> Case:
    """A header and no row."""
    return Case(
        write_csv(folder / "empty.csv", []), [], outcome="refuses", refusal=("(?i)no row|empty|0 ",)
    )


def nothing(folder: Path) -> Case:
    """A file of no byte."""
    file = folder / "zero.csv"
    file.touch()
    return Case(file, [], outcome="refuses", refusal=("(?i)empty|no header|no row|0 ",))
