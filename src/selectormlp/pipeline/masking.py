"""The third step: ranking the genes by a trained model, and masking them from the worst up."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from selectormlp.assessment.tables import safe_table
from selectormlp.data.anndata_io import CellsSource
from selectormlp.data.split_index import found_side
from selectormlp.data.stored import AnyCells
from selectormlp.evaluation.masking import MaskingCurve, masking_curve, masking_sizes
from selectormlp.evaluation.metrics import scorable_cells
from selectormlp.files import ensure_folder, written_whole
from selectormlp.models.model import DISPLAY_NAMES, Model
from selectormlp.models.storage import load_model
from selectormlp.pipeline.settings import FeatureSelectionSettings
from selectormlp.pipeline.sides import check_same_split, check_split, load_side, open_side, stays_on_disk
from selectormlp.plots import plot_masking_curve, plot_ranked_genes, write_figure
from selectormlp.progress import showing, step
from selectormlp.results import whole_result
from selectormlp.selection.ranking import Ranking, rank_all_genes
from selectormlp.selectors.registry import find_method

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FeatureSelectionReport:
    """What the feature selection step found and wrote.

    Attributes
    ----------
    genes
        All genes, best first: ``gene``, ``weight_abs`` (``score`` where another method ranked them), ``idx``.
    curve
        Accuracy over the number of unmasked genes.
    files
        The two tables and two figures.
    """

    genes: pd.DataFrame
    curve: MaskingCurve
    files: tuple[Path, ...]


def select_features_from_files(
    settings: FeatureSelectionSettings, model_type: str | None = None, *, progress: bool = False
) -> FeatureSelectionReport:
    """Rank and mask the genes of a saved model on one AnnData file, or on one side of a split left as an index.

    Parameters
    ----------
    settings
        The model, the file, and how to mask.
    model_type
        Kind of model expected, or None for whatever the file holds.
    progress
        Whether to draw a progress bar.

    Raises
    ------
    ModelFileError
        If the model file is absent, damaged, a pickle or of another kind.
    SettingsError
        If ``settings.method`` is unknown.
    DataError
        If an AnnData file is not usable, lacks genes of the model, or has no cell of a trained class.
    OutputError
        If results cannot be written.
    """
    if settings.method is not None:
        find_method(settings.method)  # before the files are read
    place = found_side(settings.adata_input)
    if place.name.startswith("adata_"):
        check_split(place.parent)
    model = load_model(settings.model_path, model_type=model_type)
    if place.name.startswith("adata_"):
        check_same_split(place.parent, model, settings.model_path)
    source = CellsSource(
        settings.y_column,
        layer=model.source.layer,
        normalize=model.source.normalize,
        exclude_labels=settings.exclude_labels,
    )
    wanted = {"classes": model.classes, "genes": model.genes}
    ranking = None
    if settings.method is not None:
        learned_on = load_side(found_side(settings.train_input), source, **wanted)
        ranking = rank_all_genes(learned_on, settings.method, seed=settings.seed)
    mask = partial(
        select_features,
        model,
        results_dir=settings.results_dir,
        group_size=settings.group_size,
        random_reps=settings.random_reps,
        seed=settings.seed,
        ranking=ranking,
        progress=progress,
    )
    if stays_on_disk(place, settings.lazy):
        return mask(open_side(place, source, **wanted))
    return mask(load_side(place, source, **wanted))


def select_features(
    model: Model,
    cells: AnyCells,
    *,
    results_dir: Path,
    group_size: int,
    random_reps: int,
    seed: int,
    extra_sizes: Iterable[int] = (),
    ranking: Ranking | None = None,
    progress: bool = False,
) -> FeatureSelectionReport:
    """Rank and mask the genes of a model on cells in memory or on disk; write two tables and two figures.

    Parameters
    ----------
    model
        Trained.
    cells
        Cells with the model's genes and classes; those of classes never trained on are left out.
    results_dir
        Folder for ``{model_type}_feature_selection_results`` and ``{model_type}_ranked_genes``, each ``.csv`` and
        ``.png``; with a ranking, ``{model_type}_{method}_…``.
    group_size, random_reps, seed
        Step of the curve in genes, number of random orders, and their seed.
    extra_sizes
        Further sizes to score.
    ranking
        Another method's order of the model's genes; by default the model's own.
    progress
        Whether to draw a progress bar.
    """
    cells = scorable_cells(cells, model.selector.trained_classes_)
    ensure_folder(results_dir)  # before the long work
    model_type = model.model_type
    with showing(progress), step(f"masking genes of the {DISPLAY_NAMES[model_type]}", cells.n_cells) as bar:
        curve = masking_curve(
            model.selector,
            cells.X,
            cells.labels,
            sizes=masking_sizes(cells.n_genes, group_size, extra_sizes),
            random_reps=random_reps,
            rng=np.random.default_rng(seed),
            ranking=None if ranking is None else ranking.ranks,
            advance=bar.advance,
        )
    return _write_curve(model, curve, ranking, results_dir)


def _write_curve(
    model: Model, curve: MaskingCurve, ranking: Ranking | None, results_dir: Path
) -> FeatureSelectionReport:
    name, prefix, table = DISPLAY_NAMES[model.model_type], model.model_type, curve.to_frame()
    if ranking is None:
        genes, order = model.ranked_genes(), "genes by |weight|"
    else:
        genes, order = _ranked_genes(model, ranking), f"genes by {ranking.method}"
        name, prefix = f"{name} by {ranking.method}", f"{prefix}_{ranking.method}"
    tables = (results_dir / f"{prefix}_feature_selection_results.csv", results_dir / f"{prefix}_ranked_genes.csv")
    with whole_result(results_dir, prefix):
        with written_whole(*tables) as (curve_draft, genes_draft):
            table.to_csv(curve_draft)
            safe_table(genes).to_csv(genes_draft, index=False)
        title = f"{name}: accuracy with few genes"
        figures = (
            write_figure(tables[0].with_suffix(".png"), lambda: plot_masking_curve(table, title=title)),
            write_figure(tables[1].with_suffix(".png"), lambda: plot_ranked_genes(genes, title=f"{name}: {order}")),
        )
    logger.info("%s: best genes %s; results in %s", name, ", ".join(genes["gene"][:10]), results_dir)
    return FeatureSelectionReport(genes, curve, (*tables, *figures))


def _ranked_genes(model: Model, ranking: Ranking) -> pd.DataFrame:
    """List all genes of a model from the best down as another method ranks them."""
    scores = ranking.scores[ranking.order]
    return pd.DataFrame(
        {
            "gene": [model.genes[column] for column in ranking.order],
            "score": np.where(np.isfinite(scores), scores, np.nan),
            "idx": ranking.order,
        }
    )
