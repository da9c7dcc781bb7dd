"""Model cards of runs whose strings are meant to break them."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import pytest
import yaml

from experiments.export.card import Exported, escape, model_card, one_line
from experiments.export.check import Check
from experiments.records.run_files import read_row

ATTACKS = (
    "<script>alert(1)</script>",
    "quote\" and 'quote'",
    "two\nlines\n# heading",
    "---\nlicense: mit\n---",
    "[link](javascript:alert(1))",
    "![image](http://example.org/x.png)",
    "www.example.org http://example.org",
    "| cell | cell",
    "`code` ${HOME} {{ 7 * 7 }} {% raw %}",
    "\x1b[31mred\x07 \u202eright to left",
    "&lt;b&gt; @someone ~~struck~~ *bold* _italic_",
    "- item\n+ item\n1. item",
    "!!python/object/apply:os.system ['true']",
)


def _card(folder: Path, **changes: object) -> str:
    row = dataclasses.replace(read_row(folder), **changes)  # type: ignore[arg-type]
    labels = (ATTACKS[0], ATTACKS[2])
    check = Check(1000, "1,000 of random words", 0, 1e-7, 0.0, 1e-4)
    return model_card(Exported(row, folder, "holdout", labels, "onnx", None, check, [], 10**6))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_string_of_the_run_stays_text(attack: str, finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished / "bag" / "seed-0", tmp_path / "run"))
    plain = _card(folder, experiment="plain", corpus="plain", notes=["plain"])
    card = _card(folder, experiment=attack, corpus=attack, notes=[attack], family=attack)
    _, header, body = card.split("---\n", 2)
    settings = yaml.safe_load(header)
    assert settings["license"] == "other" and settings["tags"][2] == one_line(attack)
    assert settings["model-index"][0]["name"] == one_line(attack)
    # No line, heading, cell or tag more than in a card of plain strings.
    marks = [r"\n", r"\n#", r"\]\(", r"!\[", "http:", r"www\.", "\x1b", "\u202e"]
    for mark in [*marks, *(rf"[^\\][{one}]" for one in "<&|`")]:
        expected = len(re.findall(mark, plain.split("---\n", 2)[2]))
        assert len(re.findall(mark, body)) == expected, mark
    assert escape(attack) in body


def test_escape_leaves_plain_words_as_they_are() -> None:
    assert escape("very good, 10/10; isn't it?") == "very good, 10/10; isn't it?"
    assert escape("a_b\n <c>\t[d]") == r"a\_b \<c\> \[d\]"


def test_a_run_that_was_not_tested_says_so(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished / "bag" / "seed-0", tmp_path / "run"))
    card = _card(folder, test=None)
    assert "The run was not evaluated on test" in card and "30 validation texts" in card
