"""The page of a benchmark: complete, self-contained, sortable."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import plotly.graph_objects as go
import pytest
from rich.console import Console

from experiments.records.publishing import publish
from experiments.records.row import ResultsError
from experiments.records.run_files import write_row
from experiments.report import report
from experiments.report.tables import Evidence
from tests.experiments.report.test_report import rows_of
from tests.rows import make_row, make_run


class Page(HTMLParser):
    """Parser that collects tags, scripts and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        elif self.cdata_elem is None:
            self.words += data


@pytest.fixture
def benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The rows have no predictions; their figures are taken for verified.
    monkeypatch.setattr("experiments.report.analyse_rows", lambda *_: Evidence())
    rows = rows_of("cnn", [0.9, 0.8]) + rows_of("bag", [0.88], train_seconds=3.0)
    rows.append(make_row(experiment="fit", test=None))
    rows.append(
        make_row(experiment="bert", status="failed", reason="</script><script>alert('r')</script>")
    )
    rows.append(make_row(experiment="evil", architecture="<img src=x onerror=alert(1)>"))
    rows.append(make_row(experiment="<script><b>x", train_seconds=77.0))
    for number, row in enumerate(rows):
        write_row(tmp_path / "quick" / f"experiment-{number}" / f"seed-{row.seed}", row)
    return tmp_path / "quick"


def test_report_writes_one_self_contained_page(benchmark: Path) -> None:
    console = Console(width=100, file=io.StringIO())
    files = report(benchmark, console=console)
    assert (files.markdown, files.html) == (benchmark / "report.md", benchmark / "report.html")
    assert isinstance(console.file, io.StringIO)
    assert str(files.html) in console.file.getvalue()
    assert files.html.stat().st_size < 8 * 2**20
    text = files.html.read_text()
    page = Page(text)

    loading = {"link", "img", "iframe", "base", "object", "embed"}
    assert not [tag for tag, _ in page.tags if tag in loading]
    assert not [a for tag, attrs in page.tags for a in attrs if a == "src" or a.startswith("on")]
    plotly = [script for script in page.scripts if len(script) > 1_000_000]
    assert len(plotly) == 1
    scripts = text.replace(plotly[0], "")
    assert not re.search(r"https?://|@import|url\(", scripts)
    assert "alert('r')" not in "".join(page.scripts)
    assert "<img src=x onerror=alert(1)>" in page.words  # shown as text
    assert str(benchmark.parent) not in scripts

    figures = [json.loads(s) for s in page.scripts if s.startswith("{")]
    assert len(figures) == 3 + 5  # three costs, and curves of five experiments
    for figure in figures:
        go.Figure(figure)
    for needed in ("failed", "25,000 reviews", "0123456789abcdef", "Example CPU", "torch 2.13.0"):
        assert needed in page.words


def test_the_table_is_ready_to_sort(benchmark: Path) -> None:
    text = report(benchmark, console=Console(file=io.StringIO())).html.read_text()
    head = re.search(r"<table class=\"results\".*?</thead>", text, re.S)
    assert head
    tags = Page(head[0]).tags
    headings = [attrs for tag, attrs in tags if tag == "th"]
    assert len(headings) == len([tag for tag, _ in tags if tag == "button"]) == 17
    assert [number for number, th in enumerate(headings) if "aria-sort" in th] == [4]
    rows = re.findall(r"<th scope=\"row\"><i [^>]*></i><a href=\"#experiment-1-(\w+)\">", text)
    assert rows == ["evil", "bag", "cnn", "fit"]
    empty = re.search(r"<th scope=\"row\"><i [^>]*></i><a [^>]*>fit</a></th>.*?</tr>", text, re.S)
    assert empty
    values = re.findall(r"data-value=\"(.*?)\">(.*?)</td>", empty[0])
    assert values[:2] == [("1", "seed 0"), ("", "–")]
    assert float(values[2][0]) == pytest.approx(87.31)


def test_report_elsewhere_and_of_nothing(benchmark: Path, tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    files = report(benchmark, out=tmp_path / "out", console=console)
    assert files.html == tmp_path / "out" / "report.html"
    assert files.html.is_file()
    assert not (benchmark / "report.html").exists()
    with pytest.raises(ResultsError, match="no finished runs here"):
        report(tmp_path / "nothing", console=console)
    assert not (tmp_path / "nothing").exists()


def test_published_rows_give_the_same_report(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "quick", seed, data=seed) for seed in (0, 1)]
    publish(runs, "quick", tmp_path / "published")
    console = Console(file=io.StringIO())
    before = report(tmp_path / "quick", console=console)
    after = report(tmp_path / "published" / "quick.jsonl", console=console)
    assert after.html == tmp_path / "published" / "report.html"
    text = after.html.read_text()
    # The 16-bit log-odds move log loss a little, and ECE by reviews that change their bin.
    for one, two in zip(
        before.markdown.read_text().split(), after.markdown.read_text().split(), strict=True
    ):
        try:
            assert float(one) == pytest.approx(float(two), abs=0.07)
        except ValueError:
            assert one == two
    head, foot = (re.search(f"<{part}>.*?</{part}>", text, re.S) for part in ("thead", "tfoot"))
    assert head and foot  # a cell of the largest class under each heading, without ranks too
    assert len(re.findall("<th ", head[0])) == len(re.findall("<t[dh] ", foot[0]))
    assert after.html.read_text().count('class="chart curve"') == 1
    assert after.html.read_text().count('class="interval"') == 2  # the heading, and cnn's
