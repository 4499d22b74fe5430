"""Names beside lines and points of a figure, placed so that no name covers another, a line or a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.path import Path
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from sklearn.isotonic import IsotonicRegression

from selectormlp.plots.figure import GREY

LEADER = {"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 1}
"""The thin line from a name to what it names."""

ROW = 10.0
"""Height of a name and the space to the next, in points."""

GAP = 20.0
"""From the end of a line to its name, in points."""

NEAR = 6
"""From a point to its name where nothing is in the way, in points."""

REACHES = [NEAR * 1.3**step for step in range(16)]
"""How far names may be from their points."""

DIRECTIONS = (
    (1, 0, "left"),
    (-1, 0, "right"),
    (0, 1, "center"),
    (0, -1, "center"),
    (1, 1, "left"),
    (1, -1, "left"),
    (-1, 1, "right"),
    (-1, -1, "right"),
)
"""Where a name may be, seen from its point, and how its text is aligned there."""


def draw_now(axes: Axes) -> FigureCanvasAgg:
    """Draw the figure, so that places on the canvas are known."""
    canvas = FigureCanvasAgg(axes.get_figure(root=True))
    canvas.draw()
    return canvas


def height_for(n_names: int) -> float:
    """Return the least height in inches of a figure that has room for names below each other."""
    return (n_names + 4) * ROW / 72


def _write(axes: Axes, name: str, place: tuple[float, float], offset: tuple[float, float], **how: object) -> Annotation:
    return axes.annotate(
        name, place, offset, textcoords="offset points", va="center", size=8, annotation_clip=False, **how
    )


def name_lines(axes: Axes, ends: Mapping[str, float], right: float, colors: Mapping[str, str]) -> list[Annotation]:
    """Write the name of each line to the right of its end; names of near ends are moved apart.

    Parameters
    ----------
    axes
        Holds the lines; its layout is fixed afterwards.
    ends
        Last value of each line.
    right
        Where the lines end on the x axis.
    colors
        Of names; the others are grey.
    """
    names = sorted(ends, key=lambda name: ends[name])
    written = [
        _write(
            axes,
            name,
            (right, ends[name]),
            (GAP, 0),
            color=colors.get(name, GREY),
            arrowprops=LEADER | {"relpos": (0, 0.5)},
        )
        for name in names
    ]
    figure = axes.get_figure(root=True)
    draw_now(axes)  # makes room for the names at the right
    figure.set_layout_engine("none")
    scale = 72 / figure.dpi
    wanted = np.array([axes.transData.transform((right, ends[name]))[1] * scale for name in names])
    steps = ROW * np.arange(len(names))
    low, high = ROW, figure.bbox.height * scale - ROW  # no name leaves the figure
    apart = IsotonicRegression(y_min=low, y_max=max(low, high - steps[-1]))
    placed = apart.fit_transform(steps, wanted - steps) + steps
    for text, at, start in zip(written, placed, wanted, strict=True):
        text.xyann = (GAP, at - start)
    return written


def name_points(axes: Axes, points: pd.DataFrame, colors: Mapping[str, str]) -> list[Annotation]:
    """Write each name at the nearest place where it covers no point, no name and no line to a name.

    Parameters
    ----------
    axes
        Holds the points; its layout is fixed afterwards.
    points
        Index: names; columns: x and y.
    colors
        Of names; the others are grey.
    """
    draw_now(axes)
    axes.get_figure(root=True).set_layout_engine("none")
    scale = axes.get_figure(root=True).dpi / 72
    spots = [axes.transData.transform(point) for point in points.to_numpy()]
    room = Room(axes.get_window_extent(), [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in spots])
    written = []
    for spot, (name, point) in zip(spots, points.iterrows(), strict=True):
        text = _write(axes, str(name), tuple(point), (0, 0), color=colors.get(str(name), GREY))
        extent = Text.get_window_extent(text)
        x, y, align = room.take(spot, extent.width + 2, extent.height, scale)
        text.set(ha=align)
        text.xyann = (x, y)
        if max(abs(x), abs(y)) > NEAR:
            axes.annotate(
                "", tuple(point), (x, y), textcoords="offset points", arrowprops=LEADER | {"relpos": (0, 0.5)}
            )
        written.append(text)
    return written


@dataclass
class Room:
    """What is free in a frame (pixels): boxes and lines that names may not cover."""

    frame: Bbox
    boxes: list[Bbox]
    lines: list[Path] = field(default_factory=list)

    def take(self, spot: tuple[float, float], width: float, height: float, scale: float) -> tuple[float, float, str]:
        """Take the nearest free place for a name, if there is one; lines may cross where there is no better place.

        Parameters
        ----------
        spot
            The point that is named, in pixels.
        width, height
            Of the name, in pixels.
        scale
            Pixels per point.

        Returns
        -------
        Offset of the name in points, and how its text is aligned there.
        """
        places = [(x * reach, y * reach, align) for reach in REACHES for x, y, align in DIRECTIONS]
        boxes = [_box(spot[0] + x * scale, spot[1] + y * scale, align, width, height) for x, y, align in places]
        lines = [Path([spot, (spot[0] + x * scale, spot[1] + y * scale)]) for x, y, _ in places]
        free = [at for at, box in enumerate(boxes) if self._holds(box)] or [len(places) - 1]
        at = next((at for at in free if self._crosses_none(spot, boxes[at], lines[at])), free[0])
        self.boxes.append(boxes[at])
        if max(map(abs, places[at][:2])) > NEAR:
            self.lines.append(lines[at])
        return places[at]

    def _holds(self, box: Bbox) -> bool:
        inside = self.frame.x0 < box.x0 and box.x1 < self.frame.x1 and self.frame.y0 < box.y0 and box.y1 < self.frame.y1
        return inside and not any(box.overlaps(other) for other in self.boxes)

    def _crosses_none(self, spot: tuple[float, float], box: Bbox, line: Path) -> bool:
        others = (other for other in self.boxes if not other.contains(*spot))
        crossed = any(line.intersects_bbox(other, filled=False) for other in others)
        return not crossed and not any(old.intersects_bbox(box, filled=False) for old in self.lines)


def _box(x: float, y: float, align: str, width: float, height: float) -> Bbox:
    left = {"left": x, "right": x - width, "center": x - width / 2}[align]
    return Bbox.from_bounds(left, y - height / 2, width, height)
