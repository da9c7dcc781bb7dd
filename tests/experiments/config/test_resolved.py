"""Resolved settings: the check of what they name also holds for the second fit of `refit`."""

from __future__ import annotations

import copy

import pytest

from datamodules import trusted
from datamodules.trusted import Untrusted
from experiments.config.resolved import Resolved

SETTINGS = {
    "model": {"class_path": "lit_models.bag.Bag"},
    "data": {"class_path": "tests.toys.ToyData"},
}


@pytest.mark.parametrize("part", ["model", "data"])
@pytest.mark.parametrize("step", ["resolve", "build"])
def test_the_second_fit_imports_nothing_that_the_first_may_not(
    part: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusted, "_typed", set())
    refused: set[str] = set()

    def check(path: str) -> None:
        if path in refused:
            raise Untrusted(f"{path} is not trusted")

    first = Resolved(copy.deepcopy(SETTINGS), check=check)
    second = first.refitted() if step == "build" else None
    refused.add(SETTINGS[part]["class_path"])
    with pytest.raises(Untrusted, match=SETTINGS[part]["class_path"]):
        first.refitted() if second is None else second.build()
    assert not trusted._typed, "what a file names was taken for typed"
