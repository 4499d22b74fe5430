"""The table of an explanation, where only some genes have a substitute."""

import pandas as pd
import pytest

from selectormlp.panel.explain import Explanation, GeneExplanation
from selectormlp.panel.storage import write_explanation

WITH = GeneExplanation("CD3E", (), (), 0.5, "CD3D", 0.1)
WITHOUT = GeneExplanation("=CD4", (), (), 0.4, None, None)


def test_a_gene_without_substitute_has_none():
    assert Explanation((WITH, WITHOUT), 0.1).to_frame()["substitute"].tolist() == ["CD3D", None]


@pytest.mark.parametrize("genes", [(WITH, WITHOUT), (WITHOUT, WITH), (WITHOUT,), (WITH,)], ids=len)
def test_the_file_of_genes_with_and_without_substitutes_is_written(genes, tmp_path):
    file = write_explanation(Explanation(genes, 0.1), tmp_path)
    read = pd.read_csv(file, keep_default_na=False, dtype=str)
    assert read["substitute"].tolist() == [gene.substitute or "" for gene in genes]
