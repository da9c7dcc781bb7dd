"""The first losses of every experiment on made rows are those of the commit that wrote them down.

Rows of earlier commits stay valid as long as the numbers do. Whoever changes an architecture, its
settings, its dropout or the order of its random numbers makes its rows anew, all seeds, and writes
its losses down with `python -m tests.lit_models.test_golden_losses NAME …`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import lightning as L
import pytest
import torch

from experiments.config.registry import Registry
from lit_models.base.estimator import LitEstimator
from tests.batches import make_batch
from tests.conftest import names_of
from tests.lit_models.contracts import CLASSES, ROWS
from tests.lit_models.test_contracts import build_anew

GOLDEN = Path(__file__).with_name("golden_losses.json")
STEPS = 3
TOLERANCE = 1e-4  # relative; rounding differs between processors
OWN = names_of((), ("classification",))


def losses_of(registry: Registry, experiment: str) -> list[float]:
    """Losses of a few steps of gradient descent; of an estimator that of its predictions."""
    L.seed_everything(0, verbose=False)  # classics draw NumPy's numbers
    model = build_anew(registry, experiment)
    batch = make_batch(ROWS * 4, classes=CLASSES)
    batch = batch._replace(labels=torch.arange(len(batch.labels)) % CLASSES)
    if isinstance(model, LitEstimator):
        found = model.predict_step(batch).probabilities.double().log()
        return [float(torch.nn.functional.nll_loss(found, batch.labels))]
    model.train()
    parameters = [one for one in model.parameters() if one.requires_grad]
    losses = []
    torch.manual_seed(1)
    for _ in range(STEPS):
        loss = model.loss(model(batch), batch.labels)
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter -= 0.01 * gradient.to_dense()
        losses.append(float(loss.detach()))
    return losses


def test_its_losses_are_those_written_down(registry: Registry, experiment: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    if experiment not in golden and experiment not in OWN:
        pytest.skip("an experiment of a further folder has none")
    assert losses_of(registry, experiment) == pytest.approx(golden[experiment], rel=TOLERANCE)


if __name__ == "__main__":
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    names = sys.argv[1:] or OWN
    known |= {name: losses_of(Registry(), name) for name in names}
    GOLDEN.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
