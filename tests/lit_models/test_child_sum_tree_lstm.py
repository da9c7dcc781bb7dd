"""ChildSumTreeLSTM: heads in rows, the contracts of all architectures, and a run on a treebank."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.trees.tokenizer import arc_id
from experiments.cli.main import main
from experiments.records.run_files import read_row
from lit_models.base.classifier import LitClassifier
from lit_models.child_sum_tree_lstm import _WORD, ChildSumTreeLSTM
from tests.batches import make_batch
from tests.lit_models import contracts
from tests.lit_models.contracts import CHECKS, CLASSES, Check
from tests.lit_models.layers.test_child_sum import random_trees
from tests.treebanks import sentence, write_treebank

FIRST = 40  # ids of words begin here; below are distances from -9 to 9
ARC = {distance: 20 + distance for distance in range(-9, 10)}


def small(**settings: Any) -> ChildSumTreeLSTM:
    torch.manual_seed(0)
    sizes = {"vocab_size": 60, "embedding_dim": 5, "hidden_size": 4, "num_classes": CLASSES}
    model = ChildSumTreeLSTM(**(sizes | settings))
    for distance, token in ARC.items():
        model.net.distances[token] = distance
    return model.eval()


def rows_of_trees() -> list[list[int]]:
    """Rows of 1 to 10 words with trees over them."""
    torch.manual_seed(0)
    rows = []
    for size in (1, 2, 3, 5, 8, 10):
        words = torch.randint(FIRST, 59, (size,)).tolist()
        heads = random_trees(size)
        arcs = [ARC[head - n if head >= 0 else 0] for n, head in enumerate(heads)]
        rows.append([token for pair in zip(words, arcs, strict=True) for token in pair])
    return rows


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "ROWS", rows_of_trees())
    model: LitClassifier = small()
    check(model)


@torch.no_grad()
def test_the_output_reads_mean_and_maximum_of_the_roots() -> None:
    # Words 50 … 54: 50 → 51 (a root), 52 → 54, 53 (a root), 54 (a root).
    row = [50, ARC[1], 51, ARC[0], 52, ARC[2], 53, ARC[0], 54, ARC[0]]
    net, batch = small().double().net, make_batch([[45, ARC[0]], row], width=14, pad=50)
    logits = net(batch.tokens, batch.lengths)[1]
    words = net.embedding.table.weight[50:55]
    states = net.tree(words, torch.tensor([1, -1, 4, -1, -1]))[[1, 3, 4]]
    summary = torch.cat([states.mean(dim=0), states.max(dim=0).values])
    assert torch.allclose(logits, net.output(summary), atol=1e-12)


@torch.no_grad()
def test_a_head_out_of_the_row_makes_a_root() -> None:
    net = small().double().net
    for broken in ([50, ARC[9], 51, ARC[0]], [50, ARC[-1], 51, ARC[0]], [ARC[-1], 50, 51]):
        batch = make_batch([[45, ARC[0]], broken, [46, ARC[0], 47, ARC[-1]][: len(broken)]])
        whole = make_batch([[45, ARC[0]], [50, ARC[0], 51, ARC[0]]])
        found, expected = (net(one.tokens, one.lengths)[1] for one in (batch, whole))
        assert torch.allclose(found, expected, atol=1e-12)


def test_every_parameter_receives_a_gradient() -> None:
    model = small().train()
    logits = model(make_batch(rows_of_trees(), classes=CLASSES))
    torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)) % CLASSES).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_pooling_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="pooling is 'sum'; choose one of"):
        small(pooling="sum")


def test_the_docstring_has_the_size() -> None:
    count = f"{ChildSumTreeLSTM().parameter_count:,}"
    assert f"{count} parameters" in " ".join((ChildSumTreeLSTM.__doc__ or "").split())


def test_a_treebank_is_learnt_and_new_parses_are_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIT_SENTIMENT_CACHE", str(tmp_path / "cache"))
    for name, seed in (("train", 0), ("test", 1)):
        write_treebank(tmp_path / f"{name}.conllu", texts=120, seed=seed)
    words = ["fit", "--configs", "experiments/configs/treebank", "-c", "child_sum_tree_lstm"]
    words += ["--runs", str(tmp_path / "runs"), "--data.train", str(tmp_path / "train.conllu")]
    words += ["--data.test", str(tmp_path / "test.conllu"), "--test", "--run.wandb_mode=disabled"]
    words += ["--model.hidden_size=16", "--model.learning_rate=0.03", "--data.batch_size=8"]
    words += ["--trainer.max_epochs=12"]
    assert main(words) == 0
    run = tmp_path / "runs" / "fit" / "child_sum_tree_lstm" / "seed-0"
    row = read_row(run)
    assert row.status == "ok" and row.test is not None and row.test.scores["accuracy"] == 1.0
    capsys.readouterr()
    parse = sentence("a wonderful film", 2)
    assert main(["predict", str(run), parse, "--format", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == "good"
    assert main(["predict", str(run), "a wonderful film"]) == 1
    assert "text:1: has 1 columns; a word has 10" in capsys.readouterr().err
    assert int(ChildSumTreeLSTM.load(run).net.distances[arc_id(-2)]) == -2
    assert int(ChildSumTreeLSTM.load(run).net.distances[1]) == _WORD
