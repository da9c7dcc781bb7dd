"""Experiments, profiles and settings: found, resolved and checked."""

from datamodules.upgrade.imports import moved_attribute


def __getattr__(name: str) -> object:
    raise moved_attribute(__name__, name)
