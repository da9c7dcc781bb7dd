"""Options of `speed` without any effect: refused, or named where they have one on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.speed.comparison.rivals import Peer
from experiments.speed.measure import Plan
from experiments.speed.sample import SampledIMDB
from lit_models.base.classifier import LitClassifier
from lit_models.base.without_steps import WithoutSteps

Given = Mapping[str, str]
"""Options that were typed, with their values: `--lengths`, and `64 256`."""


LONGEST = 65_536
"""Tokens of the longest made rows; some of that length fit the memory of a small machine."""


def check_alone(given: Given, measured: Sequence[tuple[Resolved, Plan]]) -> list[str]:
    """Check the options of measurements without another library.

    Returns:
        A sentence on each option that has no effect on some of the experiments.

    Raises:
        ConfigError: An option has no effect on any of them.
    """
    remedies = {"--peer-python": "add --against PEER", "--max-length": "write --data.max_length"}
    for option, remedy in remedies.items():
        if option in given:
            raise ConfigError(f"{option} {given[option]} is for --against; {remedy}")
    _check_sizes(given, measured[0][1].reviews)
    said = []
    for option in given:
        found = [(plan.experiment, _reason(option, one)) for one, plan in measured]
        idle = [(name, reason) for name, reason in found if reason]
        if len(idle) == len(found):
            names = " and ".join(f"{name}, which {reason}" for name, reason in idle)
            raise ConfigError(f"{option} {given[option]} has no effect on {names}; leave it out")
        said += [f"{name} {reason}, so {option} has no effect on it" for name, reason in idle]
    return said


def check_against(given: Given, peer: Peer, reviews: int) -> None:
    """Check the options of a comparison.

    Raises:
        ConfigError: An option has no effect in a comparison with this library.
    """
    for option in ("--lengths", "--plot"):
        if option in given:
            raise ConfigError(
                f"{option} {given[option]} is for measurements without --against; leave one out"
            )
    against = f"--against {peer.name}"
    if "--from-config" in given and peer.name != "hf":
        raise ConfigError(
            f"--from-config is for pretrained encoders, and {against} has none; leave it out"
        )
    if peer.work != "epoch":
        for option, remedy in (
            ("--batch-sizes", ", or write --data.batch_size"),
            ("--warmup", ""),
        ):
            if option in given:
                raise ConfigError(
                    f"{option} {given[option]}: {against} times whole fits, with the batches of "
                    f"the experiment and no warm-up; leave it out{remedy}"
                )
    if not peer.truncates and "--max-length" in given:
        raise ConfigError(
            f"--max-length {given['--max-length']}: {against} measures whole texts; leave it out"
        )
    _check_sizes(given, reviews)


def _check_sizes(given: Given, reviews: int) -> None:
    for length in given.get("--lengths", "").split():
        if int(length) > LONGEST:
            raise ConfigError(
                f"--lengths {length}: a made row has at most {LONGEST:,} tokens; name shorter ones"
            )
    for size in given.get("--batch-sizes", "").split():
        if int(size) > reviews:
            raise ConfigError(
                f"--batch-sizes {size}: a round reads {reviews} reviews, and a batch cannot have "
                f"more; add --reviews {size}, or leave the size out"
            )


def _reason(option: str, resolved: Resolved) -> str | None:
    """The reason why an option has no effect on an experiment, to follow its name."""
    model = resolved.model_class
    if option == "--root":
        own = not issubclass(resolved.corpus_class, SampledIMDB)
        return "has a corpus of its own" if own else None
    if option not in ("--lengths", "--batch-sizes", "--warmup"):
        return None
    if issubclass(model, WithoutSteps):
        return "takes no steps"
    if option == "--lengths" and not issubclass(model, LitClassifier):
        return f"is measured on its own batches ({model.problem})"
    return None
