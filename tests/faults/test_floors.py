"""Promise: no version with a hole that reaches a stranger's file is allowed, as a pin or by the lower bounds."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]

HOLES = {
    "numcodecs": ["0.15.1", "0.16.0", "0.16.3", "0.16.5", "0.17.0"],  # GHSA-jqc8-qjfv-5m6r: the pickle codec
    "torch": ["2.5.1", "2.9.1"],  # CVE-2025-32434, CVE-2026-24747: code from weights_only
    "skops": ["0.11.0", "0.12.0"],  # CVE-2025-54412, CVE-2025-54413, CVE-2025-54886: code from files
    "lightning": ["2.6.1", "2.6.2", "2.6.3", "2.6.5"],  # two were stolen releases; code from checkpoints before 2.6.6
    "distributed": ["2025.12.0"],  # CVE-2026-23528 (PYSEC-2026-169), fixed in 2026.1.0
}


def requirements(*extras):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [
        *project["dependencies"],
        *(found for extra in extras for found in project["optional-dependencies"][extra]),
    ]
    return {found.name: found for found in map(Requirement, listed)}


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {name.strip().lower(): Version(version.split(";")[0].split("#")[0].strip()) for name, version in found}


@pytest.mark.parametrize(("name", "version"), [(name, version) for name, known in HOLES.items() for version in known])
def test_versions_with_holes_are_not_allowed(name, version):
    assert not requirements("dask")[name].specifier.contains(version)


@pytest.mark.parametrize("name", HOLES)
def test_pins_are_allowed(name):
    assert requirements("dask")[name].specifier.contains(pins()[name])


CONDA = {"torch": "pytorch", "igraph": "python-igraph", "matplotlib": "matplotlib-base"}
"""Packages that have another name on conda-forge."""


def test_the_recipe_of_conda_asks_for_the_same_versions():
    text = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text()
    lowest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert re.search(r'^  python_min: "(.+)"$', text, flags=re.MULTILINE)[1] == lowest.removeprefix(">=")
    run = text.split("  run:\n")[1].split("\n\n")[0]
    asked = dict(re.findall(r"^    - (\S+) (.+)$", run, flags=re.MULTILINE))
    del asked["python"]
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted = {CONDA.get(found.name, found.name): found.specifier for found in map(Requirement, listed)}
    assert {name: SpecifierSet(versions) for name, versions in asked.items()} == wanted


def test_the_lowest_versions_tried_are_those_allowed():
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    tried = dict(line.split("==") for line in lines if "==" in line)
    tried = {canonicalize_name(name): Version(version) for name, version in tried.items()}
    for name, asked in requirements("dask", "measures", "test", "xlsx").items():
        floor = next(Version(found.version) for found in asked.specifier if found.operator == ">=")
        assert tried[canonicalize_name(name)] == floor or name == "torch", name
