"""A result has one writer at a time; its lock goes away with it, however it ends (docs/security.md)."""

import errno
import signal
import subprocess
import sys
import threading

import pytest

from faults.two_files import hidden, write_both
from selectormlp import locks
from selectormlp.errors import OutputError
from selectormlp.panel.panel import Panel
from selectormlp.panel.storage import read_panel, write_panel
from selectormlp.results import whole_result

WRITE = """
import signal, sys, time
from pathlib import Path
from selectormlp.files import written_whole
from selectormlp.results import whole_result
signal.signal(signal.SIGTERM, signal.SIG_DFL)
folder = Path(sys.argv[1])
with whole_result(folder, "both"):
    for name in ("a.csv", "b.csv"):
        with written_whole(folder / name) as (draft,):
            draft.write_text("new")
    print("writing", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_a_second_writer_is_refused_in_one_line_by_a_thread_and_by_a_process(tmp_path):
    refused = []

    def second():
        try:
            write_both(tmp_path, "second")
        except OutputError as error:
            refused.append(str(error))

    with whole_result(tmp_path, "both"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        done = subprocess.run(
            [sys.executable, "-c", WRITE, str(tmp_path), "0"], capture_output=True, text=True, check=False
        )
        write_both(tmp_path, "other", name="svm")  # another result of the same folder
    assert len(refused) == 1
    assert "another process is writing 'both'" in refused[0]
    assert done.stderr.strip().splitlines()[-1].endswith("wait until it has ended, or name another folder")
    write_both(tmp_path, "after")
    assert hidden(tmp_path) == [".both.manifest.json", ".svm.manifest.json"]


@pytest.fixture
def held(tmp_path):
    """Another process that is writing the result until it is stopped."""
    child = subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path), "600"], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "writing\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM"])
def test_a_writer_that_was_stopped_holds_no_lock_and_its_drafts_are_cleared(tmp_path, held, end):
    with pytest.raises(OutputError, match=r"another process is writing 'both' .*; wait until it has ended"):
        write_both(tmp_path, "too early")
    held.send_signal(getattr(signal, end))
    assert held.wait() == -getattr(signal, end)
    write_both(tmp_path, "after")
    assert hidden(tmp_path) == [".both.manifest.json"]
    assert (tmp_path / "a.csv").read_text() == "after"


def test_a_command_that_comes_second_is_refused_before_it_writes(tmp_path, cli, adata):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    write_panel(Panel(("A",)), tmp_path / "out")
    words = ("--label-key", "cell_type", "--size", "3", "--method", "discriminant", "--out", "out", "--quiet")
    started, end = threading.Event(), threading.Event()

    def hold():
        with whole_result(tmp_path / "out", "panel"):
            started.set()
            end.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    started.wait(60)
    outcome = cli("select", "cells.h5ad", *words)
    end.set()
    thread.join()
    assert outcome.code == 2
    assert "another process is writing 'panel'" in outcome.err
    assert outcome.err.count("\n") == 1
    assert read_panel(tmp_path / "out" / "panel.json").genes == ("A",)
    assert cli("select", "cells.h5ad", *words).code == 0
    assert len(read_panel(tmp_path / "out" / "panel.json").genes) == 3


def test_a_process_that_ends_at_once_leaves_no_lock_and_no_empty_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    code = (
        "import os, sys\n"
        "from selectormlp.locks import let_go\n"
        "from selectormlp.results import whole_result\n"
        "with whole_result(sys.argv[1], 'both'):\n"
        "    let_go()\n"
        "    os._exit(2)\n"
    )
    for folder in ("new/inner", "mine"):
        assert subprocess.run([sys.executable, "-c", code, str(tmp_path / folder)], check=False).returncode == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine"]


@pytest.mark.parametrize("kind", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_a_file_system_has_no_locks_that_is_said(tmp_path, monkeypatch, caplog, kind):
    def flock(handle, how):
        raise OSError(kind, "no locks")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    write_both(tmp_path, "text")
    assert (tmp_path / "b.csv").read_text() == "text"
    assert hidden(tmp_path) == [".both.manifest.json"]
    assert "this file system has no locks; let nothing else write to it meanwhile" in caplog.text


def test_where_the_system_has_no_locks_that_is_said(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(locks, "fcntl", None)
    write_both(tmp_path, "text")
    assert (tmp_path / "b.csv").read_text() == "text"
    assert "this file system has no locks" in caplog.text
