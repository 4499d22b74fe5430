"""The report: what it says, that names stand as text everywhere, that nothing is fetched."""

import csv
import io
import re
import sys
from html.parser import HTMLParser
from types import ModuleType
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

import selectormlp as sm
from selectormlp.assessment.measure import Judging
from selectormlp.assessment.report import Reporting, find_out
from selectormlp.data.source import Source
from selectormlp.errors import OutputError, SettingsError
from selectormlp.reports import render, write_report
from selectormlp.reports.content import summarise_findings
from selectormlp.reports.figures import draw_figures, themed
from selectormlp.reports.ordering import gene_table, limit_table, price_table
from selectormlp.reports.page import report_file
from selectormlp.reports.tables import csv_of, panel_table, type_table

EVIL_GENE, EVIL_TYPE, FORMULA = "<script>alert(1)</script>", "<script>alert(2)</script>", '=HYPERLINK("http://x")'


class Page(HTMLParser):
    """The elements of a page, its visible text, and what it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.words, self.links, self.inside = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside.append(tag)
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("href", "src", "xlink:href") if name in found]

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.inside):
            self.words.append(data)


def evil(adata):
    adata = adata.copy()
    names = list(adata.var_names)
    names[:2] = [EVIL_GENE, FORMULA]
    adata.var_names = names
    types = adata.obs["cell_type"].astype(str).replace("type A", EVIL_TYPE)
    adata.obs["cell_type"] = pd.Categorical(types)
    return adata


def task(**changes):
    judging = Judging(Source(label_key="cell_type", donor_key=changes.pop("donor_key", None)), n_splits=2)
    return Reporting(judging, n_stability=2, data_name="cells.h5ad", command="selectormlp report", **changes)


@pytest.fixture(scope="module")
def found(make_adata):
    adata = evil(make_adata())
    panel = sm.select(adata, label_key="cell_type", n_genes=6, must_have=[EVIL_GENE, FORMULA], method="discriminant")
    scores = {"Accuracy (selected features)": [0.1, 0.9], "Accuracy (random features)": [0.1, 0.5]}
    masked = {"SVM": pd.DataFrame(scores, index=[0, 30])}
    return find_out(adata, panel, task(masked=masked))


@pytest.fixture(scope="module")
def text(found):
    return render(found)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_page_says_all_that_was_asked_for(page):
    assert [name for name in ("asked", "panel", "accuracy", "types", "expression", "robustness", "stability", "repeat")
            if name not in page.ids] == []  # fmt: skip
    said = " ".join(page.words)
    for words in ("discriminant", "cells.h5ad", "selectormlp report", "hash of the cells tested", "numpy", "must-have"):
        assert words in said
    assert {f"figure-{name}" for name in ("accuracy", "confusion", "dotplot", "gains", "robustness", "masked")} <= {
        *page.ids
    }


def test_names_stand_as_text_everywhere(text, page):
    assert page.tags.count("script") == 1  # ours
    assert "<script>alert" not in text
    said = "".join(page.words)
    assert said.count(EVIL_GENE) >= 3  # table, dot plot, gains
    assert said.count(EVIL_TYPE) >= 3
    assert FORMULA in said


def test_nothing_is_fetched_and_ids_are_unique(text, page):
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert len(set(page.ids)) == len(page.ids)
    assert all(link[1:] in page.ids for link in page.links if link.startswith("#"))
    assert re.findall(r"url\((?!#)", text) == []
    assert "@import" not in text
    assert len(text) < 5_000_000


def test_the_csv_is_safe_to_open_in_a_spreadsheet(page, found):
    link = next(link for link in page.links if link.startswith("data:text/csv"))
    rows = list(csv.reader(io.StringIO(unquote(link.partition(",")[2]))))
    assert rows[0][:3] == ["#", "gene", "score"]
    assert [row[1] for row in rows[1:]] == [f"'{gene}" if gene == FORMULA else gene for gene in found.panel.genes]
    numeric = [place for place, column in enumerate(panel_table(found).columns) if column.numeric]
    for row in rows[1:]:
        assert not [cell for place, cell in enumerate(row) if place not in numeric and cell[:1] in "=+-@" and cell]


def test_names_of_genes_keep_their_hyphens(make_adata):
    adata = make_adata()
    adata.var_names = [f"HLA-D{gene}" for gene in range(adata.n_vars)]
    panel = sm.select(adata, label_key="cell_type", n_genes=6, method="discriminant")
    table = panel_table(find_out(adata, panel, task()))
    column = [one.name for one in table.columns].index("nearest")
    named = [row[column].text.rpartition(" (")[0] for row in table.rows]
    assert any(named)
    assert set(named) - {""} <= set(adata.var_names)


def test_types_begin_with_the_weakest(found):
    table = type_table(found)
    recall = [row[2].value for row in table.rows]
    assert recall == sorted(recall)
    assert {row[0].text for row in table.rows} == set(found.evaluation.classes)
    assert csv_of(table).startswith("type,test cells")


def test_warnings_name_what_is_wrong(make_adata):
    adata = make_adata()
    rng = np.random.default_rng(0)
    adata.obs["cell_type"] = np.where(adata.obs["cell_type"] == "type A", rng.choice(["A1", "A2"], 200), "rest")
    adata.obs.loc[adata.obs_names[:8], "cell_type"] = "few"
    adata.var_names = [*adata.var_names[:29], "copy"]
    counts = adata.X.toarray()
    counts[:, 29] = counts[:, 3]
    adata.X = counts
    found = find_out(adata, sm.Panel(("gene3", "copy", "Gene4", "nothing")), task(robustness=False))
    content = summarise_findings(found)
    said = {one.what: one.text for one in content.warnings}
    assert list(said) == [
        "Donors unused", "Genes not found", "Types not attainable", "Weak types", "Few cells", "Redundant genes"
    ]  # fmt: skip
    assert "2 of the 4 genes" in said["Genes not found"]
    assert "Gene4 (near: gene4" in said["Genes not found"]
    assert "A1 (" in said["Types not attainable"]
    assert "few (8)" in said["Few cells"]
    assert "gene3 and copy (1.00)" in said["Redundant genes"]
    assert "Stability was not measured" in " ".join(content.notes)
    assert content.stability is None
    assert content.robustness is None
    rows = {row[1].text: row for row in content.panel.rows}
    assert rows["nothing"][2].text == "not in the data"
    assert rows["Gene4"][2].text.startswith("not in the data; near: gene4")
    assert 'id="robustness"' not in render(found)


def test_donors_are_kept_apart_and_left_out(make_adata, tmp_path):
    adata = make_adata()
    panel = sm.select(adata, label_key="cell_type", n_genes=3, method="discriminant")
    found = find_out(adata, panel, task(donor_key="donor", robustness=False))
    content = summarise_findings(found)
    assert "Donors unused" not in {one.what for one in content.warnings}
    assert ("Donors", "donor") in content.data
    assert [row[0].text for row in content.stability.rows] == ["subsamples", "donors"]
    assert "again" in [column.name for column in content.panel.columns]


def test_levels_of_labels(make_adata):
    adata = make_adata()
    adata.obs["coarse"] = np.where(adata.obs["cell_type"].isin(["type A", "type B"]), "x", "y")
    found = find_out(adata, sm.Panel(("gene0", "gene1")), task(coarse_key="coarse", robustness=False))
    (row,) = summarise_findings(found).levels.rows
    assert row[0].text == "coarse"
    assert row[2].value + row[3].value == pytest.approx(1)
    assert "Levels of labels above the types" in render(found)


def test_the_facade_writes_a_file_or_into_a_folder(adata, tmp_path):
    flags = {"label_key": "cell_type", "n_splits": 2, "robustness": False, "title": "Mine & yours"}
    file = sm.report(adata, ["gene0", "gene1"], tmp_path / "deep" / "mine.html", **flags)
    assert file == tmp_path / "deep" / "mine.html"
    assert "<title>Mine &amp; yours</title>" in file.read_text()
    assert [place.name for place in file.parent.iterdir()] == ["mine.html"]
    assert report_file(tmp_path) == tmp_path / "report.html"


def test_the_place_is_checked_before_the_work(adata, tmp_path, said):
    (tmp_path / "file").write_text("")
    (tmp_path / "is.html" / "report.html").mkdir(parents=True)
    for place in (tmp_path / "file" / "x.html", tmp_path / "is.html"):
        with pytest.raises(OutputError, match="cannot write the report"):
            sm.report(adata, ["gene0"], place, label_key="cell_type")
    assert "refitting" not in said()


def test_one_repetition_is_refused(adata, tmp_path):
    with pytest.raises(SettingsError, match="n_stability is 1"):
        sm.report(adata, ["gene0"], tmp_path, label_key="cell_type", n_stability=1)


def test_the_same_findings_give_the_same_page(found, text, tmp_path):
    file = write_report(found, tmp_path)
    assert file.read_text(encoding="utf-8") == text


def test_figures_take_the_colours_of_the_page():
    svg = '<?xml version="1.0"?><svg height="36pt" width="72pt"><metadata>x</metadata><g id="a" style="fill: #1b1f24"/>'
    body, width = themed(svg + '<use xlink:href="#a" style="stroke: #dddddd"/><text>#1b1f24</text></svg>', "one")
    assert width == 96
    assert body == (
        '<svg width="96"><g id="one-a" style="fill: var(--ink)"/><use xlink:href="#one-a" style="stroke: var(--rule)"/>'
        "<text>#1b1f24</text></svg>"
    )


def test_a_notebook_shows_none_of_the_figures(found, monkeypatch):
    shown = []
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setattr("selectormlp.plots.figure._display", shown.append)
    assert draw_figures(found)
    assert not shown


def test_a_panel_under_limits_has_a_section_on_its_order(make_adata):
    adata = make_adata()
    adata.var["ensembl"] = [f"ENSG{i:011d}" if i else "" for i in range(adata.n_vars)]
    start = sm.Panel(("gene0", "gene1"))
    limits = {"max_counts_per_type": 16, "owned": ["gene2"], "price": True, "gene_id_key": "ensembl"}
    panel = sm.extend(adata, start, label_key="cell_type", n_new=4, method="discriminant", **limits)
    found = find_out(adata, panel, task())
    page = Page(render(found))
    assert {"order", "table-order", "table-limits", "table-prices", "figure-limits"} <= {*page.ids}
    order = gene_table(found)
    status = dict(zip((row[0].text for row in order.rows), (row[2].text for row in order.rows), strict=True))
    assert {gene: status[gene] for gene in ("gene0", "gene1")} == {"gene0": "existing", "gene1": "existing"}
    assert {status[gene] for gene in panel.genes[2:] if gene != "gene2"} == {"new"}
    counts = np.asarray(adata[:, list(panel.genes)].X.sum(axis=1)).ravel()
    means = pd.Series(counts).groupby(adata.obs["cell_type"].to_numpy()).mean()
    shown = {row[0].text: row[1].value for row in limit_table(found).rows}
    for name, mean in means.items():
        assert shown[f"counts per cell in {name!r}"] == pytest.approx(mean, rel=1e-6)
    assert [row[0].text for row in price_table(found).rows][:2] == ["all kept", "without max_counts_per_type"]
    assert "no Ensembl ID" in " ".join(page.words)


def test_a_plain_panel_has_none(page):
    assert "order" not in page.ids
