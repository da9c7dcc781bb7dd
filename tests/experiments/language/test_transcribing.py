"""Strings for texts by a finished run: what is written, and what is refused."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from datamodules.errors import DataError
from datamodules.sequences import pronunciation
from datamodules.sequences.pronunciation import PHONES
from datamodules.store.encoder import Encoder
from experiments.cli.main import main
from experiments.language import beams
from experiments.language.alignment import Alignment, draw_alignments
from experiments.language.transcribing import Transcriber
from experiments.records.run_files import read_row
from lit_models.seq2seq import Seq2Seq

SMALL = [
    *("--data.train_limit=200", "--data.test_size=40", "--data.validation_size=40"),
    *("--model.hidden_size=16", "--trainer.max_epochs=1", "--data.batch_size=32"),
]


LETTERS = {"b": "B", "d": "D", "m": "M", "n": "N", "t": "T", "w": "W", "z": "Z"}
VOWELS = {"a": "AE1", "e": "EH0", "i": "IH1", "o": "OW1", "oo": "UW1"}


def write_dictionary(path: Path) -> None:
    """Words of one to three syllables, each with its phones."""
    syllables = [(c + v, f"{p} {q}") for c, p in LETTERS.items() for v, q in VOWELS.items()]
    words = [*syllables]
    words += [(a + b, f"{p} {q}") for a, p in syllables for b, q in syllables[:8]]
    path.write_text("".join(f"{word} {phones}\n" for word, phones in words))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished run of `seq2seq_attention` on a few made words."""
    folder = tmp_path_factory.mktemp("runs")
    write_dictionary(folder / "small.dict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pronunciation, "find_file", lambda: folder / "small.dict")
        patch.setattr(pronunciation.read_dictionary, "__defaults__", (None,))
        fit = ["fit", "-c", "seq2seq_attention", "--runs", str(folder), "--test", *SMALL]
        assert main([*fit, f"--data.cache_dir={folder / 'cache'}"]) == 0
    return folder / "fit" / "seq2seq_attention" / "seed-0"


def test_a_run_has_a_row_of_its_problem(run: Path) -> None:
    row = read_row(run)
    assert row.status == "ok" and row.problem == "transcription" and row.task is None
    assert row.test is not None and row.test.n == 40 and row.label_names == list(PHONES)
    assert row.val is not None and row.val.symbol_error_rate > 0  # type: ignore[union-attr]


def test_words_get_phones(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["transcribe", str(run), "tomato", "zoo", "--beam", "4", "--best", "2"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["tomato", "tomato", "zoo", "zoo"]
    assert all(set(line[1].split()) <= set(PHONES) for line in lines)
    logs = [float(line[2]) for line in lines]
    assert logs[0] >= logs[1] and logs[2] >= logs[3] and max(logs) <= 0


def test_symbols_have_the_names_of_their_numbers(run: Path) -> None:
    transcriber = Transcriber(run)
    batch = transcriber.encoder.encode(["tomato"])
    [texts] = transcriber.model.transcribe(batch.tokens, batch.lengths, 4)
    found = list(transcriber(["tomato"], width=4, best=3))
    assert [one.symbols for one in found] == [
        tuple(PHONES[symbol - 1] for symbol in text.symbols) for text in texts[:3]
    ]
    assert any(one.symbols for one in found)
    assert [one.log_probability for one in found] == [text.log_probability for text in texts[:3]]


def test_words_of_standard_input(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"moo\ntwo\n")))
    capsys.readouterr()
    assert main(["transcribe", str(run)]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == ["moo", "two"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([""], "'' is empty text; give a word"),
        (["日本"], "has letters that training never saw: '日' '本'"),
        (["zoo", "--best", "3", "--beam", "2"], "choose 1 ≤ best ≤ beam"),
        (["zoo", "--beam", "0"], "choose 1 ≤ best ≤ beam"),
        (["zoo", "--best", "0"], "choose 1 ≤ best ≤ beam"),
    ],
)
def test_bad_words_are_refused(
    words: list[str], reason: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(run), *words]) == 1
    assert reason in capsys.readouterr().err


def test_a_letter_beyond_the_vocabulary_of_the_run_is_refused(run: Path) -> None:
    transcriber = Transcriber(run)
    encoder = transcriber.encoder
    cap = encoder.token_truncation._replace(vocab_size=4)
    transcriber.encoder = Encoder(encoder.tokenizer, cap, encoder.label_names)
    first, second, third = encoder.tokenizer.vocabulary()[2:5]
    assert list(transcriber([first + second]))
    with pytest.raises(DataError, match=f"has letters that training never saw: '{third}'"):
        list(transcriber([first + third]))


def test_a_run_of_another_problem_is_refused(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(finished / "bag" / "seed-0"), "zoo"]) == 1
    assert "is a model of classification and writes no strings" in capsys.readouterr().err


def test_an_alignment_has_a_weight_for_each_letter_and_symbol(run: Path) -> None:
    transcriber = Transcriber(run)
    [written] = transcriber(["Tomato"])
    found = transcriber.align(written)
    assert found.letters == tuple("tomato") and found.symbols == (*written.symbols, "end")
    assert found.weights.shape == (len(found.symbols), 6)
    np.testing.assert_allclose(found.weights.sum(1), 1, rtol=1e-5)
    # The weights are those of the steps that wrote the symbols.
    model = transcriber.looking()
    batch = transcriber.encoder.encode(["tomato"])
    with torch.inference_mode():
        state = model.encode(batch.tokens, batch.lengths)
        before = torch.tensor([[0, *(transcriber.names.index(s) + 1 for s in written.symbols)]])
        [steps] = model.net.attend(before, state)[1]
    np.testing.assert_allclose(found.weights, steps.double(), rtol=1e-5)


def test_alignments_are_drawn(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "pictures" / "looks.svg"
    assert main(["transcribe", str(run), "tomato", "zoo", "--alignments", str(file)]) == 0
    root = ElementTree.parse(file).getroot()
    tag = "{http://www.w3.org/2000/svg}"
    cells = [one for one in root.iter(f"{tag}rect") if one.get("fill-opacity")]
    names = [one.text for one in root.iter(f"{tag}text") if one.get("text-anchor") == "end"]
    written = [[*one.symbols, "end"] for one in Transcriber(run)(["tomato", "zoo"])]
    assert names == [name for one in written for name in one]
    assert len(cells) == 6 * len(written[0]) + 3 * len(written[1])


def test_a_letter_is_drawn_as_text_and_weights_as_shades() -> None:
    drawn = draw_alignments([Alignment(("<", "b"), ("B", "end"), np.array([[0.04, 0.96], [1, 0]]))])
    root = ElementTree.fromstring(drawn)
    tag = "{http://www.w3.org/2000/svg}"
    texts = [one.text for one in root.iter(f"{tag}text")]
    assert texts == ["<", "b", "B", "96", "end", "100"]
    shades = [one.get("fill-opacity") for one in root.iter(f"{tag}rect")]
    assert shades == [None, "0.040", "0.960", "1.000", "0.000"]
    assert "B at b, end at &lt;" in drawn


def test_a_model_that_does_not_look_back_is_refused_before_it_writes(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("experiments.language.transcribing.Seq2SeqAttention", Seq2Seq)
    capsys.readouterr()
    file = tmp_path / "looks.svg"
    assert main(["transcribe", str(run), "zoo", "--alignments", str(file)]) == 1
    out, err = capsys.readouterr()
    assert "Seq2SeqAttention has no alignment" in err and not out and not file.exists()


@pytest.fixture
def corpus(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the run's corpus be read again."""
    runs = run.parents[2]
    monkeypatch.setenv("LIT_SENTIMENT_CACHE", str(runs / "cache"))
    monkeypatch.setattr(pronunciation, "find_file", lambda: runs / "small.dict")
    monkeypatch.setattr(pronunciation.read_dictionary, "__defaults__", (None,))


@pytest.mark.usefixtures("corpus")
def test_a_beam_is_never_less_probable_and_the_table_says_so(run: Path, tmp_path: Path) -> None:
    greedy, beam = beams.search(run, [1, 4])
    assert len(greedy.ids) == 40 and np.array_equal(greedy.ids, beam.ids)
    assert (beam.log_probabilities >= greedy.log_probabilities - 1e-5).all()
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- beams -->\n<!-- /beams -->\nafter\n")
    beams.main([str(run), "--beam", "4", "--out", str(page)])
    text = page.read_text()
    figures = greedy.evaluate().string_error_rate
    assert "40 validation words" in text and text.endswith("after\n")
    assert (
        f"| `seq2seq_attention` | greedy | {greedy.log_probabilities.astype(float).mean():.4f} | "
        in text
    )
    assert f" | {100 * figures:.2f} |  |\n" in text and "| beam of 4 |" in text


@pytest.mark.usefixtures("corpus")
def test_runs_of_other_words_are_not_put_into_one_table(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = beams.search(run, [1])
    other = dataclasses.replace(found[0], ids=found[0].ids + 1)
    answers = iter([found * 2, [other] * 2])
    monkeypatch.setattr(beams, "search", lambda folder, widths: next(answers))
    with pytest.raises(SystemExit):
        beams.main([str(run), str(run)])
    assert "has other validation words" in capsys.readouterr().err


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["RUN", "--beam", "0"], "--beam is 0"),
        (["nowhere"], "not a finished run"),
        (["RUN", "--out", "PAGE"], "lacks <!-- beams -->"),
        (["RUN", "--out", "none/page.md"], "No such file"),
    ],
)
def test_what_beams_cannot_compare_is_named(
    words: list[str],
    message: str,
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "page.md"
    page.write_text("no marks")
    given = {"RUN": str(run), "PAGE": str(page)}
    with pytest.raises(SystemExit) as ended:
        beams.main([given.get(word, word) for word in words])
    assert ended.value.code == 2 and message in capsys.readouterr().err
    assert page.read_text() == "no marks"
