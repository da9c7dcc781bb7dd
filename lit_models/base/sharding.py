"""Strategy `fsdp2`: each process holds a shard of every weight, for models larger than one GPU."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import lightning as L
import torch
from lightning.pytorch.strategies import (
    ModelParallelStrategy,
    ParallelStrategy,
    StrategyRegistry,
)
from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from lit_models.base.sharded_tensors import (
    gather_full,
    is_sharded,
    load_full_state_dict,
    shard_like,
)

if TYPE_CHECKING:
    from lit_models.base.classifier import LitClassifier

    Model = TypeVar("Model", bound=LitClassifier)

STRATEGY = "fsdp2"
_PRECISIONS = ("32-true", "bf16-mixed")


class FullySharded(ModelParallelStrategy):
    """Zhao et al. 2023, "PyTorch FSDP", in its second form, `fully_shard`, over all processes.

    Weights, gradients and optimiser states are sharded; a layer's weights are gathered while it is
    computed. The layers are the model's `encoder_layers`.

    Checkpoints are those of one process: full tensors, in one file that rank 0 writes. So a run
    resumes on any number of processes, and a fitted model is read without this strategy.
    Lightning's own checkpoints leave the averages of callbacks sharded, and omit the states of
    weights that have not been stepped yet.

    Raises:
        ValueError: a model without `encoder_layers`, `compile`, or a precision other than fp32 and
            mixed bf16.
    """

    def setup_environment(self) -> None:
        """Put all processes into one data-parallel dimension."""
        self._data_parallel_size, self._tensor_parallel_size = (
            self.num_nodes * self.num_processes,
            1,
        )
        self._check()
        super().setup_environment()

    def setup(self, trainer: L.Trainer) -> None:
        """Shard the model once, and evaluate without inference mode.

        Weights gathered in inference mode could not be trained afterwards.
        """
        for loop in (trainer.fit_loop.epoch_loop.val_loop, trainer.predict_loop):
            loop.inference_mode = False
        module: Any = self.lightning_module
        if not is_sharded(module.net):
            shard(module.net, module.encoder_layers, self.device_mesh, trainer.precision)
        ParallelStrategy.setup(self, trainer)  # ModelParallelStrategy's needs `configure_model`

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """State dict of the module, sharded; `save_checkpoint` gathers it."""
        return ParallelStrategy.lightning_module_state_dict(self)

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """State dict of an optimiser, sharded; `save_checkpoint` gathers it."""
        return ParallelStrategy.optimizer_state(self, optimizer)

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any | None = None
    ) -> None:
        """Gather a checkpoint and write it on rank 0. Collective."""
        ParallelStrategy.save_checkpoint(self, gather_full(checkpoint), filepath, storage_options)

    def load_checkpoint(
        self, checkpoint_path: Any, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Map a checkpoint into memory, of which the other methods load this process's shards."""
        state: dict[str, Any] = torch.load(
            checkpoint_path, map_location="cpu", weights_only=True, mmap=True
        )
        return state

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Load this process's shards of the weights. Collective."""
        assert self.lightning_module is not None
        load_full_state_dict(self.lightning_module, checkpoint["state_dict"])

    @property
    def lightning_restore_optimizer(self) -> bool:
        return True

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Load this process's shards of the optimiser states. Collective."""
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            shards = {
                number: {name: shard_like(value, weights[number]) for name, value in state.items()}
                for number, state in saved["state"].items()
            }
            optimizer.load_state_dict({**saved, "state": shards})

    def _check(self) -> None:
        module: Any = self.lightning_module
        setting = f"trainer.strategy is {STRATEGY!r}"
        if not hasattr(module, "encoder_layers"):
            raise ValueError(
                f"{setting}, which shards encoders such as BERT, and {type(module).__name__} is "
                "none; say --trainer.strategy ddp"
            )
        if module.compiled:
            raise ValueError(
                f"compile is true and {setting}, under which nothing is compiled; set "
                "--model.compile false"
            )
        if (precision := self.precision_plugin.precision) not in _PRECISIONS:
            raise ValueError(
                f"precision is {precision!r} and {setting}, which scales no gradients and keeps "
                f"weights in fp32; set --run.precision to one of {', '.join(_PRECISIONS)}"
            )


StrategyRegistry.register(STRATEGY, FullySharded, description="FSDP2 over all processes")


def strategy_problem(strategy: str, devices: Any, processes: int | None = None) -> str | None:
    """Reason why a run cannot use a strategy, with the remedy; None if it can.

    Args:
        strategy: value of `trainer.strategy`.
        devices: value of `trainer.devices`.
        processes: number of processes that it asks for, once that is known.
    """
    other = re.search("fsdp|deepspeed|model_?parallel", strategy, re.IGNORECASE)
    if other and strategy != STRATEGY:
        return (
            f"trainer.strategy is {strategy!r}; the strategy that shards weights over the devices "
            f"is called {STRATEGY} here: say --trainer.strategy {STRATEGY}, or ddp"
        )
    if strategy == STRATEGY and processes == 1:
        return (
            f"trainer.strategy is {STRATEGY!r}, which shards a model over several processes, and "
            f"--trainer.devices {devices} asks for one; say --trainer.devices 2 or more"
        )
    return None


def shard(net: nn.Module, layers: Iterable[nn.Module], mesh: Any, precision: Any) -> None:
    """Shard the weights of a network over the processes, in place.

    Every parameter becomes another object, so an `id` taken before is void.

    Args:
        net: the network; weights outside `layers` are gathered for the whole of a pass.
        layers: modules whose weights are gathered one module after the other.
        mesh: the strategy's device mesh, with a dimension `data_parallel`.
        precision: of the trainer. Under mixed bf16 weights are gathered in bf16 (autocast would
            keep a copy of each full one for the backward pass), so norms and embeddings are in
            bf16 too. On a CPU the logits of MiniLM are twice as far from fp32's as autocast's.
    """
    dtype = torch.bfloat16 if precision == "bf16-mixed" else None
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    processes = mesh["data_parallel"]
    for layer in layers:
        fully_shard(layer, mesh=processes, mp_policy=policy)
    # After a validation no backward pass would reshard the weights.
    fully_shard(net, mesh=processes, mp_policy=policy, reshard_after_forward=True)


def full_model(model: Model, folder: Path) -> Model:
    """The model itself or, if it is sharded, a full copy read from `folder`.

    A full copy computes on this process without the others.

    Args:
        model: fitted and saved.
        folder: folder to which `LitClassifier.save` wrote the model.
    """
    return type(model).load(folder) if is_sharded(model) else model
