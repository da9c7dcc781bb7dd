"""Models of every experiment with an encoder of made words, and texts."""

from __future__ import annotations

import numpy as np
import torch

from datamodules.store.encoder import Encoder
from datamodules.store.truncation import TokenTruncation
from datamodules.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer
from experiments.config.registry import Registry
from experiments.explaining.explain import Explainer
from experiments.explaining.score import rows_batch
from lit_models.base.classifier import LitClassifier
from tests.lit_models.contracts import CLASSES, VOCAB
from tests.lit_models.test_contracts import build

WORDS = [f"w{chr(97 + n // 8)}{chr(97 + n % 8)}" for n in range(VOCAB - 12)]
TEXT = (
    f"{' '.join(WORDS[:9])}. {' '.join(WORDS[20:30])}! {WORDS[3].upper()} nowhere <b> 😀 {WORDS[1]}"
)
LABEL_NAMES = tuple(f"class {n}" for n in range(CLASSES))


def encoder_of(experiment: str, longest: int | None = 40) -> Encoder:
    """An encoder whose token ids a model of `build` knows."""
    characters = "char" in experiment
    tokenizer: Tokenizer = CharacterTokenizer() if characters else WordTokenizer()
    tokenizer.fit([f"{' '.join(WORDS)} . ! ?"] * 2, 2)
    assert len(tokenizer.vocabulary()) <= VOCAB
    truncation = TokenTruncation.for_tokenizer(tokenizer, None, longest, "head+tail")
    return Encoder(tokenizer, truncation, LABEL_NAMES)


def explainer_of(registry: Registry, experiment: str) -> Explainer:
    """Explainer of a small model of an experiment."""
    return Explainer(build(registry, experiment), encoder_of(experiment))


def log_odds(model: LitClassifier, row: np.ndarray, label: int) -> float:
    """Mean over the other classes of ln(p_label / p_other), from the model's probabilities."""
    with torch.no_grad():
        found = model.predict_step(rows_batch([row], 0, model.device)).probabilities[0].double()
    logs = found.log()
    others = [number for number in range(len(logs)) if number != label]
    return float(np.mean([logs[label] - logs[other] for other in others]))
