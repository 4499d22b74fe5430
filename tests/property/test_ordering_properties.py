"""`select` under any combination of limits: sums reckoned again from the counts obey every one, or it is refused."""

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import selectormlp as sm
from selectormlp.errors import SettingsError

N_GENES, N_TYPES, CLOSE = 24, 3, 1 + 1e-6


def cells(seed):
    """Return counts of three types, each with genes of its own."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(60) % N_TYPES
    rate = rng.exponential(1.0, N_GENES) + rng.exponential(3.0, (N_TYPES, N_GENES)) * (rng.random((3, N_GENES)) < 0.3)
    counts = rng.poisson(rate[kinds])
    counts[:, 0] += 1
    obs = pd.DataFrame({"kind": [f"T{k}" for k in kinds]}, index=[f"c{i}" for i in range(60)])
    var = pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])
    return ad.AnnData(sp.csr_matrix(counts.astype(np.float32)), obs=obs, var=var)


def gene_table(seed, path):
    """Write and return invented facts of the genes; some are not known."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "gene": [f"g{i}" for i in range(N_GENES)],
            "length_nt": rng.integers(300, 3000, N_GENES),
            "n_probes": np.where(rng.random(N_GENES) < 0.1, np.nan, rng.integers(0, 12, N_GENES)),
            "codewords": rng.integers(1, 4, N_GENES),
            "homolog_group": rng.choice(["a", "b", "c", "d", ""], N_GENES),
            "cost": rng.integers(1, 5, N_GENES),
        }
    )
    table.to_csv(path, index=False)
    return table.set_index("gene")


LIMITS = {
    "min_length_nt": st.integers(300, 2600),
    "min_probes": st.integers(0, 11),
    "max_codewords": st.integers(5, 20),
    "max_per_homolog_group": st.integers(1, 3),
    "max_counts_per_type": st.floats(3, 40),
    "max_counts": st.floats(3, 30),
    "max_gene_counts": st.floats(1, 12),
    "min_gene_counts": st.floats(0.1, 6),
    "budget": st.integers(5, 24),
    "min_markers_per_type": st.integers(1, 2),
    "gene_sets": st.just({"s": {"genes": ["g1", "g2", "g3", "g4"], "min": 1, "max": 2}, "p": ["g7", "g8"]}),
    "owned": st.just(["g5", "g6"]),
    "must_have": st.just(["g2"]),
}


def check(panel, adata, table, asked, quantile):
    """Reckon each limit again."""
    genes = list(panel.genes)
    assert len(genes) == len(set(genes)) == 6
    facts, kinds = table.loc[genes], adata.obs["kind"].to_numpy()
    dense, totals = adata.X.toarray().astype(float), np.asarray(adata.X.sum(axis=1)).ravel()
    at = adata.var_names.get_indexer(genes)
    means = np.array([dense[kinds == kind][:, at].mean(axis=0) for kind in np.unique(kinds)])
    crowded = []
    for kind in np.unique(kinds):
        bound = np.quantile(totals[kinds == kind], quantile)
        crowded.append(dense[(kinds == kind) & (totals >= bound)][:, at].sum(axis=1).mean())
    costs = facts["cost"].mask(facts.index.isin(asked.get("owned", [])), 0)
    sums = {
        "max_codewords": facts["codewords"].sum(),
        "max_per_homolog_group": facts["homolog_group"].replace("", np.nan).value_counts().max(),
        "max_counts_per_type": max(crowded),
        "max_counts": dense[:, at].sum(axis=1).mean(),
        "max_gene_counts": means.max(),
        "budget": costs.sum(),
    }
    least = {
        "min_length_nt": facts["length_nt"].min(),
        "min_probes": facts["n_probes"].fillna(-1).min(),
        "min_gene_counts": means.max(axis=0).min(),
    }
    for name in sums.keys() & asked.keys():
        assert np.isnan(sums[name]) or sums[name] <= asked[name] * CLOSE, name
    for name in least.keys() & asked.keys():
        assert least[name] * CLOSE >= asked[name], name
    if "gene_sets" in asked:
        assert 1 <= len({"g1", "g2", "g3", "g4"} & set(genes)) <= 2
        assert {"g7", "g8"} & set(genes)
    assert set(asked.get("must_have", ())) <= set(genes)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**31),
    asked=st.fixed_dictionaries({}, optional=LIMITS),
    quantile=st.sampled_from([0.0, 0.5, 0.9]),
    method=st.sampled_from(["discriminant", "discriminant", "variance", "reconstruction"]),
)
def test_a_panel_obeys_every_limit_or_is_refused(seed, asked, quantile, method, tmp_path):
    adata, path = cells(seed), tmp_path / "genes.csv"
    table = gene_table(seed, path)
    try:
        panel = sm.select(
            adata,
            label_key="kind",
            n_genes=6,
            method=method,
            **asked,
            gene_table=str(path),
            crowding_quantile=quantile,
        )
    except SettingsError:
        event("refused")
        return
    event("chosen")
    check(panel, adata, table, asked, quantile)
