"""A resumed training of a language model goes on with the carried state."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch

from tests.lit_models.language.test_contracts import MODELS, fit, make_stream


class Cut(L.Callback):
    """Seeds every step by its number, and saves in the middle of the second epoch."""

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        torch.manual_seed(trainer.global_step)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == 9:
            trainer.save_checkpoint(f"{trainer.default_root_dir}/cut.ckpt", weights_only=False)


@pytest.mark.parametrize("kind", MODELS)
def test_a_resumed_training_equals_an_uncut_one_bit_by_bit(kind: str, tmp_path: Any) -> None:
    """Cut within an epoch, where the next batch needs the carried state."""
    finals = []
    for resumed in (False, True):
        torch.manual_seed(int(resumed))
        model = MODELS[kind]()
        given = tmp_path / "cut.ckpt" if resumed else None
        fit(model, tmp_path, callbacks=[Cut()], limit_val_batches=0, resume=given)
        finals.append(model.state_dict())
    for name, value in finals[0].items():
        assert torch.equal(value, finals[1][name]), name


def test_each_process_keeps_its_carried_state() -> None:
    """Of two, the second here; another number of processes begins anew."""
    model, other = MODELS["lstm_lm"](), MODELS["lstm_lm"]()
    model.carried = (torch.ones(2, 16), torch.zeros(2, 16))
    model.all_gather = lambda parts: [torch.stack([part + 7, part]) for part in parts]
    model._trainer = other._trainer = SimpleNamespace(world_size=2, global_rank=1)
    checkpoint: dict[str, Any] = {"optimizer_states": []}
    model.on_save_checkpoint(checkpoint)
    other.on_load_checkpoint(checkpoint)
    pairs = zip(other.carried, model.carried, strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)
    alone = MODELS["lstm_lm"]()
    alone.on_load_checkpoint(checkpoint)
    assert alone.carried is None


def test_a_resume_without_the_carried_state_differs(tmp_path: Any) -> None:
    """The test above would be blind if nothing depended on that state."""
    losses = []
    for forget in (False, True):
        torch.manual_seed(0)
        model = MODELS["lstm_lm"]()
        model.log = lambda *_, **__: None
        first, second = make_stream(4, 10, 2)
        model.training_step(first, 0)
        if forget:
            model.carried = None
        losses.append(model.training_step(second, 1).item())
    assert losses[0] != losses[1]
