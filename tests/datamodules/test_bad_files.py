"""Files that are no corpus: each is named with its line and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datamodules.errors import DataError
from tests.datamodules.test_files import make, put, write


def test_a_quote_left_open_in_a_tsv_does_not_swallow_rows(tmp_path: Path) -> None:
    put(tmp_path, 'label\ttext\nx\ta\ny\t"b is\nx\tgood"\ny\t"c\nd"\n', "train.tsv")
    with pytest.raises(DataError, match=r"train\.tsv, line 3: a quoted field runs to line 4"):
        make(tmp_path, "train.tsv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "b", "label": ', "is not JSON"),
        ('["b", "x"]', "is a list, must be an object"),
        ('{"text": "b"}', r"has no 'label', but \['text'\]"),
        ('{"text": "b", "label": null}', "'label' has no label"),
        ('{"text": "b", "label": NaN}', "'label' has no label"),
        ('{"text": "b", "label": ["x"]}', "a label must be a string, a number or true/false"),
        ('{"text": 7, "label": "x"}', "has '7', a int; a text must be a string"),
        (r'{"text": "\ud800", "label": "x"}', "is not JSON .*surrogates not allowed"),
        ("[" * 100_000, "is not JSON"),
        ('{"text": {"0": "a"}, "label": {"0": "x"}}', "a dict; .*to_json\\(orient='records'\\)"),
    ],
)
def test_bad_json_lines(tmp_path: Path, line: str, message: str) -> None:
    put(tmp_path, f'{{"text": "a", "label": "y"}}\n\n{line}\n', "train.jsonl")
    with pytest.raises(DataError, match=rf"train\.jsonl, line 3: .*{message}"):
        make(tmp_path, "train.jsonl")


def test_json_with_an_emoji_in_two_halves_is_fine(tmp_path: Path) -> None:
    lines = [r'{"text": "\ud83d\ude00", "label": 1}']
    lines += [json.dumps({"text": f"b{i}", "label": 0}) for i in range(9)]
    put(tmp_path, "\n".join(lines), "train.jsonl")
    assert make(tmp_path, "train.jsonl").read().train.texts[0] == "😀"


def test_bad_parquet(tmp_path: Path) -> None:
    put(tmp_path, b"PAR1 nonsense", "train.parquet")
    with pytest.raises(DataError, match=r"train\.parquet: no Parquet file, or a damaged one"):
        make(tmp_path, "train.parquet")
    rows = [("a", "x"), ("b", "y"), ("c", None)]
    write(tmp_path / "train.parquet", rows, ("text", "label"))
    with pytest.raises(DataError, match=r"train\.parquet, row 3: column 'label' has no label"):
        make(tmp_path, "train.parquet")


def test_too_few_rows_for_a_validation(tmp_path: Path) -> None:
    put(tmp_path, "text,label\na,x\nb,y\n")
    with pytest.raises(DataError, match="2 rows have too few different texts to set aside 90%"):
        make(tmp_path, validation_fraction=0.9).read()
    with pytest.raises(DataError, match="data.validation_fraction is 1.0; it must be above 0"):
        make(tmp_path, validation_fraction=1.0)
