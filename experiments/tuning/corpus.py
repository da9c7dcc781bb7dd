"""Corpus of a sweep: all of its trials learn from the same."""

from __future__ import annotations

from experiments.config.registry import ConfigError


def check_same_corpus(sweep: str, before: str, now: str) -> None:
    """Check that a trial reads the corpus that its sweep began with.

    Args:
        sweep: the sweep, for the message.
        before: fingerprint of the corpus that its trials learnt from.
        now: fingerprint of the corpus that further trials will read.

    Raises:
        ConfigError: they are two.
    """
    if before != now:
        raise ConfigError(
            f"{sweep}: its trials learnt from corpus {before}, and the corpus now read is {now}; "
            "provide the earlier corpus, or choose another --name"
        )
