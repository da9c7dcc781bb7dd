"""The report as Markdown, for a repository page or a message."""

from experiments.report.tables import Table


def render_markdown(title: str, tables: list[Table]) -> str:
    """Write all tables as GitHub Markdown.

    Args:
        title: Name of the benchmark.
        tables: From `build_tables`.

    Returns:
        The document; the best value of a column is bold.
    """
    parts = [f"# Text classifiers: {escape(title)}\n"]
    for table in tables:
        parts.append(f"## {escape(f'{table.corpus}, {table.protocol}, profile {table.profile}')}\n")
        parts.append("".join(f"- {name}: {escape(text)}\n" for name, text in table.facts))
        parts += [f"> {escape(note)}\n" for note in table.notes]
        if table.lines:
            parts.append(_grid(table))
            parts.append(
                "Means over seeds, ± sample standard deviation where there are at least two. F1, "
                "AUROC, log loss and ECE are on test. Bold: best of the column.\n"
            )
        if table.without_result:
            parts.append("Runs without a result:\n")
            parts.append(
                "".join(
                    f"- {escape(row.experiment)}, seed {row.seed}: {row.status}: "
                    f"{escape(row.reason or '')}\n"
                    for row in table.without_result
                )
            )
    return "\n".join(parts)


def _grid(table: Table) -> str:
    heads = ["Experiment", "Architecture", "Seeds"]
    heads += [c.title + (f" ({c.unit})" if c.unit else "") for c in table.columns]
    lines = [heads, ["---", "---", "---", *("---:" for _ in table.columns)]]
    for line in table.lines:
        cells = [line.experiment, line.architecture, ", ".join(map(str, line.seeds))]
        cells = [escape(cell) for cell in cells]
        for column in table.columns:
            text = column.text(line.values[column.key], len(line.seeds))
            best = line.experiment in table.best[column.key]
            cells.append(f"**{text}**" if best else text)
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def escape(text: str) -> str:
    """One line in which neither a table's bars nor markup of the text have an effect."""
    text = " ".join(text.split())
    for mark in "\\|<>*_`[]#":
        text = text.replace(mark, "\\" + mark)
    return text
