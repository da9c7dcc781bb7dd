"""Write the table of names into CHANGELOG.md: `python -m datamodules.upgrade CHANGELOG.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from datamodules.upgrade.names import (
    DATA_SETTINGS,
    EXPERIMENTS,
    KERAS,
    MODEL_SETTINGS,
    MODULES,
    VALUES,
)
from datamodules.upgrade.renamed import NAMES

BEGIN, END = "<!-- names -->", "<!-- /names -->"


def markdown() -> str:
    """All tables of old and new names, as Markdown."""
    models = {f"{old} with variant: seed": new for old, (new, _, _) in KERAS.items()}
    data = {
        f"{old} of {path}": new
        for path, names in DATA_SETTINGS.items()
        for old, new in names.items()
    }
    values = {
        f"{name}: {old} of {path}": f"{name}: {new}"
        for (path, name), pairs in VALUES.items()
        for old, new in pairs.items()
    }
    tables = (
        ("Settings of models", MODEL_SETTINGS),
        ("Settings of corpora and tokenizers", data | values),
        ("Experiments", EXPERIMENTS),
        ("Models", models),
        ("Classes and functions", NAMES),
        ("Modules", MODULES),
    )
    return "\n\n".join(f"### {title}\n\n{_table(names)}" for title, names in tables)


def write(file: Path) -> None:
    """Replace what is between the marks of a file."""
    text = file.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    file.write_text(f"{head}{BEGIN}\n\n{markdown()}\n\n{END}{tail}", encoding="utf-8")


def _table(names: dict[str, str]) -> str:
    rows = [f"| `{old}` | `{new}` |" for old, new in sorted(names.items())]
    return "\n".join(["| before | today |", "|---|---|", *rows])


if __name__ == "__main__":
    write(Path(sys.argv[1]))
