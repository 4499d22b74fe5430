"""Memory limits are those of the process: its own, and those of its control groups."""

import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from selectormlp.memory import is_shortage, limits

RUN = "import sys; from selectormlp.cli.app import main; sys.argv = ['selectormlp', 'select', 'x.h5ad']; main()"


@pytest.mark.parametrize("kilobytes", [100_000, 300_000, 500_000])
def test_too_little_address_space_is_one_line(kilobytes, tmp_path):
    command = f'ulimit -v {kilobytes}; exec {sys.executable} -c "{RUN}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "allow more memory" in done.stderr


@pytest.fixture(scope="module")
def many_cells(tmp_path_factory):
    """3,000 cells × 4,000 genes, of which reading and choosing take some 300 MB."""
    place = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    X = sp.random(3000, 4000, 0.3, format="csr", dtype=np.float32, random_state=0)
    X.data = np.ceil(4 * X.data)
    obs = pd.DataFrame({"kind": np.tile(["B", "NK", "T"], 1000)}, index=[f"c{i}" for i in range(3000)])
    anndata.AnnData(X, obs, pd.DataFrame(index=[f"g{i}" for i in range(4000)])).write_h5ad(place)
    return place


@pytest.mark.parametrize("lazy", [[], ["--lazy"]], ids=["memory", "lazy"])
@pytest.mark.parametrize("kilobytes", [640_000, 690_000, 760_000])
def test_too_little_for_the_cells_is_one_line_and_nothing_is_left(many_cells, tmp_path, kilobytes, lazy):
    words = [str(many_cells), "--label-key", "kind", "--method", "discriminant", "--size", "4", "--out", "panel", "-q"]
    without_gpu = "export CUDA_VISIBLE_DEVICES="  # a CUDA driver reserves more address space than these limits
    command = f'ulimit -v {kilobytes}; {without_gpu}; exec {sys.executable} -m selectormlp select "$@"'
    done = subprocess.run(
        ["bash", "-c", command, "bash", *words, *lazy], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    if done.returncode:  # a lean library may do with less
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "memory" in done.stderr
        assert not (tmp_path / "panel").exists()


def make_groups(root, files, group):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        (root / "sys/fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "sys/fs/cgroup" / name).write_text(text)


def groups(root):
    return [(limit.free, limit.allowed) for limit in limits(root) if "group" in limit.name]


def test_control_groups_of_both_versions_and_those_above_count(tmp_path):
    stat = "inactive_file 100\nactive_file 20\n"
    files = {"a/memory.max": "1000", "a/memory.current": "700", "a/memory.stat": stat, "a/b/memory.max": "max"}
    make_groups(tmp_path / "two", {**files, "a/b/memory.current": "5"}, "0::/a/b\n")
    assert groups(tmp_path / "two") == [(420, 1000)]
    first = {"memory/memory.limit_in_bytes": str(2**63 - 4096), "memory/memory.usage_in_bytes": "9"}
    inner = {"memory/x/memory.limit_in_bytes": "600", "memory/x/memory.usage_in_bytes": "650"}
    make_groups(tmp_path / "one", {**first, **inner}, "4:cpu,memory:/x\n1:cpu:/\n")
    assert groups(tmp_path / "one") == [(0, 600)]


def test_what_libraries_say_of_short_memory_is_known():
    assert is_shortage(MemoryError())
    assert is_shortage(OSError(12, "Cannot allocate memory"))
    assert is_shortage(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
    assert is_shortage(ImportError("x.so: failed to map segment: Cannot allocate memory"))
    wrapped = ValueError("it may be truncated")
    wrapped.__cause__ = MemoryError()
    assert is_shortage(wrapped)
    assert not is_shortage(ValueError("truncated"))
    assert not is_shortage(OSError(28, "No space left on device"))
