"""Files of texts through `predict`: every column, every row, in order, whole or not at all."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import load_run
from experiments.cli.main import main
from experiments.inference import text_input
from experiments.inference.partial import PartialOutput, folder_of
from experiments.inference.predictor import Predictor
from tests.experiments.conftest import Command

TEXTS = [
    "a good film",
    "",
    " \t\u200b",
    "a bad film, so bad",
    "=SUM(A1:A9)",
    "👍👍👎",
    "فيلم جميل جدا",
    'two\nlines, and "quotes"',
    "good bad",
    "<script>alert(1)</script>",
    "\x1b[31m red",
]
BLANK = {1: "empty text", 2: "blank text"}


@pytest.fixture(scope="module")
def run(finished: Path) -> Path:
    return finished / "bag" / "seed-0"


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "reviews.csv", TEXTS)


def write_csv(file: Path, texts: list[str], column: str = "review") -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", column])
        writer.writerows(enumerate(texts))
    return file


def predict(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["predict", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def expected(run: Path) -> list[tuple[str | None, list[float]]]:
    """Label and probabilities of each text, by the predictor, one text at a time."""
    predictor = Predictor(run)
    names, result = predictor.encoder.label_names, list[tuple[str | None, list[float]]]()
    for number, text in enumerate(TEXTS):
        if number in BLANK:
            result.append((None, []))
        else:
            probabilities = predictor([text])[0]
            result.append((names[probabilities.argmax()], probabilities.tolist()))
    return result


def test_every_column_is_kept_in_order_and_blank_rows_have_a_reason(
    run: Path, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    code, printed, told = predict(capsys, run, "--file", reviews, "--out", out)
    assert (code, printed) == (0, "")
    rows = rows_of(out.read_bytes().decode())
    assert list(rows[0]) == ["id", "review", "label", "P(class0)", "P(class1)", "reason"]
    assert [(row["id"], row["review"]) for row in rows] == [
        (str(number), text) for number, text in enumerate(TEXTS)
    ]
    for number, (row, (label, probabilities)) in enumerate(zip(rows, expected(run), strict=True)):
        assert row["label"] == (label or "") and row["reason"] == BLANK.get(number, "")
        found = [float(row[name]) for name in ("P(class0)", "P(class1)") if row[name]]
        assert found == pytest.approx(probabilities, abs=1e-6)
    assert "2 rows have no label (rows 2, 3): 1 × empty text, 1 × blank text" in told
    assert sorted(tmp_path.iterdir()) == [out, reviews]


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "json", "tsv", "txt", "csv.gz"])
@pytest.mark.parametrize("output", ["csv", "jsonl", "parquet"])
def test_formats_say_the_same(
    kind: str, output: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [text for text in TEXTS if "\n" not in text and "\t" not in text]
    file, out = tmp_path / f"texts.{kind}", tmp_path / f"out.{output}"
    records = [{"text": text, "n": number} for number, text in enumerate(texts)]
    if kind == "jsonl":
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif kind == "json":
        file.write_text(json.dumps(records))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(records), file)
    elif kind == "txt":
        file.write_text("".join(f"{text}\n" for text in texts))
    elif kind == "tsv":
        file.write_text("text\tn\n" + "".join(f"{text}\t{n}\n" for n, text in enumerate(texts)))
    else:
        lines = io.StringIO()
        csv.writer(lines).writerows([["text", "n"], *([r["text"], r["n"]] for r in records)])
        file.write_bytes(gzip.compress(lines.getvalue().encode()))
    assert predict(capsys, run, "--file", file, "--out", out)[0] == 0
    rows: list[dict[str, Any]]
    if output == "csv":
        rows = list(rows_of(out.read_text()))
    elif output == "jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        rows = pq.read_table(out).to_pylist()
    assert [row["text"] for row in rows] == texts
    if kind != "txt":
        assert [int(row["n"]) for row in rows] == list(range(len(texts)))
    found = load_run(run).predict(texts)
    assert [row["label"] or None for row in rows] == found.labels
    shown = [float(row["P(class1)"] or "nan") for row in rows]
    assert np.allclose(shown, found.probabilities[:, 1], atol=1e-6, equal_nan=True)
    if kind == output == "parquet":
        assert pq.read_schema(out).field("n").type == pa.int64()


def test_mixed_types_and_missing_keys_stay_and_get_a_reason(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records: list[dict[str, Any]] = [
        {"text": "good", "n": 1},
        {"text": None, "n": "two"},
        {"text": 5},
        {"text": ["good"], "more": {"a": [1, None]}},
        {"n": 2**70},
    ]
    file = tmp_path / "mixed.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    for output in ("jsonl", "csv", "parquet"):
        out = tmp_path / f"out.{output}"
        assert predict(capsys, run, "--file", file, "--out", out)[0] == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    ours = {"label", "P(class0)", "P(class1)", "reason"}
    assert [{k: v for k, v in row.items() if k not in ours} for row in rows] == records
    reasons = [None, "no text", "not a text but int", "not a text but list", "no text"]
    assert [row["reason"] for row in rows] == reasons
    assert rows_of((tmp_path / "out.csv").read_text())[3]["more"] == '{"a": [1, null]}'
    table = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert table["n"] == ["1", "two", None, None, str(2**70)]
    assert table["text"] == ["good", None, "5", '["good"]', None]


def test_columns_of_ours_that_the_input_has_get_a_number(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "texts.csv"
    file.write_text("text,label,text,reason\ngood,x,bad,y\n")
    code, _, told = predict(capsys, run, "--file", file, "--format", "csv", "--text-column", "text")
    assert code == 1 and "'text' occurs 2 times" in told
    file.write_text("text,label,a,a,reason\ngood,x,1,2,y\n")
    code, printed, told = predict(capsys, run, "--file", file, "--format", "csv")
    (row,) = rows_of(printed)
    assert list(row)[:7] == ["text", "label", "a", "a_2", "reason", "label_2", "P(class0)"]
    assert list(row.values())[:5] == ["good", "x", "1", "2", "y"] and list(row)[-1] == "reason_2"
    assert "has a column 'label'; that of the prediction is called 'label_2'" in told
    assert "column 4 is a further 'a' and is called 'a_2'" in told


@pytest.mark.parametrize("output", ["csv", "jsonl", "parquet"])
def test_an_interrupted_output_is_gone_on_with(
    output: str,
    run: Path,
    reviews: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(text_input, "_ROWS", 2)
    whole, out = tmp_path / f"whole.{output}", tmp_path / f"out.{output}"
    assert predict(capsys, run, "--file", reviews, "--out", whole)[0] == 0
    words = [run, "--file", reviews, "--out", out]
    add, count = PartialOutput.add, iter(range(3))

    def stopped(self: PartialOutput, *given: Any) -> None:
        if next(count, None) is None:
            raise KeyboardInterrupt
        add(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(PartialOutput, "add", stopped)
        code, _, told = predict(capsys, *words)
    assert code == 130 and "--resume goes on after it" in told and not out.exists()
    code, _, told = predict(capsys, *words)
    assert code == 1 and "an unfinished output with 6 rows is in .out" in told
    other = write_csv(tmp_path / "other.csv", TEXTS[::-1])
    code, _, told = predict(capsys, run, "--file", other, "--out", out, "--resume")
    assert code == 1 and "was made with another input; give the same again" in told
    again = run.parents[1] / "tfidf_logreg" / "seed-0"
    code, _, told = predict(capsys, again, "--file", reviews, "--out", out, "--resume")
    assert code == 1 and "was made with another run;" in told
    predicted, call = list[str](), Predictor.__call__

    def recorded(self: Predictor, texts: Any) -> Any:
        predicted.extend(texts)
        return call(self, texts)

    monkeypatch.setattr(Predictor, "__call__", recorded)
    code, _, told = predict(capsys, *words, "--resume")
    assert code == 0 and "11 rows, 6 of them by an earlier start" in told
    assert "2 of the rows of the earlier start have no label" in told
    assert predicted == TEXTS[6:] and not folder_of(out).exists()
    if output == "parquet":
        assert pq.read_table(out).equals(pq.read_table(whole))
    else:
        assert out.read_bytes() == whole.read_bytes()


def test_an_existing_or_unwritable_output_is_refused_before_the_run_is_read(
    reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "out.csv", ["--file", reviews, "--out"]
    out.write_text("precious")
    for target, message in [
        (out, "exists; add --force to replace it"),
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "out.csv", "make it first"),
        (reviews, "is the input itself"),
        (tmp_path / "out.xlsx", "'.xlsx' says no format"),
        (tmp_path / "out.csv.gz", "is not compressed"),
        (Path("/proc/out.csv"), "/proc"),
    ]:
        code, printed, told = predict(capsys, "no-such-run", *file, target)
        assert (code, printed) == (1, "") and message in told, told
        assert told.startswith("error: ") and "no-such-run" not in told
    assert out.read_text() == "precious"


def test_force_replaces(
    run: Path, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (out := tmp_path / "out.csv").write_text("old")
    assert predict(capsys, run, "--file", reviews, "--out", out, "--force")[0] == 0
    assert len(rows_of(out.read_text())) == len(TEXTS)


@pytest.mark.slow  # it starts three interpreters
def test_a_killed_output_is_gone_on_with(run: Path, tmp_path: Path, cold_lit: Command) -> None:
    file = write_csv(tmp_path / "texts.csv", [f"good film {n}" for n in range(5000)])
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    words = ["predict", run, "--file", file, "--out"]
    fault = {"LIT_SENTIMENT_FAULT": "000000001-2048-0:2:0"}  # the second piece is just written
    killed = cold_lit(*words, out, **fault)
    assert killed.returncode == -9 and not out.exists()
    done = cold_lit(*words, out, "--resume")
    assert done.returncode == 0 and "2,048 of them by an earlier start" in done.stderr
    assert cold_lit(*words, whole).returncode == 0 and out.read_bytes() == whole.read_bytes()
