"""The table of old and new names: modules, classes, settings, values, experiments.

One table serves every reader: run folders (`config.yaml`, hyper-parameters of checkpoints and of
safetensors files, `encoder.json`), rows, studies and trials of sweeps, users' YAML files, settings
typed on the command line. CHANGELOG.md prints it. All names are plain strings: nothing is imported.
"""

from __future__ import annotations

from typing import Any


def _moved(package: str, folders: dict[str, str]) -> dict[str, str]:
    """Modules of a package that are in a folder today: `old` or `old=new`, by folder."""
    return {
        f"{package}.{old}": f"{package}.{folder}.{new or old}"
        for folder, pairs in folders.items()
        for old, _, new in (pair.partition("=") for pair in pairs.split())
    }


MODULES: dict[str, str] = {
    **_moved(
        "datamodules",
        {
            "reading": "archive download rows=tables tables",
            "store": "batching cache corpus encoder ragged token_store windows",
            "vectors": "cooccurrence published_vectors=published subword_vectors=fasttext "
            "vector_files=files",
        },
    ),
    **_moved(
        "lit_models",
        {
            "base": "averaging characters classifier compiling estimator fitted_values ngrams "
            "optimizers processes recurrent sharding word_vectors",
            "classics": "centroids forest ngram_estimator paragraph_vectors vector_average",
        },
    ),
    **_moved(
        "experiments",
        {
            "cli": "one_run=fit_one",
            "config": "parsing=resolved",
            "inference": "challenges=robustness_sets predictor robustness word_table "
            "submission=kaggle_submission",
            "launch": "benchmark cluster=slurm_config launchers=launcher local rank_worker "
            "rank_group=process_group slurm squeue weights=prefetch",
            "machine": "energy environment shares=resources",
            "records": "atomic evaluation=metrics evaluation_log=test_log evidence plan "
            "predictions publishing results=run_files row",
            "report": "tracking_summary=wandb_summary",
            "training": "callbacks cost=count_flops finishing=outcome fitting flops measure "
            "pretraining ranks resuming=checkpointing run shortage=resource_errors "
            "stopping=signals tracking=wandb_run",
            "tuning": "pruning=study space=search_space sweep",
        },
    ),
    "datamodules.glove": "lit_models.glove",
    "experiments.commands": "experiments.cli",
    "experiments.result_commands": "experiments.cli",
    "experiments.statistics.pairs": "experiments.statistics.pairwise_tests",
}
"""Modules that moved."""

MODEL_SETTINGS: dict[str, str] = {
    "inverse_penalty": "C",
    "max_iterations": "max_iter",
    "min_documents": "min_df",
    "max_ngrams": "max_features",
    "widths": "filter_sizes",
    "width": "filter_size",
    "filters": "num_filters",
    "layers": "num_layers",
    "heads": "num_heads",
    "feedforward": "dim_feedforward",
    "iterations": "routing_iterations",
    "capsules": "num_capsules",
    "trees": "n_estimators",
    "min_leaf": "min_samples_leaf",
    "vectors_rate": "vectors_lr_scale",
    "average": "weight_averaging",
    "average_decay": "weight_averaging_decay",
    "average_start": "weight_averaging_start",
}
"""Settings of the suite's own models."""

SHARED_SETTINGS = ("vectors_rate", "average", "average_decay", "average_start")
"""Those of the base class: a model from outside the suite has them, too."""

DATA_SETTINGS: dict[str, dict[str, str]] = {
    "datamodules.imdb.IMDB": {"validation": "validation_fraction"},
    "datamodules.kaggle.Kaggle": {"validation": "validation_fraction"},
}
"""Settings of corpora, by class."""

VALUES: dict[tuple[str, str], dict[Any, Any]] = {
    ("datamodules.tokenizers.WordTokenizer", "preparation"): {"seed": "keras"},
}
"""Values that were renamed, by class and setting."""

REPLACED: dict[tuple[str, str], dict[Any, dict[str, Any]]] = {
    **{
        (f"lit_models.{path}", "distinct"): {
            True: {"counting": "distinct"},
            False: {"counting": "all"},
        }
        for path in (
            "vector_average_logreg.VectorAverageLogReg",
            "vector_average_forest.VectorAverageForest",
        )
    },
    ("lit_models.perceptron.Perceptron", "averaged"): {
        True: {"weight_averaging": "asgd", "weight_averaging_start": 0},
        False: {"weight_averaging": None},
    },
}
"""Settings of which others took the place, by class and name: the new settings for each value."""

_POOLED = "hidden_size pooling dropout word_dropout embedding_dropout"
_SIZES = f"embedding_dim {_POOLED}"
_RECURRENT = f"{_SIZES} num_layers layer_dropout recurrent_dropout weight_drop"

DROPPED: dict[str, tuple[str, ...]] = {"run": ("tuning_trials",)}
"""Settings outside of classes that there are no more, by the part of the config."""

KERAS: dict[str, tuple[str, dict[str, str], frozenset[str]]] = {
    f"lit_models.{old}": (f"lit_models.keras.{new}", renamed, frozenset(ignored.split()))
    for old, new, renamed, ignored in (
        (
            "cnn.CNN",
            "cnn.KerasCNN",
            {"seed_length": "max_length"},
            f"{_SIZES} filter_sizes num_filters k_max num_layers",
        ),
        (
            "cnn_lstm.CNNLSTM",
            "cnn_lstm.KerasCNNLSTM",
            {},
            f"{_SIZES} filter_size num_filters pool_size bidirectional",
        ),
        ("lstm.LSTM", "lstm.KerasLSTM", {}, _RECURRENT),
        (
            "bidirectional_gru.BidirectionalGRU",
            "bidirectional_gru.KerasBidirectionalGRU",
            {},
            _RECURRENT,
        ),
        (
            "stacked_lstm.StackedLSTM",
            "stacked_lstm.KerasStackedLSTM",
            {},
            f"{_RECURRENT} bidirectional",
        ),
        (
            "attention_lstm.AttentionLSTM",
            "attention_lstm.KerasAttentionLSTM",
            {},
            f"{_POOLED} attention attention_size query",
        ),
        (
            "capsule.Capsule",
            "capsule.KerasCapsule",
            {},
            f"{_POOLED} primary_size num_capsules capsule_size routing_iterations loss",
        ),
    )
}
"""Models that had `variant: seed`: the class it is today, settings renamed in it, and those that it
ignored."""

RETIRED: dict[str, tuple[str, ...]] = {
    "lit_models.cnn.CNN": ("seed_length",),
    "lit_models.attention_lstm.AttentionLSTM": ("max_length",),
}
"""Settings that only `variant: seed` had read."""

EXPERIMENTS: dict[str, str] = {
    f"{name}_seed": f"{name}_keras"
    for name in (
        *("attention_lstm", "bidirectional_gru", "capsule", "cnn", "cnn_lstm"),
        *("lstm", "stacked_lstm"),
    )
}
"""Experiments, by the name of their YAML file."""
