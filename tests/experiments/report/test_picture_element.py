"""The picture in a page: what it says, shows and leaves out."""

from __future__ import annotations

import math
from html.parser import HTMLParser

import pytest

from experiments.config.registry import Registry
from experiments.records.row import ResultsError
from experiments.report.picture.svg import picture
from experiments.report.readme.top import top_table
from experiments.report.tables import build_tables
from tests.experiments.report.test_picture import SVG, candidate, marks, names, parsed, tables_of
from tests.rows import make_row


class Pictures(HTMLParser):
    """Attributes of the tags in a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_element_shows_the_theme_and_says_the_finding() -> None:
    candidates = [
        candidate("small", 0.92, 8e5),
        candidate("big", 0.911, 2.26e7, family="pretrained"),
    ]
    text, files = picture(tables_of(*candidates), "t", "docs/")
    assert [name for name, _ in Pictures(text).tags] == ["picture", "source", "img"]
    _, (_, source), (_, image) = Pictures(text).tags
    assert source == {
        "media": "(prefers-color-scheme: dark)",
        "srcset": "docs/accuracy-dark.svg",
    }
    finding = (
        "Test accuracy of 2 rows against their number of parameters: the best, small, reaches "
        "92.00% with 800k parameters; the largest, big, 91.10% with 22.6M parameters."
    )
    assert image == {"src": "docs/accuracy-light.svg", "alt": finding}
    assert list(files) == ["accuracy-light.svg", "accuracy-dark.svg"]
    for file, svg in files.items():
        root = parsed(svg)
        assert root.findtext(f"{SVG}desc") == finding and root.findtext(f"{SVG}title")
        ground = root.find(f"{SVG}rect")
        assert ground is not None
        assert ground.attrib["fill"] == {"light": "#ffffff", "dark": "#0d1117"}[file[9:-4]]
    alone, _ = picture(tables_of(candidates[0]), "t", "")
    assert "the largest" not in alone and 'src="accuracy-light.svg"' in alone


def test_strange_names_are_escaped() -> None:
    strange = "<b>&\"'x"
    text, files = picture(tables_of(candidate(strange)), "t", "docs/")
    assert f"the best, {strange}, reaches" in (Pictures(text).tags[2][1]["alt"] or "")
    for svg in files.values():
        root = parsed(svg)
        assert [name for name, _ in names(root)] == [strange]
        assert marks(root)[0][0].startswith(f"{strange}, holdout: ")


@pytest.mark.parametrize("parameters", [None, math.nan, math.inf, 0.0])
def test_a_row_without_parameters_is_left_out_and_named(parameters: float | None) -> None:
    tables = tables_of(candidate("kept"), candidate("lost", 0.95, parameters, "refit"))
    text, files = picture(tables, "t", "docs/")
    assert "Not drawn" in text and "`lost`" in text and "kept" not in text.split("Not ")[1]
    assert [title.split(",")[0] for title, _ in marks(parsed(files["accuracy-light.svg"]))] == [
        "kept"
    ]
    assert "lost" not in files["accuracy-light.svg"]
    with pytest.raises(ResultsError, match="table t has no tested row with a number of parameters"):
        picture(tables_of(candidate("lost", 0.95, parameters)), "t", "docs/")


def test_a_row_that_was_not_tested_is_left_out_and_named() -> None:
    rows = [make_row(experiment="kept"), make_row(experiment="untested", test=None)]
    text, _ = picture(build_tables(rows), "t", "docs/")
    assert "`untested`" in text
    assert "Not drawn" not in picture(build_tables(rows[:1]), "t", "docs/")[0]


@pytest.mark.parametrize(
    "render", [picture, lambda *args: top_table(*args[:2], Registry(), args[2])]
)
def test_what_does_not_compare_or_is_not_there_is_refused(render) -> None:
    with pytest.raises(ResultsError, match="table t has no tested row"):
        render([], "t", "docs/")
    with pytest.raises(ResultsError, match="table t has no tested row"):
        render(build_tables([make_row(status="failed", reason="why")]), "t", "docs/")
    mixed = build_tables([make_row(), make_row(profile="full")])
    with pytest.raises(ResultsError, match=r"2 tasks, corpora or profiles \(.* full; .* quick\)"):
        render(mixed, "t", "docs/")


# Shapes and colours
