"""Figures of the benchmark: names cover neither each other nor what they name, for any data."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text

from panel_accuracy.figures import draw_by_seconds, draw_by_size

SIZES = [10, 25, 50, 100, 200]
NAMES = [
    "discriminant",
    "auto",
    "forest",
    "logreg",
    "t-test",
    "wilcoxon",
    "cosg",
    "selector_mlp-budget",
    "random",
    "nb",
]


def names_of(axes):
    """Boxes of the names in a figure, and of the figure itself, in pixels."""
    figure = axes.get_figure()
    figure.canvas.draw()
    return {text.get_text(): Text.get_window_extent(text) for text in axes.texts if text.get_text()}, figure.bbox


def assert_apart(boxes):
    listed = list(boxes.items())
    for at, (name, box) in enumerate(listed):
        for other, second in listed[at + 1 :]:
            assert not box.overlaps(second), f"{name} covers {other}"


@settings(max_examples=8, deadline=None)
@given(
    ends=st.lists(st.floats(0, 1), min_size=1, max_size=len(NAMES)),
    spread=st.sampled_from([0.0, 0.01, 1.0]),
    ceiling=st.floats(0, 1),
)
def test_names_of_lines_are_apart_and_beside_all_lines(ends, spread, ceiling):
    means = pd.DataFrame(
        [np.linspace(0.2, 0.5 + spread * (end - 0.5), len(SIZES)) for end in ends], NAMES[: len(ends)], SIZES
    )
    axes = draw_by_size(means, list(means.index[:6]), pd.Series(ceiling, SIZES))
    boxes, canvas = names_of(axes)
    assert set(boxes) == {*means.index, "all genes"}
    assert_apart(boxes)
    right = axes.transData.transform((SIZES[-1], 0.5))[0]
    for box in boxes.values():
        assert box.x0 > right
        assert canvas.y0 <= box.y0
        assert box.y1 <= canvas.y1


def test_many_lines_get_a_taller_figure():
    names = [f"method {number}" for number in range(60)]
    means = pd.DataFrame(np.full((60, 2), 0.5), names, [10, 25])
    boxes, canvas = names_of(draw_by_size(means, names[:2], None))
    assert_apart(boxes)
    assert all(canvas.y0 <= box.y0 and box.y1 <= canvas.y1 for box in boxes.values())


@settings(max_examples=8, deadline=None)
@given(
    points=st.lists(st.tuples(st.floats(0.01, 600), st.floats(0, 1)), min_size=1, max_size=len(NAMES)),
    spread=st.sampled_from([0.0, 0.001, 1.0]),
)
def test_names_of_points_are_apart_and_cover_no_point(points, spread):
    places = pd.DataFrame(
        [(seconds**spread, 0.5 + spread * (score - 0.5)) for seconds, score in points],
        NAMES[: len(points)],
        ["cpu_seconds", "balanced_accuracy"],
    )
    axes = draw_by_seconds(places, NAMES[:2])
    boxes, _ = names_of(axes)
    assert set(boxes) == set(places.index)
    assert_apart(boxes)
    for x, y in axes.transData.transform(places.to_numpy()):
        assert not any(box.contains(x, y) for box in boxes.values())


def test_many_methods_near_each_other_all_find_room():
    rng, n_points = np.random.default_rng(0), 40
    names = [f"a method of name {number}" for number in range(n_points)]
    places = pd.DataFrame(
        {"cpu_seconds": rng.uniform(1, 3, n_points), "balanced_accuracy": rng.uniform(0.80, 0.82, n_points)}, names
    )
    boxes, _ = names_of(draw_by_seconds(places, names[:6]))
    assert_apart(boxes)
