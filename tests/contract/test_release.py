"""What a release needs agrees: one version everywhere, its date in the changelog, and the Pythons that are tried."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text(*parts):
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


def test_one_version_everywhere():
    version = PROJECT["version"]
    assert re.search(
        rf'^  version: "{re.escape(version)}"$', text("packaging", "conda", "recipe.yaml"), flags=re.MULTILINE
    )
    assert re.search(rf"^version: {re.escape(version)}$", text("CITATION.cff"), flags=re.MULTILINE)


def test_the_changelog_dates_the_version_below_what_is_unreleased():
    headings = re.findall(r"^## (.+)$", text("CHANGELOG.md"), flags=re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(PROJECT['version'])}\] - \d{{4}}-\d{{2}}-\d{{2}}", headings[1])


def test_every_python_that_is_named_is_tried_before_a_release():
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    for workflow in ("ci.yml", "release.yml"):
        matrix = re.search(r"python-version: \[(.+)\]", text(".github", "workflows", workflow))[1]
        assert re.findall(r"3\.\d+", matrix) == named
