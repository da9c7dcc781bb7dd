"""Speed of `lit_models.layers.recurrence` against `nn.RNN` and `nn.GRU` on a CPU.

    python -m experiments.speed.recurrence

Milliseconds of a forward and backward pass of a bidirectional layer over rows of equal lengths,
with equal weights, ours and PyTorch's in turn; medians of times and of the ratios within pairs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn

from datamodules.console import plain_console
from experiments.machine.environment import versions
from experiments.machine.quiet import quiet
from experiments.speed.record import Origin, write_measurement
from lit_models.layers import recurrence

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU}


def milliseconds(layer: Callable[[], Tensor], inputs: list[Tensor]) -> float:
    """Duration of a forward and backward pass."""
    started = time.perf_counter()
    torch.autograd.grad(layer().sum(), inputs)
    return 1000 * (time.perf_counter() - started)


@quiet()
def compare(cell: str, rows: int, steps: int, hidden: int, pairs: int) -> dict[str, Any]:
    """Medians over pairs of durations, after one unmeasured pair."""
    torch.manual_seed(0)
    core = CELLS[cell](hidden, hidden, bidirectional=True, batch_first=True)
    words = torch.randn(rows, steps, hidden, requires_grad=True)
    weights, lengths = list(core.parameters()), torch.full((rows,), steps)
    layers = (
        lambda: recurrence.read(words, lengths, [weights[:4], weights[4:]]),
        lambda: core(words)[0],
    )
    assert torch.allclose(layers[0](), layers[1](), atol=1e-4), f"{cell}: different states"
    times = [[milliseconds(one, [words, *weights]) for one in layers] for _ in range(pairs + 1)]
    ours, theirs = (statistics.median(side) for side in zip(*times[1:], strict=True))
    ratio = statistics.median(b / a for a, b in times[1:])
    medians = {"ours_ms": ours, "torch_ms": theirs, "ratio": ratio}
    return {"cell": cell, "steps": steps, **medians, "pairs": times[1:]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each cell, number of steps and number of threads; print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, values in (("steps", [200, 400]), ("threads", [1, 2])):
        parser.add_argument(f"--{name}", type=int, nargs="+", default=values)
    for name, value in (("rows", 32), ("hidden", 128), ("pairs", 15)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
    parser.add_argument("--out", type=Path, help="file for the JSON")
    options, origin, results = parser.parse_args(arguments), Origin(), []
    table = Table("cell", "steps", "threads", "ours ms", "PyTorch ms", "ratio", box=None)
    for threads in options.threads:
        torch.set_num_threads(threads)
        for cell, steps in [(cell, steps) for cell in CELLS for steps in options.steps]:
            result = compare(cell, options.rows, steps, options.hidden, options.pairs)
            results.append({"threads": threads, **result})
            medians = (f"{result[name]:.2f}" for name in ("ours_ms", "torch_ms", "ratio"))
            table.add_row(cell, str(steps), str(threads), *medians)
    plain_console(width=100).print(table)
    write_measurement(
        {"results": results, "versions": versions(), **origin.describe()}, options.out
    )


if __name__ == "__main__":
    main()
