"""`predict`: labels for new texts, typed, of standard input or of a file."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from datamodules.reading.opening import COMPRESSIONS, FileSettings
from experiments.cli.options import add_device, add_weights, path
from experiments.cli.streams import lines_of_input
from experiments.config.registry import ConfigError, Registry

if TYPE_CHECKING:  # these load torch
    from experiments.inference.loaded_run import LoadedRun, TextClassifier
    from experiments.inference.text_input import TextInput

_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def predict(options: argparse.Namespace, rest: list[str], console: Console) -> int:
    """`predict`: label and probability of each text, one line each, tab-separated.

    Of several labels all that reach the threshold, the most probable first, divided by `|`.

    With one of the options of files, every column of the input with the label and the probability
    of each class.
    """
    Registry(options.configs)
    of_files = options.file, options.others, options.ensemble, options.out, options.format
    if any(of_files):
        return _predict_rows(options)
    _check_only_with_files(options)
    return _predict_lines(options)


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `predict`."""
    sub.add_argument("run", type=path, help="a run folder")
    sub.add_argument("text", nargs="*", help="texts; none: one per line of standard input")
    sub.add_argument(
        "--with",
        dest="others",
        type=path,
        nargs="+",
        action="extend",
        default=[],
        metavar="RUN",
        help="further runs, side by side",
    )
    sub.add_argument(
        "--ensemble",
        action="store_true",
        help="the runs combined to one, as the command `ensemble` does",
    )
    sub.add_argument(
        "--file",
        help="texts: .csv, .tsv, .jsonl, .json, .parquet or .txt (one a line), also compressed; "
        "- is standard input",
    )
    sub.add_argument("--out", type=path, metavar="FILE", help="where predictions go, by its ending")
    sub.add_argument("--format", choices=("table", "csv", "jsonl", "parquet"), help="of the output")
    sub.add_argument("--force", action="store_true", help="replace an existing --out")
    sub.add_argument("--resume", action="store_true", help="go on with an unfinished --out")
    for name, what in (
        ("text-column", "column of texts (the one with a common name)"),
        ("encoding", "encoding of --file (utf-8)"),
        ("delimiter", "character between two fields of --file (guessed)"),
    ):
        as_setting = f"--data.{name.replace('-', '_')}"  # as messages on files call it
        sub.add_argument(f"--{name}", as_setting, dest=name.replace("-", "_"), help=what)
    sub.add_argument(
        *("--header", "--data.header"),
        choices=("true", "false"),
        help="whether the first line of --file has the names of the columns (true)",
    )
    sub.add_argument(
        "--input-format",
        choices=("txt", "csv", "tsv", "jsonl", "json", "parquet"),
        help="of standard input (txt: a text on each line)",
    )
    add_device(sub)
    add_weights(sub)


def _predict_lines(options: argparse.Namespace) -> int:
    from datamodules.console import escaped
    from experiments.inference.loaded_run import load_run

    run = load_run(options.run, weights=options.weights, device=options.device)
    for text in options.text:
        if _is_file(text):
            print(
                f"note: {text!r} is classified as a text, and is the name of a file; its lines are "
                f"classified by: lit-sentiment predict {options.run} < {text}",
                file=sys.stderr,
            )
    texts = options.text or list(lines_of_input())
    if not texts:
        raise ConfigError("no text to predict; type texts, or give lines on standard input")
    found = run.predict(texts)
    places = []
    for number, (text, label, row, reason) in enumerate(
        zip(texts, found.labels, found.probabilities, found.reasons, strict=True), 1
    ):
        line = " ".join(text.split())
        if label is None:
            print(f"\t\t{line}\t{reason}")
            places.append(number)
            continue
        names = (
            sorted(label, key=lambda name: -row[found.label_names.index(name)])
            if (run.multi_label)
            else [label]
        )
        numbers = [f"{row[found.label_names.index(name)]:.4f}" for name in names]
        print(f"{'|'.join(map(escaped, names))}\t{'|'.join(numbers)}\t{line}")
    if places:
        _note(
            f"{len(places)} of {len(texts)} texts have no label, the first is number {places[0]} "
            f"({found.reasons[places[0] - 1]})"
        )
    return 0


def _predict_rows(options: argparse.Namespace) -> int:
    from experiments.inference.formats import free_names
    from experiments.inference.partial import check_output
    from experiments.inference.predict_file import FORMATS, FilePrediction

    kind = _format_of(options)
    out: Path | None = options.out
    source_file = Path(options.file) if options.file not in (None, "-") else None
    if out is not None:
        check_output(out, source_file, options.force, options.resume)
    runs = _runs(options)
    work = FilePrediction(_classifiers(runs, options.ensemble))
    with _input(options) as source:
        contents = source.contents()
        added, renamed = free_names(contents, work.added)
        for note in (*source.remarks, *source.renamed, *renamed):
            _note(note)
        more: dict[str, Any] = {}
        if kind == "table":
            terminal = out is None and sys.stdout.isatty()
            labels = [one.label_names for one in work.classifiers.values()]
            longest = max(len(name) for names in labels for name in names)
            more["longest"] = {name: longest for name, of in added.items() if of is str}
            more["width"] = shutil.get_terminal_size().columns if terminal else None
        form = FORMATS[kind](contents, source.text_column, added, **more)
        if out is None:
            sys.stdout.flush()
            work.print(source, form, sys.stdout.buffer)
        else:
            job = _job(options, runs, source, kind, list(added))
            try:
                before = work.write(source, form, out, job, options.resume)
            except KeyboardInterrupt:
                _note("what is done is kept; the same command with --resume goes on after it")
                raise
            resumed = f", {before:,} of them by an earlier start" if before else ""
            _note(f"{out}: {contents.rows:,} rows{resumed}")
    for note in work.notes():
        _note(note)
    return 0


def _format_of(options: argparse.Namespace) -> str:
    """Format of the output.

    Raises:
        ConfigError: Options that do not go together.
    """
    out: Path | None = options.out
    if options.text and options.file:
        raise ConfigError(f"--file {options.file} and typed texts were given; leave one out")
    if options.ensemble and not options.others:
        raise ConfigError("--ensemble averages several runs; name the others with --with RUN")
    if out is None and options.resume:
        raise ConfigError("--resume goes on with an unfinished --out FILE; name it")
    if out is None:
        if options.force:
            raise ConfigError("--force replaces an --out FILE; name it")
        if options.format == "parquet":
            raise ConfigError("--format parquet is no text; name a file with --out")
        return options.format or "table"
    if out.suffix.lower() in COMPRESSIONS:
        raise ConfigError(f"--out {out}: the output is not compressed; leave {out.suffix} out")
    kind = options.format or _ENDINGS.get(out.suffix.lower())
    if kind is None and not out.is_dir():
        raise ConfigError(
            f"--out {out}: the ending {out.suffix!r} says no format; give one of "
            f"{', '.join(_ENDINGS)}, or --format"
        )
    return str(kind)


def _check_only_with_files(options: argparse.Namespace) -> None:
    given = {
        "--text-column": options.text_column,
        "--encoding": options.encoding,
        "--delimiter": options.delimiter,
        "--header": options.header,
        "--input-format": options.input_format,
        "--resume": options.resume,
        "--force": options.force,
    }
    if names := [name for name, value in given.items() if value]:
        raise ConfigError(f"{', '.join(names)} goes with --file or --out; add it")


def _runs(options: argparse.Namespace) -> dict[str, LoadedRun]:
    """Loaded runs, by their shortest names that differ."""
    from experiments.inference.loaded_run import load_run

    for folder in options.others:
        if not folder.is_dir():
            raise ConfigError(
                f"--with {folder}: no such run folder; write texts before --with, or after --"
            )
    folders = [options.run, *options.others]
    runs = [load_run(one, weights=options.weights, device=options.device) for one in folders]
    rows = [run.row for run in runs]
    namings = (
        [row.experiment for row in rows],
        [f"{row.experiment} (seed {row.seed})" for row in rows],
        [str(folder) for folder in folders],
    )
    names = next((names for names in namings if len(set(names)) == len(names)), None)
    if names is None:
        raise ConfigError(f"{', '.join(namings[-1])}: a run is given twice; name each once")
    return dict(zip(names, runs, strict=True))


def _classifiers(runs: dict[str, LoadedRun], together: bool) -> dict[str, TextClassifier]:
    if not together:
        return dict(runs)
    from experiments.inference.loaded_ensemble import LoadedEnsemble

    ensemble = LoadedEnsemble(list(runs.values()))
    parts = (f"{w:.3f} · {name}" for w, name in zip(ensemble.weights, runs, strict=True))
    _note(f"the ensemble is {' + '.join(parts)}, with weights fitted on validation")
    return {"ensemble": ensemble}


def _input(options: argparse.Namespace) -> AbstractContextManager[TextInput]:
    from experiments.inference.text_input import open_input, typed_input

    if options.text:
        for number, text in enumerate(options.text, 1):
            if any("\ud800" <= c <= "\udfff" for c in text):
                raise ConfigError(f"text {number} is not UTF-8; convert it, or give it in a file")
        return typed_input(options.text)
    settings = FileSettings(options.encoding, options.delimiter, options.header != "false")
    return open_input(options.file or "-", settings, options.text_column, options.input_format)


def _job(
    options: argparse.Namespace,
    runs: dict[str, LoadedRun],
    source: TextInput,
    kind: str,
    added: list[str],
) -> dict[str, Any]:
    """Input, runs and options of an output; `--resume` goes on only if they are the same."""
    return {
        "input": source.fingerprint(),
        "reading": [options.encoding, options.delimiter, options.header, source.text_column],
        "run": [
            {
                "row": hashlib.sha256((run.folder / "row.json").read_bytes()).hexdigest(),
                "weights": options.weights,
            }
            for run in runs.values()
        ],
        "way of combining": options.ensemble,
        "format": kind,
        "columns": added,
    }


def _note(sentence: str) -> None:
    print(f"note: {sentence}", file=sys.stderr)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or no name at all
        return False
