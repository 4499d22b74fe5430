"""Each promise of docs/security.md names the tests that hold it, and they are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(test_\w+)`")


def promises():
    """Rows of the table, and what begins in bold letters; by their first words."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| File ", "|--"))]
    points = re.findall(r"^- \*\*.*?(?=^- |^#|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"\W+", " ", text).strip()[:30]: text for text in rows + points}


def test_the_page_has_promises():
    assert len(promises()) > 12


@pytest.mark.parametrize("promise", promises())
def test_a_promise_names_a_test(promise):
    assert NAMED.search(promises()[promise])


@pytest.mark.parametrize("name", sorted(set(NAMED.findall(PAGE))))
def test_a_test_that_is_named_is_there(name):
    assert (ROOT / "tests" / "faults" / f"{name}.py").is_file()
