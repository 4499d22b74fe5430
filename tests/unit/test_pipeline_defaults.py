import pytest

from selectormlp.networks.sizes import WANTED_STEPS
from selectormlp.pipeline.defaults import adapted_settings
from selectormlp.pipeline.run_settings import RunSettings


@pytest.mark.parametrize("n_cells", [1, 20, 700, 5_000, 11_000, 100_000, 2_000_000])
def test_defaults_fit_data_of_any_size(n_cells):
    settings = adapted_settings(RunSettings(), n_cells, 500)
    batch_size, n_epochs = settings.dataloader.batch_size, settings.training.max_epochs
    train_cells = max(1, int(n_cells * 0.6))
    assert n_epochs * train_cells <= 300 * max(train_cells, 1)  # never more than 300 passes
    assert n_epochs * -(-train_cells // batch_size) >= 20
    larger = adapted_settings(RunSettings(), 10 * n_cells, 500)
    assert larger.dataloader.batch_size >= batch_size
    assert larger.training.max_epochs <= n_epochs
    assert larger.split.min_cluster_size >= settings.split.min_cluster_size
    assert RunSettings.model_validate(settings.model_dump()) == settings
    if 20 < n_epochs < 300:
        assert n_epochs * int(n_cells * 0.6) / batch_size == pytest.approx(WANTED_STEPS, rel=0.1)


def test_the_step_of_the_curve_follows_the_number_of_genes():
    assert [adapted_settings(RunSettings(), 700, n).masking.group_size for n in (1, 30, 765, 2000)] == [1, 1, 19, 50]


def test_what_was_set_stays():
    given = {
        "split": {"train_cluster_size": 7, "min_cluster_size": 3},
        "dataloader": {"batch_size": 8},
        "training": {"lr": 0.5, "max_epochs": 2},
        "masking": {"group_size": 4, "seed": 9},
        "model": {"L1_size": 5},
    }
    settings = adapted_settings(RunSettings.model_validate(given), 700, 2000)
    for section, values in given.items():
        for name, value in values.items():
            assert getattr(getattr(settings, section), name) == value


def test_a_batch_size_that_was_set_decides_the_epochs():
    settings = adapted_settings(RunSettings.model_validate({"dataloader": {"batch_size": 60}}), 1000, 100)
    assert settings.training.max_epochs == 150
    settings = adapted_settings(RunSettings.model_validate({"dataloader": {"batch_size": 12}}), 1000, 100)
    assert settings.training.max_epochs == 30
