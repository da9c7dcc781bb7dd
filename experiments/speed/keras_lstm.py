"""Measurement of the same LSTM in Keras, run by the interpreter of an environment with Keras.

It imports nothing from this project, whose packages that environment need not have.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any


def build(width: int) -> Any:
    """Build the network of `lit_models.lstm` for rows padded to `width`.

    Three things that cost time are only in ours: a mask (here padding is read and pooled like
    words), dropout of whole words, and gradient clipping. XLA is off: its while loop made this
    model several times slower on a CPU. `steps_per_execution` made no difference.
    """
    import keras
    from keras import layers

    tokens = keras.Input((width,), dtype="int32")
    normal = keras.initializers.RandomNormal(stddev=0.1)
    words = layers.Embedding(30_000, 128, embeddings_initializer=normal)(tokens)  # [B, T, 128]
    words = layers.SpatialDropout1D(0.3)(words)
    states = layers.LSTM(128, return_sequences=True)(words)  # [B, T, 128]
    mean, most = layers.GlobalAveragePooling1D()(states), layers.GlobalMaxPooling1D()(states)
    summary = layers.Dropout(0.5)(layers.Concatenate()([mean, most]))  # [B, 256]
    model = keras.Model(tokens, layers.Dense(2, activation="softmax")(summary))
    model.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=0.0),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def measure(file: Path, batch_size: int, warmup: int, seed: int, threads: int) -> dict[str, Any]:
    """Measure an epoch, after some unmeasured steps, in which the model is compiled.

    Args:
        file: `.npz` with `tokens` int32[N, T] and `labels` int32[N].
        batch_size: Rows per step.
        warmup: Number of unmeasured steps.
        seed: Random seed of weights and order.
        threads: Number of threads within an operation, and between operations.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(seed)
    with np.load(file, allow_pickle=False) as content:
        tokens, labels = content["tokens"], content["labels"]

    class Clock(keras.callbacks.Callback):
        """Clock of the steps of an epoch, without the set-up of `fit`, like that of the suite."""

        seconds = 0.0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds += time.perf_counter() - self.started

    model, clock, first = build(tokens.shape[1]), Clock(), warmup * batch_size
    model.fit(tokens[:first], labels[:first], batch_size=batch_size, verbose=0)
    history = model.fit(tokens, labels, batch_size=batch_size, verbose=0, callbacks=[clock])
    return {
        "reviews_per_second": len(tokens) / clock.seconds,
        "seconds": clock.seconds,
        "reviews": len(tokens),
        "loss": history.history["loss"][-1],
        "parameters": model.count_params(),
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
        },
    }


def main() -> None:
    """Measure once and print the result as JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    for name in ("batch-size", "warmup", "seed", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    print(json.dumps(measure(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
