"""A portable model as an ONNX file, or as a program of `torch.export`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from experiments.forms.portable import NotExportable, Portable

ONNX_FILE, PT2_FILE = "model.onnx", "model.pt2"


def write_onnx(portable: Portable, folder: Path) -> Path:
    """Write `model.onnx` and return its path.

    Raises:
        NotExportable: The exporter does not have an operation of the model.
    """
    module = portable.onnx_module or portable.module
    with _quiet(), torch.no_grad(), _named(module):
        program = torch.onnx.export(
            module,
            kwargs=portable.example,
            input_names=list(portable.example),
            output_names=["logits"],
            dynamic_shapes=_dynamic(portable),
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        program.save(folder / ONNX_FILE)
    return folder / ONNX_FILE


def write_pt2(portable: Portable, folder: Path) -> Path:
    """Write `model.pt2` and return its path; `inputs` then has the least width that it takes.

    Raises:
        NotExportable: `torch.export` cannot follow the model.
    """
    with _quiet(), torch.no_grad(), _named(portable.module):
        program = torch.export.export(
            portable.module,
            tuple(portable.example.values()),
            dynamic_shapes=tuple(_dynamic(portable).values()),
        )
        torch.export.save(program, str(folder / PT2_FILE))
    if portable.inputs["kind"] == "tokens":
        portable.inputs["least"] = _least_width(program)
    return folder / PT2_FILE


def _least_width(program: torch.export.ExportedProgram) -> int:
    """Least number of columns of `tokens`.

    It is above 2 in a net that shortens its rows: torch.export takes one position for a case of its
    own. Padding is never read, so that a text of one word may have more columns.
    """
    (tokens,) = (node for node in program.graph.nodes if node.name == "tokens")
    width = tokens.meta["val"].shape[1].node.expr
    least = int(program.range_constraints[width].lower)
    return least if least > 2 else 1  # 2 is what it says of every dimension


def _dynamic(portable: Portable) -> dict[str, Any]:
    """All dimensions of all inputs."""
    dynamic = torch.export.Dim.DYNAMIC
    return {name: dict.fromkeys(range(x.ndim), dynamic) for name, x in portable.example.items()}


@contextmanager
def _named(module: nn.Module) -> Iterator[None]:
    """Turn what the exporters raise into one line.

    Raises:
        NotExportable: They raised.
    """
    try:
        yield
    except Exception as error:  # of several classes, some of them private
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        lines = [line for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
        raise NotExportable(
            f"torch.export cannot follow {type(module).__name__} with texts of any length: "
            f"{lines[0].strip()}"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings of the exporters, which are about packages that are not needed."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
