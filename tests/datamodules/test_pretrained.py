"""Errors of loading from the hub: what is not there is unavailable, anything else a failure."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from huggingface_hub import errors

from datamodules import pretrained
from datamodules.errors import DataError, Unavailable
from datamodules.pretrained import loading

NAME = "someone/some-model"


def answer(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co"))


ABSENT = {
    "no such model": errors.RepositoryNotFoundError("none", response=answer(404)),
    "no such revision": errors.RevisionNotFoundError("none", response=answer(404)),
    "gated": errors.GatedRepoError("ask", response=answer(403)),
    "hub down": errors.HfHubHTTPError("down", response=answer(503)),
    "not downloaded": errors.LocalEntryNotFoundError("not here"),
    "switched off": errors.OfflineModeIsEnabled("off"),
    "no network": errors.HTTPError("no route"),
    "no name": socket.gaierror(-2, "name or service not known"),
    "refused": ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
    "slow": TimeoutError("timed out"),
}
BROKEN = {
    "value": ValueError("shapes do not fit"),
    "json": json.JSONDecodeError("no value", "x", 0),
    "disk": OSError(errno.ENOSPC, "no space left on device"),
    "rights": PermissionError(errno.EACCES, "denied"),
    "no weights": errors.RemoteEntryNotFoundError("no model.safetensors", response=answer(404)),
    "damaged": OSError("Unable to load weights from checkpoint file"),
    "type": TypeError("an argument too many"),
    "key": KeyError("model_type"),
}


@pytest.fixture(autouse=True)
def hub_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pretrained, "_hub_answers", lambda: True)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield


def fail(error: Exception, wrapped: bool) -> None:
    """Raise an error as the hub's client does, or wrapped as transformers does."""
    if not wrapped:
        raise error
    raise OSError(f"cannot load {NAME}") from error


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("error", ABSENT.values(), ids=ABSENT)
def test_a_model_that_cannot_be_had_is_unavailable(error: Exception, wrapped: bool) -> None:
    with pytest.raises(Unavailable, match=NAME), loading(NAME):
        fail(error, wrapped)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("error", BROKEN.values(), ids=BROKEN)
def test_any_other_error_of_a_hub_load_is_a_failure(error: Exception, wrapped: bool) -> None:
    with pytest.raises(Exception) as caught, loading(NAME):
        fail(error, wrapped)
    assert not isinstance(caught.value, Unavailable)
    if isinstance(caught.value, DataError):
        assert NAME in str(caught.value)
