"""Lines and texts of pictures, as SVG."""

from html import escape


def draw_line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    """Draw a straight line; `more` are further attributes."""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}"{more}/>'


def draw_text(
    x: float, y: float, text: str, colour: str, anchor: str = "start", more: str = ""
) -> str:
    """Draw a text, which may have any characters; `more` are further attributes."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}"{more}>{escape(text)}</text>'
