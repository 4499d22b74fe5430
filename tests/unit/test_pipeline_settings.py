import json
from pathlib import Path

import pytest

from selectormlp.config.files import changed, read_settings
from selectormlp.errors import SettingsError
from selectormlp.pipeline.run_settings import RunSettings
from selectormlp.pipeline.settings import (
    FeatureSelectionSettings,
    SplitSettings,
    TrainSettings,
)

PUBLISHED_SPLIT = {
    "adata_path": "raw_data/adata.h5ad.gz",
    "y_column": "Main_cluster_name",
    "train_cluster_size": 5000,
    "val_cluster_size": 1000,
    "test_cluster_size": 1000,
    "min_cluster_size": 500,
    "save_dir": "intermediate_files/split_data",
    "shuffle": True,
    "shuffle_seed": 42,
}
PUBLISHED_TRAIN = {
    "restart": False,
    "log_dir": "logs",
    "trained_models_dir": "trained_models",
    "data": {
        "input_dir": "intermediate_files/split_data",
        "y_column": "Main_cluster_name",
        "torch_sparsity_type": "dense",
        "train_cluster_size": 5000,
        "val_cluster_size": 1000,
        "test_cluster_size": 1000,
    },
    "dataloader": {"batch_size": 256, "num_workers": 4, "shuffle_train": True, "shuffle_val": False},
    "model": {
        "name": "SelectorMLP",
        "selector_type": "std",
        "L1_size": 512,
        "L2_size": 128,
        "L3_size": 64,
        "leak_angle": 0.2,
        "penalty": "L1",
        "batch_norm": True,
    },
    "training": {
        "lr": 0.0003,
        "weight_decay": 0.3,
        "dropout": 0.3,
        "batch_norm": False,
        "noise_std": 0.2,
        "max_epochs": 50,
        "alpha": 0.05,
    },
    "svm": {"loss": "squared_hinge", "penalty": "L1", "dual": False, "C": 1.0},
    "checkpoint": {"dir": "trained_models/checkpoints", "restart_run": "last", "save_top_k": 3, "save_last": True},
}
PUBLISHED_SELECTION = {
    "model_path": "trained_models/SelectorMLP_best_model.pkl",
    "adata_input": "intermediate_files/split_data/adata_test.h5ad",
    "y_column": "Main_cluster_name",
    "group_size": 50,
    "random_reps": 5,
    "results_dir": "feature_selection_results",
}
PUBLISHED = [
    (SplitSettings, PUBLISHED_SPLIT),
    (TrainSettings, PUBLISHED_TRAIN),
    (FeatureSelectionSettings, PUBLISHED_SELECTION),
]

DEFAULTS_OF_OUR_OWN = {
    ("data", "train_cluster_size"): None,  # no second cap
    ("data", "val_cluster_size"): None,
    ("data", "test_cluster_size"): None,
    ("model", "batch_norm"): None,  # off, as where the published two disagree
    ("training", "batch_norm"): None,
    ("model_path",): "trained_models/SelectorMLP_best_model",  # no pickles
}


def leaves(settings, path=()):
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


@pytest.mark.parametrize(("kind", "published"), PUBLISHED)
def test_the_defaults_are_the_published_ones(kind, published):
    defaults = dict(leaves(kind().model_dump(mode="json")))
    for path, value in leaves(published):
        assert defaults[path] == DEFAULTS_OF_OUR_OWN.get(path, value), path


@pytest.mark.parametrize(("kind", "published"), PUBLISHED)
def test_the_published_settings_are_read_unchanged(settings_file, kind, published):
    settings = read_settings(kind, settings_file(published))
    found = dict(leaves(settings.model_dump(mode="json")))
    for path, value in leaves(published):
        assert found[path] == value, path


@pytest.mark.parametrize("kind", [SplitSettings, TrainSettings, FeatureSelectionSettings, RunSettings])
def test_settings_that_are_written_are_read_again(settings_file, kind):
    settings = kind()
    assert read_settings(kind, settings_file(settings.model_dump_json())) == settings


@pytest.mark.parametrize(
    ("model", "training", "wins"),
    [
        (True, False, False),
        (False, True, True),
        (True, None, True),
        (None, True, True),
        (None, False, False),
        (None, None, False),
    ],
)
def test_batch_norm_of_training_wins(model, training, wins):
    settings = {"model": {"batch_norm": model}, "training": {"batch_norm": training}}
    assert TrainSettings.model_validate(settings).batch_norm is wins


def test_a_whole_number_is_a_number(settings_file):
    assert read_settings(TrainSettings, settings_file({"training": {"lr": 1}})).training.lr == 1.0


def test_penalty_may_be_null(settings_file):
    assert read_settings(TrainSettings, settings_file({"model": {"penalty": None}})).model.penalty is None


def test_a_byte_order_mark_is_no_harm(settings_file):
    assert read_settings(SplitSettings, settings_file("\ufeff{}")) == SplitSettings()


def test_paths_are_paths(settings_file):
    assert read_settings(SplitSettings, settings_file({"save_dir": "a/b"})).save_dir == Path("a/b")


WRONG = [
    ({"shufle": True}, r"unknown setting 'shufle'; did you mean 'shuffle'"),
    ({"MIN_CLUSTER_SIZE": 5}, r"unknown setting 'MIN_CLUSTER_SIZE'; did you mean 'min_cluster_size'"),
    ({"qqq": 1}, r"unknown setting 'qqq'; there are: 'train_cluster_size'"),
    ({"train_cluster_size": "5"}, "setting 'train_cluster_size' is '5'; input should be a valid integer"),
    ({"train_cluster_size": True}, "'train_cluster_size' is True; input should be a valid integer"),
    ({"train_cluster_size": 2.0}, r"'train_cluster_size' is 2\.0; input should be a valid integer"),
    ({"train_cluster_size": 0}, "'train_cluster_size' is 0; input should be greater than or equal to 1"),
    ({"val_cluster_size": -1}, "'val_cluster_size' is -1; input should be greater than or equal to 0"),
    ({"shuffle": 1}, "'shuffle' is 1; input should be a valid boolean"),
    ({"shuffle_seed": 2**32}, "'shuffle_seed' is 4294967296; input should be less than 4294967296"),
    ({"adata_path": 3}, "'adata_path' is 3; input should be a valid string"),
    ({"y_column": None}, "'y_column' is None; input should be a valid string"),
    ({"normalize": "log"}, "'normalize' is 'log'; input should be 'auto', 'counts' or 'none'"),
    ({"exclude_labels": "A"}, "'exclude_labels' is 'A'; input should be a valid array"),
    ({"exclude_labels": ["A", 3]}, r"'exclude_labels\.1' is 3; input should be a valid string"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG)
def test_wrong_settings_are_refused(settings_file, settings, message):
    with pytest.raises(SettingsError, match=rf"settings\.json': .*{message}"):
        read_settings(SplitSettings, settings_file(settings))


WRONG_IN_TRAINING = [
    ({"trainig": {}}, "unknown setting 'trainig'; did you mean 'training'"),
    ({"model": {"l1_size": 5}}, r"unknown setting 'model\.l1_size'; did you mean 'L1_size'"),
    ({"model": []}, r"setting 'model' is \[\]; input should be an object"),
    (
        {"model": {"selector_type": "STD"}},
        r"'model\.selector_type' is 'STD'; input should be 'std', 'clamped' or 'none'",
    ),
    ({"model": {"penalty": "L0"}}, r"'model\.penalty' is 'L0'; input should be 'L1' or 'L2'"),
    ({"model": {"name": "a/b"}}, r"'model\.name' is 'a/b'; string should match pattern"),
    ({"model": {"L3_size": 0}}, r"'model\.L3_size' is 0; input should be greater than or equal to 1"),
    ({"training": {"dropout": 1}}, r"'training\.dropout' is 1; input should be less than 1"),
    ({"training": {"lr": 0}}, r"'training\.lr' is 0; input should be greater than 0"),
    ({"training": {"alpha": -0.1}}, r"'training\.alpha' is -0\.1; input should be greater than or equal to 0"),
    ({"training": {"max_epochs": 1.5}}, r"'training\.max_epochs' is 1\.5; input should be a valid integer"),
    ({"training": {"device": "gpu"}}, r"'training\.device' is 'gpu'; input should be 'auto', 'cpu', 'cuda' or 'mps'"),
    ({"dataloader": {"batch_size": 1}}, r"'dataloader\.batch_size' is 1; input should be greater than or equal to 2"),
    ({"data": {"torch_sparsity_type": "coo"}}, r"'data\.torch_sparsity_type' is 'coo'; .*'dense' or 'csr'"),
    ({"svm": {"C": 0}}, r"'svm\.C' is 0; input should be greater than 0"),
    (
        {"checkpoint": {"save_top_k": -2}},
        r"'checkpoint\.save_top_k' is -2; input should be greater than or equal to -1",
    ),
    ({"training": {"lr": "x", "lrr": 1}}, r"'training\.lr' is 'x'.*; unknown setting 'training\.lrr'"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG_IN_TRAINING)
def test_wrong_training_settings_are_refused(settings_file, settings, message):
    with pytest.raises(SettingsError, match=message) as caught:
        read_settings(TrainSettings, settings_file(settings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(settings_file, value):
    with pytest.raises(SettingsError, match=r"'training\.lr' is (nan|inf); input should be"):
        read_settings(TrainSettings, settings_file(f'{{"training": {{"lr": {value}}}}}'))


@pytest.mark.parametrize("penalty", ["L1", "l1", "L2", "l2"])
@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
@pytest.mark.parametrize("dual", [True, False])
def test_svm_settings_are_those_that_liblinear_can_solve(settings_file, penalty, loss, dual):
    from sklearn.svm import LinearSVC

    place = settings_file({"svm": {"penalty": penalty, "loss": loss, "dual": dual}})
    try:
        LinearSVC(penalty=penalty.lower(), loss=loss, dual=dual).fit([[0.0], [1.0]], [0, 1])
    except ValueError:
        with pytest.raises(SettingsError, match=r"'svm': LinearSVC cannot combine .*; use L1 with squared_hinge"):
            read_settings(TrainSettings, place)
    else:
        assert read_settings(TrainSettings, place).svm.dual is dual


def test_long_values_are_shortened(settings_file):
    with pytest.raises(SettingsError, match=r"is \{'a': \[0, 1, .* …; input should be a valid array") as caught:
        read_settings(SplitSettings, settings_file({"exclude_labels": {"a": list(range(1000))}}))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"not valid JSON \(EOF while parsing a value at line 1 column 0\); expected one object of settings"),
        ('{"a": 1,}', "not valid JSON"),
        ("{'a': 1}", "not valid JSON"),
        ("[]", r"the whole is \[\]; input should be an object"),
        ("3", "the whole is 3; input should be an object"),
    ],
)
def test_what_is_no_object_of_settings_is_refused(settings_file, text, message):
    with pytest.raises(SettingsError, match=message):
        read_settings(SplitSettings, settings_file(text))


def test_files_that_cannot_be_read_are_refused(settings_file, tmp_path):
    place = settings_file({}, "train.json")
    message = r"cannot read the settings file '.*tran\.json' \(No such file or directory\); name one with --config"
    with pytest.raises(SettingsError, match=message + r".* did you mean 'train\.json'\?"):
        read_settings(TrainSettings, tmp_path / "tran.json")
    with pytest.raises(SettingsError, match=r"\(Is a directory\)"):
        read_settings(TrainSettings, tmp_path)
    with pytest.raises(SettingsError, match="there are none"):
        read_settings(TrainSettings, tmp_path / "no" / "train.json")
    place.write_bytes(json.dumps({"y_column": "é"}, ensure_ascii=False).encode("utf-16"))
    with pytest.raises(SettingsError, match="is not text in UTF-8; save it as such"):
        read_settings(TrainSettings, place)


def test_flags_replace_settings_and_are_checked():
    settings = changed(TrainSettings(), restart=None, data={"lazy": True}, training={"devices": 2, "seed": None})
    assert (settings.restart, settings.data.lazy, settings.training.devices) == (False, True, 2)
    assert settings.training.seed == TrainSettings().training.seed
    assert TrainSettings().training.devices == 1
    with pytest.raises(SettingsError, match=r"setting 'strategy' is 'fsdp'; input should be 'auto' or 'ddp'"):
        changed(TrainSettings(), training={"strategy": "fsdp"})


@pytest.mark.parametrize(
    "sections", [{"training": {"devices": 2}}, {"training": {"num_nodes": 2}}, {"dataloader": {"class_balanced": True}}]
)
def test_run_trains_on_one_device(sections, settings_file):
    with pytest.raises(SettingsError, match="are for the step 'train'; 'run' trains on one device"):
        read_settings(RunSettings, settings_file(sections))
