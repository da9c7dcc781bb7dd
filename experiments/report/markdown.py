"""The report as Markdown."""

from collections.abc import Sequence

from experiments.records.row import Problem
from experiments.report.classes import class_grid
from experiments.report.facts import LARGEST_CLASS, seeds_text
from experiments.report.missing import MissingRun, count_in_words
from experiments.report.tables import Table
from experiments.statistics.intervals import Interval
from experiments.statistics.ranks import Rank


def render_markdown(title: str, tables: list[Table], missing: Sequence[MissingRun] = ()) -> str:
    """Write all tables as GitHub Markdown.

    Args:
        title: Name of the benchmark.
        tables: From `build_tables`.
        missing: Runs without a row.

    Returns:
        The document; the best value of each column is bold.
    """
    parts = [f"# Text classifiers: {escape(title)}\n"]
    for table in tables:
        parts.append(f"## {escape(table.title)}\n")
        parts.append("".join(f"- {name}: {escape(text)}\n" for name, text in table.facts))
        parts += [f"> {escape(note)}\n" for note in table.notes]
        if table.lines:
            parts.append(_grid(table))
            parts.append(
                "Means over seeds, ± sample standard deviation for at least two. "
                f"{explain_quality(table)} p50: the median. Bold: the best of the column."
                f"{explain_intervals(table)}\n"
            )
            parts += _classes(table)
        if table.without_result:
            parts.append("Runs without a result:\n")
            parts.append(
                "".join(
                    f"- {escape(row.experiment)}, seed {row.seed}: {row.status}: "
                    f"{escape(row.reason or '')}\n"
                    for row in table.without_result
                )
            )
    if missing:
        parts.append(count_in_words(missing) + "\n")
        parts.append(
            "".join(f"- {escape(m.experiment)}, seed {m.seed}: {m.state}\n" for m in missing)
        )
    return "\n".join(parts)


def _grid(table: Table) -> str:
    heads = ["Experiment", "Architecture", "Seeds"]
    rule = ["---", "---", "---"]
    for column in table.columns:
        heads.append(column.title + (f" ({column.unit})" if column.unit else ""))
        rule.append("---:")
        if column.key in table.analyses:
            heads += ["95% interval", "Group", "Rank"]
            rule += ["---", "---", "---"]
        elif column.key in table.with_interval:
            heads.append("95% interval")
            rule.append("---")
    lines = [heads, rule]
    for line in table.lines:
        cells = [line.label, line.architecture, seeds_text(line.seeds)]
        cells = [escape(cell) for cell in cells]
        for column in table.columns:
            text = column.text(line.values[column.key], len(line.seeds))
            best = line.experiment in table.best[column.key]
            cells.append(f"**{text}**" if best else text)
            if column.key in table.analyses:
                interval = interval_text(line.intervals.get(column.key))
                cells += [interval, line.groups.get(column.key) or "–"]
                cells.append(rank_text(line.ranks.get(column.key)))
            elif column.key in table.with_interval:
                one = line.intervals.get(column.key)
                cells.append(interval_text(one, column.scale, column.decimals))
        lines.append(cells)
    if table.largest_class:
        cells = [LARGEST_CLASS, "–", "–"]
        for column in table.columns:
            share = table.largest_class.get(column.key)
            cells.append("–" if share is None else f"{share:.2f}")
            cells += ["–"] * 3 if column.key in table.analyses else []
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _classes(table: Table) -> list[str]:
    sentence, cells = class_grid(table)
    if not cells:
        return []
    rule = ["---", "---", *["---:"] * (len(cells[0]) - 2)]
    lines = [cells[0], rule, *([escape(cell) for cell in line] for line in cells[1:])]
    return [f"{sentence}\n", "".join(f"| {' | '.join(line)} |\n" for line in lines)]


def explain_quality(table: Table) -> str:
    """Explain the figures of quality, for the text below a table."""
    return _QUALITY[table.problem].format(part=quality_of(table))


_QUALITY: dict[Problem, str] = {
    "classification": "F1 (averaged over the classes), AUROC (area under the ROC curve), log loss "
    "and ECE are on {part}. Log loss is the mean negative logarithm of the probability given to "
    "the right label, in nats (natural logarithm). ECE, the expected calibration error, is the "
    "average gap between confidence and accuracy.",
    "multi-label classification": "A text may have several labels. Micro F1 counts all pairs of a "
    "text and a label; macro F1 is the mean F1 of the labels. All right is the share of texts of "
    "which exactly the right labels are predicted. AUROC (the area under the ROC curve) is the "
    "mean over the labels that some texts have and some lack, log loss the mean binary "
    "cross-entropy of texts and labels, in nats.",
    "language modelling": "Perplexity is exp of the mean negative logarithm of the probability "
    "given to each word and to the end of each text; all unknown words are the same word. Bits a "
    "character are the negative binary logarithm of the probability of all texts, over their "
    "number of characters. No test text was learnt from.",
    "transcription": "PER is the number of insertions, deletions and substitutions of phones that "
    "lead to the nearest right answer, per phone of it; WER is the share of words without a right "
    "answer.",
    "tagging": "F1 is the harmonic mean of precision and recall, over all words. Where marks are "
    "put back, the main one is the mean of those of comma, period and question mark; that of "
    "capitals counts words whose case is not lower and is the right one. In a corpus with tags of "
    "its own it is that of all spans, or the share of right tags. Figures of single marks are on "
    "{part}. Log loss is per word, in nats.",
}


def quality_of(table: Table) -> str:
    """Part of the predictions that F1, AUROC, log loss and ECE are about."""
    tested = any(row.tested for line in table.lines for row in line.rows)
    return "test, of the first fit" if tested else "validation"


def explain_intervals(table: Table) -> str:
    """Explain intervals and letters, for the text below a table."""
    if not table.intervals:
        return ""
    figure = "accuracy" if table.analyses else "figure"
    text = f" The interval holds the {figure} with 95% confidence, over reviews and seeds"
    if any(one.reviews_only for one in table.intervals):
        text += " (\\*: one seed, reviews only)"
    text += "."
    if not table.analyses:
        return text
    text += " Experiments that share a letter do not differ significantly (5%, Holm)."
    return text + explain_ranks(table) + explain_untested(table)


def explain_ranks(table: Table) -> str:
    """Explain ranks; empty without any."""
    if not any(line.ranks for line in table.lines):
        return ""
    return (
        " Rank: the place among the experiments with letters, its 95% interval, and the chance of "
        "being first."
    )


def explain_untested(table: Table) -> str:
    """Say why some experiments have no letter; empty if all have one."""
    if not table.untested:
        return ""
    return (
        " An experiment without a letter has one seed: what another would give is not known, so it "
        "is not tested."
    )


def interval_text(interval: Interval | None, scale: float = 100, decimals: int = 2) -> str:
    """Format an interval, `[90.68, 91.39]`, with a star if there is only one seed.

    Args:
        interval: The interval.
        scale: Factor from its numbers to the unit, 100 for percent.
        decimals: Digits after the point.
    """
    if interval is None:
        return "–"
    star = "\\*" if interval.reviews_only else ""
    low, high = (f"{scale * end:,.{decimals}f}" for end in (interval.low, interval.high))
    return f"[{low}, {high}]{star}"


def rank_text(rank: Rank | None) -> str:
    """Format a rank with its 95% interval and the chance of being first: `2 [1–4], 20%`."""
    if rank is None:
        return "–"
    ends = f" [{rank.low}–{rank.high}]" if rank.low < rank.high else ""
    return f"{rank.rank}{ends}, {100 * rank.first:.0f}%"


def escape(text: str) -> str:
    """Escape Markdown in a text and join its lines."""
    text = " ".join(text.split())
    for mark in "\\|<>*_`[]#":
        text = text.replace(mark, "\\" + mark)
    return text
