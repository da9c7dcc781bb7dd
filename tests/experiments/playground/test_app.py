"""The page of the playground without a browser: what is served, and what questions answer."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.cli.main import main
from experiments.playground import markup
from experiments.playground.answers import Flip, answer, changes
from experiments.playground.reviews import Review, by_disagreement, load_runs
from tests.experiments.playground.test_answers import Weighted

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)> good \x1b[31m \" ' &amp; film"


def test_every_text_label_and_name_is_escaped(finished: Path) -> None:
    runs, _ = load_runs([finished])
    run = runs["bag"]
    one = answer(EVIL, run, EVIL)
    pages = [
        markup.answers([one]),
        markup.pair(one, one, changes(EVIL, EVIL[::-1])),
        markup.flipped(EVIL, EVIL, Flip(EVIL, EVIL, 0.5, [(0, 8)], True)),
        markup.flipped(EVIL, EVIL, Flip(EVIL)),
        markup.disagreements([EVIL], [(Review(EVIL, EVIL, EVIL), 0.1, [EVIL])]),
        markup.warning(EVIL),
    ]
    for page in pages:
        tags = set(re.findall(r"<(\w+)", page))
        assert tags <= {"div", "h3", "p", "b", "mark", "span", "bdi"}, tags
        assert "\x1b" not in page and "alert(1)" in page


def test_runs_of_a_benchmark_are_named_and_unusable_ones_left_out(
    finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "runs")
    again = tmp_path / "runs" / "bag" / "seed-1"
    shutil.copytree(tmp_path / "runs" / "bag" / "seed-0", again)
    (tmp_path / "runs" / "tfidf_logreg" / "seed-0" / "arrays.safetensors").unlink()
    runs, notes = load_runs([tmp_path / "runs"])
    assert "tfidf_logreg" not in runs and len(notes) == 1 and "tfidf_logreg" in notes[0]
    assert [name for name in runs if name.startswith("bag")] == [
        "bag, seed 0",
        f"bag, seed 0 ({again})",
    ], "a copied folder is another run of the same name"


def test_texts_are_sorted_by_disagreement(finished: Path) -> None:
    runs, _ = load_runs([finished])
    reviews = [Review(text, "pos", text) for text in ("A good film.", "bad", "", "the plot")]
    found = by_disagreement(runs, reviews)
    assert len(found) == 3, "an empty text has no label"
    assert [apart for _, apart, _ in found] == sorted((a for _, a, _ in found), reverse=True)
    assert all(len(labels) == len(runs) for _, _, labels in found)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--port", "0"], "--port is 0; it must be a number from 1 to 65535"),
        (["--host", "256.0.0.1"], "256.0.0.1, port 7860: "),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(
    words: list[str], message: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio", reason="pip install 'lit-sentiment[playground]'")
    assert main(["playground", str(finished), *words]) == 1
    assert message in capsys.readouterr().err


def test_a_folder_without_runs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio", reason="pip install 'lit-sentiment[playground]'")
    assert main(["playground", str(tmp_path), "--port", "47861"]) == 1
    assert "no finished run here; name a run folder" in capsys.readouterr().err


def test_what_is_served_names_no_other_host(finished: Path) -> None:
    pytest.importorskip("gradio", reason="pip install 'lit-sentiment[playground]'")
    from starlette.testclient import TestClient

    from experiments.playground.app import application, build

    runs, _ = load_runs([finished])
    reviews = [Review("A good film.", "pos", "train/pos/1")]
    with TestClient(application(build(runs, reviews))) as client:
        page = client.get("/")
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "http" not in policy
        fetched = re.findall(r'(?:src|href)="(https?://[^"]+)"', page.text)
        assert [one for one in fetched if not one.startswith("http://testserver")] == []
        config = client.get("/config").json()
        assert config["title"] == "lit-sentiment" and not config["analytics_enabled"]


def test_one_question_is_answered_at_a_time() -> None:
    """Explanations put hooks into a model, which another question would run through."""
    pytest.importorskip("gradio", reason="pip install 'lit-sentiment[playground]'")
    from experiments.playground.app import build

    class Busy(Weighted):
        inside, most = 0, 0

        def predict(self, texts: Sequence[str]) -> Any:
            Busy.inside += 1
            Busy.most = max(Busy.most, Busy.inside)
            time.sleep(0.05)
            Busy.inside -= 1
            return super().predict(texts)

        def explain(self, texts: Any) -> Any:
            return [replace(super(Busy, self).explain(text), score=0.0) for text in texts]

    runs: Any = {"one": Busy()}
    asked = {one.fn.__name__: one.fn for one in build(runs).fns.values()}
    threads = [
        threading.Thread(target=asked["ask"], args=("a good film", ["one"])),
        threading.Thread(target=asked["compare"], args=("one", "a good film", "a bad film")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Busy.most == 1


def test_another_site_cannot_read_the_page_under_its_own_name(finished: Path) -> None:
    pytest.importorskip("gradio", reason="pip install 'lit-sentiment[playground]'")
    from starlette.testclient import TestClient

    from experiments.playground.app import LOOPBACK, application, build

    runs, _ = load_runs([finished / "bag" / "seed-0"])
    app = application(build(runs), LOOPBACK)
    for host in ("localhost:7860", "127.0.0.1:7860", "[::1]:7860"):
        assert TestClient(app, base_url=f"http://{host}").get("/config").status_code == 200
    refused = TestClient(app, base_url="http://evil.example").get("/config")
    assert refused.status_code == 421 and "lit-sentiment" not in refused.text


@pytest.mark.parametrize(
    ("words", "weights"), [([], None), (["--root", "nowhere"], "holdout"), (["--root"], "holdout")]
)
def test_validation_reviews_are_new_to_all_runs(
    words: list[str],
    weights: str | None,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The second fit of `refit` has learnt from them."""
    pytest.importorskip("gradio", reason="pip install 'lit-sentiment[playground]'")
    from experiments.playground import app, reviews

    given, shown = [], []

    def load(*arguments: Any) -> Any:
        given.append(arguments[-1])
        return load_runs(*arguments)

    monkeypatch.setattr(reviews, "load_runs", load)
    monkeypatch.setattr(app, "serve", lambda page, host, port: shown.append(page))
    code = main(["playground", str(finished), "--port", "47862", *words])
    assert given == [weights]
    if "nowhere" in words:
        assert code == 1 and "is on ToyData, which has no root" in capsys.readouterr().err
    else:
        tabs = {getattr(block, "label", None) for block in shown[0].blocks.values()}
        assert code == 0 and ("Where runs disagree" in tabs) == bool(words)
