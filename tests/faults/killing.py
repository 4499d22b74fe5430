"""Kill commands at random moments and look at what is left; ``python tests/faults/killing.py 200`` prints a table.

Each command has a result already. It is run again with other settings and killed (SIGKILL), half of the times after a
random part of the time that it takes, half just before or after one of the renames, removals and flushes that it
makes. Then the result must be the one before or the new one, whole, and the command must work when it is run again.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

CALLS = ("replace", "unlink", "fsync")
LOGS = ("logs", "checkpoints", "ckpt")


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def make_cells(folder, seed=0):
    """Write 240 cells of four types with 40 genes."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(["B", "Mono", "NK", "T"], 60)
    means = rng.gamma(1.0, 1.0, (4, 40)) + 0.2
    counts = rng.poisson(means[np.repeat(range(4), 60)]).astype(np.float32)
    obs = pd.DataFrame({"cell_type": pd.Categorical(labels)}, index=[f"c{i}" for i in range(240)])
    var = pd.DataFrame(index=[f"g{i}" for i in range(40)])
    anndata.AnnData(counts, obs, var).write_h5ad(folder / "cells.h5ad")


def write_settings(number):
    """Write the settings of either of two runs of each command into this folder."""
    sizes = {"train_cluster_size": 30, "val_cluster_size": 10, "test_cluster_size": 10, "min_cluster_size": 10}
    layers = {"L1_size": 8, "L2_size": 6, "L3_size": 4}
    training = {"max_epochs": 2 + number, "seed": number, "device": "cpu"}
    split = {"adata_path": "cells.h5ad", "y_column": "cell_type", "save_dir": "split", **sizes, "shuffle_seed": number}
    train = {
        "log_dir": "train/logs",
        "trained_models_dir": "train/models",
        "data": {"input_dir": "fixed", "y_column": "cell_type"},
        "model": layers,
        "training": training,
        "checkpoint": {"dir": "train/ckpt"},
    }
    run = {"split": sizes, "model": layers, "training": training, "masking": {"group_size": 10, "random_reps": 1}}
    for name, settings in {"split": split, "train": train, "run": run}.items():
        Path(f"{name}{number}.json").write_text(json.dumps(settings))


def commands(number):
    """Return the command lines, by name: what they are told, and where their result is."""
    label = ["--label-key", "cell_type", "--quiet"]
    size = str(4 + number)
    closed = ["--method", "discriminant"]
    quick = ["--splits", "2", "--stability", "0", "--no-robustness"]
    return {
        "select": (["select", "cells.h5ad", *label, *closed, "--size", size, "--out", "panel"], "panel"),
        "extend": (
            ["extend", "cells.h5ad", *label, *closed, "--panel", "own.txt", "--add", size, "--out", "larger"],
            "larger",
        ),
        "evaluate": (
            ["evaluate", "cells.h5ad", *label, "--panel", "own.txt", "--out", "ev", "--splits", size],
            "ev",
        ),
        "report": (
            [
                "report",
                "cells.h5ad",
                *label,
                "--panel",
                "own.txt",
                "--out",
                "page",
                "--title",
                f"page {number}",
                *quick,
            ],
            "page",
        ),
        "split_data": (["split_data", "--config", f"split{number}.json", "-q"], "split"),
        "train": (["train", "--config", f"train{number}.json", "-q"], "train"),
        "run": (["run", "cells.h5ad", *label, "--config", f"run{number}.json", "--out", "whole"], "whole"),
    }


def child(words, *, at=0, after=0.0, count=None):
    """Run a command in a process of its own, which may end itself; return its exit code."""
    pid = os.fork()
    if pid:
        if after:
            time.sleep(after)
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(os.open("err.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    spy(at, count)
    from selectormlp.cli.app import main

    sys.argv = ["selectormlp", *words]
    try:
        main()
    except SystemExit as end:
        os._exit(end.code or 0)
    os._exit(0)


def spy(at, count):
    """Count the calls that change names or flush; end the process before or after one of them."""
    n_calls = 0

    def wrap(name):
        real = getattr(os, name)

        def call(*args, **kwargs):
            nonlocal n_calls
            n_calls += 1
            if at == 2 * n_calls:
                os.kill(os.getpid(), signal.SIGKILL)
            found = real(*args, **kwargs)
            if at == 2 * n_calls + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if count is not None:
                count.write_text(str(n_calls))
            return found

        setattr(os, name, call)

    for name in CALLS:
        wrap(name)


def digest(folder):
    """Return the content of the visible files, logs and what is appended to apart."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") or part in LOGS for part in path.relative_to(folder).parts)
        and path.name not in ("run_log.txt",)
    }


def settle(folder):
    """Read the results as the next step would: refused if they are mixed."""
    from selectormlp.manifests import MANIFEST_SUFFIX, unlisted_files
    from selectormlp.results import check_together

    for suffix in (MANIFEST_SUFFIX, ".commit"):
        for file in sorted(folder.rglob(f".*{suffix}")):
            if ".part" not in file.name:
                check_together(file.parent, file.name[1:].removesuffix(suffix))
    manifests = [file for file in folder.rglob(f".*{MANIFEST_SUFFIX}") if ".part" not in file.name]
    if not manifests:
        return []
    hidden = ("run_log.txt",)
    return [p for p in unlisted_files(folder) if not set(p.parts) & set(LOGS) and p.name not in hidden]


def left_over(folder):
    """Return the drafts, locks and lists of renames that are still there."""
    return [p.name for p in folder.rglob(".*") if p.suffix in (".lock", ".commit") or ".part" in p.name]


def kill_once(name, place, first, times, rng):
    """Kill one command; return what was wrong, and whether the new result is there."""
    words, folder = commands(2)[name]
    with tempfile.TemporaryDirectory(dir=place) as work:
        shutil.copytree(first, work, dirs_exist_ok=True, symlinks=True)
        os.chdir(work)
        before = digest(Path(folder))
        seconds, n_calls = times[name]
        if rng.random() < 0.5:
            code = child(words, after=rng.uniform(0.02, seconds))
        else:
            code = child(words, at=rng.randint(2, 2 * n_calls + 1))
        wrong = []
        try:
            strangers = settle(Path(folder))
        except Exception as error:
            wrong.append(f"refused: {error}")
            strangers = []
        now = digest(Path(folder))
        same = now == before
        if not same and strangers:
            wrong.append(f"files of no result: {strangers[:3]}")
        if any(not content for content in now.values()):
            wrong.append("an empty file")
        if name in ("split_data", "select", "extend", "evaluate", "run") and not same and set(now) < set(before):
            wrong.append(f"lost: {sorted(set(before) - set(now))[:3]}")
        again = child(words)
        if again:
            wrong.append(f"run again: {again} {Path('err.txt').read_text()[-200:]}")
        elif left_over(Path(folder)):
            wrong.append(f"left over: {left_over(Path(folder))[:3]}")
        os.chdir(place)
    return wrong, code, same


def main(n_kills, seed):
    """Kill, look, and print a line a command."""
    import selectormlp.assessment.report
    import selectormlp.cli.app
    import selectormlp.cli.running
    import selectormlp.pipeline.run  # noqa: F401  # loaded once, not in each process

    rng = random.Random(seed)
    place = Path(tempfile.mkdtemp())
    first = place / "first"
    first.mkdir()
    os.chdir(first)
    make_cells(first)
    Path("own.txt").write_text("g1\ng2\ng3\n")
    for number in (1, 2):
        write_settings(number)
    assert child(["split_data", "--config", "split1.json", "-q"]) == 0
    shutil.copytree("split", "fixed")
    for name, (words, _) in commands(1).items():
        code = child(words)
        assert code == 0, (name, Path("err.txt").read_text())
    times = {}
    for name, (words, _) in commands(2).items():
        with tempfile.TemporaryDirectory(dir=place) as work:
            shutil.copytree(first, work, dirs_exist_ok=True)
            os.chdir(work)
            start = time.perf_counter()
            assert child(words, count=place / "count.txt") == 0, name
            times[name] = (time.perf_counter() - start, int((place / "count.txt").read_text()))
            os.chdir(place)
    say(f"seed {seed}; seconds and calls: {times}")
    names = list(times)
    table = {name: [0, 0, 0, 0] for name in names}
    for number in range(n_kills):
        name = names[number % len(names)]
        wrong, code, same = kill_once(name, place, first, times, rng)
        counts = table[name]
        counts[0] += 1
        counts[1] += code == -signal.SIGKILL
        counts[2] += same
        counts[3] += bool(wrong)
        if wrong:
            say(f"{number} {name} {code} {wrong}")
        if number % 20 == 19:
            say(f"{number + 1} done: {table}")
    say("command: started, killed before the end, result before still there, wrong")
    for name, counts in table.items():
        say(f"{name}: {counts}")
    shutil.rmtree(place)
    return sum(counts[3] for counts in table.values())


if __name__ == "__main__":
    arguments = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*arguments, *[200, 0][len(arguments) :]) > 0)
