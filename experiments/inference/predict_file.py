"""Predictions of every row of an input, in its order and in constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from datamodules.reading.labels import Places
from experiments.inference.formats import Answers, Csv, Format, JsonLines, Parquet, Table
from experiments.inference.loaded_run import TextClassifier
from experiments.inference.partial import open_partial
from experiments.inference.progress import progress
from experiments.inference.text_input import Piece, TextInput

FORMATS: dict[str, type[Format]] = {
    "table": Table,
    "csv": Csv,
    "jsonl": JsonLines,
    "parquet": Parquet,
}
_REASON = "reason"


class FilePrediction:
    """Work of one command: what predicts, and the columns that it adds.

    Args:
        classifiers: Runs or an ensemble, by the name before their columns; the only one has none.

    Attributes:
        added: Names of the columns and the types of their values.
        without_label: Rows without a label, by their reason.
    """

    def __init__(self, classifiers: Mapping[str, TextClassifier]) -> None:
        self.classifiers = classifiers
        self.added: dict[str, type] = {}
        for name, one in classifiers.items():
            prefix = f"{name}: " if len(classifiers) > 1 else ""
            kind, noun = (list, "labels") if one.multi_label else (str, "label")
            self.added[f"{prefix}{noun}"] = kind
            self.added |= {f"{prefix}P({label})": float for label in one.label_names}
        self.added[_REASON] = str
        self.without_label: Counter[str] = Counter()
        self.places, self.earlier = Places(), 0

    def answers(self, texts: Sequence[Any], names: Sequence[str], first: int) -> Answers:
        """Predict texts.

        Args:
            texts: The texts.
            names: Names of the added columns.
            first: Number of the first, from 0.
        """
        columns: list[Sequence[Any]] = []
        reasons: list[str | None] = []
        for one in self.classifiers.values():
            predictions = one.predict(texts)
            reasons = predictions.reasons
            columns.append(predictions.labels)
            for values in predictions.probabilities.T:
                # The shortest decimal that is this number in single precision.
                numbers = (float(str(value)) for value in values)
                columns.append(
                    [n if why is None else None for n, why in zip(numbers, reasons, strict=True)]
                )
        columns.append(reasons)
        for number, reason in enumerate(reasons, first + 1):
            if reason is not None:
                self.without_label[reason] += 1
                self.places.add(number)
        return dict(zip(names, columns, strict=True))

    def notes(self) -> list[str]:
        """Sentence on rows without a label."""
        notes = []
        if self.earlier:
            notes.append(f"{self.earlier:,} of the rows of the earlier start have no label")
        if not self.without_label:
            return notes
        reasons = ", ".join(f"{count:,} × {why}" for why, count in self.without_label.items())
        count = self.places.count
        return [
            *notes,
            f"{count:,} {'row has' if count == 1 else 'rows have'} no label "
            f"({self.places.words('row')}): {reasons}",
        ]

    def write(
        self, source: TextInput, form: Format, out: Path, job: Mapping[str, Any], resume: bool
    ) -> int:
        """Write the predictions to a file, which appears when it is whole.

        Args:
            source: The input.
            form: The format, for this input.
            out: The file.
            job: What the output follows from.
            resume: Go on with an unfinished output.

        Returns:
            Rows that an earlier start had predicted.

        Raises:
            ConfigError: The unfinished output is of another input or run.
        """
        with open_partial(out, job, resume) as partial:
            done, self.earlier = partial.rows, partial.without_label
            with progress(form.contents.rows, done) as shown:
                before = 0
                for piece, data in self._encoded(source, form, done):
                    partial.add(data, len(piece), self.places.count - before)
                    before = self.places.count
                    shown.advance(len(piece))
            partial.finish(form)
        return done

    def print(self, source: TextInput, form: Format, stream: BinaryIO) -> None:
        """Write the predictions to a stream, piece by piece."""
        stream.write(form.start())
        for _, data in self._encoded(source, form, 0):
            stream.write(data)
            stream.flush()

    def _encoded(
        self, source: TextInput, form: Format, first: int
    ) -> Iterator[tuple[Piece, bytes]]:
        for piece in source.pieces(first):
            answers = self.answers(piece.texts, list(form.added), first)
            yield piece, form.encode(piece, answers)
            first += len(piece)
