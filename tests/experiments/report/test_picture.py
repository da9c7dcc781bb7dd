"""Picture of accuracy against parameters, and table of selected rows: content and omissions."""

from __future__ import annotations

import dataclasses
import math
import random
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import numpy as np
import pytest

from experiments.report.facts import FAMILIES
from experiments.report.picture.labels import CHARACTER, Box, NamedPoint, around, place_labels
from experiments.report.picture.points import HEIGHT, MOST_NAMED, MOVED, WIDTH, drawable, lay_out
from experiments.report.picture.svg import draw_svg, picture
from experiments.report.picture.symbols import THEMES, Theme
from experiments.report.readme.top import Candidate, find_candidates
from experiments.report.tables import Statistic, Table, build_tables
from experiments.statistics.intervals import Interval
from tests.rows import make_metrics, make_row

SVG = "{http://www.w3.org/2000/svg}"


def candidate(
    name: str = "cnn",
    accuracy: float = 0.9,
    parameters: float | None = 1e6,
    protocol: str = "holdout",
    family: str = "convolutional",
    architecture: str = "CNN",
    **costs: float,
) -> Candidate:
    """One experiment with an interval of a third of a point to each side."""
    metrics = make_metrics(accuracy=accuracy)
    row = make_row(
        experiment=name,
        architecture=architecture,
        family=family,
        test=metrics if protocol == "holdout" else None,
        test_refit=metrics if protocol == "refit" else None,
        protocol=protocol,
        **costs,
    )
    line = build_tables([row])[0].lines[0]
    count = None if parameters is None else Statistic(parameters, None, 1)
    interval = Interval(accuracy, accuracy - 0.0033, accuracy + 0.0033, None, 1, 1.0, True)
    values = line.values | {"parameters": count}
    key = {"holdout": "test_accuracy", "refit": "refit_accuracy"}[protocol]
    line = dataclasses.replace(line, values=values, intervals={key: interval})
    return Candidate(protocol, line, 100 * accuracy)


def tables_of(*candidates: Candidate) -> list[Table]:
    """Tables of these candidates."""
    tables = []
    for protocol in sorted({one.protocol for one in candidates}):
        lines = tuple(one.line for one in candidates if one.protocol == protocol)
        [table] = build_tables([line.rows[0] for line in lines])
        tables.append(dataclasses.replace(table, lines=lines))
    return tables


def crowd(seed: int, rows: int = 60) -> list[Candidate]:
    """Many rows on few sizes, as experiments over one vocabulary are."""
    chance = random.Random(seed)
    names = ["bag", "cnn_lstm", "bidirectional_lstm_word2vec", "hierarchical_attention", "rnn"]
    candidates = [
        candidate(
            f"{chance.choice(names)}_{at}",
            round(chance.uniform(0.82, 0.93), 4),
            chance.choice([400_000, 3_940_000, 3_972_610, 4_001_666, 3e7]),
            chance.choice(["holdout", "refit"]),
            chance.choice([*FAMILIES, "strange"]),
        )
        for at in range(rows)
    ]
    return sorted(candidates, key=lambda one: -one.accuracy)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def marks(root: ElementTree.Element) -> list[tuple[str, Box]]:
    """Title of each point with the area of its symbol."""
    points = []
    for group in root.iterfind(f"{SVG}g[@class='point']"):
        title, shape = group.findtext(f"{SVG}title"), group[-1]
        assert title
        points.append((title, extent(shape)))
    return points


def extent(element: ElementTree.Element) -> Box:
    """Area of an element; that of a text is for a wide font."""
    get = element.attrib
    match element.tag.removeprefix(SVG):
        case "circle":
            x, y, r = float(get["cx"]), float(get["cy"]), float(get["r"])
            return Box(x - r, y - r, x + r, y + r)
        case "polygon":
            corners = [tuple(map(float, pair.split(","))) for pair in get["points"].split()]
            xs, ys = zip(*corners, strict=True)
            return Box(min(xs), min(ys), max(xs), max(ys))
        case "line":
            xs, ys = [[float(get[f"{axis}{end}"]) for end in "12"] for axis in "xy"]
            return Box(min(xs), min(ys), max(xs), max(ys))
        case "text":
            x, y, width = float(get["x"]), float(get["y"]), CHARACTER * len(element.text or "")
            left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[get["text-anchor"]] * width
            return Box(left, y - 11, left + width, y + 3)
    raise AssertionError(element.tag)


def names(root: ElementTree.Element) -> list[tuple[str, Box]]:
    return [(text.text or "", extent(text)) for text in root.iterfind(f"{SVG}text[@class='name']")]


def assert_clear(root: ElementTree.Element) -> None:
    """Check that no name covers another one or a point, and that all are inside the picture."""
    labels, points = names(root), marks(root)
    assert labels and points
    for (one, box), (two, other) in combinations(labels, 2):
        assert not box.overlaps(other), (one, two)
    for name, box in labels:
        assert [title for title, mark in points if box.overlaps(mark)] == [], name
    view = Box(0, 0, WIDTH, HEIGHT)
    assert root.attrib["viewBox"] == f"0 0 {WIDTH} {HEIGHT}"
    drawn = [one for kind in ("circle", "polygon", "line", "text") for one in root.iter(SVG + kind)]
    assert len(drawn) > len(points)
    for element in drawn:
        assert view.holds(extent(element)), ElementTree.tostring(element)


# The picture


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_every_published_row_is_one_point_in_sight(
    published_tables: list[Table], theme: Theme
) -> None:
    candidates = drawable(find_candidates(published_tables, "imdb"))
    root = parsed(draw_svg(candidates, theme))
    keys = {"holdout": "test_accuracy", "refit": "refit_accuracy"}
    lines = [line for table in published_tables for line in table.lines]
    rows = [(line, name) for line in lines for name, key in keys.items() if line.values.get(key)]
    titles = [title for title, _ in marks(root)]
    assert len(titles) == len(rows) == len(set(titles))
    for line, protocol in rows:
        accuracy = line.values[keys[protocol]]
        assert accuracy
        start = f"{line.experiment}, {protocol}: {accuracy.mean:.2f}% with "
        assert [title for title in titles if title.startswith(start)], start
    assert_clear(root)
    assert candidates[0].line.experiment in [name for name, _ in names(root)]
    assert 10 <= len(names(root)) <= MOST_NAMED
    intervals = root.findall(f"{SVG}line[@stroke-opacity]")
    assert len(intervals) == sum(keys[name] in line.intervals for line, name in rows) > 0


@pytest.mark.parametrize("seed", range(6))
def test_in_a_crowd_no_name_covers_a_name_or_a_point(seed: int) -> None:
    candidates = crowd(seed)
    root = parsed(draw_svg(candidates, THEMES["light"]))
    assert len(marks(root)) == len(candidates)
    assert_clear(root)
    points = {point.candidate.line.experiment: point for point in lay_out(candidates).points}
    for label in lay_out(candidates).names:
        if label.leader is None:
            continue
        *start, x, y = label.leader
        for share in np.linspace(0, 1, 50):
            at = start[0] + share * (x - start[0]), start[1] + share * (y - start[1])
            for name, point in points.items():
                assert name == label.text or math.dist(at, (point.x, point.y)) > 6, (name, label)


def test_places_are_those_of_the_values_but_for_a_small_step_aside(
    published_tables: list[Table],
) -> None:
    candidates = drawable(find_candidates(published_tables, "imdb"))
    shown = lay_out(candidates)
    size = {"k": 1e3, "M": 1e6, "G": 1e9}
    ticks = [
        [(math.log10(float(text.rstrip("kMG")) * size.get(text[-1], 1)), at) for at, text in axis]
        for axis in (shown.x_ticks, [(at, str(10 ** float(text))) for at, text in shown.y_ticks])
    ]
    (x_slope, x_zero), (y_slope, y_zero) = (
        np.polyfit(*zip(*axis, strict=True), 1) for axis in ticks
    )
    assert x_slope > 0 > y_slope
    for point in shown.points:
        parameters = point.candidate.line.values["parameters"]
        assert parameters
        assert abs(x_slope * math.log10(parameters.mean) + x_zero - point.x) <= MOVED + 0.01
        assert y_slope * point.candidate.accuracy + y_zero == pytest.approx(point.y, abs=0.01)
        interval = point.candidate.interval
        assert interval
        assert y_slope * 100 * interval.low + y_zero == pytest.approx(point.low, abs=0.01)
        assert y_slope * 100 * interval.high + y_zero == pytest.approx(point.high, abs=0.01)
    far = [
        one
        for one in (candidate("a", 0.9, 1e4), candidate("b", 0.8, 1e6), candidate("c", 0.7, 1e8))
    ]
    left, middle, right = (point.x for point in lay_out(far).points)
    assert middle == pytest.approx((left + right) / 2)  # nothing near: nothing moves


def test_points_that_coincide_are_all_to_be_seen() -> None:
    candidates = [candidate(f"same_{at}", 0.9, 4e6) for at in range(3)]
    places = [(point.x, point.y) for point in lay_out(candidates).points]
    assert all(math.dist(one, two) >= 8 for one, two in combinations(places, 2))


def test_the_same_rows_give_the_same_bytes_in_any_order() -> None:
    tied = [candidate("tied", 0.9, 2e6, protocol) for protocol in ("holdout", "refit")]
    candidates = [*crowd(1), *tied]
    rows = [one.line.rows[0] for one in candidates]
    first = picture(build_tables(rows), "t", "docs/")
    assert first == picture(build_tables(rows), "t", "docs/")
    assert first == picture(build_tables(rows[::-1])[::-1], "t", "docs/")
    assert first != picture(build_tables(rows[1:]), "t", "docs/")


def test_refit_is_hollow_and_the_legend_names_what_is_there() -> None:
    both = [candidate("a", 0.91), candidate("b", 0.9, 1e5, "refit")]
    theme = THEMES["dark"]
    root = parsed(draw_svg(both, theme))
    fills = {
        (group.findtext(f"{SVG}title") or "")[0]: group[-1].attrib["fill"]
        for group in root.iterfind(f"{SVG}g[@class='point']")
    }
    assert fills == {"a": theme.colour("convolutional"), "b": theme.ground}
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert [text for text in texts if text.startswith(("filled: holdout", "hollow: refit"))]
    assert "convolutional" in texts and "recurrent" not in texts and "95% interval" in texts
    alone = [dataclasses.replace(both[0], line=dataclasses.replace(both[0].line, intervals={}))]
    drawn = draw_svg(alone, theme)
    assert "hollow" not in drawn and "interval" not in drawn and "filled: holdout" in drawn


def test_one_row_and_a_narrow_span_have_numbers_on_both_axes() -> None:
    for candidates in ([candidate()], [candidate("a", 0.9, 3.9e6), candidate("b", 0.9001, 4e6)]):
        shown = lay_out(candidates)
        assert len(shown.x_ticks) >= 2 and len(shown.y_ticks) >= 2
        assert_clear(parsed(draw_svg(candidates, THEMES["light"])))


def test_a_name_goes_farther_off_rather_than_across_lines() -> None:
    mark, area = around(200, 200, 5), Box(0, 0, 400, 400)
    near = Box(150, 150, 250, 250)
    one = NamedPoint(mark, 0.0, "cnn")
    beside, *_ = place_labels([one], [], 1, [mark], [], area)
    assert beside.leader is None
    apart, *_ = place_labels([one], [], 1, [mark], [near, near, near], area)
    assert apart.leader is not None and not apart.box.overlaps(near)
