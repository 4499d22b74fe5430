"""Make the pictures of the README and the docs again: ``python docs/pictures.py demo_results``.

The curves are those of ``make demo``. The report is of the same cells, with labels of kinds of cells; its picture is
taken by Chromium, without a window. The figures of the benchmark pages are written by the benchmarks themselves.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

import selectormlp as sm
from selectormlp.plots.figure import COLORS, GREY, new_axes, write_figure

IMAGES = Path(__file__).parent / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
N_GENES, N_HIDDEN, N_TYPES = 8, (6, 5), 4
KEPT = (1, 4, 6)
"""Genes whose weight stays large in the picture of the network."""

CELL_KINDS = {
    "CD14+ Monocyte": "Monocyte",
    "CD19+ B": "B",
    "CD34+": "CD34+",
    "CD4": "CD4 T",
    "CD56+ NK": "NK",
    "CD8": "CD8 T",
    "Dendritic": "Dendritic",
}
"""Kinds of blood cells in the picture of a report, by how their labels start."""


def draw_network() -> Axes:
    """Draw the network: genes, one weight each, hidden layers, and types."""
    axes = new_axes(7.6, 3.9)
    axes.set_axis_off()
    axes.set_xlim(-0.75, 4.65)
    axes.set_ylim(-0.62, 1.13)
    layers = [_spread(N_GENES), _spread(N_GENES), *(_spread(size) for size in N_HIDDEN), _spread(N_TYPES)]
    for at in range(1, len(layers) - 1):
        for start, low in enumerate(layers[at]):
            strong = at > 1 or start in KEPT
            for high in layers[at + 1]:
                axes.plot([at, at + 1], [low, high], color=GREY if strong else "#d9d9d9", lw=0.5, zorder=1)
    for gene, height in enumerate(layers[0]):
        kept = gene in KEPT
        axes.plot([0, 1], [height, height], color=COLORS[0] if kept else "#bbbbbb", lw=3.2 if kept else 0.7, zorder=2)
        axes.text(-0.14, height, f"gene {gene + 1}", ha="right", va="center", size=8)
    for at, heights in enumerate(layers):
        weights = at == 1
        for gene, height in enumerate(heights):
            color = COLORS[0] if at < 2 and gene in KEPT else "#bbbbbb" if at < 2 else COLORS[1]
            axes.plot(
                at, height, "s" if weights else "o", color=color, markersize=10, markeredgecolor="white", zorder=3
            )
    for kind, height in enumerate(layers[-1]):
        axes.text(4.14, height, f"type {'ABCD'[kind]}", ha="left", va="center", size=8)
    heads = ["expression", "selection layer:\none weight per gene", "hidden layer", "hidden layer", "cell types"]
    for at, head in enumerate(heads):
        axes.text(at, -0.13, head, ha="center", va="top", size=9)
    note = "The L1 penalty shrinks weights towards zero.\nGenes are ranked by weight: here 2, 5 and 7."
    axes.text(1, -0.39, note, ha="center", va="top", size=8, color=COLORS[0])
    return axes


def _spread(size: int) -> list[float]:
    """Heights of the units of a layer, from the top."""
    step = 1 / (N_GENES - 1)
    return [0.5 + step * ((size - 1) / 2 - unit) for unit in range(size)]


def write_report(page: Path) -> None:
    """Write the report of a panel of 25 genes for kinds of blood cells."""
    adata = sm.datasets.pbmc68k()
    labels = adata.obs["bulk_labels"].astype(str)
    adata.obs["kind"] = [next(kind for start, kind in CELL_KINDS.items() if one.startswith(start)) for one in labels]
    panel = sm.select(adata, label_key="kind", n_genes=25, progress=False)
    title = "Panel of 25 genes for kinds of blood cells"
    sm.report(adata, panel, page, label_key="kind", sizes=(5, 10, 15, 25), title=title, progress=False)


def take_picture(page: Path, target: Path, width: int = 1200, height: int = 1500, without: Sequence[str] = ()) -> None:
    """Write the top of a page as PNG; sections may be left out, by their ids.

    Raises
    ------
    SystemExit
        If no browser is installed, or the page has no such section.
    """
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"no browser found; expected one of {', '.join(BROWSERS)}; install Chromium")
    text = page.read_text(encoding="utf-8")
    for name in without:
        text, found = re.subn(rf'<section id="{name}">.*?</section>', "", text, flags=re.DOTALL)
        if not found:
            raise SystemExit(f"{page} has no section {name!r}; name those of selectormlp.reports")
    with tempfile.TemporaryDirectory() as profile:
        shown = Path(profile) / "page.html"
        shown.write_text(text, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
        options += [f"--window-size={width},{height}", f"--screenshot={target}", shown.as_uri()]
        subprocess.run([browser, *options], check=True, capture_output=True, timeout=120)


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="folder that `make demo` wrote")
    folder = parser.parse_args().demo
    if not (folder / "comparison.png").exists():
        raise SystemExit(f"{folder} holds no comparison.png; run `make demo` first")
    write_figure(IMAGES / "network.png", draw_network)
    shutil.copyfile(folder / "comparison.png", IMAGES / "comparison.png")
    with tempfile.TemporaryDirectory() as place:
        page = Path(place) / "report.html"
        write_report(page)
        take_picture(page, IMAGES / "report.png", height=1600, without=("warnings", "asked"))
    sys.stderr.write(f"written to {IMAGES}\n")


if __name__ == "__main__":
    main()
