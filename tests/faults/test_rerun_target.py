"""``rerun`` follows no link and replaces only what it wrote; runs are ordered by what is recorded in them."""

import errno
import json
import os

import h5py
import numpy as np
import pytest

from selectormlp.cli.rerun import recorded_settings
from selectormlp.cli.rerun_target import check_target, mark_target
from selectormlp.data.hdf5_stream import forgiving_stream
from selectormlp.errors import OutputError
from selectormlp.networks.start import Start, parse_start
from selectormlp.panel.panel import Panel
from selectormlp.panel.storage import write_panel


def test_a_link_or_a_folder_of_others_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="is a link"):
        check_target(tmp_path / "link")
    check_target(tmp_path / "mine")  # empty
    (tmp_path / "mine" / "panel.csv").write_text("mine")
    with pytest.raises(OutputError, match="was not made by 'rerun'"):
        check_target(tmp_path / "mine")


def test_only_what_rerun_wrote_and_nobody_changed_is_replaced(tmp_path):
    target = tmp_path / "again"
    mark_target(target, tmp_path / "panel")
    write_panel(Panel(("A", "B")), target)
    check_target(target)
    (target / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"files that 'rerun' did not write.*'notes.txt'"):
        check_target(target)
    (target / "notes.txt").unlink()
    (target / "panel.csv").write_text("changed")
    with pytest.raises(OutputError, match=r"changed since .*'panel.csv'"):
        check_target(target)


def test_a_scheduler_in_the_settings_of_a_folder_is_not_used(tmp_path):
    settings = {"command": "select", "data": ["x.h5ad"], "lazy": True, "dask_scheduler": "tcp://192.0.2.1:8786"}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert recorded_settings(tmp_path).dask_scheduler is None


def test_runs_are_ordered_by_their_counter_first():
    later = Start(2, "2026-01-01T00:00:00.000+00:00")  # the clock was set back
    assert later > Start(1, "2026-06-01T00:00:00.000+00:00") > Start()
    assert parse_start(later.to_json()) == later
    assert parse_start('{"number": "2", "utc": []}') == Start()


def test_a_disk_that_is_full_is_one_error_of_hdf5(tmp_path):
    def write(place):
        with forgiving_stream(place) as stream, h5py.File(stream, "w") as file:
            file["x"] = np.arange(5000)
            file.create_group("g")["y"] = np.arange(10)

    write(tmp_path / "whole.h5")
    with h5py.File(tmp_path / "whole.h5") as file:
        assert file["g/y"][()].tolist() == list(range(10))
    if os.path.exists("/dev/full"):  # noqa: PTH110
        with pytest.raises(OSError, match="No space left") as caught:
            write(tmp_path.__class__("/dev/full"))
        assert caught.value.errno == errno.ENOSPC
