"""Training of networks in Keras 3 on TensorFlow, rows padded to one width.

Three things that cost time are only in the suite's networks: masks (here padding is read and pooled
like words), dropout of whole words, and gradient clipping. XLA is off: its while loop made
an LSTM several times slower on a CPU. `steps_per_execution` made no difference to it.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"


def build(network: str, width: int, sizes: dict[str, Any]) -> Any:
    """Network of the suite's sizes.

    Args:
        network: One of `lstm`, `bidirectional_gru`, `capsule`, `cnn`.
        width: Tokens of a row.
        sizes: Settings of the suite's network, by their names there.
    """
    import keras
    from keras import layers

    tokens = keras.Input((width,), dtype="int32")
    normal = keras.initializers.RandomNormal(stddev=0.1)
    words = layers.Embedding(
        sizes["vocab_size"], sizes["embedding_dim"], embeddings_initializer=normal
    )(tokens)  # [B, T, E]
    words = layers.SpatialDropout1D(sizes["embedding_dropout"])(words)
    if network == "cnn":
        features = []
        for size in sizes["filter_sizes"]:
            states = layers.Conv1D(sizes["num_filters"], size, activation="relu")(words)
            features.append(layers.GlobalMaxPooling1D()(states))
        summary = layers.Concatenate()(features)  # [B, 3F]
    elif network == "capsule":
        gru = layers.GRU(sizes["hidden_size"], return_sequences=True)
        states = layers.SpatialDropout1D(sizes["dropout"])(layers.Bidirectional(gru)(words))
        primary = _squash_layer()(layers.Dense(sizes["primary_size"])(states))
        capsules = _routing_layer()(
            sizes["num_capsules"], sizes["capsule_size"], sizes["routing_iterations"]
        )
        summary = layers.Flatten()(capsules(primary))  # [B, J · D]
    else:
        if network == "lstm":
            states = layers.LSTM(sizes["hidden_size"], return_sequences=True)(words)
        else:
            gru = layers.GRU(sizes["hidden_size"], return_sequences=True)
            states = layers.Bidirectional(gru)(words)  # [B, T, 2H]
        pooled = layers.GlobalAveragePooling1D()(states), layers.GlobalMaxPooling1D()(states)
        summary = layers.Concatenate()(list(pooled))
    if network != "capsule":
        summary = layers.Dropout(sizes["dropout"])(summary)
    outputs = layers.Dense(sizes["num_classes"], activation="softmax")(summary)
    model = keras.Model(tokens, outputs)
    model.compile(
        keras.optimizers.AdamW(sizes["learning_rate"], weight_decay=0.0),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def _squash(vectors: Any) -> Any:
    """v = |s|² / (1 + |s|²) · s / |s|."""
    from keras import ops

    square = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * (ops.sqrt(square + 1e-12) / (1 + square))


def _squash_layer() -> Any:
    from keras import layers

    return layers.Lambda(_squash)


def _routing_layer() -> Any:
    """Dynamic routing as a layer: the predictions of all words for all capsules, then rounds."""
    from keras import layers, ops

    class Routing(layers.Layer):
        def __init__(self, capsules: int, size: int, iterations: int) -> None:
            super().__init__()
            self.capsules, self.size, self.iterations = capsules, size, iterations

        def build(self, shape: tuple[int, ...]) -> None:
            self.transform = self.add_weight(
                shape=(shape[-1], self.capsules * self.size), initializer="glorot_uniform"
            )

        def call(self, primary: Any) -> Any:
            width = primary.shape[1]
            predictions = ops.matmul(primary, self.transform)  # [B, T, J · D]
            predictions = ops.reshape(predictions, (-1, width, self.capsules, self.size))
            predictions = ops.transpose(predictions, (0, 2, 1, 3))  # [B, J, T, D]
            logits = ops.zeros_like(predictions[..., 0])  # [B, J, T]
            for number in range(self.iterations):
                coupling = ops.softmax(logits, axis=1)
                outputs = _squash(ops.einsum("bjt,bjtd->bjd", coupling, predictions))
                if number + 1 < self.iterations:
                    logits = logits + ops.einsum("bjd,bjtd->bjt", outputs, predictions)
            return outputs

    return Routing


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Measure an epoch, after some unmeasured steps, in which the model is compiled.

    Args:
        job: `network`, `sizes`, `batch_size`, `warmup` steps, `seed`, `threads`, and `file`: an
            npz with `tokens` int32[N, T] and `labels` int32[N].
    """
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(job["threads"])
    keras.utils.set_random_seed(job["seed"])
    with np.load(job["file"], allow_pickle=False) as content:
        tokens, labels = content["tokens"], content["labels"]

    class Clock(keras.callbacks.Callback):
        """Clock of the steps of an epoch, without the set-up of `fit`."""

        seconds = 0.0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds += time.perf_counter() - self.started

    model, clock = build(job["network"], tokens.shape[1], job["sizes"]), Clock()
    size = job["batch_size"]
    first = job["warmup"] * size
    if first:  # then from the first weights again, as our side does
        model.optimizer.build(model.trainable_variables)
        variables = [*model.variables, *model.optimizer.variables]
        begun = [np.array(variable) for variable in variables]
        model.fit(tokens[:first], labels[:first], batch_size=size, verbose=0)
        for variable, value in zip(variables, begun, strict=True):
            variable.assign(value)
    history = model.fit(tokens, labels, batch_size=size, verbose=0, callbacks=[clock])
    return {
        "seconds": clock.seconds,
        "parameters": int(model.count_params()),
        "loss": history.history["loss"][-1],
    }


def versions() -> dict[str, str]:
    """Versions of what is measured."""
    import keras
    import tensorflow as tf

    found = {"keras": keras.__version__, "tensorflow": tf.__version__}
    return {"python": platform.python_version(), **found}


def main() -> None:
    """Print the result as JSON on the last line."""
    word = sys.argv[1]
    result = versions() if word == "--versions" else measure(json.loads(Path(word).read_text()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
