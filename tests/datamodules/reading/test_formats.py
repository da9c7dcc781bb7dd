"""Files as other programs write them: the same rows whatever the format, and every fault named."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from datamodules.errors import DataError
from datamodules.reading.opening import FileSettings
from datamodules.reading.tables import Table

ROWS = [
    ("Ein schöner Film; wirklich, sehr schön.", "pos"),
    ('He said "no" and left.', "neg"),
    ("two\nlines", "pos"),
    ("日本語の映画 🎬", "neg"),
    ("tab\there", "pos"),
]
PLAIN = [("fine, really", "pos"), ("poor", "neg"), ("a | b", "pos"), ("schön", "neg")]


def read(
    path: Path, columns: tuple[str, str] | None = None, **settings: Any
) -> list[tuple[str, str | None]]:
    table = Table(path, FileSettings(**settings))
    text, label = columns or table.find_columns(None, None)
    return [(text, label) for _, text, label, _ in table.rows(text, label)]


def as_csv(rows: list[tuple[str, str]], delimiter: str = ",", **options: Any) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, **options)
    writer.writerows([("text", "label"), *rows])
    return buffer.getvalue()


def as_json(rows: list[tuple[str, str]]) -> str:
    return json.dumps([dict(zip(("text", "label"), row, strict=True)) for row in rows], indent=1)


# Delimiters


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_of_a_csv_is_guessed_and_said(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(ROWS, delimiter), encoding="utf-8", newline="")
    assert read(path) == ROWS
    remarks = Table(path).remarks()
    assert bool(remarks) == (delimiter != ",")
    assert all("fields are divided by" in remark for remark in remarks)


def test_texts_with_other_delimiters_do_not_mislead_the_guess(tmp_path: Path) -> None:
    rows = [("a;b;c", "x"), ("d|e\tf", "y")] * 30
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(rows), encoding="utf-8")
    assert read(path) == rows and not Table(path).remarks()


def test_a_delimiter_may_be_named_and_excels_own_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text~label\na,b;c~x\nd~y\n", encoding="utf-8")
    assert read(path, delimiter="~") == [("a,b;c", "x"), ("d", "y")]
    path.write_text("sep=;\r\ntext;label\r\na,b;x\r\n", encoding="utf-8-sig", newline="")
    assert read(path) == [("a,b", "x")]
    with pytest.raises(DataError, match=r"rows\.csv, line 4: 1 fields"):
        path.write_text("sep=;\ntext;label\na;x\nb\n", encoding="utf-8")
        read(path)


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n", "é"])
def test_a_delimiter_that_cannot_be_one(delimiter: str) -> None:
    with pytest.raises(DataError, match=r"data\.delimiter is .* one character"):
        FileSettings(delimiter=delimiter)


# Header


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
def test_columns_without_names_are_numbered(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = as_csv(PLAIN, "\t" if name.endswith("tsv") else ",").split("\n", 1)[1]
    path.write_text(content, encoding="utf-8")
    assert read(path, ("1", "2"), header=False) == PLAIN
    with pytest.raises(DataError, match=r"--data\.header false .* --data\.text_column 1"):
        read(path)
    with pytest.raises(DataError, match=r"line 5: 1 fields, but the first line has 2"):
        path.write_text(content + "x\n", encoding="utf-8")
        read(path, ("1", "2"), header=False)


# Quotation marks in TSV


def test_quotation_marks_in_a_tsv_without_quoting_are_text(tmp_path: Path) -> None:
    rows = [('"Great" film', "pos"), ('He said "no', "neg"), ('"', "pos"), ('"a" and "b"', "neg")]
    path = tmp_path / "rows.tsv"
    path.write_text(
        "text\tlabel\n" + "".join(f"{t}\t{label}\n" for t, label in rows), encoding="utf-8"
    )
    assert read(path) == rows
    assert ["quotation marks are read as part" in remark for remark in Table(path).remarks()]


def test_a_quoted_tsv_is_read_as_such_and_a_mixed_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(as_csv(ROWS, "\t"), encoding="utf-8", newline="")
    assert read(path) == ROWS and not Table(path).remarks()
    path.write_text('text\tlabel\n"two\nlines"\tpos\n"b" c\tneg\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.tsv, line 4: malformed"):
        read(path)


# Line ends


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(tmp_path: Path, end: str) -> None:
    path = tmp_path / "rows.csv"
    text = as_csv([(t.replace("\n", " "), label) for t, label in ROWS], lineterminator=end)
    path.write_text(text, encoding="utf-8-sig", newline="")
    assert read(path) == [(t.replace("\n", " "), label) for t, label in ROWS]


# JSON


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.ndjson"])
def test_json_lines_under_every_ending(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = [json.dumps(dict(zip(("text", "label"), row, strict=True))) for row in ROWS]
    path.write_text("\n\n".join(lines), encoding="utf-8")
    assert read(path) == ROWS


def test_a_json_array(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("\n " + as_json(ROWS), encoding="utf-8-sig")
    assert read(path) == ROWS
    path.write_text('[{"text": "a", "label": 1}, {"text": "b"}]')
    with pytest.raises(DataError, match=r"rows\.json, row 2: has no 'label'"):
        read(path)
    path.write_text('[{"text": "a", "label": 1}, 3]')
    with pytest.raises(DataError, match=r"rows\.json, row 2: is a int, must be an object"):
        read(path)
    path.write_text('[{"text": "a"')
    with pytest.raises(DataError, match=r"rows\.json: is not JSON .* one array of objects"):
        read(path)
    path.write_text('{"text": {"0": "a"},\n "label": {"0": 1}}')
    with pytest.raises(
        DataError, match=r"rows\.json, line 1: is not JSON .* or the file one array"
    ):
        read(path)
    path.write_text(r'[{"text": "\ud800", "label": 1}]')
    with pytest.raises(DataError, match=r"is not JSON .*surrogates"):
        read(path)
    path.write_text("[]")
    with pytest.raises(DataError, match=r"the file is empty"):
        read(path)


# Compression


def zipped(data: bytes, names: tuple[str, ...] = ("rows.csv", "__MACOSX/._rows.csv")) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return buffer.getvalue()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": zipped,
}


@pytest.mark.parametrize("ending", COMPRESS)
def test_compressed_files_of_every_format(tmp_path: Path, ending: str) -> None:
    pyarrow.parquet.write_table(
        pyarrow.table({"text": [t for t, _ in ROWS], "label": [label for _, label in ROWS]}),
        tmp_path / "rows.parquet",
    )
    contents = {
        ".csv": as_csv(ROWS).encode(),
        ".tsv": as_csv(ROWS, "\t").encode("utf-16"),
        ".json": as_json(ROWS).encode(),
        ".parquet": (tmp_path / "rows.parquet").read_bytes(),
    }
    for format_, content in contents.items():
        path = tmp_path / f"rows{format_}{ending}"
        path.write_bytes(COMPRESS[ending](content))
        assert read(path) == ROWS
        assert Table(path).stem == "rows"


def test_compression_is_known_by_the_content(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(gzip.compress(as_csv(ROWS).encode()))
    assert read(path) == ROWS
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(as_csv(ROWS).encode())
    assert read(path) == ROWS
    path = tmp_path / "rows.zip"
    path.write_bytes(zipped(as_csv(ROWS).encode()))
    assert read(path) == ROWS


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(as_csv(ROWS * 100).encode())[:-20])
    with pytest.raises(DataError, match=r"rows\.csv\.gz: cannot be read .* compress it again"):
        read(path)
    path = tmp_path / "rows.csv.zip"
    path.write_bytes(zipped(b"text,label\na,x\n", ("a.csv", "b.csv")))
    with pytest.raises(DataError, match=r"has 2 files \(a\.csv, b\.csv\); a zip must have one"):
        read(path)
    path.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(DataError, match=r"rows\.csv\.zip: cannot be read"):
        read(path)


# Encodings


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_names_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(as_csv(ROWS).encode(encoding))
    assert read(path) == ROWS
    assert read(path, encoding="cp1252") == ROWS


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "utf-16-be", "gb18030"])
def test_encodings_by_name(tmp_path: Path, encoding: str) -> None:
    rows = ROWS[:3] if encoding in ("cp1252", "latin-1") else ROWS
    path = tmp_path / "rows.csv"
    path.write_bytes(as_csv(rows).encode(encoding))
    assert read(path, encoding=encoding) == rows
    with pytest.raises(DataError, match=r"rows\.csv.*--data\.encoding"):
        read(path)


def test_a_byte_of_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    lines = [b"text,label", *[b"some words here,%d" % (i % 2) for i in range(20_000)]]
    lines[15_000] = b"caf\x81,1"
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\r\n".join(lines))
    with pytest.raises(DataError, match=r"line 15001: byte .* \(0x81\) is not UTF-8; .*encoding"):
        read(path)
    with pytest.raises(DataError, match=r"line 15001: byte .* \(0x81\) is not cp1252"):
        read(path, encoding="cp1252")
    path.write_bytes("text,label\na,x\nb".encode("utf-16") + b"\x00\xd8\x0a")
    with pytest.raises(DataError, match=r"rows\.csv, line 3: byte \d+ .* is not UTF-16"):
        read(path)
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    with pytest.raises(DataError, match=r"line 15001: byte .* \(0x81\) is not UTF-8"):
        read(path)


@pytest.mark.parametrize("encoding", ["no-such", "base64", "rot13"])
def test_an_encoding_that_is_none(encoding: str) -> None:
    with pytest.raises(DataError, match=f"data.encoding is '{encoding}', which is no encoding"):
        FileSettings(encoding=encoding)
