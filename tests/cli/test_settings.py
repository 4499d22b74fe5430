"""Settings files in three languages, their schemas, `--print-config`, `select --config` and `rerun`."""

import json
from pathlib import Path

import jsonschema
import pytest

import selectormlp as sm
from selectormlp.cli.kinds import KINDS, find_kind
from selectormlp.cli.rerun import recorded_settings
from selectormlp.config.files import read_settings, schema_of, settings_text
from selectormlp.errors import SettingsError
from selectormlp.panel.storage import read_panel
from selectormlp.pipeline.settings import TrainSettings
from selectormlp.selection.request import SelectRequest

CONFIGS = Path(__file__).parents[2] / "configs"
SAME = {
    "json": '{"$schema": "x", "training": {"lr": 1e-3, "seed": 7}, "model": {"penalty": "L2"}}',
    "yaml": "$schema: x\ntraining:\n  lr: 1e-3\n  seed: 007\nmodel: {penalty: L2}\n",
    "yml": "training: {lr: .001, seed: +7}\nmodel:\n  penalty: 'L2'\n",
    "toml": '"$schema" = "x"\n[training]\nlr = 1e-3\nseed = 7\n[model]\npenalty = "L2"\n',
}


@pytest.mark.parametrize("suffix", SAME)
def test_the_three_languages_say_the_same(settings_file, suffix):
    settings = read_settings(TrainSettings, settings_file(SAME[suffix], f"train.{suffix}"))
    assert settings == TrainSettings.model_validate({"training": {"lr": 1e-3, "seed": 7}, "model": {"penalty": "L2"}})


def test_words_in_yaml_mean_what_they_say(settings_file):
    text = "method: no\nlayer: null\nignore_unknown: true\nexclude_labels: [NO, 'true', 1:30, 2020-01-01]\nbudget: 2\n"
    settings = read_settings(SelectRequest, settings_file(text, "select.yaml"))
    assert (settings.method, settings.layer, settings.ignore_unknown, settings.budget) == ("no", None, True, 2.0)
    assert settings.exclude_labels == ("NO", "true", "1:30", "2020-01-01")


LINKS = zip("abcdefgh", "bcdefghi", strict=True)
BOMB = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in LINKS)
REFUSED = {
    "aliases": (BOMB, "yaml", r"not valid YAML \(aliases \(\*name\) are not read"),
    "code": ("method: !!python/object/apply:os.system [ls]", "yaml", "could not determine a constructor"),
    "date in YAML": ("method: !!timestamp 2020-01-01", "yaml", "could not determine a constructor"),
    "not true": ("lazy: !!bool maybe", "yaml", "not valid YAML"),
    "two documents": ("seed: 1\n---\nseed: 2", "yaml", "expected a single document"),
    "nothing": ("", "yaml", "the whole is None; input should be an object"),
    "YAML twice": ("seed: 1\nseed: 2", "yaml", "'seed' is given twice"),
    "YAML key of a list": ("[a]: 1", "yaml", "a key is not text"),
    "YAML too long": ("#" * 300_000, "yaml", "at most 262,144 are read"),
    "YAML too deep": ("[" * 2000, "yaml", "are nested too deeply|not valid YAML"),
    "JSON twice": ('{"seed": 1, "seed": 2}', "json", "the setting 'seed' is given twice; leave one"),
    "JSON too deep": ("[" * 100_000, "json", "recursion limit exceeded|are nested too deeply"),
    "JSON too long": (" " * 5_000_000, "json", "more than 4,194,304 bytes"),
    "TOML twice": ("seed = 1\nseed = 2", "toml", r"not valid TOML \(Cannot overwrite a value"),
    "date in TOML": ("method = 2020-01-01", "toml", "put dates in quotes"),
    "no TOML": ('{"seed": 1}', "toml", "not valid TOML"),
    "infinite": ("min_mean: .inf", "yaml", "'min_mean' is inf; input should be a finite number"),
    "NUL": ('{"data": ["a\\u0000b"]}', "json", "a path cannot hold the character NUL"),
    "pickles": ('{"options": {"memory": "cache"}}', "json", "memory names a folder of pickles, which can run any code"),
    "of another command": ('{"command": "train"}', "json", "setting 'command' is 'train'; input should be 'select'"),
}


@pytest.mark.parametrize(("text", "suffix", "message"), REFUSED.values(), ids=REFUSED)
def test_what_could_surprise_is_refused(settings_file, text, suffix, message):
    with pytest.raises(SettingsError, match=message) as caught:
        read_settings(SelectRequest, settings_file(text, f"select.{suffix}"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("command", KINDS)
def test_schemas_accept_what_is_read_and_describe_every_key(command):
    kind = find_kind(command)
    schema = schema_of(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(settings_text(kind())), schema)
    file = CONFIGS / f"{command}.json"
    if file.exists():
        jsonschema.validate(json.loads(file.read_text()) | {"$schema": "x"}, schema)
    for part in (schema, *schema.get("$defs", {}).values()):
        assert all(entry.get("description") for entry in part["properties"].values())


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("train", {"trainig": {}}),
        ("train", {"training": {"lr": 0}}),
        ("train", {"model": {"penalty": "L3"}}),
        ("split_data", {"train_cluster_size": 2.5}),
        ("select", {"n_genes": 0}),
        ("select", {"costs": {"CD3E": -1}}),
        ("run", {"masking": []}),
        ("feature_selection", {"command": "train"}),
    ],
)
def test_schema_and_reader_refuse_the_same(settings_file, command, wrong):
    with pytest.raises(jsonschema.ValidationError, match=r" is |unexpected|expected"):
        jsonschema.validate(wrong, schema_of(find_kind(command)))
    with pytest.raises(SettingsError, match="setting"):
        read_settings(find_kind(command), settings_file(wrong))


def test_schema_is_printed_or_written(cli, tmp_path):
    outcome = cli("schema", "select")
    assert outcome.code == 0
    assert json.loads(outcome.out) == schema_of(SelectRequest)
    assert cli("schema", "--out", "schemas").code == 0
    assert {place.name for place in (tmp_path / "schemas").iterdir()} == {f"{name}.schema.json" for name in KINDS}
    assert "the command 'slect' has no settings file; did you mean 'select'?" in cli("schema", "slect").err
    assert "or a folder for all with --out" in cli("schema").err


@pytest.fixture
def cells(adata, tmp_path):
    """A file of 200 cells × 30 genes of four types."""
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


MEASURED = ["cells.h5ad", "--panel", "s.json", "--out", "x", "--label-key", "cell_type", "--splits", "4"]
PRINTED = {
    "evaluate": (MEASURED, ("n_splits", 4)),
    "compare": (MEASURED, ("n_splits", 4)),
    "report": (MEASURED, ("n_splits", 4)),
    "explain": (["cells.h5ad", "--panel", "s.json", "--out", "x", "--label-key", "cell_type"], ("panel", "s.json")),
    "split_data": (["--config", "s.json", "--seed", "7"], ("shuffle_seed", 7)),
    "train": (["--config", "s.json", "--model_type", "svm"], ("model_type", "svm")),
    "feature_selection": (["--config", "s.json", "--method", "variance"], ("method", "variance")),
    "select": (["cells.h5ad", "--size", "3", "--out", "x", "--label-key", "cell_type"], ("n_genes", 3)),
    "extend": (
        ["cells.h5ad", "--n-new", "2", "--panel", "s.json", "--out", "x", "--label-key", "cell_type"],
        ("n_new", 2),
    ),
    "run": (
        ["cells.h5ad", "--label-key", "cell_type", "--out", "x", "--method", "variance"],
        ("methods", ["variance"]),
    ),
}


@pytest.mark.parametrize("command", KINDS)
def test_print_config_shows_what_would_run_and_does_nothing(cli, cells, settings_file, command):
    settings_file({}, "s.json")
    words, (key, value) = PRINTED[command]
    outcome = cli(command, *words, "--print-config", "--quiet")
    assert outcome.code == 0
    assert json.loads(outcome.out)[key] == value
    assert {place.name for place in cells.parent.iterdir()} == {"cells.h5ad", "s.json"}
    again = read_settings(find_kind(command), settings_file(outcome.out, "again.json"))
    assert json.loads(settings_text(again)) == json.loads(outcome.out)


def test_run_shows_what_it_adapts_to_the_data(cli, cells):
    shown = json.loads(cli("run", cells, "--label-key", "cell_type", "--out", "x", "--print-config", "--quiet").out)
    assert shown["split"]["min_cluster_size"] == 10
    assert shown["cells"]["adata_path"] == str(cells)


def test_a_settings_file_of_select_is_overridden_by_flags(cli, cells, settings_file):
    text = "data: [cells.h5ad]\nlabel_key: cell_type\nn_genes: 3\nmethod: discriminant\nmust_have: [gene9]\nseed: 5\n"
    settings_file(text, "panel.yaml")
    assert cli("select", "--config", "panel.yaml", "--out", "a", "--quiet").code == 0
    assert read_panel("a/panel.json").genes[0] == "gene9"
    words = [
        "--config",
        "panel.yaml",
        "--out",
        "b",
        "--quiet",
        "--size",
        "4",
        "--must-have",
        "gene8",
        "--method",
        "variance",
    ]
    assert cli("select", *words).code == 0
    panel = read_panel("b/panel.json")
    assert (len(panel), panel.genes[0], panel.provenance.method, panel.provenance.seed) == (4, "gene8", "variance", 5)
    assert "missing argument 'DATA...'" in cli("select", "--size", "3", "--out", "c").err
    assert "missing option '--n-genes'" in cli("select", "cells.h5ad", "--out", "c").err


def test_select_is_repeated_from_another_place(cli, cells, monkeypatch, tmp_path):
    words = ["--label-key", "cell_type", "--size", "5", "--forbid", "gene0", "--quiet", "--out", "panel"]
    assert cli("select", "cells.h5ad", *words, "--method", "forest", "--seed", "3").code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    outcome = cli("rerun", "../panel", "--quiet")
    assert outcome.code == 0
    assert "Repeated: the same panel: 5 genes in the same order" in outcome.out
    assert read_panel(tmp_path / "panel_rerun" / "panel.json") == read_panel(tmp_path / "panel" / "panel.json")
    assert (tmp_path / "panel_rerun" / "settings.json").read_text() == (
        tmp_path / "panel" / "settings.json"
    ).read_text()


def test_a_rerun_says_what_differs(cli, cells, adata):
    words = ["--label-key", "cell_type", "--size", "5", "--method", "discriminant", "--quiet"]
    assert cli("select", "cells.h5ad", *words, "--out", "panel").code == 0
    adata[:, ::-1].copy()[: 3 * 60].copy().write_h5ad(cells)
    outcome = cli("rerun", "panel", "--out", "again", "--quiet")
    assert outcome.code == 1
    assert "Not the same: the cells are not those of before" in outcome.out


def test_a_panel_by_auto_that_ran_out_of_time_is_repeated(cli, cells, adata, said):
    contenders = ["discriminant", "markers"]
    options = {"contenders": contenders, "max_minutes": 0, "classifiers": ["knn"]}
    panel = sm.select(adata, label_key="cell_type", n_genes=4, options=options)
    panel.write("chosen")
    assert list(panel.provenance.settings["selector"]["contenders"]) == ["discriminant"]
    assert "no settings.json, so the location of its cells is unknown" in cli("rerun", "chosen").err
    outcome = cli("rerun", "chosen", "--data", "cells.h5ad")
    assert outcome.code == 0
    assert said().count("and later methods are not tried") == 1  # of the choice, not of its repetition
    assert read_panel("chosen_rerun/panel.json").genes == panel.genes


def test_what_cannot_be_repeated_is_refused(cli, tmp_path, settings_file):
    (tmp_path / "panel").mkdir()
    assert "no folder 'panl'; in '.', did you mean 'panel'?" in cli("rerun", "panl").err
    assert "holds neither settings.json nor panel.json" in cli("rerun", "panel").err
    assert "is 'panel' itself" in cli("rerun", "panel", "--out", "./panel").err
    settings_file({"command": "split_data"}, "panel/settings.json")
    assert (
        "is of 'split_data'; only 'select', 'extend', 'evaluate', 'compare', 'report', 'run', 'train' can"
        in cli("rerun", "panel").err
    )
    settings_file({}, "panel/settings.json")
    assert "does not name its command" in cli("rerun", "panel").err
    settings_file({"command": "run"}, "panel/settings.json")
    assert "do not name the data; name them: --data" in cli("rerun", "panel").err
    sm.Panel(("CD3E",)).write(tmp_path / "given")
    assert "by 'given' does not record how 'select' would choose it again" in cli("rerun", "given", "--data", "x").err
    assert not (tmp_path / "panel_rerun").exists()


def test_a_folder_cannot_make_a_rerun_call_a_cluster(settings_file, tmp_path):
    place = settings_file({"command": "select", "data": ["x"], "lazy": True, "dask_scheduler": "tcp://evil:1"})
    assert recorded_settings(place.parent).dask_scheduler is None


SMALL = {
    "split": {"train_cluster_size": 30, "val_cluster_size": 10, "test_cluster_size": 10, "min_cluster_size": 20},
    "model": {"L1_size": 8, "L2_size": 6, "L3_size": 4},
    "training": {"max_epochs": 2, "device": "cpu"},
}


def test_a_training_is_repeated(cli, cells, settings_file):
    settings_file(
        SMALL["split"] | {"adata_path": "cells.h5ad", "y_column": "cell_type", "save_dir": "split"}, "split.json"
    )
    data = {"data": {"input_dir": "split", "y_column": "cell_type"}, "model_type": "mlp"}
    settings_file({name: SMALL[name] for name in ("model", "training")} | data, "train.json")
    assert cli("split_data", "--config", "split.json", "--quiet").code == 0
    assert cli("train", "--config", "train.json", "--quiet").code == 0
    (folder,) = Path("logs").iterdir()
    outcome = cli("rerun", folder, "--out", "again", "--quiet")
    assert "Repeated: the same tables: 'ranked_genes.csv', 'metrics.csv'" in outcome.out
    assert outcome.code == 0
    assert Path("again/trained_models/MLP_best_model.safetensors").exists()
    (folder / "ranked_genes.csv").write_text("gene,score,idx\ngene0,1.0,0\n")
    outcome = cli("rerun", folder, "--out", "again", "--quiet")
    assert (outcome.code, "these tables differ: 'ranked_genes.csv'" in outcome.out) == (1, True)


def test_a_run_is_repeated_and_its_tables_are_safe_to_open(cli, cells, adata, settings_file):
    adata.obs_names = ["=1+1", *adata.obs_names[1:]]
    adata.var_names = ["@gene", *adata.var_names[1:]]
    adata.write_h5ad(cells)
    settings_file(SMALL | {"masking": {"random_reps": 1, "group_size": 10}}, "run.json")
    words = ["--label-key", "cell_type", "--config", "run.json", "--out", "results", "--quiet"]
    assert cli("run", "cells.h5ad", *words).code == 0
    tables = list(Path("results").rglob("*.csv"))
    assert any("'@gene" in table.read_text() for table in tables)
    assert not [table for table in tables for line in table.read_text().splitlines() if line.startswith(("=", "@"))]
    outcome = cli("rerun", "results", "--quiet")
    assert "Repeated: the same tables: 'split.csv', 'comparison.csv'" in outcome.out
    assert outcome.code == 0


def test_an_extension_is_repeated(cli, cells):
    words = ["--label-key", "cell_type", "--method", "discriminant", "--quiet"]
    assert cli("select", "cells.h5ad", *words, "--n-genes", "3", "--out", "panel").code == 0
    more = [*words, "--panel", "panel/panel.json", "--n-new", "2", "--forbid", "gene0"]
    assert cli("extend", "cells.h5ad", *more, "--out", "larger").code == 0
    settings = json.loads(Path("larger/settings.json").read_text())
    assert (settings["command"], settings["n_new"], settings["forbidden"]) == ("extend", 2, ["gene0"])
    outcome = cli("rerun", "larger", "--quiet")
    assert "Repeated: the same panel: 5 genes in the same order" in outcome.out
    assert outcome.code == 0
    assert cli("extend", "cells.h5ad", *more, "--out", "larger").code == 0  # over its own results
    assert "which repeats the panel that is there" in cli("extend", "cells.h5ad", *more, "--out", "panel").err


def test_a_cluster_reads_from_disk_without_saying_so(cli, cells):
    words = ["--label-key", "cell_type", "--n-genes", "3", "--out", "x", "--dask-scheduler", "tcp://h:1"]
    assert json.loads(cli("select", "cells.h5ad", *words, "--print-config", "--quiet").out)["lazy"] is True


def test_measurements_are_repeated(cli, cells):
    Path("mine.txt").write_text("gene0\ngene1\ngene5\n")
    common = ["cells.h5ad", "--label-key", "cell_type", "--panel", "mine.txt", "--splits", "2", "--quiet"]
    assert cli("evaluate", *common, "--no-unsupervised", "--at", "2", "--out", "ev").code == 0
    assert cli("compare", *common, "--method", "discriminant", "--out", "cmp").code == 0
    assert cli("report", *common, "--no-robustness", "--out", "page").code == 0
    settings = json.loads(Path("ev/settings.json").read_text())
    assert (settings["command"], settings["n_splits"], settings["more_sizes"]) == ("evaluate", 2, [2])
    for folder, said in (("ev", "the same tables: 'classes.csv'"), ("cmp", "'panels.csv'"), ("page", "written again")):
        outcome = cli("rerun", folder, "--quiet")
        assert (outcome.code, said in outcome.out) == (0, True), outcome.err + outcome.out


def test_settings_of_another_command_stay(cli, cells):
    words = ["cells.h5ad", "--label-key", "cell_type", "--quiet", "--out", "panel"]
    assert cli("select", *words, "--n-genes", "3", "--method", "discriminant").code == 0
    more = ["--panel", "panel/panel.json", "--splits", "2", "--no-unsupervised"]
    assert cli("evaluate", *words, *more).code == 0
    assert json.loads(Path("panel/settings.json").read_text())["command"] == "select"
