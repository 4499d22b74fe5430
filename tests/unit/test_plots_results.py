"""What figures of panels and evaluations hold: data, limits, names that do not overlap; not pixels."""

import sys
from itertools import pairwise
from types import ModuleType

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import selectormlp as sm
from selectormlp import plots
from selectormlp.errors import OutputError, SettingsError
from selectormlp.evaluation.curve import Curve
from selectormlp.evaluation.expression import Expression
from selectormlp.evaluation.intervals import Estimate
from selectormlp.evaluation.stability import Stability

N_TYPES, N_GENES = 50, 200
NASTY = ["<script>alert(1)</script>", "$\\frac{", "_x", "%s", "γδ"]


def estimate(n_sizes=3):
    values = np.linspace(0.4, 0.8, n_sizes)
    return Estimate(values, values - 0.05, values + 0.05, np.tile(values, (2, 1)), values - 0.1, values + 0.1)


def curve(n_types=N_TYPES, sizes=(10, 50, 200), names=None):
    rng = np.random.default_rng(0)
    confusions = rng.integers(0, 5, (len(sizes), n_types, n_types)) + 20 * np.eye(n_types, dtype=int)
    names = names or [f"a long name of type {code}" for code in range(n_types)]
    bounds = np.full((len(sizes), n_types), 0.5)
    found = (estimate(len(sizes)) for _ in range(3))
    return Curve("panel", tuple(names), np.array(sizes), *found, confusions, bounds - 0.1, bounds + 0.1)


def expression(n_types=N_TYPES, n_genes=N_GENES, genes=None):
    rng = np.random.default_rng(0)
    means = rng.random((n_types, n_genes))
    genes = genes or [f"6330403A02Rik{i}" for i in range(n_genes)]
    types = tuple(f"a long name of type {code}" for code in range(n_types))
    return Expression(tuple(genes), types, np.full(n_types, 9), means, means)


def panel(n_genes=N_GENES):
    scores = tuple(float(score) for score in np.geomspace(1, 1e-4, n_genes))
    return sm.Panel(tuple(f"6330403A02Rik{i}" for i in range(n_genes)), scores=scores, n_required=2)


def stability(n_genes=N_GENES):
    genes = tuple(f"6330403A02Rik{i}" for i in range(n_genes))
    frequency = np.linspace(1, 0.1, n_genes)
    return Stability("discriminant", 2, genes[:2], genes, frequency, frequency[None], (), (), (), ())


@pytest.fixture(scope="module")
def found(make_adata):
    return sm.evaluate(
        make_adata(),
        [f"gene{i}" for i in range(8)],
        label_key="cell_type",
        n_splits=2,
        sizes=[2, 4],
        level_distance=0.3,
    )


@pytest.fixture(scope="module")
def compared(make_adata):
    panels = {"mine": ["gene0", "gene1", "gene2"], "theirs": ["gene2", "gene3"], "$x": ["gene9"]}
    return sm.compare(make_adata(), panels, label_key="cell_type", n_splits=2)


def labelled(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def assert_apart(axes, which):
    figure = axes.get_figure(root=True)
    renderer = FigureCanvasAgg(figure).get_renderer()
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.get_tightbbox(renderer)  # places the names
    boxes = [text.get_window_extent(renderer) for text in axis.get_ticklabels() if text.get_text()]
    ends = sorted((box.x0, box.x1) if which == "x" else (box.y0, box.y1) for box in boxes)
    assert all(one[1] <= other[0] for one, other in pairwise(ends))
    page = figure.bbox
    assert all(box.x0 >= page.x0 and box.y0 >= page.y0 and box.x1 <= page.x1 for box in boxes)


def test_the_accuracy_curve_shows_panel_random_all_genes_and_where_it_levels_off(found):
    axes = plots.accuracy(found, title="Mine")
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_array_equal(lines["panel"].get_xdata(), [2, 4, 8])
    np.testing.assert_array_equal(lines["panel"].get_ydata(), found.curve.balanced_accuracy.value)
    np.testing.assert_array_equal(lines["random"].get_ydata(), found.random.balanced_accuracy.value)
    assert lines["all genes (30)"].get_ydata()[0] == found.ceiling.balanced_accuracy.value[0]
    assert lines[f"levels off at {found.level_off.size}"].get_xdata()[0] == found.level_off.size
    assert (axes.get_title(loc="left"), axes.get_ylabel(), axes.get_ylim()) == ("Mine", "balanced accuracy", (0, 1.01))
    assert labelled(axes.xaxis) == ["8", "4", "2"]
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == found.curve.balanced_accuracy.low.min()


def test_the_accuracy_of_one_size_can_be_drawn(found):
    single = curve(sizes=(7,))
    axes = plots.accuracy(single, metric="macro_f1")
    assert labelled(axes.xaxis) == ["7"]
    assert axes.get_ylabel() == "macro f1"


def test_an_unknown_score_is_refused(found, compared):
    for draw in (lambda: plots.accuracy(found, metric="acuracy"), lambda: plots.comparison(compared, metric="f1")):
        with pytest.raises(SettingsError, match="no score"):
            draw()
    with pytest.raises(SettingsError, match="training curves of 'los'"):
        plots.training(pd.DataFrame(), "los")


def test_the_confusion_shows_shares_of_each_true_type():
    one = curve(4, names=["A", "B", "C", "D"])
    axes = plots.confusion(one, place=0)
    shown = np.asarray(axes.get_images()[0].get_array())
    np.testing.assert_allclose(shown.sum(axis=1), 1)
    np.testing.assert_allclose(shown[1], one.confusions[0][1] / one.confusions[0][1].sum())
    assert labelled(axes.xaxis) == labelled(axes.yaxis) == ["A", "B", "C", "D"]


def test_recalls_begin_with_the_weakest_type(found):
    axes = plots.recalls(found)
    recall = found.curve.recalls[-1]
    assert labelled(axes.yaxis)[0] == found.classes[recall.argmin()]
    np.testing.assert_array_equal(axes.get_lines()[0].get_xdata(), np.sort(recall))
    top, bottom = axes.get_ylim()
    assert top > bottom  # the first is on top


@pytest.mark.parametrize("swap_axes", [False, True])
def test_heatmap_and_dot_plot_show_each_gene_in_each_type(swap_axes):
    held = expression(3, 5)
    axes = plots.heatmap(held, scaled=False, swap_axes=swap_axes)
    expected = held.means.T if swap_axes else held.means
    np.testing.assert_array_equal(axes.get_images()[0].get_array(), expected)
    axes = plots.dotplot(held, swap_axes=swap_axes)
    dots = axes.collections[0]
    np.testing.assert_allclose(dots.get_array(), (held.scaled.T if swap_axes else held.scaled).ravel())
    sizes = dots.get_sizes()
    np.testing.assert_allclose(sizes / sizes.max(), expected.ravel() / expected.max())
    names = labelled(axes.yaxis if swap_axes else axes.xaxis)
    assert names == list(held.genes)


def test_gains_follow_the_panel_and_mark_what_was_required():
    axes = plots.gains(panel(6), n_genes=4)
    required, others = axes.get_lines()
    assert (len(required.get_xdata()), len(others.get_xdata())) == (2, 2)
    np.testing.assert_allclose([*required.get_xdata(), *others.get_xdata()], panel(6).scores[:4])
    assert labelled(axes.yaxis) == list(panel(6).genes[:4])
    assert axes.get_xscale() == "linear" if panel(6).scores[0] < 20 * panel(6).scores[3] else "log"
    assert plots.gains(panel()).get_xscale() == "log"
    plots.gains(sm.Panel(("a", "b")))  # a list without scores


def test_stability_tells_the_panel_from_other_genes():
    axes = plots.stability(stability(6))
    assert [len(bars) for bars in axes.containers] == [2, 4]
    assert axes.get_xlim() == (0, 1)
    assert labelled(axes.yaxis)[0] == "6330403A02Rik0"


def test_robustness_names_each_disturbance(make_adata):
    found = sm.robustness(make_adata(), ["gene0", "gene1"], label_key="cell_type", n_splits=2, n_draws=1)
    axes = plots.robustness(found)
    assert labelled(axes.yaxis)[:3] == ["undisturbed", "50 % of the counts", "20 % of the counts"]
    clean = [one.balanced_accuracy.mean() for one in found.disturbances]
    np.testing.assert_array_equal(axes.get_lines()[1].get_xdata(), clean)


def test_training_curves():
    rng = np.random.default_rng(0)
    names = [f"{side}_{what}" for side in ("val", "train") for what in ("accuracy", "mean_per_class_accuracy", "loss")]
    history = pd.DataFrame({"epoch": [1, 2]} | {name: rng.random(2) for name in names})
    axes = plots.training(history, "loss", best_epoch=2)
    np.testing.assert_array_equal(axes.get_lines()[0].get_ydata(), history["train_loss"])


def test_overlap_counts_each_gene_once(compared):
    axes = plots.overlap(compared)
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == [2, 1, 1, 1]
    assert [len(one.genes) for one in compared.intersections()] == heights
    assert compared.intersections()[0].panels == ("mine",)
    dots = next(ax for ax in axes.get_figure(root=True).axes[0].child_axes if ax is not axes)
    assert labelled(dots.yaxis) == ["mine (3)", "theirs (2)", "$x (1)"]
    assert len(plots.overlap(compared, n_sets=2).patches) == 2


def test_compared_panels_have_a_line_each(compared):
    axes = plots.comparison(compared)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mine", "theirs", "$x"]
    lines = axes.get_lines()
    assert [line.get_ydata()[0] for line in lines] == [one.curve.balanced_accuracy.value[-1] for one in compared.panels]
    assert len({float(line.get_xdata()[0]) for line in lines}) == 3  # none hides another


@pytest.mark.parametrize(
    ("draw", "sides"),
    [
        (lambda: plots.confusion(curve()), "xy"),
        (lambda: plots.heatmap(expression()), "xy"),
        (lambda: plots.heatmap(expression(), swap_axes=True), "xy"),
        (lambda: plots.dotplot(expression(), swap_axes=True), "xy"),
        (lambda: plots.gains(panel()), "y"),
        (lambda: plots.stability(stability()), "y"),
        (lambda: plots.confusion(curve(), ax=Figure(figsize=(3, 3)).add_axes((0.4, 0.4, 0.5, 0.5))), "xy"),
        (lambda: plots.heatmap(expression(), ax=Figure(figsize=(9, 5)).add_axes((0.3, 0.4, 0.5, 0.5))), "xy"),
    ],
)
def test_names_do_not_overlap_at_50_types_and_200_genes(draw, sides):
    axes = draw()
    for side in sides:
        assert_apart(axes, side)


def test_names_are_left_out_only_where_there_is_no_room():
    assert len(labelled(plots.heatmap(expression()).xaxis)) == N_GENES
    small = Figure(figsize=(4, 3)).add_axes((0.3, 0.4, 0.5, 0.5))
    assert 5 < len(labelled(plots.heatmap(expression(), ax=small).xaxis)) < N_GENES / 2


def test_names_may_hold_what_they_like(tmp_path):
    held = expression(3, len(NASTY), genes=NASTY)
    axes = plots.dotplot(held, save=tmp_path / "dots.svg")
    assert labelled(axes.xaxis) == NASTY
    assert "<script>" not in (tmp_path / "dots.svg").read_text()


def test_saved_as_the_name_says_and_pyplot_knows_nothing(tmp_path, found):
    before = plt.get_fignums()
    axes = plots.accuracy(found, save=tmp_path / "deep" / "curve")
    assert (tmp_path / "deep" / "curve.png").read_bytes().startswith(b"\x89PNG")
    plots.accuracy(found, save=tmp_path / "curve.svg", ax=axes)
    assert "<svg" in (tmp_path / "curve.svg").read_text()
    with pytest.raises(OutputError, match=r"as '\.pgn'"):
        plots.accuracy(found, save=tmp_path / "curve.pgn")
    assert plt.get_fignums() == before


def test_axes_of_the_callers_are_drawn_on(found):
    axes = Figure().subplots()
    assert plots.accuracy(found, ax=axes) is axes


def test_a_figure_is_shown_in_a_window_on_request(found, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.get_fignums()))
    before = plt.get_fignums()
    axes = plots.accuracy(found, show=True)
    assert shown == [[*before, axes.figure.number]]
    plt.close(axes.figure)
    plots.accuracy(found, show=False)
    plots.accuracy(found)
    assert len(shown) == 1


def test_means_and_shares_of_each_type(adata):
    held = sm.expression(adata, ["gene1", "gene5", "absent"], label_key="cell_type", normalize="none")
    X = adata.X.toarray()[:, [1, 5]]
    for code, name in enumerate(held.classes):
        rows = X[(adata.obs["cell_type"] == name).to_numpy()]
        np.testing.assert_allclose(held.means[code], rows.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(held.fractions[code], (rows > 0).mean(axis=0))
        assert held.n_cells[code] == len(rows)
    assert held.to_frame().shape == (8, 5)
    assert set(held.arranged().genes) == set(held.genes) == {"gene1", "gene5"}


def test_a_figure_is_shown_in_a_notebook_though_nothing_used_pyplot(found, monkeypatch):
    shown = []
    screen = ModuleType("IPython.display")
    screen.Image = lambda data, **how: (data, how)
    screen.display = shown.append
    monkeypatch.setitem(sys.modules, "IPython.display", screen)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    plots.accuracy(found)
    assert len(shown) == 1
    assert shown[0][0].startswith(b"\x89PNG")
    assert shown[0][1]["format"] == "png"
    plots.accuracy(found, show=False)
    assert len(shown) == 1


def test_a_training_without_validation_cells_has_no_curves():
    with pytest.raises(SettingsError, match=r"history is empty.*validation=\(cells, labels\)"):
        plots.training(pd.DataFrame())
