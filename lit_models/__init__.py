"""Text classifiers: logits of batches of token ids; language models; transcription models.

The base classes and layers listed here are what a new architecture needs. They are imported on
first use, so that `import lit_models` loads neither torch nor lightning.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from datamodules.upgrade.imports import explain_moved_modules

if TYPE_CHECKING:
    from lit_models.base.classifier import LitClassifier, Prediction
    from lit_models.base.estimator import LitEstimator
    from lit_models.base.recurrent import RecurrentClassifier
    from lit_models.classics.forest import ForestEstimator
    from lit_models.classics.ngram_estimator import NgramEstimator
    from lit_models.language.model import LitLanguageModel
    from lit_models.language.recurrent import RecurrentLanguageModel
    from lit_models.layers.attention import AdditiveAttention, ContextAttention, weighted_sum
    from lit_models.layers.convolution import WordConvolution, k_max, max_pool
    from lit_models.layers.dropout import TextDropout
    from lit_models.layers.embedding import WordEmbedding
    from lit_models.layers.masking import (
        last_state,
        mask_of,
        masked_max,
        masked_mean,
        pool,
        pooled_size,
        zero_padding,
    )
    from lit_models.layers.recurrent import Recurrent
    from lit_models.layers.transformer import Encoder
    from lit_models.sequences.autoregressive import AutoregressiveNet, AutoregressiveTranscriber
    from lit_models.sequences.model import LitTranscriber

explain_moved_modules()

_NAMES = {
    "lit_models.base.classifier": ("LitClassifier", "Prediction"),
    "lit_models.base.estimator": ("LitEstimator",),
    "lit_models.classics.forest": ("ForestEstimator",),
    "lit_models.classics.ngram_estimator": ("NgramEstimator",),
    "lit_models.base.recurrent": ("RecurrentClassifier",),
    "lit_models.language.model": ("LitLanguageModel",),
    "lit_models.language.recurrent": ("RecurrentLanguageModel",),
    "lit_models.layers.attention": ("AdditiveAttention", "ContextAttention", "weighted_sum"),
    "lit_models.layers.convolution": ("WordConvolution", "k_max", "max_pool"),
    "lit_models.layers.dropout": ("TextDropout",),
    "lit_models.layers.embedding": ("WordEmbedding",),
    "lit_models.layers.masking": (
        "last_state",
        "mask_of",
        "masked_max",
        "masked_mean",
        "pool",
        "pooled_size",
        "zero_padding",
    ),
    "lit_models.layers.recurrent": ("Recurrent",),
    "lit_models.layers.transformer": ("Encoder",),
    "lit_models.sequences.autoregressive": ("AutoregressiveNet", "AutoregressiveTranscriber"),
    "lit_models.sequences.model": ("LitTranscriber",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "AdditiveAttention",
    "AutoregressiveNet",
    "AutoregressiveTranscriber",
    "ContextAttention",
    "Encoder",
    "ForestEstimator",
    "LitClassifier",
    "LitEstimator",
    "LitLanguageModel",
    "LitTranscriber",
    "NgramEstimator",
    "Prediction",
    "Recurrent",
    "RecurrentClassifier",
    "RecurrentLanguageModel",
    "TextDropout",
    "WordConvolution",
    "WordEmbedding",
    "k_max",
    "last_state",
    "mask_of",
    "masked_max",
    "masked_mean",
    "max_pool",
    "pool",
    "pooled_size",
    "weighted_sum",
    "zero_padding",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
