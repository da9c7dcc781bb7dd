"""`lit-sentiment explain` on finished runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import load_run
from experiments.cli.main import main

TEXTS = ["A good film.", "bad and boring <script>alert(1)</script>"]


def test_explanations_agree_with_predictions(finished: Path) -> None:
    for name in ("bag", "tfidf_logreg"):
        run = load_run(finished / name / "seed-0")
        predictions = run.predict([*TEXTS, "", " \n"])
        found = run.explain([*TEXTS, "", " \n"])
        assert [one.label for one in found] == predictions.labels
        assert [one.reason for one in found] == [None, None, "empty text", "blank text"]
        for one, row in zip(found[:2], predictions.probabilities, strict=False):
            assert one.probability == row.max() and one.method == "exact"
            assert [t.token for t in one.tokens] == [one.text[t.start : t.end] for t in one.tokens]


def test_one_string_is_no_list_of_texts(finished: Path) -> None:
    with pytest.raises(TypeError, match=r"write \[text\]"):
        load_run(finished / "bag" / "seed-0").explain("A good film.")


def test_a_table_and_a_page(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    words = ["explain", str(finished / "bag" / "seed-0"), *TEXTS, "", "--html", str(out)]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert TEXTS[1] in shown.out and "no label: empty text" in shown.out
    assert "3 explanations" in shown.err
    content = out.read_text(encoding="utf-8")
    assert "<script" not in content and "&lt;" in content
    assert main(words) == 1 and "add --force to replace it" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == content
    assert main([*words, "--force"]) == 0


def test_json(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(finished / "tfidf_logreg" / "seed-0")
    assert main(["explain", run, *TEXTS, " ", "--format", "json", "--method", "occlusion"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["method"] for one in found] == ["occlusion", "occlusion", ""]
    assert found[0]["tokens"][1]["token"] == "good" and found[2]["reason"] == "blank text"
    assert found[0]["tokens"][1].keys() == {"token", "start", "end", "contribution"}


@pytest.mark.parametrize(
    "words, message",
    [
        (["--method", "integrated-gradients"], "choose 'exact' or 'occlusion'"),
        (["--html", "."], "is a folder"),
        (["--html", "nowhere/page.html"], "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_is_refused(
    finished: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(finished / "bag" / "seed-0"), "A film.", *words]) == 1
    assert message in capsys.readouterr().err


def test_a_megabyte_of_text(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = load_run(finished / "bag" / "seed-0")
    longest = run.encoder.token_truncation.max_length
    (found,) = run.explain(["good film " * 100_000])
    assert len(found.tokens) == (longest or 200_000)
