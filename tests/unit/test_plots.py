"""What the figures hold: data, limits and words, not pixels."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from selectormlp.errors import OutputError
from selectormlp.plots import plot_comparison, plot_history, plot_masking_curve, plot_ranked_genes, write_figure
from selectormlp.plots.figure import COLORS, GREY, new_axes

COLUMNS = [
    "Accuracy (selected features)",
    "Accuracy (random features)",
    "Mean per-class acc. (selected)",
    "Mean per-class acc. (random)",
]


def masking_table(scale=1.0):
    values = scale * np.array([[0.1, 0.1, 0.2, 0.2], [0.8, 0.3, 0.7, 0.25], [0.9, 0.9, 0.85, 0.85]])
    return pd.DataFrame(values, columns=COLUMNS, index=pd.Index([0, 50, 120], name="n_genes"))


def history(n_epochs=4):
    rng = np.random.default_rng(0)
    names = [f"{side}_{what}" for side in ("val", "train") for what in ("accuracy", "mean_per_class_accuracy", "loss")]
    return pd.DataFrame({"epoch": range(1, n_epochs + 1)} | {name: rng.random(n_epochs) for name in names})


def ranked(names):
    return pd.DataFrame({"gene": names, "weight_abs": np.linspace(1, 0, len(names)), "idx": range(len(names))})


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_masking_curve_shows_the_four_columns_from_0_to_1():
    axes = plot_masking_curve(masking_table(), title="SVM: accuracy")
    assert legend(axes) == COLUMNS
    for column in COLUMNS:
        np.testing.assert_array_equal(lines(axes)[column].get_xdata(), [0, 50, 120])
        np.testing.assert_array_equal(lines(axes)[column].get_ydata(), masking_table()[column])
    assert axes.get_ylim() == (0, 1)
    assert axes.get_xlim()[0] == 0
    assert axes.get_title() == "SVM: accuracy"
    assert axes.get_xlabel() == "genes kept (the others set to 0)"
    assert axes.get_ylabel() == "accuracy"
    assert {label: line.get_color() == GREY for label, line in lines(axes).items()} == {
        column: "random" in column for column in COLUMNS
    }


def test_the_comparison_shows_every_model_and_random_order_once():
    tables = {"SelectorMLP": masking_table(), "MLP": masking_table(0.9), "SVM": masking_table(0.8)}
    axes = plot_comparison(tables, title="Few genes")
    assert legend(axes) == [*tables, "genes in random order"]
    for color, (name, table) in zip(COLORS, tables.items(), strict=False):
        line = lines(axes)[name]
        np.testing.assert_array_equal(line.get_ydata(), table[COLUMNS[0]])
        assert line.get_color() == color
    dotted = [line for line in axes.get_lines() if line.get_linestyle() == ":" and len(line.get_xdata())]
    assert len(dotted) == 3
    np.testing.assert_array_equal(dotted[0].get_ydata(), masking_table()[COLUMNS[1]])
    assert axes.get_xscale() == "symlog"
    assert axes.get_xlim() == (0, 120)
    assert axes.get_ylim() == (0, 1)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "10", "25", "50", "100"]


def test_ranked_genes_show_the_weights_over_rank_and_name_the_first():
    axes = plot_ranked_genes(ranked([f"g{i}" for i in range(30)]), n_named=3, title="SVM: genes")
    (line,) = axes.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), range(1, 31))
    np.testing.assert_allclose(line.get_ydata(), np.linspace(1, 0, 30))
    assert [text.get_text() for text in axes.texts] == ["1. g0\n2. g1\n3. g2"]
    assert axes.get_xlim() == (1, 30)
    assert axes.get_ylim()[0] == 0
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("rank", "|weight|", "SVM: genes")


@pytest.mark.parametrize("names", [["$\\frac{", "a$b$c", "_hidden", "^x", "HLA-DRA", "%s", "{}", "γδ"], ["only$"]])
def test_gene_names_may_hold_what_they_like(names, tmp_path):
    path = write_figure(tmp_path / "genes.png", lambda: plot_ranked_genes(ranked(names)))
    assert path.stat().st_size > 0
    (text,) = plot_ranked_genes(ranked(names)).texts
    assert text.get_text() == "\n".join(f"{rank}. {name}" for rank, name in enumerate(names, start=1))
    assert not text.get_parse_math()


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (
            "accuracy",
            {
                "accuracy (training)": "train_accuracy",
                "mean per-class accuracy (training)": "train_mean_per_class_accuracy",
                "accuracy (validation)": "val_accuracy",
                "mean per-class accuracy (validation)": "val_mean_per_class_accuracy",
            },
        ),
        ("loss", {"loss (training)": "train_loss", "loss (validation)": "val_loss"}),
    ],
)
def test_the_history_shows_both_sets_over_epochs(what, expected):
    axes = plot_history(history(), what)
    assert legend(axes) == list(expected)
    for label, column in expected.items():
        np.testing.assert_array_equal(lines(axes)[label].get_xdata(), [1, 2, 3, 4])
        np.testing.assert_array_equal(lines(axes)[label].get_ydata(), history()[column])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", what)
    assert (axes.get_ylim() == (0, 1)) == (what == "accuracy")


def test_the_best_epoch_is_marked():
    axes = plot_history(history(), "accuracy", best_epoch=3)
    assert lines(axes)["best epoch"].get_xdata() == [3, 3]
    assert "best epoch" in legend(axes)


def test_the_history_of_a_single_epoch_can_be_drawn(tmp_path):
    for what in ("accuracy", "loss"):
        write_figure(tmp_path / f"{what}.png", lambda what=what: plot_history(history(1), what, best_epoch=1))


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plot_masking_curve(masking_table(), ax=ax),
        lambda ax: plot_comparison({"SVM": masking_table()}, ax=ax),
        lambda ax: plot_ranked_genes(ranked(["a", "b"]), ax=ax),
        lambda ax: plot_history(history(), "loss", ax=ax),
    ],
)
def test_axes_of_the_callers_are_drawn_on(draw):
    axes = new_axes()
    assert draw(axes) is axes


def test_pyplot_knows_nothing_of_the_figures(tmp_path):
    before = plt.get_fignums()
    write_figure(tmp_path / "a.png", lambda: plot_masking_curve(masking_table()))
    assert plt.get_fignums() == before


def test_a_figure_is_written_as_png(tmp_path):
    path = write_figure(tmp_path / "deep" / "a.png", lambda: plot_masking_curve(masking_table()))
    assert path == tmp_path / "deep" / "a.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_a_folder_that_is_none_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file; name a folder"):
        write_figure(tmp_path / "file" / "a.png", lambda: plot_masking_curve(masking_table()))


def test_many_genes_leave_room_for_small_panels():
    sizes = [0, 10, 100, 1000, 10_000]
    columns = ["Accuracy (selected features)", "Accuracy (random features)"]
    axes = plot_masking_curve(pd.DataFrame(0.5, index=sizes, columns=columns))
    left, right = axes.transData.transform([(10, 0), (100, 0)])[:, 0]
    assert right - left > 0.15 * axes.bbox.width
    assert axes.get_xlim() == (0, 10_000)
