"""Picture of measured speed: every figure is where it belongs, whatever the names are."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from experiments.report.picture.png import draw_png
from experiments.report.picture.speed import LIGHT, WIDTH, draw_speed
from experiments.report.picture.speed import PARTS as DRAWN
from experiments.speed.steps import PARTS

SHARES = {"data": 0.1, "forward": 0.3, "backward": 0.45, "optimiser": 0.16, "other": -0.01}


def measured(rate: float = 1000.0, **changes: Any) -> dict[str, Any]:
    train = {"tokens_per_second": rate, "steps": 3, "shares": SHARES}
    return {"train": train, "predict": {"tokens_per_second": 4 * rate}} | changes


def curves(rate: float) -> dict[str, Any]:
    """Half the rate at four times the length, a third in prediction, and an error."""
    lengths: list[dict[str, Any]] = [
        {"length": n, "tokens_per_second": r, "predicted_tokens_per_second": p}
        for n, r, p in ((64, rate, 9e6), (256, rate / 2, 3e6), (1024, rate / 4, 1e6))
    ]
    sizes = [{"batch_size": n, "tokens_per_second": rate} for n in (16, 32)]
    return {"lengths": [*lengths, {"length": 4096, "error": "out of memory"}], "batch_sizes": sizes}


def drawn(results: dict[str, Any]) -> ElementTree.Element:
    return ElementTree.fromstring(draw_speed(results))


def texts(picture: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in picture.findall(".//{*}text")]


def bars(picture: ElementTree.Element) -> dict[str, float]:
    """Widths of named bars."""
    found = {}
    for one in picture.findall(".//{*}rect"):
        title = one.find("{*}title")
        if title is not None and title.text:
            found[title.text] = float(one.attrib["width"])
    return found


def test_parts_are_those_that_are_measured() -> None:
    assert DRAWN == PARTS


def test_bars_are_as_long_as_their_figures() -> None:
    estimator = measured(500.0)
    estimator["train"] |= {"steps": 0, "shares": dict.fromkeys(PARTS)}
    picture = drawn({"lstm": measured(), "nb": estimator})
    found = bars(picture)
    widths = {part: found[f"lstm, {part}: {max(0, SHARES[part]):.1%}"] for part in PARTS}
    assert widths["forward"] == pytest.approx(3 * widths["data"], rel=0.01)
    assert widths["other"] == 0
    rates = {name: width for name, width in found.items() if "tokens" in name}
    assert rates["lstm, train: 1,000 tokens a second"] == pytest.approx(
        rates["lstm, predict: 4,000 tokens a second"] / 4, rel=0.01
    )
    assert set(rates) >= {"nb, train: 500 tokens a second", "nb, predict: 2,000 tokens a second"}
    assert "45%" in texts(picture) and not list(picture.findall(".//{*}polyline"))
    assert not any(name.startswith("nb, data") for name in found), "it takes no steps"


def test_curves_fall_as_their_rates_do() -> None:
    picture = drawn({"lstm": measured(**curves(1e5)), "cnn": measured(), "bag": {"error": "no"}})
    lines = [
        [tuple(map(float, pair.split(","))) for pair in one.attrib["points"].split()]
        for one in picture.findall(".//{*}polyline")
    ]
    assert [len(line) for line in lines] == [3, 3, 2], "training, prediction, batch sizes"
    for line in lines[:2]:
        (x1, y1), (x2, y2), (x3, y3) = line
        assert x1 < x2 < x3 and y1 < y2 < y3
        assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2), "logarithmic"
        assert y2 - y1 == pytest.approx(y3 - y2, abs=0.2)
    assert {"1M", "5M"} <= {*texts(picture)}, "prediction has its own axis"
    assert lines[2][0][1] == lines[2][1][1], "the rate is the same"
    assert texts(picture).count("lstm") == 3, "parts, rates, and the legend of the curves"
    assert texts(picture).count("cnn") == 2, "no curve, so not in that legend"
    assert "lstm, 4,096 tokens: out of memory" in texts(picture)
    assert "bag could not be measured." in texts(picture)
    assert {"64", "256", "1,024", "16", "32", "tokens a text", "texts a batch"} <= {*texts(picture)}


@pytest.mark.parametrize("name", ['<b>&"x"</b>', "a" * 90, "é…漢字", "[red]"])
def test_any_name_is_drawn_within_the_picture(name: str) -> None:
    error = [{"length": 4, "error": "<no> " * 90}]
    results = {name: measured(**curves(1e5)), "cnn": measured(1e9, lengths=error)}
    picture = drawn(results)
    assert draw_speed(results) == draw_speed(results)
    height = float(picture.attrib["height"])
    for one in picture.iter():
        for x, y in re.findall(r"x[12]?=.([-\d.]+). y[12]?=.([-\d.]+)", str(one.attrib)):
            assert 0 <= float(x) <= WIDTH and 0 <= float(y) <= height
        if one.tag.endswith("rect"):
            right = float(one.attrib.get("x", 0)) + float(one.attrib["width"])
            assert math.isfinite(right) and right <= WIDTH
        if one.tag.endswith("text"):
            x, wide = float(one.attrib["x"]), 7.44 * len(one.text or "")
            begin = x - {"start": 0, "middle": wide / 2, "end": wide}[one.attrib["text-anchor"]]
            assert begin >= -1 and begin + wide <= WIDTH + 1, one.text


def test_many_experiments_have_marks_of_their_own() -> None:
    names = [f"experiment_{n}" for n in range(14)]
    picture = drawn({name: measured(**curves(1e5)) for name in names})
    looks = [
        (one.attrib["stroke"], one.attrib.get("stroke-dasharray"))
        for one in picture.findall(".//{*}polyline")
    ]
    assert len(set(looks[:14])) == 14 and looks[0] == (LIGHT.families[0], None)


def test_nothing_measured_is_still_a_picture() -> None:
    assert texts(drawn({"cnn": {"error": "no"}}))[-1] == "cnn could not be measured."


@pytest.mark.browser
def test_a_png_is_the_picture_at_twice_its_size(tmp_path: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="pip install 'lit-sentiment[browser]'")
    svg = draw_speed({"lstm": measured()})
    image = draw_png(svg)
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(image[at : at + 4], "big") for at in (16, 20))
    assert width == 2 * WIDTH and 2 * int(ElementTree.fromstring(svg).attrib["height"]) == height
