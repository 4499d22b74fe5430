"""Learning an assay from two sets of cells of the same types."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Unpack

from selectormlp.assessment.elsewhere import match_technologies
from selectormlp.assessment.keywords import LearnAssayOptions
from selectormlp.assessment.request import LearnAssayRequest
from selectormlp.config.keywords import only_keywords
from selectormlp.panel.calibration import Calibration
from selectormlp.panel.calibration import learn_assay as learn

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)


def learn_assay(
    reference: AnnData, measured: AnnData, *, label_key: str, seed: int = 0, **more: Unpack[LearnAssayOptions]
) -> Calibration:
    """Learn an assay from cells of the same types that sequencing and the assay measured.

    The result's ``assay`` holds the efficiency of each gene that both sides see well enough, and their spread;
    ``calibration.assay.write("assay.json")`` keeps it for ``--assay assay.json``. Efficiencies are known up to depth.

    Parameters
    ----------
    reference
        Sequenced cells × genes, counts or log1p-normalised counts; not altered.
    measured
        Cells of the assay, with counts; not altered.
    label_key
        Column of ``obs`` with the cell type.
    seed
        Seed; the same seed gives the same result.
    more
        ``measured_label_key``, ``measured_layer`` and ``label_map`` as in :func:`evaluate`; ``name`` of the assay;
        ``layer``, ``normalize``, ``exclude_labels`` and ``gene_name_key`` as in :func:`select`.

    Returns
    -------
    Efficiencies with their errors, and whether the expression level tells them.

    Raises
    ------
    DataError
        If a column or layer is absent, values are not counts, or fewer than eight genes are seen on both sides.
    SettingsError
        If the label map is not usable, or fewer than two types are on both sides.

    Examples
    --------
    >>> from selectormlp.data.datasets import pbmc68k
    >>> cells = pbmc68k().raw.to_adata()
    >>> cells.obs["bulk_labels"] = pbmc68k().obs["bulk_labels"]
    >>> found = learn_assay(cells, cells, label_key="bulk_labels")  # the same technology
    >>> found.assay.name, found.spread < 0.2
    ('learned', True)
    """
    request = LearnAssayRequest(label_key=label_key, seed=seed, **only_keywords(LearnAssayRequest, more))
    found = match_technologies(reference, measured, None, request)
    calibration = learn(
        found.reference.counts,
        found.measured.counts,
        found.reference.labels,
        found.measured.labels,
        found.genes,
        name=request.name,
        seed=request.seed,
    )
    logger.info(
        "%d genes: efficiency %.3g, spread %.2f of the natural logarithm; the expression level %s",
        len(calibration.genes),
        calibration.assay.efficiency or 1.0,
        calibration.spread,
        "tells it in part" if calibration.level_tells else "does not tell it",
    )
    return calibration
