"""Classify texts with the model in this folder, without PyTorch.

    pip install -r requirements.txt
    python runner.py "A fine film."
    python runner.py < texts.txt

In Python:

    from runner import Classifier
    classifier = Classifier()  # or Classifier("path/of/this/folder")
    classifier(["A fine film."])  # float32[N, C], in the order of classifier.labels
    classifier.predict(["A fine film."])  # [("positive", 0.98)]
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1
BATCH_SIZE = 32
_HEAD_SHARE = 4  # head+tail keeps 1/4 from the start of a long text
_BREAK = re.compile(r"<br\s*/?>")

Rows = list[np.ndarray]
Feed = dict[str, np.ndarray]
Settings = dict[str, Any]
Encode = Callable[[str], list[int]]


class Classifier:
    """An exported model with its tokenizer.

    Args:
        folder: Folder of the export; None: that of this file.
        threads: Threads of one prediction; None: as many as there are cores.

    Attributes:
        labels: Names of the classes, in the order of the probabilities.
        threshold: Least probability of the second class to predict it; None: the most probable.
    """

    def __init__(self, folder: str | Path | None = None, threads: int | None = None) -> None:
        folder = Path(__file__).parent if folder is None else Path(folder)
        settings = json.loads((folder / "export.json").read_text(encoding="utf-8"))
        if settings["format"] != FORMAT:
            raise ValueError(
                f"{folder}: its format is {settings['format']}, and this runner reads {FORMAT}; "
                "use the runner.py of that folder"
            )
        self.labels: list[str] = settings["labels"]
        self.threshold: float | None = settings["threshold"]
        self._truncation: dict[str, Any] = settings["truncation"]
        self._window: list[int] | None = settings["window"]
        tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        self._encode = _TOKENIZERS[tokenizer["kind"]](tokenizer)
        arrays: Feed = {}
        if (folder / "arrays.npz").is_file():
            with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        inputs = settings["inputs"]
        if inputs["kind"] == "tokens":
            self._feed: Callable[[Rows], Feed] = partial(_tokens, least=inputs.get("least", 1))
        else:
            self._feed = _features(folder).INPUTS[inputs["kind"]](inputs, arrays)
        self._run = _model(folder, threads)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """float32[N, C] probabilities of N texts."""
        rows = [self._truncated(self._encode(text)) for text in texts]
        probabilities = np.zeros((len(rows), len(self.labels)), dtype=np.float32)
        # Rows of like length share a batch: little padding, and the predictions are the same.
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        for start in range(0, len(order), BATCH_SIZE):
            part = order[start : start + BATCH_SIZE]
            logits = self._logits([rows[row] for row in part])
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            probabilities[part] = powers / powers.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, texts: Sequence[str]) -> list[tuple[str | None, float]]:
        """Label of each text and its probability; None and NaN for a blank one."""
        rows = self(texts)
        classes = rows.argmax(axis=1)
        if self.threshold is not None:
            classes = (rows[:, 1].astype(np.float64) >= self.threshold).astype(np.int64)
        return [
            (self.labels[n], float(row[n])) if text.strip() else (None, float("nan"))
            for n, row, text in zip(classes, rows, texts, strict=True)
        ]

    def _logits(self, rows: Rows) -> np.ndarray:
        """float64[B, C]; means over the windows of longer rows."""
        if self._window is None:
            return self._run(self._feed(rows)).astype(np.float64)
        windows = [list(_windows(row, *self._window)) for row in rows]
        every = [window for row in windows for window in row]
        parts = [every[start : start + BATCH_SIZE] for start in range(0, len(every), BATCH_SIZE)]
        logits = np.concatenate([self._run(self._feed(part)) for part in parts])
        ends = np.cumsum([len(row) for row in windows])[:-1]
        return np.stack([part.mean(axis=0) for part in np.split(logits.astype(np.float64), ends)])

    def _truncated(self, tokens: list[int]) -> np.ndarray:
        """int64[T] tokens of one text, T ≥ 1, capped and truncated."""
        settings = self._truncation
        unknown, cap, most = settings["unk_id"], settings["vocab_size"], settings["max_length"]
        row = np.array(tokens or [unknown], dtype=np.int64)
        if cap is not None:
            row[row >= cap] = unknown
        if most is None or len(row) <= most:
            return row
        prefix, suffix = settings["prefix"], settings["suffix"]
        head = {
            "head": most - suffix,
            "tail": prefix,
            "head+tail": min(prefix + most // _HEAD_SHARE, most - suffix),
        }[settings["truncation"]]
        return np.concatenate([row[:head], row[len(row) - (most - head) :]])


def _model(folder: Path, threads: int | None) -> Callable[[Feed], np.ndarray]:
    """Logits of a feed, by ONNX Runtime, or by PyTorch where the model is a `.pt2`."""
    if (folder / "model.onnx").is_file():
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3  # errors
        session = onnxruntime.InferenceSession(folder / "model.onnx", options)
        return lambda feed: session.run(None, feed)[0]
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    # The guards say that a number is not 1, which changes no result.
    program = torch.export.load(str(folder / "model.pt2")).module(check_guards=False)

    def run(feed: Feed) -> np.ndarray:
        with torch.inference_mode():
            result: np.ndarray = program(*map(torch.from_numpy, feed.values())).numpy()
        return result

    return run


def _windows(row: np.ndarray, size: int, prefix: int, suffix: int) -> Iterator[np.ndarray]:
    """Overlapping windows that cover a row, each with its special tokens."""
    surplus = len(row) - size
    if surplus <= 0:
        yield row
        return
    count = -(-surplus // (size - prefix - suffix)) + 1
    for number in range(count):
        start = surplus * number // (count - 1)
        inner = row[start + prefix : start + size - suffix]
        yield np.concatenate([row[:prefix], inner, row[len(row) - suffix :]])


# Tokenizers: functions from a text to its token ids


def _words(settings: Settings) -> Encode:
    """Words and single punctuation marks.

    `word` and `space` are the characters of `\\w` and `\\s` in the regular expressions of the
    tokenizer that the model was trained with, which are not quite those of Python.
    """
    ids = {word: number for number, word in enumerate(settings["vocabulary"])}
    word, space = settings["word"], settings["space"]
    unknown: int = settings["unk_id"]
    break_ = re.compile(rf"<br[{space}]*/?>")
    pattern = re.compile(
        rf"[{word}]+(?:['’](?!s(?![{word}]))[{word}]+)*|['’]s(?![{word}])|[^{word}{space}]"
    )

    def encode(text: str) -> list[int]:
        text = break_.sub(" ", text)
        if settings["lowercase"]:  # each character alone: a final sigma is like any other
            text = text.lower() if text.isascii() else "".join(map(str.lower, text))
        return [ids.get(match, unknown) for match in pattern.findall(text)]

    return encode


def _keras_words(settings: Settings) -> Encode:
    """Runs of letters in lower case, without markup and stop words."""
    ids = {word: number for number, word in enumerate(settings["vocabulary"])}
    stop = set(settings["stop_words"])
    unknown: int = settings["unk_id"]

    def encode(text: str) -> list[int]:
        text = re.sub(r"</?[A-Za-z][^<>]*>", " ", text)
        words = re.findall(r"[A-Za-z]+", text)
        return [ids.get(w, unknown) for w in map(str.lower, words) if w not in stop]

    return encode


def _characters(settings: Settings) -> Encode:
    """Characters; any white space is one space."""
    ids = {character: number for number, character in enumerate(settings["characters"], start=2)}
    unknown: int = settings["unk_id"]

    def encode(text: str) -> list[int]:
        text = re.sub(r"(?:<br\s*/?>|\s)+", " ", text).strip()
        text = text.lower() if settings["lowercase"] else text
        return [ids.get(character, unknown) for character in text]

    return encode


def _bytes(settings: Settings) -> Encode:
    """Bytes of a text in UTF-8."""
    ids = {byte: number for number, byte in enumerate(settings["bytes"], start=2)}
    unknown: int = settings["unk_id"]
    return lambda text: [ids.get(b, unknown) for b in text.encode("utf-8", "surrogatepass")]


def _pieces(settings: Settings) -> Encode:
    """Pieces of words, by the tokenizer of a pretrained model."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(settings["tokenizer"]))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True  # "[SEP]" in a text is text
    return lambda text: list(tokenizer.encode(_BREAK.sub(" ", text)).ids)


_TOKENIZERS: dict[str, Callable[[Settings], Encode]] = {
    "words": _words,
    "keras words": _keras_words,
    "characters": _characters,
    "bytes": _bytes,
    "pieces": _pieces,
}


def _tokens(rows: Rows, least: int = 1) -> Feed:
    """Tokens in `least` columns or more, with zeros past the ends of rows, and lengths."""
    matrix = np.zeros((len(rows), max([least, *map(len, rows)])), dtype=np.int64)
    for line, row in zip(matrix, rows, strict=True):
        line[: len(row)] = row
    return {"tokens": matrix, "lengths": np.array([len(row) for row in rows])}


def _features(folder: Path) -> Any:
    """The module `features.py` of an export whose model does not read the tokens themselves."""
    spec = importlib.util.spec_from_file_location("features", folder / "features.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Print label, probability and text of each argument, or of each line of standard input."""
    texts = sys.argv[1:] or [line.rstrip("\n") for line in sys.stdin]
    for (label, probability), text in zip(Classifier().predict(texts), texts, strict=True):
        if label is None:
            print(f"\t\t{_line(text)}\t{'blank' if text else 'empty'} text")
        else:
            name = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in label)
            print(f"{name}\t{probability:.4f}\t{_line(text)}")


def _line(text: str) -> str:
    """One line without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


if __name__ == "__main__":
    main()
