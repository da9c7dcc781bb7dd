"""The figures of docs/language-models.md that follow from published rows and from finished runs.

python -m experiments.language.page --out docs/language-models.md --runs DIR

The table between the marks `language-models`, and the pictures beside the document, come from the
published rows and their evidence. The samples between the marks `samples` come from the runs of
language models below DIR; without `--runs` they stay as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.language.figure import FILES, PARTS, Dots, draw_svg, summary
from experiments.language.generation import Generator, Settings
from experiments.machine.marked import fill
from experiments.records.atomic import replace_bytes
from experiments.records.logs import RESULTS
from experiments.records.problems.scores import Scores
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import ROW_FILE, read_row, read_table
from experiments.report.columns import peak_share
from experiments.report.picture.symbols import THEMES
from experiments.report.terminal import compact
from experiments.statistics.perplexity import perplexity_interval
from experiments.statistics.reading import read_run_outputs

TABLE = "imdb_language"
BASELINE = "ngram_lm"
PROMPT = "this movie was"
_TOKENS = 40


def tested_scores(results: Path) -> dict[str, list[tuple[Row, Scores]]]:
    """Rows and test scores of each published language model, by falling quality.

    Raises:
        ResultsError: Nothing is published, or not the scores of language models of the same texts.
    """
    found: dict[str, list[tuple[Row, Scores]]] = {}
    first: Scores | None = None
    file = results / f"{TABLE}.jsonl"
    for row in read_table(file):
        scores = read_run_outputs(row, file)["test"]
        if not isinstance(scores, Scores):
            raise ResultsError(f"{file}: {row.experiment} is no language model; remove its row")
        first = first or scores
        if not (
            np.array_equal(first.ids, scores.ids) and np.array_equal(first.symbols, scores.symbols)
        ):
            raise ResultsError(
                f"{file}: {row.experiment}, seed {row.seed} was evaluated on other texts than the "
                "first row; publish it under another --table"
            )
        found.setdefault(row.experiment, []).append((row, scores))
    order = sorted(found, key=lambda name: _mean_loss([scores for _, scores in found[name]]))
    return {name: found[name] for name in order}


def table(models: dict[str, list[tuple[Row, Scores]]]) -> Iterator[str]:
    """Lines of the table, the best model first."""
    baseline = models.get(BASELINE)
    yield (
        "| experiment | perplexity | against `ngram_lm` | bits a character | parameters | "
        "training, min | words/s | of the peak |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, runs in models.items():
        rows = [row for row, _ in runs]
        scores = [one for _, one in runs]
        losses = np.stack([-one.log_probabilities for one in scores])
        draws = not rows[0].deterministic
        own = perplexity_interval(losses, scores[0].symbols, scores[0].groups, draws=draws)
        assert own is not None
        star = "\\*" if own.reviews_only else ""
        against = "–"
        if baseline is not None and name != BASELINE:
            less = losses + baseline[0][1].log_probabilities
            ratio = perplexity_interval(less, scores[0].symbols, scores[0].groups, draws=draws)
            assert ratio is not None
            against = f"{ratio.mean:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]{star}"
        bits = np.mean([row.test.bits_per_character for row in rows if row.test])  # type: ignore[union-attr]
        minutes = np.mean([row.fit_seconds or 0.0 for row in rows]) / 60
        rates = [row.train_tokens_per_second for row in rows]
        rate = "–" if None in rates else f"{np.mean(np.array(rates, dtype=float)):,.0f}"
        shares = [one for row in rows if (one := peak_share(row)) is not None]
        share = f"{np.mean(shares):.1f}%" if shares else "–"
        yield (
            f"| `{name}` | {own.mean:.1f} [{own.low:.1f}, {own.high:.1f}]{star} | {against} | "
            f"{bits:.3f} | {compact(rows[0].parameters or 0)} | {minutes:.1f} | {rate} | {share} |"
        )


def thirds(models: dict[str, list[tuple[Row, Scores]]]) -> list[Dots]:
    """Perplexity of each third of the texts by length; a model's is the mean over its seeds."""
    lines = []
    for name, runs in models.items():
        scores = [one for _, one in runs]
        parts = np.array_split(np.argsort(scores[0].symbols, kind="stable"), len(PARTS))
        losses = [_mean_loss(scores, part) for part in parts]
        lines.append(Dots(name, tuple(float(np.exp(loss)) for loss in losses)))
    return lines


def samples(runs: Path) -> Iterator[str]:
    """Text that each language model below a folder writes after the same words."""
    yield (
        f"After “{PROMPT}”, {_TOKENS} symbols drawn at temperature 1 with seed 0, without `<unk>`:"
    )
    yield ""
    yield "| experiment | text |"
    yield "|---|---|"
    for file in sorted(runs.rglob(f"seed-0/{ROW_FILE}")):
        row = read_row(file.parent)
        if row.status != "ok" or row.problem != "language modelling":
            continue
        [text] = Generator(file.parent)(Settings(prompt=PROMPT, longest=_TOKENS, seed=0))
        end = "" if text.ended else " …"
        yield f"| `{row.experiment}` | {text.text.replace('|', '&#124;')}{end} |"


def _mean_loss(scores: Sequence[Scores], texts: np.ndarray | slice = slice(None)) -> float:
    """Mean -ln p of a symbol, over all runs, of some texts."""
    total = sum(-one.log_probabilities[texts].sum() for one in scores)
    return float(total / sum(one.symbols[texts].sum() for one in scores))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the document and its pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="document with the marks")
    parser.add_argument("--runs", type=Path, help="folder of runs, for samples")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the published folder")
    chosen = parser.parse_args(arguments)
    models = tested_scores(chosen.results)
    lines = thirds(models)
    for theme, file in FILES.items():
        replace_bytes(chosen.out.parent / file, draw_svg(lines, THEMES[theme]).encode())
    picture = [
        "<picture>",
        f'  <source media="(prefers-color-scheme: dark)" srcset="{FILES["dark"]}">',
        f'  <img src="{FILES["light"]}" alt="{summary(lines)}">',
        "</picture>",
    ]
    text = chosen.out.read_text(encoding="utf-8")
    text = fill(text, "language-models", "\n".join([*table(models), "", *picture]))
    if chosen.runs:
        text = fill(text, "samples", "\n".join(samples(chosen.runs)))
    replace_bytes(chosen.out, text.encode())


if __name__ == "__main__":
    main()
