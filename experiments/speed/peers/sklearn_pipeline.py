"""A plain scikit-learn pipeline: counts of n-grams, naive-Bayes ratios, logistic regression."""

from __future__ import annotations

import csv
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Measure the way from a file of raw texts to a fitted model, and its accuracy.

    Args:
        job: `train` and `validation`: CSV files with the columns `text` and `label`; `ngrams`,
            `min_df`, `smoothing`, `C`, `max_iter`: as the suite's experiment has them.
    """
    import numpy as np
    import scipy.sparse as sp
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    class Ratios(TransformerMixin, BaseEstimator):
        """Naive-Bayes log-count ratios of the n-grams that a text has (Wang & Manning 2012)."""

        def __init__(self, smoothing: float = 1.0) -> None:
            self.smoothing = smoothing

        def fit(self, counts: Any, labels: Any) -> Ratios:
            labels = np.asarray(labels)
            p, q = (
                self.smoothing + np.asarray(counts[labels == label].sum(axis=0)).ravel()
                for label in (1, 0)
            )
            self.ratios_ = np.log((p / p.sum()) / (q / q.sum()))
            return self

        def transform(self, counts: Any) -> Any:
            return counts @ sp.diags_array(self.ratios_)

    started = time.perf_counter()
    texts, labels = _read(job["train"])
    pipeline = make_pipeline(
        CountVectorizer(
            ngram_range=(1, job["ngrams"]),
            min_df=job["min_df"],
            binary=True,
            token_pattern=r"\w+(?:'\w+)*|[^\w\s]",  # marks are words, as in the suite
            dtype=np.float64,
        ),
        Ratios(job["smoothing"]),
        Normalizer(copy=False),
        LogisticRegression(C=job["C"], max_iter=job["max_iter"]),
    )
    pipeline.fit(texts, labels)
    seconds = time.perf_counter() - started
    texts, labels = _read(job["validation"])
    return {
        "seconds": seconds,
        "parameters": int(pipeline[-1].coef_.size + 1),
        "accuracy": float(pipeline.score(texts, labels)),
    }


def _read(file: str) -> tuple[list[str], list[int]]:
    with open(file, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [row["text"] for row in rows], [int(row["label"]) for row in rows]


def versions() -> dict[str, str]:
    """Versions of what is measured."""
    import numpy as np
    import sklearn

    found = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
    return {"python": platform.python_version(), **found}


def main() -> None:
    """Print the result as JSON on the last line."""
    csv.field_size_limit(2**31 - 1)
    word = sys.argv[1]
    result = versions() if word == "--versions" else measure(json.loads(Path(word).read_text()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
