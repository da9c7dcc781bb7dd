"""Page of the playground, in Gradio, and the server that shows it on this machine alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from functools import wraps
from threading import Lock
from typing import TYPE_CHECKING, Any

# Read when Gradio is imported: it would report its use to another host.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from datamodules.errors import DataError
from experiments.config.registry import ConfigError
from experiments.inference.loaded_run import LoadedRun
from experiments.playground import markup
from experiments.playground.answers import answer, changes, flip
from experiments.playground.reviews import Review, by_disagreement

if TYPE_CHECKING:
    from experiments.inference.similar import SimilarTexts

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Names of this machine for itself."""
EXAMPLE = "A film without a plot, but with wonderful actors."
# The browser itself then refuses whatever is to be fetched from another host.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; form-action 'self'; base-uri 'self'; "
    "frame-ancestors 'none'"
)
_FONTS = ["system-ui", "sans-serif"]
# Gradio answers in threads, and an explanation puts hooks into the model that it explains.
_one_at_a_time = Lock()


def build(
    runs: dict[str, LoadedRun],
    reviews: Sequence[Review] = (),
    similar: SimilarTexts | None = None,
) -> gr.Blocks:
    """Build the page.

    Args:
        runs: Runs by name.
        reviews: Labelled texts to pick from; none: the tab of disagreement is left out.
        similar: Corpus in which similar texts are found; None: that tab is left out.
    """
    names, first = list(runs), next(iter(runs))
    picks = [f"{number}. {review.key} ({review.label})" for number, review in enumerate(reviews, 1)]

    def ask(text: str, chosen: list[str]) -> str:
        if not chosen:
            return markup.warning("no run is chosen; choose one")
        return markup.answers([answer(name, runs[name], text) for name in chosen])

    def compare(name: str | None, old: str, new: str) -> str:
        if name is None:
            return markup.warning("no run is chosen; choose one")
        pair = answer(name, runs[name], old), answer(name, runs[name], new)
        return markup.pair(*pair, changes(old, new))

    def flips(text: str, chosen: list[str]) -> str:
        if not chosen:
            return markup.warning("no run is chosen; choose one")
        found = [(name, answer(name, runs[name], text).explanation) for name in chosen]
        cards = [markup.flipped(name, text, flip(runs[name], one)) for name, one in found]
        return f'<div class="answers">{"".join(cards)}</div>'

    with gr.Blocks(title="lit-sentiment", analytics_enabled=False) as page:
        gr.HTML("<h1>lit-sentiment</h1>", elem_classes=["head"])
        with gr.Tab("Ask"):
            text = gr.Textbox(EXAMPLE, label="Text", lines=4, max_lines=16, elem_id="text")
            if reviews:
                pick = gr.Dropdown(picks, value=None, label="Or a review of the validation part")
                pick.input(
                    lambda name: reviews[picks.index(name)].text if name in picks else "",
                    pick,
                    text,
                )
            chosen = gr.CheckboxGroup(names, value=names[:6], label="Runs", elem_id="runs")
            with gr.Row():
                button = gr.Button("Predict", variant="primary", elem_id="ask")
                flipper = gr.Button("Flip the label", elem_id="flip")
            out = gr.HTML(elem_id="answers")
            button.click(_told(ask), [text, chosen], out)
            flipper.click(_told(flips), [text, chosen], out)
        with gr.Tab("Compare two texts"):
            name = gr.Dropdown(names, value=first, label="Run", elem_id="pair-run")
            with gr.Row():
                old = gr.Textbox(EXAMPLE, label="First text", lines=4, elem_id="old")
                new = gr.Textbox("", label="Second text", lines=4, elem_id="new")
            button = gr.Button("Compare", variant="primary", elem_id="compare")
            out = gr.HTML(elem_id="pair")
            button.click(_told(compare), [name, old, new], out)
        if reviews and len(runs) > 1:
            with gr.Tab("Where runs disagree"):
                _add_disagreement(runs, reviews)
        if similar is not None:
            with gr.Tab("Similar texts"):
                text = gr.Textbox(EXAMPLE, label="Text", lines=4, elem_id="similar-text")
                button = gr.Button("Search", variant="primary", elem_id="search")
                out = gr.HTML(elem_id="similar")
                button.click(_told(lambda t: markup.neighbours(similar.nearest(t))), text, out)
    return page


def application(page: gr.Blocks, names: Collection[str] = ()) -> FastAPI:
    """Web application of a page: nothing of it comes from, or goes to, another host.

    Args:
        page: The page.
        names: Names by which a browser may call this machine; none: any. A site that gives its own
            name to the address of this machine could read the page otherwise (DNS rebinding).
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def protect(request: Request, follow: Callable[[Request], Any]) -> Response:
        if names and request.url.hostname not in names:
            return PlainTextResponse(f"open the page as http://{min(names)}", 421)
        response: Response = await follow(request)
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    theme = gr.themes.Base(font=_FONTS, font_mono=["monospace"])
    mounted = gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=theme,
        css=markup.STYLE,
        footer_links=[],
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
    )
    return mounted


def serve(page: gr.Blocks, host: str, port: int) -> None:
    """Serve a page until Ctrl-C; of an address of this machine alone under its names alone."""
    import uvicorn

    app = application(page, LOOPBACK if host in LOOPBACK else ())
    uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning")).run()


def _told(question: Callable[..., str]) -> Callable[..., str]:
    """Question whose errors are told on the page."""

    @wraps(question)
    def asked(*words: Any) -> str:
        try:
            with _one_at_a_time:
                return question(*words)
        except (ConfigError, DataError) as error:
            return markup.warning(str(error))

    return asked


def _add_disagreement(runs: dict[str, LoadedRun], reviews: Sequence[Review]) -> None:
    button = gr.Button(
        f"Ask all runs about {len(reviews)} reviews", variant="primary", elem_id="disagree"
    )
    out = gr.HTML(elem_id="disagreements")
    button.click(
        _told(lambda: markup.disagreements(list(runs), by_disagreement(runs, reviews))), None, out
    )
