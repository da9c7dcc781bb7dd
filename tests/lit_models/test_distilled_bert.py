"""Distillation: the loss by hand, what a student starts from, and what a checkpoint keeps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from experiments.cli.main import main
from lit_models.bert import BERT
from lit_models.distilled_bert import DistilledBERT, distance, take_layers
from lit_models.layers.pretrained import layers_of
from tests.batches import make_batch
from tests.experiments.conftest import TOY
from tests.tiny_encoders import tiny


def test_distance_by_hand() -> None:
    student, teacher = torch.tensor([[0.0, 2.0]]), torch.tensor([[4.0, 0.0]])
    # Temperature 2: teacher softmax(2, 0), student softmax(0, 1).
    p = 1 / (1 + math.exp(-2))
    q = 1 / (1 + math.exp(1))
    divergence = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert float(distance(student, teacher, 2.0)) == pytest.approx(4 * divergence, rel=1e-5)
    assert float(distance(teacher, teacher, 2.0)) == 0
    two = torch.cat([student, teacher]), torch.cat([teacher, teacher])
    assert float(distance(*two, 2.0)) == pytest.approx(2 * divergence, rel=1e-5)  # the mean


def test_the_loss_mixes_teacher_and_labels() -> None:
    model = DistilledBERT(config=tiny("bert"), distillation=0.25, temperature=3.0)
    logits, labels = torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
    own = BERT.loss(model, logits, labels)
    assert torch.equal(model.loss(logits, labels), own)  # no teacher
    model._teacher_logits = told = torch.randn(4, 2)
    expected = 0.75 * own + 0.25 * distance(logits, told, 3.0)
    assert torch.allclose(model.loss(logits, labels), expected)
    model._teacher = [BERT(config=tiny("bert"))]
    model.training_step(make_batch([[2, 3], [4]]), 0)
    assert torch.equal(model.loss(logits, labels), own)  # a teacher's word holds for one batch


def test_a_student_takes_every_second_layer() -> None:
    teacher = BERT(config=tiny("bert", num_hidden_layers=4)).net.encoder
    student = BERT(config=tiny("bert", num_hidden_layers=2)).net.encoder
    take_layers(student, teacher)
    for own, theirs in ((0, 0), (1, 2)):
        for one, other in zip(
            layers_of(student)[own].parameters(),
            layers_of(teacher)[theirs].parameters(),
            strict=True,
        ):
            assert torch.equal(one, other)
    assert torch.equal(
        student.get_input_embeddings().weight,  # type: ignore[operator]
        teacher.get_input_embeddings().weight,  # type: ignore[operator]
    )
    with pytest.raises(ValueError, match="the student has 4 layers and the teacher 2"):
        take_layers(teacher, student)
    wide = BERT(config=tiny("bert", hidden_size=48, num_hidden_layers=1)).net.encoder
    with pytest.raises(ValueError, match="layers do not fit"):
        take_layers(wide, teacher)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature is 0"):
        DistilledBERT(config=tiny("bert"), temperature=0)
    with pytest.raises(ValueError, match=r"distillation is 1.5; it must be 0 to 1"):
        DistilledBERT(config=tiny("bert"), distillation=1.5)


@pytest.mark.slow
def test_a_teacher_teaches_from_pairs_to_predictions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole chain at toy size: pretrain with pairs, fit, distil, predict without teacher."""
    scratch = ["--configs", "experiments/configs/scratch", "--profile", "smoke", *TOY]
    small = ["--data.max_length=40", "--model.config.hidden_size=32"]
    small += ["--model.config.intermediate_size=64"]
    out, runs = tmp_path / "pretrained", ["--runs", str(tmp_path / "runs")]
    words = ["pretrain", "-c", "bert_small", *scratch, *small, "--out", str(out), "--steps", "20"]
    assert main([*words, "--pairs", "next-sentence", "--learning-rate", "0.003"]) == 0
    fit = [*runs, *scratch, *small, "--run.wandb_mode=disabled"]
    source = ["--model.source", str(out), "--trainer.max_epochs", "1"]
    assert main(["fit", "-c", "bert_small", *fit, *source]) == 0
    teacher = tmp_path / "runs" / "fit" / "bert_small" / "seed-0"
    words = ["fit", "-c", "distilbert_small", *fit, "--trainer.max_epochs=1"]
    assert main([*words, f"--model.teacher={teacher}"]) == 0
    folder = tmp_path / "runs" / "fit" / "distilbert_small" / "seed-0"
    for file in teacher.iterdir():
        if file.is_file():
            file.unlink()  # a student predicts without its teacher
    capsys.readouterr()
    assert main(["predict", str(folder), "a fine film"]) == 0
    assert "a fine film" in capsys.readouterr().out
    student = DistilledBERT.load(folder)
    assert len(layers_of(student.net.encoder)) == 2 and student.hparams["teacher"] is None
