"""The page in a real browser: `make test-browser`, with Playwright and the system's Chromium.

`CHROMIUM` names the program where it is not `chromium` or `google-chrome`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from experiments.records.metrics import evaluate
from experiments.records.plan import PlannedRun, add_to_plan
from experiments.records.predictions import write_predictions
from experiments.records.run_files import TEST_FILE, VAL_FILE, write_row
from experiments.report import report
from tests.rows import make_predictions, make_row
from tests.synthetic import make_benchmark

pytestmark = pytest.mark.browser
SCREENS = [(width, theme) for width in (1400, 400) for theme in ("light", "dark")]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A benchmark with everything a page can show: a failed run, a missing one, a single seed."""
    folder = make_benchmark(tmp_path_factory.mktemp("runs") / "made", 12, 2, 2000, 300, step=0.08)
    failed = make_row(experiment="lstm", status="failed", reason="out of memory")
    write_row(folder / "lstm" / "seed-0", failed)
    made = [PlannedRun(run.parent.name, 0, (), ()) for run in folder.glob("experiment_*/seed-0")]
    add_to_plan(folder, [PlannedRun("gru", 0, (), ()), *made])
    return report(folder, console=Console(file=io.StringIO())).html.resolve().as_uri()


@pytest.fixture
def page(browser: Any, url: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Page at the width and in the theme of the test; its console must stay empty."""
    width, theme = getattr(request, "param", (1400, "light"))
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, offline=True
    )
    opened = context.new_page()
    messages: list[str] = []
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on(
        "request",
        lambda request: None if request.url == url else messages.append(request.url),
    )
    opened.goto(url)
    yield opened
    context.close()
    assert messages == []


def names(page: Any) -> list[str]:
    """Experiments shown in the table, from the top."""
    rows: list[str] = page.locator("table.results tbody tr:visible th").all_inner_texts()
    return rows


def column(page: Any, title: str) -> Any:
    return page.locator("table.results thead th").filter(has_text=title)


@pytest.mark.parametrize("page", SCREENS, indirect=True)
def test_every_plot_is_drawn_and_nothing_reaches_beyond_the_page(page: Any) -> None:
    charts = page.locator(".chart")
    # Cost, uncertainty, pairs, classes, errors; reliability; curves.
    assert charts.count() == 5 + 12 + 9
    for at in range(charts.count()):
        charts.nth(at).scroll_into_view_if_needed()
        charts.nth(at).locator(".main-svg").first.wait_for()
        marks = charts.nth(at).locator(
            ".scatterlayer .trace, .barlayer .trace, .heatmaplayer image"
        )
        assert marks.count() > 0
        # Each stays within what it is given: the page's width, or what it scrolls in.
        inside = "e => [e.querySelector('.main-svg').getBoundingClientRect().width, e.clientWidth]"
        drawn, given = charts.nth(at).evaluate(inside)
        assert drawn <= given + 1
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]


def colours(page: Any) -> list[str]:
    """Colours of the background and of the first mark of the first figure."""
    page.locator(".tradeoff").scroll_into_view_if_needed()
    page.locator(".tradeoff .point").first.wait_for()
    return page.evaluate(
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('.tradeoff .point')).fill]"
    )


def test_figures_follow_the_theme(page: Any) -> None:
    light = colours(page)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "old => getComputedStyle(document.querySelector('.tradeoff .point')).fill !== old",
        arg=light[1],
    )
    assert colours(page)[0] != light[0]


def test_the_table_sorts_by_click_and_by_keyboard(page: Any) -> None:
    first = names(page)
    head = column(page, "Test accuracy")
    assert head.get_attribute("aria-sort") == "descending"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending" and names(page) == first[::-1]
    by_time = column(page, "Training")
    by_time.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert by_time.get_attribute("aria-sort") == "ascending"
    assert head.get_attribute("aria-sort") is None
    fastest = names(page)
    assert fastest != first and fastest[0].startswith("experiment_00")
    page.keyboard.press("Space")
    assert by_time.get_attribute("aria-sort") == "descending" and names(page) == fastest[::-1]
    column(page, "Experiment").get_by_role("button").click()
    assert names(page) == sorted(first)


def test_the_table_filters_by_words_and_by_family(page: Any) -> None:
    every = names(page)
    page.get_by_label("Filter experiments").press_sequentially("with_a long")
    shown = names(page)
    assert shown == [name for name in every if "with_a_long_name" in name] and len(shown) == 3
    assert page.locator("output").inner_text() == "3 of 12"
    page.get_by_label("Filter experiments").fill("")
    assert names(page) == every and page.locator("output").inner_text() == ""
    family = page.get_by_label("Family", exact=True)
    family.focus()
    page.keyboard.type("recurrent")
    page.keyboard.press("Enter")
    assert family.input_value() == "recurrent" and len(names(page)) == 3


def test_the_cost_axis_switches(page: Any) -> None:
    page.locator(".tradeoff").scroll_into_view_if_needed()
    title = page.locator(".tradeoff .xtitle")
    title.wait_for()
    assert title.text_content().startswith("Training time")
    front = page.locator("[id^=front]").inner_text()
    button = page.get_by_role("button", name="size", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('.tradeoff .xtitle').textContent.startsWith('Size')"
    )
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator("[id^=front]").inner_text() != front


def test_a_name_leads_to_its_command_with_the_keyboard(page: Any) -> None:
    link = page.locator("table.results tbody th a").first
    detail = page.locator(".experiment").filter(has_text=link.inner_text()).first
    assert detail.get_attribute("open") is None
    link.focus()
    page.keyboard.press("Enter")
    detail.locator("pre").first.wait_for(state="visible")
    assert "lit-sentiment benchmark experiment_11" in detail.locator("pre").first.inner_text()
    assert page.get_by_text("gru, seed 0: not started").count() == 1
    assert page.get_by_text("out of memory").count() == 1


@pytest.mark.parametrize("page", [(400, "light"), (1400, "dark")], indirect=True)
def test_a_table_that_is_cut_says_so_and_scrolls(page: Any) -> None:
    table = page.locator(".scroll:has(table.results)")
    cue = page.locator("p.cue").first
    cue.wait_for(state="visible")
    table.focus()
    for _ in range(80):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("!document.querySelector('.scroll').classList.contains('more')")
    place, rest = table.evaluate("e => [e.scrollLeft, e.scrollWidth - e.clientWidth]")
    assert place >= rest - 4 > 0


def test_a_table_that_fits_has_no_cue(page: Any) -> None:
    page.locator(".experiment summary").first.click()
    classes = page.locator(".experiment table.plain").first
    classes.wait_for(state="visible")
    assert classes.evaluate("e => e.parentElement.classList.contains('more')") is False


@pytest.fixture(scope="module")
def many_classes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Own data of 25 classes, one seed: names with markup, and nothing to compare."""
    folder = tmp_path_factory.mktemp("runs") / "intents"
    names = [f"<a href='https://example.org'>class</a> & {number}" for number in range(25)]
    for number, name in enumerate(("bag", "cnn", "gru")):
        parts = {
            "val": make_predictions(300, classes=25, seed=number + 9),
            "test": make_predictions(600, classes=25, seed=number),
        }
        run = folder / name / "seed-0"
        write_predictions(run / VAL_FILE, parts["val"])
        write_predictions(run / TEST_FILE, parts["test"])
        (run / "encoder.json").write_text(json.dumps({"label_names": names}))
        metrics = {part: evaluate(one.labels, one.probabilities) for part, one in parts.items()}
        config = {"data": {"class_path": "datamodules.files.TextFiles"}}
        row = make_row(experiment=name, corpus="intents", config=config, notes=[], **metrics)
        write_row(run, row)
    return report(folder, console=Console(file=io.StringIO())).html.resolve().as_uri()


@pytest.mark.parametrize(("width", "theme"), [(1400, "light"), (400, "dark")])
def test_a_matrix_of_many_classes_is_drawn(
    browser: Any, many_classes: str, width: int, theme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, offline=True
    )
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(many_classes)
    assert page.get_by_text("No pair is tested").count() == 1
    page.locator(".experiment summary").first.click()
    matrix = page.locator(".experiment .chart").first
    matrix.scroll_into_view_if_needed()
    matrix.locator(".heatmaplayer image").wait_for()
    assert page.locator(".experiment .chart a, .chart svg a").count() == 0
    assert "<a href=" in page.locator(".experiment table.plain th").nth(5).inner_text()
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1] and messages == []
    context.close()
