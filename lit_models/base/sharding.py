"""Weights in parts: each process keeps its share of every one, for models that outgrow a card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.strategies import (
    ModelParallelStrategy,
    ParallelStrategy,
    StrategyRegistry,
)
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map_only

STRATEGY = "fsdp2"
_PRECISIONS = ("32-true", "bf16-mixed")


class FullySharded(ModelParallelStrategy):
    """Zhao et al. 2023, "PyTorch FSDP"; its second form, `fully_shard`, over all processes.

    Weights, gradients and the optimiser's states lie in parts; a layer's weights come together
    while it is computed. A module says in `configure_model` what its layers are (`shard`).

    Checkpoints are those of one process: whole tensors, in a file that the first process writes. So
    a run goes on with any number of them, and what was fitted is read without this strategy.
    Lightning's own leave the averages of callbacks in parts, and the states of weights that have
    taken no step yet.

    Raises:
        ValueError: a model that cannot be taken apart, `compile`, or a precision that is not
            fp32 or mixed bf16.
    """

    def setup_environment(self) -> None:
        """Lays all processes out in one line."""
        self._data_parallel_size, self._tensor_parallel_size = (
            self.num_nodes * self.num_processes,
            1,
        )
        self._check()
        super().setup_environment()

    def setup(self, trainer: L.Trainer) -> None:
        """Evaluates without inference mode, whose tensors could not be learnt from later."""
        for loop in (trainer.fit_loop.epoch_loop.val_loop, trainer.predict_loop):
            loop.inference_mode = False
        super().setup(trainer)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Every weight, still in parts; `save_checkpoint` puts them together."""
        return ParallelStrategy.lightning_module_state_dict(self)

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """The same of an optimiser."""
        return ParallelStrategy.optimizer_state(self, optimizer)

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any | None = None
    ) -> None:
        """Writes a checkpoint; each process must ask, the first writes."""
        ParallelStrategy.save_checkpoint(self, whole(checkpoint), filepath, storage_options)

    def load_checkpoint(
        self, checkpoint_path: Any, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Opens a checkpoint, of which each process then takes its parts."""
        state: dict[str, Any] = torch.load(
            checkpoint_path, map_location="cpu", weights_only=True, mmap=True
        )
        return state

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Takes this process's parts of the weights."""
        assert self.lightning_module is not None
        load_whole(self.lightning_module, checkpoint["state_dict"])

    @property
    def lightning_restore_optimizer(self) -> bool:
        return True

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes this process's parts of the optimisers' states."""
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            parts = {
                number: {name: part_like(value, weights[number]) for name, value in own.items()}
                for number, own in saved["state"].items()
            }
            optimizer.load_state_dict({**saved, "state": parts})

    def _check(self) -> None:
        module: Any = self.lightning_module
        asked = f"trainer.strategy is {STRATEGY!r}"
        if not is_overridden("configure_model", module):
            raise ValueError(
                f"{asked}, which takes encoders such as BERT apart, and {type(module).__name__} is "
                "none; say --trainer.strategy ddp"
            )
        if module.compiled:
            raise ValueError(
                f"compile is true and {asked}, under which nothing is compiled; set "
                "--model.compile false"
            )
        if (precision := self.precision_plugin.precision) not in _PRECISIONS:
            raise ValueError(
                f"precision is {precision!r} and {asked}, which scales no gradients and keeps "
                f"weights in fp32; set --run.precision to one of {', '.join(_PRECISIONS)}"
            )


StrategyRegistry.register(STRATEGY, FullySharded, description="FSDP2 over all processes")


def shard(net: nn.Module, layers: Iterable[nn.Module], mesh: Any, precision: Any) -> None:
    """Leaves this process its part of every weight of a network, in place.

    Every parameter becomes another object: whatever knows one by its `id` must look again.

    Args:
        net: the network; what is in no layer comes together for the whole of a pass.
        layers: those whose weights come together one layer after the other.
        mesh: the processes, as Lightning gives them to `configure_model`.
        precision: of the trainer. Under mixed bf16 weights come together in bf16 (autocast would
            keep a copy of each whole one for the backward pass); norms and embeddings then are in
            bf16 too. MiniLM's logits, on a CPU, are twice as far from fp32's as autocast's.
    """
    kind = torch.bfloat16 if precision == "bf16-mixed" else None
    policy = MixedPrecisionPolicy(param_dtype=kind, reduce_dtype=torch.float32)
    line = mesh["data_parallel"]
    for layer in layers:
        fully_shard(layer, mesh=line, mp_policy=policy)
    # Else the weights would stay whole after validation, where no backward pass follows.
    fully_shard(net, mesh=line, mp_policy=policy, reshard_after_forward=True)


def is_sharded(module: nn.Module) -> bool:
    """Whether its weights lie in parts."""
    return any(isinstance(weight, DTensor) for weight in module.parameters())


def whole(tree: Any) -> Any:
    """A tree with its parts put together, on the CPU of the first process; each must ask."""

    def gathered(part: DTensor) -> Tensor | None:
        full = part.full_tensor()  # one after the other: a card holds one of them
        return full.cpu() if dist.get_rank() == 0 else None

    return tree_map_only(DTensor, gathered, tree)


def part_like(value: Any, like: Tensor) -> Any:
    """This process's part of a whole tensor, cut as `like` is; all else stays. Each must ask."""
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value, like.device_mesh, like.placements)


def load_whole(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Loads a state dict of whole tensors into a module, in parts or not."""
    own = module.state_dict()
    parts = {name: part_like(value, own.get(name, value)) for name, value in state.items()}
    module.load_state_dict(parts)


def called_on_all(net: nn.Module, calls: list[tuple[Tensor, ...]]) -> list[Tensor]:
    """What a network gives for each of some inputs.

    Where its weights lie in parts, every process must call it as often as that with the most
    inputs: the others call it on their last once more, for nobody.
    """
    more = 0
    if is_sharded(net):  # asked first: every call is a talk among the processes too
        most = torch.tensor(len(calls), device=calls[0][0].device)
        dist.all_reduce(most, op=dist.ReduceOp.MAX)
        more = int(most) - len(calls)
    return [net(*call) for call in calls + calls[-1:] * more][: len(calls)]
