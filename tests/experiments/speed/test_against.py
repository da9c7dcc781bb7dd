"""Comparisons with other libraries: turns, sizes and errors, with a made library's script."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from experiments.cli.main import main
from experiments.speed.comparison.against import print_comparison, summarise
from experiments.speed.comparison.rivals import PEERS
from tests.experiments.speed.conftest import TOY, Calls, jobs, write_peer

SHORT = ["--reviews=16", "--rounds=2", "--threads=1"]
NARROW = ["--model.hidden_size=8", "--model.embedding_dim=8"]
EPOCH = ["speed", "lstm", "--against=keras", "--warmup=1", *SHORT, *TOY, *NARROW]
PYTHON = f"--peer-python={sys.executable}"


def use(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PEERS:
        monkeypatch.setitem(PEERS, name, dataclasses.replace(PEERS[name], script=script))


def sides(calls: Calls) -> list[str]:
    """Order of measurements."""
    found = []
    for call in calls:
        if call[-1] == "--versions" or "--prepare" in call:
            continue
        found.append("ours" if call[1] == "-m" else "peer")
    return found


def test_both_sides_take_turns_on_the_same_work(
    tmp_path: Path,
    within: Calls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use(write_peer(tmp_path), monkeypatch)
    assert main([*EPOCH, PYTHON, "--max-length=20", f"--out={tmp_path / 'out.json'}"]) == 0
    assert sides(within) == ["ours", "peer"] * 2, "A B A B"
    first, second = jobs(tmp_path)
    assert first == second and first["variant"] == "keras" and first["network"] == "lstm"
    expected = {"batch_size": 8, "max_length": 20, "warmup": 1, "threads": 1, "reviews": 60}
    assert {key: first[key] for key in expected} == expected
    assert first["sizes"]["hidden_size"] == 8
    result = json.loads((tmp_path / "out.json").read_text())
    one = result["experiments"]["lstm"]
    assert one["equal"]["reviews"] == 60 and one["equal"]["tokens"] == first["tokens"]
    assert one["versions"]["keras"] == {"python": "3", "fake": "1.5"}
    assert "torch" in one["versions"]["ours"] and one["batch_size"] == {"ours": 8, "keras": 8}
    assert one["seconds"]["keras"] == 10.0, "2 + 64 / 8"
    assert one["others"] >= 0.25, "the most that other processes took of the cores"
    ratios = [10.0 / found["ours"]["seconds"] for found in one["rounds"]]
    assert one["ratio"]["keras"]["min"] == pytest.approx(min(ratios))
    assert one["ratio"]["keras"]["max"] == pytest.approx(max(ratios))
    output = capsys.readouterr().out
    assert "round 2/2: ours" in output and "keras 10.0 s" in output and "keras / ours" in output
    assert "60 reviews" in output and "at most 20 each" in output and "batches of 8" in output
    assert "fake 1.5" in output and "loss:" in output and "parameters:" in output
    file = io.StringIO()
    print_comparison(Console(width=80, file=file, color_system=None), one)
    assert max(map(len, file.getvalue().splitlines())) <= 80 and "keras / ours" in file.getvalue()
    assert str(tmp_path) not in (tmp_path / "out.json").read_text()


def test_each_side_takes_its_best_batch_size(
    tmp_path: Path, within: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(write_peer(tmp_path), monkeypatch)
    words = [*EPOCH, PYTHON, "--rounds=1", "--batch-sizes", "4", "16"]
    assert main([*words, f"--out={tmp_path / 'out.json'}"]) == 0
    assert sides(within) == ["ours", "ours", "peer", "peer", "ours", "peer"]
    assert [job["batch_size"] for job in jobs(tmp_path)] == [4, 16, 16], "the faster at last"
    one = json.loads((tmp_path / "out.json").read_text())["experiments"]["lstm"]
    assert one["batch_size"]["keras"] == 16
    assert one["batch_size_choice"]["keras"] == {"4": 18.0, "16": 6.0}
    choice = one["batch_size_choice"]["ours"]
    assert one["batch_size"]["ours"] == int(min(choice, key=choice.__getitem__))


@pytest.mark.parametrize(
    ("peer", "name", "keys"),
    [
        ("fasttext", "fasttext", {"train", "validation", "settings"}),
        ("sklearn", "nb_logreg", {"train", "validation", "ngrams", "min_df", "C"}),
        ("gensim", "word2vec", {"file", "settings"}),
    ],
)
def test_whole_fits_are_compared_too(
    peer: str,
    name: str,
    keys: set[str],
    tmp_path: Path,
    within: Calls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = "import shutil; [shutil.copy(job[k], os.path.dirname(__file__)) for k in "
    copy += "('train', 'validation', 'file') if k in job]"
    use(write_peer(tmp_path, copy), monkeypatch)
    words = ["speed", name, f"--against={peer}", PYTHON, *SHORT, *TOY, "--rounds=1"]
    words += ["--model.buckets=100"] if peer == "fasttext" else []
    assert main([*words, f"--out={tmp_path / 'out.json'}"]) == 0
    assert sides(within) == ["ours", "peer"]
    (job,) = jobs(tmp_path)
    assert keys <= job.keys() and job["reviews"] == 60
    one = json.loads((tmp_path / "out.json").read_text())["experiments"][name]
    ours = one["rounds"][0]["ours"]
    assert ours["seconds"] > 0
    if peer != "gensim":
        assert 0 < ours["accuracy"] <= 1 and "accuracy: ours" in capsys.readouterr().out
        texts = "".join(file.read_text() for file in tmp_path.glob("train.*"))
        other = "".join(file.read_text() for file in tmp_path.glob("validation.*"))
        assert "train59" in texts and "train60" not in texts
        # fastText's rows are ids of words, and the vocabulary is that of the other rows.
        assert ("train60" in other) == (peer == "sklearn") and other.count("\n") >= 20
        assert "test7" not in texts + other, "the test part is not looked at"
    else:
        assert len((tmp_path / "texts.txt").read_text().splitlines()) == 60


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("[print(n, file=sys.stderr) for n in range(99)]; sys.exit(3)", "ended with code 3"),
        ("raise RuntimeError('no room for weights')", "RuntimeError: no room for weights"),
        ("print('not JSON'); sys.exit()", "printed no JSON on its last line: 'not JSON\\n'"),
    ],
)
def test_a_peer_that_fails_is_quoted(
    body: str,
    end: str,
    tmp_path: Path,
    within: Calls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use(write_peer(tmp_path, body), monkeypatch)
    with pytest.raises(SystemExit) as error:
        main([*EPOCH, PYTHON, f"--out={tmp_path / 'out.json'}"])
    message = str(error.value)
    assert end in message
    if "code 3" in end:
        assert message.splitlines()[-1] == "98" and len(message.splitlines()) == 21
    assert not (tmp_path / "out.json").exists()


def test_an_interpreter_without_the_library_is_named(
    tmp_path: Path,
    within: Calls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = tmp_path / "peer.py"
    script.write_text("import no_such_library")
    use(script, monkeypatch)
    assert main([*EPOCH, PYTHON]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert f"--against keras: {sys.executable} cannot run peer.py" in error
    assert "No module named 'no_such_library'" in error
    assert "run `make peers`, or name another interpreter with --peer-python" in error


def test_ratios_are_those_of_rounds() -> None:
    times = [(2.0, 4.0), (3.0, 3.0), (1.0, 3.0), (4.0, 5.0), (2.0, 3.0)]
    rounds: list[dict[str, Any]]
    rounds = [{"ours": {"seconds": a}, "keras": {"seconds": b}} for a, b in times]
    summary = summarise(rounds, ("ours", "keras"))
    assert summary["ratio"]["keras"] == {"median": 1.5, "min": 1.0, "max": 3.0}
    assert summary["seconds"] == {"ours": 2.0, "keras": 3.0}
    even = summarise(rounds[:2], ("ours", "keras"))
    assert even["ratio"]["keras"]["median"] == 1.5 and even["seconds"]["keras"] == 3.5
