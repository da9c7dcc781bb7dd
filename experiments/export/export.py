"""`lit-sentiment export`: a finished run as a folder for other programs, whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datamodules.subwords import SubwordTokenizer
from experiments.config.registry import ConfigError
from experiments.export import runner
from experiments.export.card import Exported, escape, model_card, model_size
from experiments.export.check import Check, check_texts, compare, runner_of
from experiments.forms import features
from experiments.inference.predictor import Predictor, read_finished
from experiments.records.lock import exclusive_lock
from experiments.records.row import Row
from experiments.records.run_files import Weights, weights_folder

Format = Literal["onnx", "pt2", "huggingface"]
EXPORT_FILE = "export.json"
"""Settings of the export; its presence in a folder marks one."""
_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_PARTS = {
    "head": "the start",
    "tail": "the end",
    "head+tail": "a quarter from the start and three from the end",
}
_FLOORS = {"numpy": "1.26", "onnxruntime": "1.22", "tokenizers": "0.21", "torch": "2.8"}


def export_run(
    folder: Path,
    to: Format,
    *,
    quantize: Literal["int8"] | None = None,
    out: Path | None = None,
    force: bool = False,
    weights: Weights | None = None,
    log: Callable[[str], None] = print,
) -> tuple[Path, Check]:
    """Export a finished run.

    Args:
        folder: The run folder.
        to: Format.
        quantize: `int8` stores tables and matrices in 8 bits; for ONNX alone.
        out: Folder to write; None: `export/FORMAT` in the run folder.
        force: Replace an earlier export there.
        weights: Fit whose weights are exported; None: the last.
        log: Called with each step.

    Returns:
        The folder, and its comparison with the run.

    Raises:
        ConfigError: The run is not finished, the folder exists or cannot be written, a package is
            missing.
        NotExportable: The model has no form of that format.
        Unequal: The export predicts otherwise than the run.
        ResultsError: A file of the run is missing or was changed.
    """
    if quantize is not None and to != "onnx":
        raise ConfigError(f"--quantize {quantize} is for --to onnx, not {to}; leave it out")
    if to == "onnx":
        _check_packages()
    row = read_finished(folder)
    name = f"{to}-{quantize}" if quantize else to
    out = folder / "export" / name if out is None else out
    inside = out.resolve().is_relative_to(folder.resolve())
    with exclusive_lock(folder) if inside else nullcontext():
        _check_free(out, force)
        for remains in out.parent.glob(f".{out.name}.tmp-*") if inside else ():
            shutil.rmtree(remains, ignore_errors=True)  # of a process that was killed
        temporary = _temporary(out)
        try:
            check = _write(folder, row, to, quantize, weights, temporary, log)
            _replace(temporary, out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return out, check


def _check_packages() -> None:
    for name in _PACKAGES:
        try:
            __import__(name)
        except ImportError as error:
            raise ConfigError(
                f"--to onnx needs the package {name} ({error}); pip install 'lit-sentiment[export]'"
            ) from error


def _check_free(out: Path, force: bool) -> None:
    """Refuse to write over anything but an earlier export, and that without `force`."""
    if not out.exists() and not out.is_symlink():
        return
    if not (out / EXPORT_FILE).is_file():
        raise ConfigError(
            f"{out}: exists and is no export (it has no {EXPORT_FILE}); give another --out"
        )
    if not force:
        raise ConfigError(f"{out}: exists; give --force to replace it, or another --out")


def _temporary(out: Path) -> Path:
    """A new folder beside `out`."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name[:50]}.tmp-", dir=out.parent))
        temporary.chmod(0o755)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error}); give another --out") from error
    return temporary


def _replace(temporary: Path, out: Path) -> None:
    if not out.exists():
        temporary.rename(out)
        return
    earlier = _temporary(out)  # one name for a moment has neither: a folder cannot be replaced
    try:
        out.rename(earlier / "earlier")
        temporary.rename(out)
    finally:
        shutil.rmtree(earlier, ignore_errors=True)


def _write(
    folder: Path,
    row: Row,
    to: Format,
    quantize: Literal["int8"] | None,
    weights: Weights | None,
    place: Path,
    log: Callable[[str], None],
) -> Check:
    predictor = Predictor(folder, weights=weights)
    encoder, model = predictor.encoder, predictor.model
    fit: Weights = weights or ("refit" if row.protocol == "refit" else "holdout")
    weights_folder(folder, row, fit)
    settings: dict[str, Any] = {
        "format": runner.FORMAT,
        "labels": list(encoder.label_names),
        "threshold": predictor.threshold,
        "run": {"experiment": row.experiment, "seed": row.seed, "weights": fit, "to": to},
    }
    log(f"writing {row.experiment} as {to}")
    if to == "huggingface":
        from experiments.export.huggingface import loaded, write_huggingface

        write_huggingface(model, encoder, place)
        exported = loaded(place, encoder)
    else:
        settings |= _write_program(predictor, to, quantize, place)
        (place / EXPORT_FILE).write_text(json.dumps(settings), encoding="utf-8")
        exported = runner_of(place)
    texts, source = check_texts(row, encoder)
    log(f"comparing it with the run on {len(texts):,} texts")
    check = compare(predictor, exported, texts, source, quantize, predictor.threshold)
    settings["check"] = str(check)
    (place / EXPORT_FILE).write_text(json.dumps(settings, indent=1), encoding="utf-8")
    card = Exported(
        row,
        folder,
        fit,
        encoder.label_names,
        to,
        quantize,
        check,
        _limits(predictor, to),
        model_size(place),
    )
    (place / "README.md").write_text(model_card(card), encoding="utf-8")
    return check


def _write_program(
    predictor: Predictor, to: Format, quantize: Literal["int8"] | None, place: Path
) -> dict[str, Any]:
    """Write model, tokenizer, arrays and runner; return the settings that the runner reads."""
    from experiments.export.formats import write_onnx, write_pt2
    from experiments.export.quantize import quantize_products, quantize_tables
    from experiments.export.tokenizer import tokenizer_settings
    from experiments.forms.models import portable

    encoder = predictor.encoder
    tokenizer = tokenizer_settings(encoder)
    form = portable(predictor.model, encoder.token_truncation)
    if quantize:
        quantize_tables(form.onnx_module or form.module)
    if to == "onnx":
        file = write_onnx(form, place)
        if quantize and form.products:
            quantize_products(file)
    else:
        write_pt2(form, place)
    (place / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    if form.arrays:
        np.savez_compressed(place / "arrays.npz", allow_pickle=False, **form.arrays)
    shutil.copyfile(runner.__file__, place / "runner.py")
    if form.inputs["kind"] != "tokens":
        shutil.copyfile(features.__file__, place / "features.py")
    packages = ["numpy", "onnxruntime" if to == "onnx" else "torch"]
    if isinstance(encoder.tokenizer, SubwordTokenizer):
        packages.append("tokenizers")
    checked = ", ".join(f"{name} {version(name)}" for name in packages)
    lines = [f"# checked with {checked}", *(f"{name}>={_FLOORS[name]}" for name in packages)]
    (place / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {
        "truncation": encoder.token_truncation._asdict(),
        "inputs": form.inputs,
        "window": form.window,
    }


def _limits(predictor: Predictor, to: Format) -> list[str]:
    """Sentences on truncation and on the threshold, for the card."""
    truncation, threshold = predictor.encoder.token_truncation, predictor.threshold
    most, limits = truncation.max_length, list[str]()
    if threshold is not None:
        second = escape(predictor.encoder.label_names[1])
        limits.append(
            f"It predicts {second} from a probability of {threshold:.4f} on, which was chosen on "
            "validation"
        )
        if to != "onnx":
            limits[0] += "; its user applies that, since the model gives probabilities alone"
    if most is None:
        return [*limits, "Texts of any length are read whole"]
    limit = f"Of a text of more than {most:,} tokens it reads {_PARTS[truncation.truncation]}"
    if to == "huggingface" and truncation.truncation == "head+tail":
        limit += (
            "; transformers keeps the start alone (truncation=True), so that its answers for such "
            "texts differ from those of the run"
        )
    return [*limits, limit]
