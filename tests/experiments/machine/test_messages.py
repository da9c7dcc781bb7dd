"""Messages of libraries: those that nobody can act on are gone, the others stay."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator

import pytest
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from sklearn.exceptions import ConvergenceWarning

from experiments.machine.messages import quiet_libraries


@pytest.fixture(autouse=True)
def as_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "warnoptions", [])
    names = ("lightning.pytorch", "lightning.fabric", "transformers", "gensim")
    before = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.resetwarnings()
        yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def warned(message: str, category: type[Warning] = UserWarning) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn(message, category, stacklevel=2)
    return bool(caught)


@pytest.mark.parametrize(
    ("message", "category"),
    [
        ("Checkpoint directory /a b/seed-0 exists and is not empty.", UserWarning),
        ("`isinstance(treespec, LeafSpec)` is deprecated, use …", UserWarning),
        ("something is going away", FutureWarning),
        ("something is going away", DeprecationWarning),
    ],
)
def test_what_nobody_can_act_on_is_not_shown(message: str, category: type[Warning]) -> None:
    assert warned(message, category)
    quiet_libraries()
    assert not warned(message, category)


@pytest.mark.parametrize(
    ("message", "category"),
    [
        ("lbfgs failed to converge; increase max_iter", ConvergenceWarning),
        ("the file ends in the middle of a row", UserWarning),
        ("overflow encountered in exp", RuntimeWarning),
    ],
)
def test_what_a_user_can_act_on_stays(message: str, category: type[Warning]) -> None:
    quiet_libraries()
    assert warned(message, category)


def test_lightning_keeps_its_warnings_and_loses_its_tips(caplog: pytest.LogCaptureFixture) -> None:
    quiet_libraries()
    rank_zero_info("Tip: try another product")
    logging.getLogger("lightning.pytorch.callbacks").warning("the metric is missing")
    assert "Tip" not in caplog.text
    with warnings.catch_warnings(record=True) as caught:
        rank_zero_warn("ReduceLROnPlateau has no metric")
    assert caught


def test_a_user_who_asks_for_warnings_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "warnoptions", ["default"])
    quiet_libraries()
    assert warned("something is going away", FutureWarning)
