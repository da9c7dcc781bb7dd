"""The measurement of explanations: reviews of the median length, one at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.speed import explain


def test_each_review_is_timed_alone(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["good film", "bad film", "a film"]
    monkeypatch.setattr(explain, "median_reviews", lambda count: texts[:count])
    found = explain.measure(finished / "bag" / "seed-0", 3, 1, None)
    assert found["reviews"] == 3 and found["method"] == "exact" and found["words"] == 2
    assert 0 < found["seconds_p50"] <= found["seconds_largest"] and found["steps"] == []


def test_the_reviews_are_those_nearest_to_the_median() -> None:
    lengths = [len(text.split()) for text in explain.median_reviews(40)]
    assert min(lengths) >= 165 and max(lengths) - min(lengths) <= 3
