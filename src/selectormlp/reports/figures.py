"""Figures of a report as SVG that takes the page's colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes

from selectormlp import plots
from selectormlp.panel.limit_use import uses_of
from selectormlp.plots.figure import INK, NO_GLYPH, RULE
from selectormlp.quiet import quiet_warnings
from selectormlp.reports.findings import Findings
from selectormlp.reports.tables import scored

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, searchable
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 10.0,
    "text.parse_math": False,  # names may hold what they like
}

DOTS_DPI = 130
"""Of what is drawn as an image: a dot plot of 100 genes and 50 types takes about 400 kB."""

WIDE = 760
"""Pixels from which a figure scrolls within the page instead of shrinking."""

MAX_BARS = 60
"""Genes in the figure of stability; the panel's table has all."""


@dataclass(frozen=True)
class Figure:
    """A figure: its name, what it shows, and SVG that is safe to put in a page."""

    name: str
    caption: str
    svg: Markup
    wide: bool


def draw_figures(found: Findings) -> dict[str, Figure]:
    """Draw the figures that findings allow, by name; none is shown, in a notebook either."""
    evaluation = found.evaluation
    wanted: dict[str, tuple[str, Callable[[], Axes]]] = {
        "accuracy": (
            "Balanced accuracy over the number of genes. Bands: 95 % intervals over cells; thin bars: over splits.",
            lambda: plots.accuracy(evaluation, show=False),
        ),
        "confusion": (
            "What the cells of each true type (rows) were taken for, with the whole panel.",
            lambda: plots.confusion(evaluation, title=" ", show=False),
        ),
        "dotplot": (
            "The panel's genes in each type, in the order of the types that have most of them.",
            lambda: plots.dotplot(found.expression.arranged(), swap_axes=True, show=False),
        ),
    }
    if scored(found):
        wanted["gains"] = (
            "Score of each gene, or what it added when it was chosen; orange: required.",
            lambda: plots.gains(found.panel, show=False),
        )
    if any(one.share >= 0 for one in uses_of(found.panel.provenance)):
        wanted["limits"] = (
            "Use of each limit as a share of it, of counts per cell by the type's name; orange: limits that bind.",
            lambda: plots.limit_use(found.panel, show=False),
        )
    if evaluation.robustness is not None:
        of = evaluation.robustness
        wanted["robustness"] = (
            "The panel when the assay is worse than the data.",
            lambda: plots.robustness(of, show=False),
        )
    if evaluation.stability is not None:
        held = evaluation.stability
        wanted["stability"] = (
            f"How often genes were chosen again, the first {min(MAX_BARS, len(held.genes))} of {len(held.genes)}.",
            lambda: plots.stability(held, n_genes=MAX_BARS, show=False),
        )
    if found.masked:
        wanted["masked"] = (
            "Models trained on all genes: accuracy on test cells when the others are set to 0, not trained again.",
            lambda: plots.plot_comparison(found.masked),
        )
    return {name: _figure(name, caption, draw) for name, (caption, draw) in wanted.items()}


def _figure(name: str, caption: str, draw: Callable[[], Axes]) -> Figure:
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}), quiet_warnings(message=NO_GLYPH):
        figure = draw().get_figure(root=True)
        stream = io.StringIO()
        figure.savefig(  # type: ignore[union-attr]
            stream, format="svg", dpi=DOTS_DPI, transparent=True, metadata={"Date": None, "Creator": None}
        )
    svg, width = themed(stream.getvalue(), name)
    return Figure(name, caption, Markup(svg), width > WIDE)  # noqa: S704  # Matplotlib escapes the text of figures


def themed(svg: str, name: str) -> tuple[str, float]:
    """Make an SVG file of Matplotlib's part of a page: no preamble, ids of its own, the page's colours.

    Parameters
    ----------
    svg
        The file; it escapes text as XML wants.
    name
        Goes before ids, which a page has once only.

    Returns
    -------
    The element, and its width in pixels.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(rf"\b(fill|stroke): {INK}", r"\1: var(--ink)", body)
    body = re.sub(rf"\b(fill|stroke): {RULE}", r"\1: var(--rule)", body)
    width = float(re.search(r'width="([\d.]+)pt"', body)[1]) * 4 / 3  # type: ignore[index]
    body = re.sub(r'<svg ([^>]*?)width="[\d.]+pt"', rf'<svg \1width="{width:.0f}"', body, count=1)
    body = re.sub(r'<svg ([^>]*?)height="[\d.]+pt"\s*', r"<svg \1", body, count=1)
    return body, width
