"""Every experiment has a portable form that predicts as it does, or is named with its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.config.registry import Registry
from experiments.export import quantize, runner
from experiments.export.formats import write_onnx, write_pt2
from experiments.export.quantize import QuantizedTable, quantize_products, quantize_tables
from experiments.forms.models import portable
from experiments.forms.portable import NotExportable, Portable
from experiments.forms.sums import Table
from lit_models.base.classifier import LitClassifier
from tests.experiments.export.forms import (
    BATCHES,
    NOT_EXPORTED,
    TRUNCATION,
    form_of,
    largest_difference,
)
from tests.lit_models.test_contracts import build

TOLERANCE = 1e-6


def _eager(form: Portable):  # type: ignore[no-untyped-def]
    def run(feed: dict[str, np.ndarray]) -> np.ndarray:
        with torch.no_grad():
            logits: np.ndarray = form.module(*map(torch.from_numpy, feed.values())).numpy()
        return logits

    return run


def test_at_most_three_experiments_are_not_exported(registry: Registry) -> None:
    assert set(NOT_EXPORTED) <= set(registry.files) and len(NOT_EXPORTED) <= 3


def test_the_portable_form_predicts_as_the_model(registry: Registry, experiment: str) -> None:
    if experiment in NOT_EXPORTED:
        with pytest.raises(NotExportable, match=NOT_EXPORTED[experiment]):
            form_of(registry, experiment)
        return
    model, form = form_of(registry, experiment)
    # In PyTorch alone a scan is compiled for each shape.
    assert largest_difference(model, form, _eager(form), BATCHES[:2]) < TOLERANCE


@pytest.mark.parametrize("name", ["cnn", "bidirectional_lstm"])
def test_onnx_predicts_as_the_model_at_any_length(
    registry: Registry, name: str, tmp_path: Path
) -> None:
    _check_onnx(registry, name, tmp_path)


@pytest.mark.slow
def test_every_experiment_as_onnx(registry: Registry, experiment: str, tmp_path: Path) -> None:
    if experiment not in NOT_EXPORTED:
        _check_onnx(registry, experiment, tmp_path)


def _check_onnx(registry: Registry, experiment: str, folder: Path) -> None:
    model, form = form_of(registry, experiment)
    write_onnx(form, folder)
    assert largest_difference(model, form, runner._model(folder, 1)) < TOLERANCE


def test_pt2_predicts_as_the_model_at_any_length(registry: Registry, tmp_path: Path) -> None:
    _check_pt2(registry, "gru", tmp_path)


@pytest.mark.slow
def test_every_experiment_as_pt2(registry: Registry, experiment: str, tmp_path: Path) -> None:
    if experiment not in NOT_EXPORTED:
        _check_pt2(registry, experiment, tmp_path)


def _check_pt2(registry: Registry, experiment: str, folder: Path) -> None:
    model, form = form_of(registry, experiment)
    write_pt2(form, folder)
    assert largest_difference(model, form, runner._model(folder, 1)) < TOLERANCE


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name", ["nb_bag", *(pytest.param(name, marks=SLOW) for name in ("bert", "deberta", "gru"))]
)
def test_onnx_of_8_bits_predicts_nearly_as_the_model(
    registry: Registry, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "_SMALL", 16)  # the tables of these models are small
    model, form = form_of(registry, name)
    quantize_tables(form.onnx_module or form.module)
    file = write_onnx(form, tmp_path)
    if form.products:
        quantize_products(file)
    difference = largest_difference(model, form, runner._model(tmp_path, 1))
    assert 0 < difference < 0.01


def test_a_table_of_8_bits_is_close_and_small_ones_stay(registry: Registry) -> None:
    torch.manual_seed(0)
    for width in (1, 3, 16, 100):
        weight = torch.randn(501, width) * torch.linspace(0.01, 10, 501)[:, None]
        table = QuantizedTable(weight)
        found = table(torch.arange(501).view(3, 167)).view(501, width)
        # Half a step of the scale that a value shares with its neighbours.
        rows = max(1, 16 // width)
        tops = torch.nn.functional.pad(weight.abs().amax(dim=1), (0, -501 % rows))
        steps = tops.view(-1, rows).amax(dim=1).repeat_interleave(rows)[:501] / 127
        assert ((found - weight).abs() <= steps[:, None] / 2 + 1e-6).all()
    sizes, dtypes = (9000, 9000, 9), (torch.float32, torch.float16, torch.float32)
    tables = [Table(torch.zeros(s, 1, dtype=d)) for s, d in zip(sizes, dtypes, strict=True)]
    module = torch.nn.ModuleList(tables)
    quantize_tables(module)
    assert [type(child) for child in module] == [QuantizedTable, QuantizedTable, Table]


class OwnForward(LitClassifier):
    """A class whose forward does more than its net."""

    def forward(self, batch):  # type: ignore[no-untyped-def]
        return super().forward(batch)


def test_a_forward_of_its_own_is_refused(registry: Registry) -> None:
    model = build(registry, "cnn")
    own = OwnForward(num_classes=3)
    own.net = model.net
    with pytest.raises(NotExportable, match=r"OwnForward has a forward of its own"):
        portable(own, TRUNCATION)
