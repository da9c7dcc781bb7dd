"""Facts about a whole table in words: corpus, machine, seeds, versions, and warnings."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from datamodules.upgrade.translate import current_path
from experiments.config.identity import differing_settings
from experiments.config.track import TRACKS
from experiments.records.counts import Counts, describe
from experiments.records.row import Part, ResultsError, Row
from experiments.records.times import TIMED

PROTOCOLS = {
    "holdout": "trained on the train part, every choice made on validation",
    "folds": "each row of train predicted by a model that learnt from the other folds",
    "refit": "every choice made on validation, then trained once more on all of train",
}

# In the order of legends and filters; an architecture names its own in its class.
FAMILIES = (
    *("n-grams", "word vectors", "bags", "recurrent", "convolutional", "attention, capsules"),
    *("Transformers", "pretrained", "ensembles"),
)
OTHER = "other"
CLAIMED, UNTIMED = "†", "‡"
LARGEST_CLASS = "largest class"
"""Line of the accuracy of always naming the largest class."""
_PER_SEED = ("seed_everything:", "run.protocol:")
_REVIEWS = {
    *("datamodules.imdb.IMDB", "datamodules.movie_reviews.MovieReviews"),
    "datamodules.kaggle.Kaggle",
}
_BUSY = 0.1  # share of the cores that other processes may use before a table says so


def order_families(families: Iterable[str]) -> list[str]:
    """Put families, each once, into the order of `FAMILIES`; unknown ones come last."""
    known = dict.fromkeys(families)
    rest = [name for name in known if name not in FAMILIES]
    return [name for name in FAMILIES if name in known] + rest


def facts(rows: list[Row], counted: Counts) -> list[tuple[str, str]]:
    """Collect the facts about the rows of a table, as name and text.

    Args:
        rows: Rows of the same corpus and profile.
        counted: Looks and trials of experiments; may be empty.

    Returns:
        Pairs in reading order; unknown facts are left out.
    """
    own = {row.experiment: counted[row.experiment] for row in rows if row.experiment in counted}
    fingerprints = _distinct(row.corpus_fingerprint for row in rows)
    corpus = rows[0].corpus
    if fingerprints:
        corpus += f", fingerprint {', '.join(text[:16] for text in fingerprints)}"
    protocols = [f"{name}: {PROTOCOLS.get(name, '')}" for name in _protocols(rows)]
    tracks = [f"{name}: {TRACKS[name]}" for name in TRACKS if any(r.track == name for r in rows)]
    sizes = _sizes(rows, ("val",), "validation") + _sizes(rows, ("test", "test_refit"), "test")
    pairs = [
        ("Corpus", corpus),
        (
            "Evaluated on",
            ", ".join(sizes),
        ),
        ("Task", rows[0].task or ""),
        ("Protocol", "; ".join(protocols)),
        ("Learnt from", "; ".join(tracks)),
        ("Profile", rows[0].profile),
        ("Seeds", seeds_text(sorted({row.seed for row in rows}))),
        ("Tested", describe({name: looks for name, (looks, _) in own.items()}, "look")),
        ("Tried on validation", describe({n: trials for n, (_, trials) in own.items()}, "trial")),
        ("Machine", "; ".join(_distinct(map(describe_machine, rows)))),
        ("Precision", ", ".join(_distinct(row.precision for row in rows))),
        ("Versions", _versions(rows)),
        ("Code", ", ".join(_distinct(map(_code, rows)))),
        ("Runs", _span(rows)),
    ]
    return [(name, text) for name, text in pairs if text]


def warnings(rows: list[Row]) -> list[str]:
    """Collect warnings without which the numbers would be misread."""
    notes = _notes(rows)
    papers = {row.experiment: row.paper for row in rows if row.claimed}
    if papers:
        notes.append(
            f"{CLAIMED} Claimed: measured here on predictions that others published; their model "
            "was not run, and how often they looked at the test split is not known: "
            + ", ".join(f"{name} ({paper})" for name, paper in papers.items())
            + "."
        )
    if untimed := _distinct(row.experiment for row in rows if is_untimed(row)):
        notes.append(
            f"{UNTIMED} Training time, latency, throughput and memory are those of the run itself, "
            f"beside which others may have run: {', '.join(untimed)}. The others were measured "
            "apart, one experiment at a time."
        )
    if rows[0].profile == "quick" and not is_own(rows):
        notes.append(
            "Profile quick trains on a small part of the corpus: the order of the experiments is "
            "not the order at 25,000 reviews."
        )
    if len(_distinct(map(describe_machine, rows))) > 1:
        notes.append(
            "The runs were made on different machines: compare their times, throughput and "
            "memory with care."
        )
    busy = dict[str, float]()
    for row in rows:
        share = row.hardware.get("others_busy") or 0.0
        if share > _BUSY:
            busy[row.experiment] = max(share, busy.get(row.experiment, 0.0))
    if busy:
        shares = ", ".join(f"{name} ({share:.0%})" for name, share in busy.items())
        notes.append(
            "Other processes kept a part of the cores busy while these were trained, which "
            f"lengthens their times: {shares}."
        )
    return notes


def is_untimed(row: Row) -> bool:
    """True if others of the table have times that were measured apart, and this row has not."""
    return row.status == "ok" and not row.claimed and row.hardware.get(TIMED, "") is None


def check_equal_settings(rows: Iterable[Row]) -> None:
    """Refuse seeds of one experiment with unequal settings: their mean would be that of neither.

    Seeds may differ in their protocol: a second fit, which costs as much as the first, may be left
    out for some.

    Raises:
        ResultsError: The message names the settings.
    """
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(row.experiment, row)
        if not row.config or not other.config:  # of an older run whose settings were not kept
            continue
        differences = differing_settings(other.config, row.config)
        if differences := [text for text in differences if not text.startswith(_PER_SEED)]:
            raise ResultsError(
                f"{row.experiment}: seeds {other.seed} and {row.seed} have unequal settings "
                f"({'; '.join(differences)}); run the seeds again with the same ones"
            )


def _notes(rows: list[Row]) -> list[str]:
    """Collect the notes of the rows, each once; equal notes of several experiments are joined."""
    common, by_note = [], dict[str, list[str]]()
    for row in rows:
        for note in row.notes:
            name, _, text = note.partition(": ")
            if name != row.experiment:
                common.append(note)
            elif name not in by_note.setdefault(text.rstrip("."), []):
                by_note[text.rstrip(".")].append(name)
    about = [
        f"{text[:1].upper()}{text[1:]}: {', '.join(names)}." for text, names in by_note.items()
    ]
    return _distinct(common) + about


_SYMBOLS = {"vocab_size": 30_000, "min_frequency": 1, "tokenizer": None}
"""Settings of a corpus that decide on the symbols of language models, with their defaults."""


def is_own(rows: Iterable[Row]) -> bool:
    """True if rows are of a user's own corpus, which no profile makes smaller."""
    classes = (row.config.get("data") for row in rows)
    paths = (part.get("class_path") for part in classes if isinstance(part, dict))
    return any(path and path not in _REVIEWS for path in map(current_path, filter(None, paths)))


def noun(rows: Iterable[Row]) -> str:
    """Noun for the rows of the corpus."""
    return "texts" if is_own(rows) else "reviews"


def seeds_text(seeds: Sequence[int]) -> str:
    """Name random seeds: `seed 0`, or `seeds 0, 1, 2`."""
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def describe_variant(row: Row) -> str:
    """Name what was learnt from, validated on or predicted otherwise than in a plain run."""
    names = [f"without {row.excluded}"] if row.excluded else []
    if row.cross_validated:
        names.append("cross-validated")
    if row.problem == "language modelling":  # perplexities of other symbols say nothing
        names += _vocabulary(row)
    return ", ".join(names)


def _vocabulary(row: Row) -> list[str]:
    """Settings of the symbols that a language model predicts, those that are not the default."""
    data: Any = row.config.get("data")
    arguments: Any = data.get("init_args") if isinstance(data, dict) else None
    if not isinstance(arguments, dict):
        return []
    return [
        f"{name} {_short(arguments[name])}"
        for name, default in _SYMBOLS.items()
        if arguments.get(name, default) != default
    ]


def _short(value: Any) -> str:
    """Name of a class with its arguments, or a plain value."""
    if not isinstance(value, dict):
        return "null" if value is None else str(value)
    name, arguments = str(value.get("class_path")).rpartition(".")[2], value.get("init_args")
    return f"{name} {json.dumps(arguments, sort_keys=True)}" if arguments else name


def describe_machine(row: Row) -> str:
    """Describe the machine of a run in one line; empty if it is not known."""
    hardware = row.hardware
    parts = [
        hardware.get("gpu"),
        hardware.get("cpu"),
        *(
            f"{hardware[key]} {one if hardware[key] == 1 else many}" if hardware.get(key) else None
            for key, one, many in (
                ("cores", "core", "cores"),
                ("threads", "thread", "threads"),
                ("jobs", "run at once", "runs at once"),
            )
        ),
    ]
    return ", ".join(str(part) for part in parts if part)


def _protocols(rows: list[Row]) -> list[str]:
    """Protocols of the figures in rows: those of a second fit come with those of the first."""
    rows = [row for row in rows if not row.claimed]  # how those were trained is not known
    figures = {"holdout": any(row.test for row in rows)}
    figures["refit"] = any(row.test_refit or row.protocol == "refit" for row in rows)
    figures["holdout"] |= any(row.protocol == "holdout" for row in rows)
    return [name for name, shown in figures.items() if shown]


def _sizes(rows: list[Row], parts: tuple[Part, ...], name: str) -> list[str]:
    sizes = {metrics.n for row in rows for part in parts if (metrics := row.parts[part])}
    return [f"{n:,} {name} {noun(rows)}" for n in sorted(sizes)]


def _versions(rows: list[Row]) -> str:
    pairs = sorted({pair for row in rows for pair in row.versions.items()})
    return ", ".join(f"{name} {version}" for name, version in pairs)


def _code(row: Row) -> str | None:
    if not row.git_commit:
        return None
    return row.git_commit[:10] + (" with uncommitted changes" if row.git_dirty else "")


def _span(rows: list[Row]) -> str:
    days = sorted({match[0] for row in rows if (match := re.match(r"\d{4}-\d\d-\d\d", row.ended))})
    dates = "" if not days else f", {days[0]}" + (f" to {days[-1]}" if len(days) > 1 else "")
    return f"{len(rows)}{dates}"


def _distinct(texts: Iterable[str | None]) -> list[str]:
    """Remove duplicates, None and empty texts, keeping the order."""
    return list(dict.fromkeys(text for text in texts if text))
