"""Audit as a CSV of findings, as JSON, and as lines for a terminal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from datamodules.console import clipped, visible
from experiments.audit.audit import COPIES, ODD, Finding, JudgedLabels, Report
from experiments.config.registry import ConfigError
from experiments.inference.partial import check_output
from experiments.records.atomic import replace_bytes

_ODD_WORDS = {
    "empty": "without words",
    "short": "very short",
    "foreign": "in another language or script",
    "encoding": "with wrongly decoded characters",
}
_VOTES = {
    "failed": "labels without a majority of votes, against the confirmed ones",
    "other class": "labels voted into the other class, against the confirmed ones",
    "all rows": "labels without a majority, against all other test rows",
}


def check_out(out: Path, force: bool) -> None:
    """Refuse a file that cannot be written, before the work.

    Raises:
        ConfigError: It exists, is a folder, or its ending says no format.
        OSError: Its folder cannot be written to.
    """
    if out.suffix.lower() not in (".csv", ".json") and not out.is_dir():
        raise ConfigError(
            f"--out {out}: the ending {out.suffix!r} says no format; give .csv (a row for each "
            "finding) or .json (the figures too)"
        )
    check_output(out, None, force, resume=False)


def write_report(report: Report, out: Path) -> None:
    """Write an audit, whole or not at all: the findings as CSV, or everything as JSON."""
    names = [one.name for one in fields(Finding)]
    if out.suffix.lower() == ".csv":
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        for finding in report.findings:
            writer.writerow([getattr(finding, name) for name in names])
        content = text.getvalue()
    else:
        content = json.dumps(_finite(asdict(report)), indent=1, ensure_ascii=False) + "\n"
    replace_bytes(out, content.encode("utf-8", "backslashreplace"))


def report_lines(report: Report, shown: int, width: int) -> Iterator[str]:
    """Lines of an audit, none longer than `width`, texts of the corpus on one line each.

    Args:
        report: The audit.
        shown: Number of examples of each kind.
        width: Characters in a line, at least 20.
    """
    for line in _lines(report, shown):
        yield clipped(line, width)


def _lines(report: Report, shown: int) -> Iterator[str]:
    sizes = ", ".join(f"{size:,} {split}" for split, size in report.sizes.items())
    yield f"{visible(report.corpus)}: {sizes}"
    for labels in report.labels:
        yield ""
        yield f"Labels of {labels.split}: {labels.likely_wrong:,} likely wrong"
        skipped = f", {labels.not_judged:,} not judged" if labels.not_judged else ""
        yield f"  {labels.rows:,} judged{skipped}, accuracy {labels.accuracy:.2%}"
        yield f"  by {visible(labels.by)}"
        for one in _some(report, ("label",), shown, labels.split):
            suggestion = f"{visible(one.label or '')} → {visible(one.suggestion or '')}"
            yield f"  {one.score:.3f}  {suggestion}  {visible(one.key)}"
            yield f"         {visible(one.text[:1000])}"
        yield from _weak_lines(labels, shown)
    if report.votes:
        yield ""
        yield "Rank of the test labels against votes, AUC"
        for name, found in report.votes.items():
            yield f"  {found.auc:.3f} [{found.low:.3f}, {found.high:.3f}]  {_VOTES[name]}"
            yield f"         {found.wrong:,} against {found.right:,}"
    yield ""
    yield "Copies: exact, but for markup, similar"
    if not report.copies:
        yield "  none"
    for pair, counts in sorted(report.copies.items()):
        numbers = "".join(f"{counts[kind]:>8,}" for kind in COPIES.values())
        yield f"{numbers}  {pair}"
    if report.other_labels:
        yield f"{report.other_labels:>8,}  copies whose text has another label before"
    yield ""
    yield "Odd texts"
    if not report.odd:
        yield "  none"
    for kind in ODD:
        if count := report.odd.get(kind):
            yield f"{count:>8,}  {_ODD_WORDS[kind]}"
            for one in _some(report, (kind,), min(shown, 2)):
                yield f"          {visible(one.key)}: {visible(one.detail or '')}"


def _weak_lines(labels: JudgedLabels, shown: int) -> Iterator[str]:
    if not labels.groups_tested:
        return
    yield f"  {len(labels.weak):,} of {labels.groups_tested:,} groups are weaker than the rest"
    for one in labels.weak[:shown]:
        yield (
            f"    {one.accuracy:.1%} of {one.rows:,}, others {one.rest:.1%}, p {one.p_holm:.2g}: "
            f"{visible(one.kind)} {visible(one.name)}"
        )


def _some(
    report: Report, kinds: tuple[str, ...], count: int, split: str | None = None
) -> list[Finding]:
    of_kind = (one for one in report.findings if one.finding in kinds)
    return [one for one in of_kind if split in (None, one.split)][:count]


def _finite(value: Any) -> Any:
    """Value as JSON can have it: None in place of NaN."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
