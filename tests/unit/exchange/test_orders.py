import pandas as pd
import pytest

from selectormlp.errors import PanelError
from selectormlp.exchange.orders import FORMATS, Order, order_table, write_order, xenium_targets
from selectormlp.panel.panel import Panel

PANEL = Panel(
    ("CD3E", "NKG7", "MS4A1", "=EVIL"),
    reasons=("given", "must-have", "added to a panel of 1", "added to a panel of 1"),
    gene_ids=("ENSG1", "ENSG2", "ENSG2", ""),
    facts={"n_probes": ("8", "", "4", "")},
)
ORDER = Order(PANEL, n_existing=1, owned=["MS4A1"])


def test_each_gene_is_existing_owned_or_new():
    assert ORDER.status == ("existing", "new", "owned", "new")
    assert order_table(ORDER, new_only=True)["gene"].tolist() == ["NKG7", "=EVIL"]


def test_missing_and_shared_identifiers_are_listed():
    missing, shared = ORDER.problems()
    assert "1 gene has no Ensembl ID ('=EVIL')" in missing
    assert "'ENSG2'" in shared
    assert Order(Panel(("A",), gene_ids=("ENSG1",))).problems() == []


def test_the_target_list_has_the_designers_columns():
    frame = xenium_targets(ORDER)
    assert frame.columns.tolist() == ["Gene", "Ensembl ID", "Probe sets", "Force"]
    assert frame["Probe sets"].tolist() == ["8", "", "4", ""]
    assert frame["Force"].tolist() == ["", "forced", "", ""]


@pytest.mark.parametrize("kind", FORMATS)
def test_lists_are_written_whole_and_safe_for_spreadsheets(tmp_path, kind):
    file = write_order(ORDER, tmp_path, kind)
    cells = pd.read_csv(file, dtype=str, keep_default_na=False)
    assert len(cells) == 4
    assert cells.iloc[3, 0] == "'=EVIL"


def test_types_fill_a_column_of_their_own():
    assert order_table(ORDER, types=["T", "NK", "B", ""])["types"].tolist() == ["T", "NK", "B", ""]
    with pytest.raises(PanelError, match="1 lists of types for 4 genes"):
        order_table(ORDER, types=["T"])


def test_an_unknown_format_and_an_empty_order_are_refused(tmp_path):
    with pytest.raises(PanelError, match="no order format 'visium'; expected one of 'table', 'xenium', 'merscope'"):
        write_order(ORDER, tmp_path, "visium")
    with pytest.raises(PanelError, match="none of the 1 genes is new"):
        write_order(Order(Panel(("A",)), n_existing=1), tmp_path, "table", new_only=True)
    assert not list(tmp_path.iterdir())
