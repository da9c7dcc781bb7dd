"""Names that become files and folders: of benchmarks, experiments and published tables."""

from __future__ import annotations

import re

from experiments.config.registry import ConfigError

REPORT_FILES = ("report.md", "report.html")  # what `report` writes into a folder
NAME = re.compile(r"\w[\w.+-]*")
LONGEST = 120  # bytes; file systems allow 255, and endings such as `-seed-0.npz` are added
_ELSEWHERE = re.compile(r".*[/\\\0]|[A-Za-z]:|\.{0,2}\Z", re.DOTALL)


def check_name(name: str, what: str) -> None:
    """Refuse a name for what is about to be made unless it can be that of a file or folder.

    Args:
        name: the name.
        what: what has it, for the message.

    Raises:
        ConfigError: it cannot.
    """
    if not NAME.fullmatch(name) or len(name.encode()) > LONGEST:
        raise ConfigError(
            f"{what} {name!r} must be a plain folder name: letters, digits, _ . + -, the first a "
            f"letter, a digit or _, at most {LONGEST} bytes; choose another"
        )


def check_part(name: str, what: str) -> str:
    """Return a name that was read if it can be one part of a path, as older names with spaces.

    Raises:
        ValueError: it leads to another folder.
    """
    if _ELSEWHERE.match(name):
        raise ValueError(
            f"{what} is {name!r}; it becomes one part of a path: no / or \\, no . or .."
        )
    return name
