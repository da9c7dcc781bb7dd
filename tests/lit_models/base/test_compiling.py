"""Compiling: asked for by one setting, in place, refused where it cannot pay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from lit_models.base.compiling import compile_net
from lit_models.bert import BERT
from lit_models.lstm import LSTM
from lit_models.transformer import Transformer
from tests.batches import make_batch, random_rows
from tests.tiny_encoders import tiny
from tests.toys import ToyData

SIZES: dict[str, Any] = {"vocab_size": 60, "embedding_dim": 8, "num_heads": 2, "dim_feedforward": 8}
CPU = torch.device("cpu")


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Compiles to the traced graph itself, without a C++ compiler's minute; counts the graphs."""
    seen: list[str] = []

    def keep(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        seen.append(str(graph.graph))
        return graph.forward

    plain = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda net, **options: plain(net, backend=keep, **options)
    )
    torch._dynamo.reset()
    return seen


def network(kind: str) -> torch.nn.Module:
    if kind == "transformer":
        return Transformer(**SIZES).net
    pooling: Any = "last" if kind == "gpt2" else "mean"
    return BERT(config=tiny(kind), pooling=pooling).net


@pytest.mark.parametrize(
    "kind",
    [
        "transformer",
        "distilbert",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("bert", "modernbert", "deberta-v2", "gpt2")
        ),
    ],
)
def test_a_compiled_network_computes_the_same_in_one_graph_for_all_widths(
    kind: str, graphs: list[str]
) -> None:
    torch.manual_seed(0)
    net = network(kind).eval()
    batches = [make_batch(random_rows([3, width], 60)) for width in (5, 9, 14)]
    names = list(net.state_dict())
    with torch.no_grad():
        expected = [net(batch.tokens, batch.lengths) for batch in batches]
        compile_net(net, CPU)
        found = [net(batch.tokens, batch.lengths) for batch in batches]
    assert len(graphs) == 1
    assert list(net.state_dict()) == names
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_setting_decides_and_the_weights_load_either_way(
    compiled: bool, graphs: list[str], tmp_path: Path
) -> None:
    model = Transformer(**SIZES, compile=compiled)
    trainer = L.Trainer(
        max_steps=2,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, datamodule=ToyData(vocab_size=60, batch_size=8, cache_dir=str(tmp_path)))
    assert bool(graphs) == compiled
    model.save(tmp_path)
    loaded = Transformer.load(tmp_path)
    batch = make_batch(random_rows([2, 6], 60))
    with torch.no_grad():
        assert torch.allclose(loaded(batch), model.eval()(batch), atol=1e-5)


def test_recurrent_networks_refuse() -> None:
    with pytest.raises(ValueError, match="recurrent layers, .* set --model.compile false"):
        compile_net(LSTM(vocab_size=9).net, CPU)


def test_models_without_a_network_refuse() -> None:
    with pytest.raises(ValueError, match="this model has no network; set --model.compile false"):
        compile_net(None, CPU)


def test_a_cpu_without_a_compiler_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="C.. compiler 'no-such-compiler', .* is not found"):
        compile_net(Transformer(**SIZES).net, CPU)
