"""Libraries that experiments are compared with, and the settings under which both are equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from experiments.config.registry import ConfigError, Registry, nearest

Work = Literal["epoch", "fit", "pipeline", "vectors"]
"""Work that is timed: the steps of an epoch; a fit from texts in words; the way from raw texts to
a fitted model; learning word vectors."""

_SCRIPTS = Path(__file__).parents[1] / "peers"
_ENCODER = "lit_models.bert.BERT"
VECTORS = {
    "word2vec": "datamodules.vectors.word2vec.Word2Vec",
    "skip_gram": "lit_models.skip_gram.SkipGram",
    "cbow": "lit_models.cbow.CBOW",
}
"""Word vectors of the suite by the names under which they are compared."""
VECTOR_SETTINGS = {
    "dim": 100,
    "window": 5,
    "negative": 5,
    "min_count": 5,
    "sample": 1e-3,
    "epochs": 5,
}


@dataclass(frozen=True)
class Peer:
    """A library that does the same work as some experiments.

    Attributes:
        name: Name in `--against`.
        script: File that runs in the interpreter of the library.
        work: What is timed.
        twins: Names of what it has a twin of; None: every experiment with a pretrained encoder.
        variants: Sides beside ours, as the script knows them.
        settings: Settings of the experiment under which the two are equal.
        remarks: Sentences on what is equal and what is not.
        gpu: It may use GPUs.
        truncates: Both sides read texts that are cut off at a length.
    """

    name: str
    script: Path
    work: Work
    twins: tuple[str, ...] | None
    variants: tuple[str, ...]
    remarks: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    gpu: bool = False
    truncates: bool = True

    def carrier(self, name: str) -> str:
        """Experiment whose settings are those of our side: of vectors one with any vocabulary."""
        return "nb_logreg" if self.work == "vectors" else name


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "keras",
            _SCRIPTS / "keras_networks.py",
            "epoch",
            ("lstm", "bidirectional_gru", "capsule", "cnn"),
            ("keras",),
            (
                "equal: reviews, their truncation, sizes of the network, one epoch after the "
                "warm-up",
                "ours alone has masks, dropout of whole words, gradient clipping, W&B offline and "
                "what the experiment's file sets (schedule, averaged weights)",
                "ours pads to the longest row of a batch, Keras to max_length",
            ),
            {"data": {"init_args": {"max_length": 256, "train_window": None}}},
        ),
        Peer(
            "hf",
            _SCRIPTS / "hf_trainer.py",
            "epoch",
            None,
            ("trainer", "group_by_length"),
            (
                "equal: reviews, tokens, pretrained weights, batch size, precision, AdamW (fused), "
                "rate, schedule, one epoch after the warm-up",
                "ours alone has layer-wise rates and W&B offline, where the experiment sets them; "
                "Trainer's network has the dropout in attention of its configuration and a pooler",
                "trainer: rows padded to the longest of a batch; group_by_length: sorted, too",
            ),
            gpu=True,
        ),
        Peer(
            "fasttext",
            _SCRIPTS / "fasttext_library.py",
            "fit",
            ("fasttext",),
            ("fasttext",),
            (
                "equal: reviews as words, vocabulary, width, buckets, bigrams, epochs, threads",
                "from texts divided into words to a fitted model; the library's learning rate is "
                "0.5",
            ),
            {"model": {"init_args": {"ngrams": 2}}, "trainer": {"max_epochs": 5}},
        ),
        Peer(
            "sklearn",
            _SCRIPTS / "sklearn_pipeline.py",
            "pipeline",
            ("nb_logreg",),
            ("sklearn",),
            (
                "equal: raw texts in a CSV file, n-grams, min_df, smoothing, C, iterations",
                "from the file to a fitted model, the cache empty; the n-grams of the last words, "
                "which the pipeline has not, are left out",
            ),
            {"model": {"init_args": {"last_words": 0}}},
            truncates=False,
        ),
        Peer(
            "gensim",
            _SCRIPTS / "gensim_word2vec.py",
            "vectors",
            tuple(VECTORS),
            ("gensim",),
            (
                "equal: texts as words, "
                + ", ".join(f"{name} {value}" for name, value in VECTOR_SETTINGS.items()),
                "gensim reads a file of words, ours the token store; skip_gram and cbow train with "
                "PyTorch, word2vec with gensim",
            ),
            {"data": {"init_args": {"vocab_size": None, "max_length": None}}},
            truncates=False,
        ),
    )
}


def check_twin(peer: Peer, experiment: str, registry: Registry) -> None:
    """Check that a library has a twin of an experiment.

    Raises:
        ConfigError: It has none.
    """
    if peer.twins is None:
        known = {
            name: registry.settings(name).get("model", {}).get("class_path")
            for name in registry.files
        }
        twins: Sequence[str] = [name for name in known if known[name] == _ENCODER]
    else:
        twins = peer.twins
    if experiment not in twins:
        raise ConfigError(
            f"--against {peer.name} has no twin of {experiment!r}{nearest(experiment, twins)}; it "
            f"is one of {', '.join(twins)}"
        )


def find_python(given: Path | None, peer: Peer) -> Path:
    """Interpreter of the peers.

    Args:
        given: As typed; None: that of `make peers`, in the current folder or in the checkout.
        peer: For the message.

    Raises:
        ConfigError: There is no such file.
    """
    usual = Path(".venv-peers", "bin", "python")
    places = [given] if given else [usual, Path(__file__).parents[3] / usual]
    for place in places:
        if place.is_file():
            return place.absolute()
    raise ConfigError(
        f"--against {peer.name} needs an interpreter with its libraries, and there is no "
        f"{places[0]}; run `make peers`, or name one with --peer-python"
    )
