"""What lies in a folder of results and is somebody else's stays as it is (docs/security.md)."""

import pytest

from selectormlp.panel.panel import Panel
from selectormlp.panel.storage import read_panel, write_panel

KEY = ("--label-key", "cell_type", "--quiet")
CLOSED = ("--method", "discriminant")

COMMANDS = {
    "select": (("select", "cells.h5ad", *KEY, *CLOSED, "--size"), ("4", "3")),
    "extend": (("extend", "cells.h5ad", *KEY, *CLOSED, "--panel", "own.txt", "--add"), ("2", "1")),
    "evaluate": (("evaluate", "cells.h5ad", *KEY, "--panel", "own.txt", "--splits"), ("2", "3")),
}


def lay_out(folder):
    """Files of a user, some with names that look like ours; return their bytes and times by name."""
    (folder / "figures").mkdir(parents=True)
    for name in (
        "notes.txt",
        "panel_old.csv",
        "panel.csv.bak",
        "panel.json~",
        ".hidden",
        ".panel.csv.swp",
        "genes.txt.part",
        "figures/mine.png",
        "evaluation_mine.csv",
    ):
        (folder / name).write_text(f"my {name}")
    (folder.parent / "elsewhere.csv").write_text("mine too")
    (folder / "linked.csv").symlink_to(folder.parent / "elsewhere.csv")
    return state(folder)


def state(folder):
    return {
        path.relative_to(folder).as_posix(): (path.is_symlink(), path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_other_files_of_a_folder_are_left_alone(tmp_path, cli, adata, command):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "own.txt").write_text("gene1\ngene2\n")
    mine = lay_out(tmp_path / "out")
    words, sizes = COMMANDS[command]
    for size in sizes:  # the second replaces the first
        outcome = cli(*words, size, "--out", "out")
        assert outcome.code == 0, outcome.err
        now = state(tmp_path / "out")
        assert {name: now[name] for name in mine} == mine
        assert len(now) > len(mine)


def test_what_a_link_in_the_place_of_a_result_leads_to_is_not_written_to(tmp_path):
    for name in ("panel.csv", "panel.json", "genes.txt"):
        (tmp_path / f"my_{name}").write_text("mine")
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / name).symlink_to(tmp_path / f"my_{name}")
    write_panel(Panel(("A", "B")), tmp_path / "out")
    assert read_panel(tmp_path / "out" / "panel.json").genes == ("A", "B")
    for name in ("panel.csv", "panel.json", "genes.txt"):
        assert (tmp_path / f"my_{name}").read_text() == "mine"
        assert not (tmp_path / "out" / name).is_symlink()


def test_what_was_a_result_before_and_is_none_now_is_removed_and_nothing_else(tmp_path):
    write_panel(Panel(("A", "B")), tmp_path)
    (tmp_path / "genes.txt").unlink()
    (tmp_path / "panel.csv.orig").write_text("mine")
    write_panel(Panel(("C",)), tmp_path)
    assert read_panel(tmp_path / "genes.txt").genes == ("C",)
    assert (tmp_path / "panel.csv.orig").read_text() == "mine"
