"""Parts of the test split, and texts from elsewhere, as tables of the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from experiments.records.row import ResultsError
from experiments.report.robustness import COLUMNS, ordered
from experiments.report.tables import Table

PARTS = {
    "all": "all",
    "without_copies": "without copies",
    "copies": "copies alone",
    "audited": "audited labels",
}
"""Parts of the test split in a file of `lit-sentiment subsets`, with their headings."""


@dataclass(frozen=True)
class Grid:
    """Plain table.

    Attributes:
        heads: Headings of the columns.
        rows: Texts of each row; the first is the name of the experiment.
        about: Sentence about what is shown.
    """

    heads: list[str]
    rows: list[list[str]]
    about: str


def subsets(table: Table, folder: Path) -> Grid | None:
    """Accuracy on parts of the test split, from the file that `lit-sentiment subsets` wrote.

    Figures that are not of the rows in the table are left out: they are of earlier runs.

    Args:
        table: The table.
        folder: Folder that was read.

    Returns:
        The table; None if there is no such file, or nothing in it is of these rows.
    """
    accuracies = {
        (row.experiment, row.seed, row.excluded): [
            m.accuracy for part in row.parts if (m := row.classified(part))
        ]
        for line in table.lines
        for row in line.rows
        if row.profile == table.profile
    }
    rows, counted = [], 0
    files = [*sorted(folder.glob("*.subsets.json")), folder / "subsets.json"]
    for file in (file for file in files if file.is_file()):
        try:
            content = json.loads(file.read_bytes())
            for entry in content["rows"]:
                key = (str(entry["experiment"]), entry["seed"], entry["excluded"])
                known = accuracies.get(key, [])
                if not any(abs(entry["all"]["accuracy"] - one) < 1e-9 for one in known):
                    continue
                values = [entry.get(part) for part in PARTS]
                cells = [_percent(value and value["accuracy"]) for value in values]
                rows.append([key[0], str(key[1]), str(entry["protocol"]), *cells])
                counted = max(counted, int(entry["copies"]["n"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ResultsError(
                f"{file}: not a file of subsets ({error!r}); run `lit-sentiment subsets` again"
            ) from error
    if not rows:
        return None
    order = {line.experiment: at for at, line in enumerate(table.lines)}
    rows.sort(key=lambda row: (order[row[0]], row[1]))
    about = (
        f"{counted:,} test reviews have a copy in train, and some labels are wrong. Both are part "
        "of every published figure; here is their effect. Audited: labels that five people "
        "reviewed are changed or left out."
    )
    shown = {row[0] for row in rows}
    if without := [line.experiment for line in table.lines if line.experiment not in shown]:
        about += f" Not computed for {', '.join(without)}."
    return Grid(
        ["Experiment", "Seed", "Protocol", *(f"{h}, %" for h in PARTS.values())], rows, about
    )


def robustness(folder: Path) -> Grid | None:
    """Accuracy on contrast sets, typos and other sentences, as `lit-sentiment robustness` left it.

    Args:
        folder: A published folder or a benchmark folder.

    Raises:
        ResultsError: A file is damaged.
    """
    published = sorted((folder / "robustness").glob("*.npz"))
    files = [*published, *sorted(folder.glob("*/seed-*/robustness.npz"))]
    if not files:
        return None
    from experiments.inference.robustness import read_result  # loads torch

    results = [read_result(file) for file in files]
    rows = []
    for one in ordered(results):
        figures = one.figures()
        cells = [_percent(figures.get(key)) for _, key in COLUMNS]
        rows.append([str(one.run["experiment"]), str(one.run["seed"]), *cells])
    about = (
        "Pairs of an original review and one that people revised so that its label changed (both: "
        "the share of pairs with both right), reviews with mistyped letters, without punctuation "
        "or in lower case, and sentences of another site. The originals were kept out of training, "
        "so these models are not those of the table above."
    )
    return Grid(["Experiment", "Seed", *(f"{head}, %" for head, _ in COLUMNS)], rows, about)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"
