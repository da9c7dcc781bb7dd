"""The playground in a real browser: `make test-browser`."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.experiments.conftest import REPOSITORY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
pytest.importorskip("gradio", reason="pip install 'lit-sentiment[playground]'")

EVIL = (
    "<script>window.hit=1</script><img src=x onerror=window.hit=1><svg onload=window.hit=1> "
    "${window.hit=1} {{window.hit=1}} {% raw %} a good film"
)


@pytest.fixture(scope="module")
def address(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a playground of two runs, one of them in a folder with a name of markup."""
    folder = tmp_path_factory.mktemp("played") / "<img src=x onerror=window.hit=1>"
    folder.mkdir()
    (folder / "bag").symlink_to(finished / "bag")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [str(folder), str(finished / "bag" / "seed-0"), str(finished / "tfidf_logreg/seed-0")]
    command = [sys.executable, "-m", "experiments", "playground", *words, "--port", str(port)]
    with subprocess.Popen(command, cwd=REPOSITORY) as process:
        try:
            for _ in range(600):
                assert process.poll() is None, "the playground has ended"
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
                    break
                except OSError:
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


@pytest.mark.parametrize("width", [1400, 400])
def test_texts_and_names_run_nothing_and_nothing_is_fetched_elsewhere(
    address: str, browser: Any, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    requests: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    page.fill("#text textarea", EVIL)
    page.click("#ask")
    page.wait_for_selector("#answers .answer")
    assert "onerror=window.hit" in page.inner_text("#answers"), "the text is shown as it is"
    page.click("#flip")
    page.wait_for_function("/deleted|No small/.test(document.querySelector('#answers').innerText)")
    page.fill("#text textarea", " ")
    page.click("#ask")
    page.wait_for_selector("#answers .warning")
    page.get_by_role("tab", name="Compare two texts").click()
    page.fill("#new textarea", EVIL)
    page.click("#compare")
    page.wait_for_selector("#pair .answer")
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    elsewhere = [url for url in requests if not url.startswith((address, "data:", "blob:"))]
    assert elsewhere == [] and problems == []
    page.close()
