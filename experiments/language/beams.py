"""Beam search against greedy search of finished transcription runs, on their validation words.

python -m experiments.language.beams RUN … --beam 8 --out docs/pronunciation.md

`--out` writes the table between the marks `<!-- beams -->` and `<!-- /beams -->` of a document.
The words of the test split are not looked at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from datamodules.errors import DataError
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.inference.predictor import load_model
from experiments.machine.marked import fill
from experiments.records.atomic import replace_bytes
from experiments.records.problems.hypotheses import Hypotheses
from experiments.records.row import ResultsError
from experiments.report.evidence import string_errors
from experiments.training.fitting import build_and_setup
from experiments.training.measure import predict
from lit_models.sequences.model import LitTranscriber

MARK = "beams"


def search(folder: Path, widths: Sequence[int]) -> list[Hypotheses]:
    """Write the strings of a run's validation words by beams of some widths, 1 for greedy search.

    Raises:
        ConfigError: The folder is not a finished run of a transcription model, or a width is 0.
        ResultsError, DataError, Untrusted: See `load_model`.
    """
    if min(widths) < 1:
        raise ConfigError(f"--beam is {min(widths)}; it must be at least 1")
    model = load_model(folder).model
    if not isinstance(model, LitTranscriber):
        raise ConfigError(f"{folder}: {type(model).__name__} writes no strings; name another run")
    resolved = Resolved.of_run(folder)
    _, data = build_and_setup(resolved)
    trainer = resolved.cli.make_trainer(logger=False, default_root_dir=folder)
    found = []
    for width in widths:
        model.beam_width = width
        written = predict(trainer, model, data, "val")
        assert isinstance(written, Hypotheses)
        found.append(written)
    return found


def lines(folders: Sequence[Path], width: int) -> list[str]:
    """Table of runs, greedy search and a beam of each."""
    heading = ["experiment", "search", "ln p", "PER %", "WER %", "WER minus greedy"]
    table = [f"| {' | '.join(heading)} |", "|---|---|---:|---:|---:|---:|"]
    ids: list[int] = []
    for folder in folders:
        name, searches = load_model(folder).row.experiment, search(folder, [1, width])
        greedy = searches[0]
        ids = ids or greedy.ids.tolist()
        if ids != greedy.ids.tolist():
            raise ConfigError(
                f"{folder} has other validation words than {folders[0]}; compare it alone"
            )
        for title, one in zip(["greedy", f"beam of {width}"], searches, strict=True):
            metrics = one.evaluate()
            same = one is greedy
            gap = None if same else string_errors([one], [greedy], draws=False)
            figures = [
                f"{one.log_probabilities.astype(float).mean():.4f}",
                f"{100 * metrics.symbol_error_rate:.2f}",
                f"{100 * metrics.string_error_rate:.2f}",
                f"{100 * gap.mean:+.2f} [{100 * gap.low:+.2f}, {100 * gap.high:+.2f}]"
                if gap
                else "",
            ]
            table.append(f"| `{name}` | {title} | {' | '.join(figures)} |")
    note = (
        f"{len(ids):,} validation words. ln p is the mean log-probability of what was written, in "
        "nats; the interval is one of 95% over words."
    )
    return [note, "", *table]


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare; print the table or write it into a document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a finished run's folder")
    parser.add_argument("--beam", type=int, default=8, help="width of the beam (default 8)")
    parser.add_argument("--out", type=Path, help="document with the marks; printed without it")
    chosen = parser.parse_args(arguments)
    document = ""
    try:
        if chosen.out:
            document = chosen.out.read_text(encoding="utf-8")
            fill(document, MARK, "")  # before anything is computed
        table = "\n".join(lines(chosen.runs, chosen.beam))
    except (ConfigError, DataError, ResultsError, OSError, ValueError) as error:
        parser.error(f"{error}")
    if chosen.out:
        replace_bytes(chosen.out, fill(document, MARK, table).encode())
    print(table, file=sys.stderr if chosen.out else sys.stdout)


if __name__ == "__main__":
    main()
