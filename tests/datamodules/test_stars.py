"""Stars of the official reviews, from their names to the view of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.corpora import SmallIMDB


def test_stars_are_read_from_the_names_of_reviews(aclimdb: Path, tmp_path: Path) -> None:
    data = SmallIMDB(root=str(aclimdb), cache_dir=str(tmp_path))
    data.prepare_data()
    data.setup()
    for split in ("train", "test"):
        stars = data.stars(split)
        assert stars is not None and stars.dtype == np.int64
        assert stars.tolist() == [2] * 20 + [9] * 20
    rows, view = data.train_indices(), data.train_view()
    assert view.stars is not None
    assert view.stars.tolist() == [2 if row < 20 else 9 for row in rows]
    soft = view.with_soft_labels(np.array([0]), np.array([[0.2, 0.8]]))
    assert soft.stars is None  # unlabelled reviews have none
