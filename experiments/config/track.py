"""Track of a run: what besides the labelled texts it was learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Literal

from datamodules.upgrade.translate import current_config

Track = Literal["labels", "unlabelled", "open weights"]
TRACKS: dict[Track, str] = {
    "labels": "the labelled train texts alone",
    "unlabelled": "the unlabelled texts too",
    "open weights": "weights or word vectors that others published",
}
_PUBLISHED = ("datamodules.vectors.published.", "datamodules.vectors.files.")


def track_of(config: Mapping[str, Any], reads_unlabelled: bool = False) -> Track:
    """Track of the resolved settings of a run, of any version.

    Word vectors from a file count as published ones: where they come from is not known.

    Args:
        config: the settings.
        reads_unlabelled: whether the model learnt from texts without labels whatever they say.
    """
    config = current_config(deepcopy(dict(config)))
    model, data = (_arguments(config.get(part)) for part in ("model", "data"))
    vectors = data.get("vectors")
    kind = str(vectors.get("class_path", "") if isinstance(vectors, Mapping) else "")
    if model.get("source") or kind.startswith(_PUBLISHED):
        return "open weights"
    of_language_models = model.get("elmo"), model.get("language_model")  # which read all texts
    beside = data.get("teacher"), data.get("unlabelled_batch_size")
    if reads_unlabelled or any((*of_language_models, *beside)):
        return "unlabelled"
    texts = (model.get("text"), _arguments(vectors).get("text"))
    return "unlabelled" if any("unlabelled" in str(text) for text in texts) else "labels"


def _arguments(part: Any) -> Mapping[str, Any]:
    arguments = part.get("init_args") if isinstance(part, Mapping) else None
    return arguments if isinstance(arguments, Mapping) else {}
