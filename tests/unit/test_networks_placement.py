import pytest

from selectormlp.errors import SettingsError
from selectormlp.networks.callbacks import BestWeights, Started
from selectormlp.networks.loading import load_sides
from selectormlp.networks.module import TrainingSpec
from selectormlp.networks.placement import LAUNCHERS, Placement, check_started, is_writer
from selectormlp.networks.training import Run, build_trainer
from selectormlp.progress import step


@pytest.fixture(autouse=True)
def _started_by_hand(monkeypatch):
    for names in LAUNCHERS.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"devices": 0}, r"devices=0, num_nodes=1; expected 1 or more"),
        ({"num_nodes": -1}, r"devices=1, num_nodes=-1; expected 1 or more"),
        ({"strategy": "fsdp"}, r"strategy='fsdp'; expected one of 'auto', 'ddp'"),
    ],
)
def test_impossible_placements_are_refused(given, message):
    with pytest.raises(SettingsError, match=message):
        Placement(**given)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_as_many_processes_as_devices(monkeypatch, launcher):
    sign, count = LAUNCHERS[launcher]
    check_started(Placement(2, 3))  # what starts the others itself
    monkeypatch.setenv(count, "6")
    check_started(Placement())  # a variable that has another meaning without the launcher
    monkeypatch.setenv(sign, "some run")
    check_started(Placement(2, 3))
    with pytest.raises(SettingsError, match=rf"{launcher} has started 6 processes, but 2 devices on 1 machine take 2"):
        check_started(Placement(2))


def test_a_lone_process_writes():
    assert is_writer()


def test_devices_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    run = Run(tmp_path, tmp_path, "{}", placement=Placement(2))
    with (
        step("") as bar,
        pytest.raises(SettingsError, match=r"cannot train on 2 devices of kind 'cuda' \(.*lower --devices"),
    ):
        build_trainer(
            TrainingSpec(device="cuda"),
            BestWeights(None, log_every=1),
            Started(),
            validates=False,
            run=run,
            bar=bar,
        )


def test_a_batch_is_shared_by_all_processes():
    import numpy as np

    from selectormlp.data.batches import Share
    from selectormlp.data.stored_batches import Reading

    X, labels = np.zeros((40, 2), dtype=np.float32), np.zeros(40, dtype=np.int64)
    spec = TrainingSpec(batch_size=8)
    batches = load_sides((X, labels), None, spec, Reading(), Share(1, 4), None).train
    assert [len(codes) for _, codes in batches] == [2] * 5
    with pytest.raises(SettingsError, match="batch_size=8 gives 5 processes fewer than 2 cells each; expected 10 or"):
        load_sides((X, labels), None, spec, Reading(), Share(0, 5), None)
