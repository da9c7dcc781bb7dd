"""Pictures as PNG, which a Chromium draws from their SVG."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

from experiments.config.registry import ConfigError


def find_chromium() -> str:
    """Program that draws.

    `CHROMIUM` names it where it is not `chromium` or `google-chrome`.

    Raises:
        ConfigError: There is none, or the package is missing that drives it.
    """
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    program = program or shutil.which("google-chrome")
    if find_spec("playwright") is None or program is None:
        raise ConfigError(
            "a PNG needs `pip install 'lit-sentiment[browser]'` and a Chromium; name a file that "
            "ends in .svg, which needs neither"
        )
    return program


def draw_png(svg: str) -> bytes:
    """Draw an SVG at twice its size, for screens of any resolution.

    Raises:
        ConfigError: As `find_chromium`.
    """
    program = find_chromium()
    from playwright.sync_api import sync_playwright

    # A Chromium has no sandbox for root; the picture is our own, and every name in it is escaped.
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox"] if root else []
        )
        page = browser.new_page(device_scale_factor=2)
        page.set_content(svg)
        image: bytes = page.locator("svg").screenshot()
        browser.close()
    return image
