"""The driver of peers: the process that chooses, what it writes, and the plain peers that scikit-learn brings."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from peers.child import answer, choose, made_up, tune
from peers.environments import FOLDERS, HERE, folder_of
from peers.plain.peer import PEERS as PLAIN
from peers.report import write_tables
from peers.shared import Peer, in_turn


def informative(n_genes=30, n_marked=6, seed=0):
    """Return cells of three classes; each of the first genes marks one class by ten standard deviations."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(3), 60)
    X = rng.normal(size=(len(y), n_genes))
    for gene in range(n_marked):
        X[y == gene % 3, gene] += 10
    return X.astype(np.float32), y


def test_classes_take_turns_until_their_lists_are_empty():
    assert in_turn([[1, 2], [1, 3, 4, 5], []]).tolist() == [1, 3, 2, 4, 5]


@pytest.mark.parametrize("name", ["elimination", "naive-bayes", "rank-average", "l1-svm"])
def test_plain_peers_name_distinct_genes_and_none_but_those_that_tell_classes_apart(name):
    X, y = informative()
    found = list(PLAIN[name].select(X, y, 3, 0))
    assert len(set(found)) == len(found) >= 3
    assert set(found[:2]) <= set(range(6))


def test_a_ranking_is_asked_for_once_and_other_choices_at_each_size():
    asked = []

    def select(X, y, size, seed):
        asked.append(size)
        return range(size)

    X, y = made_up()
    assert choose(Peer(select, "numpy", ""), X, y, [2, 4], 0, {}) == {2: [0, 1], 4: [0, 1, 2, 3]}
    assert asked == [4]
    choose(Peer(select, "numpy", "", nested=False), X, y, [2, 4], 0, {})
    assert asked == [4, 2, 4]


def test_genes_named_twice_are_no_panel():
    X, y = made_up()
    with pytest.raises(ValueError, match="2 genes named, 1 of them different"):
        choose(Peer(lambda *_: [3, 3], "numpy", ""), X, y, [2], 0, {})


def test_tuning_takes_the_options_whose_genes_tell_classes_apart():
    X, y = informative()

    def select(X, y, size, seed, *, start):
        return range(start, start + size)

    found = tune(Peer(select, "numpy", "", grid={"start": (20, 0, 10)}), X, y, [3], 0)
    assert found == {3: {"start": 0}}


def test_slow_peers_are_not_tuned(monkeypatch):
    X, y = informative()
    task = {"folder": "plain", "name": "naive-bayes", "sizes": [3], "seed": 0, "tune_under_s": -1}
    assert answer(task, X, y)["panels"][0]["options"] == {}
    assert set(answer({**task, "tune_under_s": 60}, X, y)["panels"][0]["options"]) == {"screened", "var_smoothing"}


@pytest.mark.parametrize(("name", "failed"), [("rank-average", False), ("absent", True)])
def test_the_process_writes_genes_or_why_there_are_none(tmp_path, name, failed):
    X, y = informative()
    task = {"folder": "plain", "name": name, "sizes": [2, 3], "seed": 0, "tune_under_s": -1}
    np.savez(tmp_path / "cells.npz", X=X, y=y, task=np.array(json.dumps(task)))
    command = [sys.executable, "-m", "peers.child", str(tmp_path / "cells.npz"), str(tmp_path / "answer.json")]
    subprocess.run(command, check=True, cwd=HERE.parent, stdin=subprocess.DEVNULL)
    found = json.loads((tmp_path / "answer.json").read_text())
    assert ("failed" in found) == failed
    if not failed:
        assert [len(panel["genes"]) for panel in found["panels"]] == [2, 3]
        assert found["seconds"] > 0
        assert found["version"].startswith("scikit-learn ")


def test_every_peer_has_a_folder_with_requirements_and_a_call():
    for folder, names in FOLDERS.items():
        assert (HERE / folder / "requirements.txt").read_text().strip()
        assert (HERE / folder / "peer.py").exists()
        assert all(folder_of(name) == folder for name in names)


def answers(folder: Path, scores: dict[str, float | str]) -> None:
    for name, score in scores.items():
        found = {"data": "set", "method": name, "split": 5, "limit_s": 60.0, "date": "2026-01-01", "processor": "p"}
        if isinstance(score, str):
            found |= {"failed": score}
        else:
            panels = [{"size": 25, "genes": [*range(25)], "options": {}, "scores": {"logistic": score, "knn": score}}]
            found |= {"version": "v", "seconds": 1.0, "cpu_seconds": 1.0, "panels": panels}
        (folder / f"set.{name}.json").write_text(json.dumps(found))


def test_tables_hold_scores_and_reasons(tmp_path):
    answers(tmp_path, {"discriminant": 0.8, "spapros": 0.85, "stg": "over the limit of 60 s"})
    text = write_tables(tmp_path)
    assert "| spapros | 0.850 |" in text
    assert "| spapros | 1 |" in text  # seconds
    assert "over the limit of 60 s" in text
    assert "+0.050" in text  # where we lose
