import pytest

from selectormlp.errors import OutputError
from selectormlp.files import (
    check_files,
    check_folders,
    ensure_folder,
    ensure_folders,
    is_draft,
    remove_drafts,
    written_whole,
)


def names_in(folder):
    return sorted(str(place.relative_to(folder)) for place in folder.rglob("*"))


def test_folders_are_made_with_their_parents(tmp_path):
    assert ensure_folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert ensure_folder(tmp_path / "a" / "b").is_dir()
    assert names_in(tmp_path) == ["a", "a/b"]


def test_folders_are_made_all_or_none(tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match=r"cannot write to the folder '.*file/x': '.*file' is a file; name a folder$"):
        ensure_folders(tmp_path / "new" / "deep", tmp_path / "there" / "new", tmp_path / "there", tmp_path / "file/x")
    assert names_in(tmp_path) == ["file", "there"]


def test_a_name_that_no_folder_can_have_leaves_no_parents(tmp_path):
    with pytest.raises(OutputError, match="File name too long"):
        ensure_folder(tmp_path / "new" / ("x" * 300))
    assert names_in(tmp_path) == []


def test_a_check_leaves_nothing_behind(tmp_path):
    (tmp_path / "there").mkdir()
    check_folders(tmp_path / "new" / "deep", tmp_path / "new", tmp_path / "there")
    check_files(tmp_path / "new" / "deep" / "a.csv", tmp_path / "there" / "b.csv")
    assert names_in(tmp_path) == ["there"]


def test_a_check_refuses_what_could_not_be_written(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match=r"^'.*file' is a file; name a folder$"):
        check_folders(tmp_path / "new", tmp_path / "file")
    with pytest.raises(OutputError, match=r"cannot write '.*new', which is a folder; move it away"):
        check_files(tmp_path / "a.csv", ensure_folder(tmp_path / "new"))
    with pytest.raises(OutputError, match=r"File name too long\); choose one that you may write to"):
        check_folders(tmp_path / "other" / ("x" * 300))
    assert names_in(tmp_path) == ["file", "new"]


def test_files_appear_together_once_whole(tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "new" / "b.json"
    with written_whole(first, second) as (draft, other):
        draft.write_text("1")
        assert (draft.parent, other.parent) == (first.parent, second.parent)
        assert (draft.suffix, other.suffix) == (".csv", ".json")
        other.write_text("2")
        assert not first.exists()
        assert not second.exists()
    assert (first.read_text(), second.read_text()) == ("1", "2")
    assert names_in(tmp_path) == ["a.csv", "new", "new/b.json"]


def write_half(error, *targets):
    """Write the first of some files, then fail."""
    with written_whole(*targets) as drafts:
        drafts[0].write_text("after")
        raise error


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, ZeroDivisionError])
def test_nothing_is_left_of_a_failure(tmp_path, failure):
    (tmp_path / "a.csv").write_text("before")
    with pytest.raises(failure, match="half way"):
        write_half(failure("half way"), tmp_path / "a.csv", tmp_path / "b.csv")
    assert names_in(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "before"


def test_parts_that_are_folders_are_removed_too(tmp_path):
    writing = written_whole(tmp_path / "a.zarr")
    (draft,) = writing.__enter__()
    draft.mkdir()
    (draft / "x").write_text("1")
    assert not writing.__exit__(RuntimeError, RuntimeError("half way"), None)
    assert names_in(tmp_path) == []


def test_a_file_that_was_never_written_stops_all(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write '.*a.csv' \(No such file"), written_whole(tmp_path / "a.csv"):
        pass
    assert names_in(tmp_path) == []


def test_a_full_disk_is_said(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write '.*a.csv' \(No space left on device\)"):
        write_half(OSError(28, "No space left on device"), tmp_path / "a.csv")
    assert names_in(tmp_path) == []


def test_a_target_that_is_a_folder_stops_all_before_the_work(tmp_path):
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(OutputError, match=r"cannot write '.*b.csv', which is a folder"):
        written_whole(tmp_path / "a.csv", tmp_path / "b.csv").__enter__()
    assert names_in(tmp_path) == ["b.csv"]


def test_drafts_of_killed_processes_are_told_apart_and_removed(tmp_path):
    drafts = [tmp_path / name for name in (".a.1.part.ckpt", ".a.22.part", ".b.1.part.ckpt")]
    whole = [tmp_path / name for name in ("a.ckpt", ".hidden.ckpt", "a.part.ckpt", ".a.partial.ckpt")]
    for path in (*drafts, *whole):
        path.touch()
    assert all(map(is_draft, drafts))
    assert not any(map(is_draft, whole))
    remove_drafts(tmp_path, "a")
    assert [path.name for path in tmp_path.iterdir() if is_draft(path)] == [".b.1.part.ckpt"]
    remove_drafts(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(whole)
    remove_drafts(tmp_path / "absent")
