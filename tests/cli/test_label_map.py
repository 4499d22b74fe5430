"""`--label-map`, `--label-key-of` and `--orthologs` of the commands that measure and explain panels."""

import pandas as pd
import pytest

KEY = ["--label-key", "cell_type"]


@pytest.fixture
def files(adata, tmp_path):
    """Return two files whose labels and columns differ; whole.h5ad holds the same cells with common labels."""
    adata.write_h5ad(tmp_path / "whole.h5ad")
    adata[::2].copy().write_h5ad(tmp_path / "a.h5ad")
    other = adata[1::2].copy()
    other.obs["kind"] = other.obs.pop("cell_type").astype(str).str.replace("type", "kind")
    other.write_h5ad(tmp_path / "b.h5ad")
    lines = [f"a,type {letter},type {letter}\nb,kind {letter},type {letter}\n" for letter in "ABCD"]
    (tmp_path / "labels.csv").write_text("data,label,common\n" + "".join(lines))
    (tmp_path / "genes.txt").write_text("gene0\ngene1\ngene2\n")
    return ["a.h5ad", "b.h5ad", *KEY, "--label-key-of", "b=kind", "--label-map", "labels.csv"]


@pytest.mark.parametrize("command", ["evaluate", "compare", "explain", "report"])
@pytest.mark.parametrize("sample", [[], ["--cells-per-type", 30]], ids=["whole", "sample"])
def test_files_with_other_labels_are_joined(cli, files, tmp_path, command, sample):
    quick = {"evaluate": ["--no-unsupervised"], "report": ["--no-robustness", "--stability", 0]}.get(command, [])
    done = cli(command, *files, "--panel", "genes.txt", "--out", "found", *sample, *quick)
    assert done.code == 0, done.err
    assert "2 data sets: 200 cells × 30 genes, 4 types" in done.err
    texts = [file.read_text() for file in (tmp_path / "found").iterdir() if file.suffix in (".csv", ".html")]
    assert command == "compare" or any("type D" in text for text in texts)
    assert not any("kind D" in text for text in texts)


def test_joined_files_are_worth_as_much_as_the_same_cells_in_one(cli, files, tmp_path):
    scores = {}
    for name, data in {"joined": files, "whole": ["whole.h5ad", *KEY]}.items():
        done = cli(
            "evaluate", *data, "--panel", "genes.txt", "--donor-key", "donor", "--no-unsupervised", "--out", name
        )
        assert done.code == 0, done.err
        scores[name] = pd.read_csv(tmp_path / name / "scores.csv").query("genes == 'panel'")["value"].tolist()
    assert scores["joined"] == pytest.approx(scores["whole"], abs=0.05)  # cells in another order
    done = cli("rerun", "joined", "--out", "again")
    assert done.code == 0, done.err
    again = pd.read_csv(tmp_path / "again" / "scores.csv").query("genes == 'panel'")["value"].tolist()
    assert again == scores["joined"]


def test_one_table_names_the_labels_of_files_and_of_measured_cells(cli, files, make_adata, tmp_path):
    cells = make_adata(seed=5)
    cells.obs["imaged"] = cells.obs.pop("cell_type").astype(str).str.replace("type", "img")
    cells.write_h5ad(tmp_path / "spots.h5ad")
    with (tmp_path / "labels.csv").open("a") as table:
        table.writelines(f"spots,img {letter},type {letter}\n" for letter in "ABCD")
    flags = ["--panel", "genes.txt", "--splits", 2, "--no-unsupervised"]
    flags += ["--measured", "spots.h5ad", "--measured-label-key", "imaged"]
    done = cli("evaluate", *files, *flags, "--out", "found")
    assert done.code == 0, done.err
    classes = pd.read_csv(tmp_path / "found" / "measured_classes.csv")["class"].unique().tolist()
    assert classes == [f"type {letter}" for letter in "ABCD"]
    assert cli("rerun", "found", "--out", "again").code == 0


def test_orthologs_name_the_genes_of_a_file(cli, files, adata, tmp_path):
    other = adata[1::2].copy()
    other.var_names = [name.replace("gene", "mouse") for name in other.var_names]
    other.write_h5ad(tmp_path / "b.h5ad")
    pairs = [f"mouse{number},gene{number}\n" for number in range(adata.n_vars)]
    (tmp_path / "pairs.csv").write_text("from,to\n" + "".join(pairs))
    done = cli("compare", *files[:4], "--panel", "genes.txt", "--orthologs", "pairs.csv", "--out", "found")
    assert done.code == 0, done.err
    assert "2 data sets: 200 cells × 30 genes, 4 types" in done.err


@pytest.mark.parametrize("command", ["evaluate", "compare", "explain", "report"])
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,type A,A"], "does not name 3 labels of the data set 'a'|no line for these data sets: 'b'"),
        (["c,type A,A"], "names the data set 'c'; there are: 'a', 'b'"),
        (["a,type A,A", "a,type A,B"], "two common types"),
    ],
    ids=["lacking", "stranger", "twice"],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(cli, files, tmp_path, command, lines, message):
    (tmp_path / "labels.csv").write_text("\n".join(["data,label,common", *lines]) + "\n")
    done = cli(command, *files, "--panel", "genes.txt", "--out", "found")
    assert (done.code, done.out) == (2, "")
    assert any(part in done.err for part in message.split("|"))
    assert "Traceback" not in done.err
    assert not (tmp_path / "found").exists() or not list((tmp_path / "found").iterdir())


def test_a_table_of_neither_kind_is_refused(cli, files, tmp_path):
    (tmp_path / "labels.csv").write_text("from,to\na,b\n")
    done = cli("evaluate", *files, "--panel", "genes.txt", "--out", "found")
    assert (done.code, done.out) == (2, "")
    assert not (tmp_path / "found").exists() or not list((tmp_path / "found").iterdir())
