"""Choosing genes for another technology."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from selectormlp.data.disk import DiskMatrix, StoredPart
from selectormlp.data.normalize import log1p_cp10k
from selectormlp.data.stored import StoredCells, StoredMatrix
from selectormlp.errors import SettingsError
from selectormlp.moments.contrasts import classes_against_rest
from selectormlp.moments.discriminant import DiscriminantObjective
from selectormlp.moments.stream import moments_of
from selectormlp.panel.assay import Assay
from selectormlp.selectors.discriminant import DiscriminantSelector

MEASURED = Assay(specificity=0.8, efficiency=0.3, mixing=0.1, background=0.05, failure=0.05)


def counts_and_labels(n_cells=240, n_genes=20, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n_cells) % 4
    rate = np.full((n_cells, n_genes), 2.0)
    for gene in range(8):
        rate[y == gene % 4, gene] = 6.0 + gene
    return rng.poisson(rate * rng.gamma(8, 1 / 8, (n_cells, 1))).astype(np.float32), y


def order(selector):
    return np.argsort(selector.ranking_)[:8].tolist()


def test_sequencing_is_the_default_and_changes_nothing():
    counts, y = counts_and_labels()
    X = log1p_cp10k(counts)
    plain, named = DiscriminantSelector(8).fit(X, y), DiscriminantSelector(8, assay="sequencing").fit(X, y)
    np.testing.assert_array_equal(plain.ranking_, named.ranking_)
    np.testing.assert_array_equal(plain.scores_, named.scores_)


@pytest.mark.parametrize("assay", ["imaging", MEASURED])
def test_memory_and_disk_choose_alike(assay, tmp_path):
    counts, y = counts_and_labels()
    anndata.AnnData(sp.csr_matrix(counts)).write_h5ad(tmp_path / "a.h5ad")
    matrix = StoredMatrix((StoredPart(DiskMatrix(tmp_path / "a.h5ad", "X")),), "counts")
    names = pd.Index([f"c{row}" for row in range(len(y))])
    genes = pd.Index([f"g{column}" for column in range(counts.shape[1])])
    cells = StoredCells(matrix, genes, names, y.astype(np.int64), tuple("abcd"))
    stored = DiscriminantSelector(8, assay=assay).fit_stored(cells)
    for X in (log1p_cp10k(counts), log1p_cp10k(sp.csr_array(counts))):
        assert order(DiscriminantSelector(8, assay=assay).fit(X, y)) == order(stored)


def test_a_marker_of_one_type_beats_a_gene_of_two_grades():
    """Gene 0 separates three pairs by graded levels, genes 1 and 2 mark one type each."""
    rng, y = np.random.default_rng(0), np.arange(3000) % 3
    X = rng.normal(size=(3000, 3))
    X[:, 0] += np.array([0.0, 1.5, 3.0])[y]
    X[:, 1] += np.array([2.2, 0.0, 0.0])[y]
    moments = moments_of(X, y)
    for specificity, first in ((0.0, 0), (1.0, 1)):
        gains = DiscriminantObjective(moments, specificity=specificity, shrinkage=0).gains()
        assert int(np.argmax(gains)) == first


def test_a_second_marker_is_worth_more_if_probes_fail():
    rng, y = np.random.default_rng(0), np.arange(4000) % 2
    X = rng.normal(size=(4000, 2)) + 8.0 * y[:, None]
    gains = []
    for failure in (0.0, 0.1):
        objective = DiscriminantObjective(moments_of(X, y), failure=failure)
        objective.choose(0)
        gains.append(objective.gains()[1])
    assert gains[1] > 3 * gains[0] > 0


def test_the_rest_is_a_mixture():
    means, variances = np.array([[0.0], [2.0], [6.0]]), np.array([[1.0], [2.0], [3.0]])
    shares = np.array([0.2, 0.6, 0.2])
    rest = classes_against_rest(means, variances, np.array([10, 20, 40]), 5 * shares)
    rng = np.random.default_rng(0)
    which = rng.choice([1, 2], 400_000, p=[0.75, 0.25])
    drawn = rng.normal(means[which, 0], np.sqrt(variances[which, 0]))
    assert -rest.gaps[0, 0] == pytest.approx(drawn.mean(), rel=0.01)
    assert 2 * rest.variances[0, 0] - 1.0 == pytest.approx(drawn.var(), rel=0.01)
    assert rest.weights.tolist() == pytest.approx(shares.tolist())
    assert rest.noise[0] == pytest.approx(1 / 10 + 0.75**2 / 20 + 0.25**2 / 40)


def test_efficiencies_follow_the_names_of_genes():
    counts, y = counts_and_labels()
    frame = pd.DataFrame(log1p_cp10k(counts), columns=[f"g{column}" for column in range(counts.shape[1])])
    lost = Assay(efficiency=1.0, gene_efficiencies={"g7": 1e-4, "g6": 1e-4})
    assert not {6, 7} & set(order(DiscriminantSelector(6, assay=lost).fit(frame, y))[:6])
    with pytest.raises(SettingsError, match="no names"):
        DiscriminantSelector(6, assay=lost).fit(frame.to_numpy(), y)


def test_what_does_not_work_together_is_refused():
    counts, y = counts_and_labels()
    with pytest.raises(SettingsError, match="assay='nothing'"):
        DiscriminantSelector(4, assay="nothing").fit(log1p_cp10k(counts), y)
    moments = moments_of(log1p_cp10k(counts), y)
    with pytest.raises(SettingsError, match="failure"):
        DiscriminantObjective(moments, failure=0.1, criterion="log")


def test_values_that_are_no_counts_are_taken_as_such_and_the_log_says_so(caplog):
    rng, y = np.random.default_rng(0), np.arange(90) % 3
    X = np.abs(rng.normal(size=(90, 6)))
    X[:, 2] += y
    with caplog.at_level("INFO"):
        chosen = DiscriminantSelector(1, assay=Assay(efficiency=1.0)).fit(X, y)
    assert order(chosen)[0] == 2
    assert "X holds no counts" in caplog.text


def test_select_takes_an_assay_and_provenance_holds_it():
    import selectormlp as sm

    counts, y = counts_and_labels()
    adata = anndata.AnnData(
        counts, obs=pd.DataFrame({"type": [f"t{code}" for code in y]}, index=map(str, range(len(y))))
    )
    for assay in ("imaging", MEASURED.model_dump(mode="json")):
        panel = sm.select(adata, label_key="type", n_genes=6, method="discriminant", options={"assay": assay})
        assert panel.provenance.settings["selector"]["assay"] == assay
    assert len(panel) == 6
    named = sm.select(adata, label_key="type", n_genes=6, method="discriminant", assay="imaging")
    assert named.provenance.settings["selector"]["assay"] == "imaging"
    with pytest.raises(SettingsError, match="expected one of the methods"):
        sm.select(adata, label_key="type", n_genes=6, method="markers", assay="imaging")
