"""The pages of the reference show types as one reads them."""

import runpy
from inspect import Parameter
from pathlib import Path

import pytest

import selectormlp as sm

EXTENSION = Path(__file__).parents[2] / "docs" / "extensions" / "plain_types.py"


@pytest.fixture(scope="module")
def extension():
    return runpy.run_path(str(EXTENSION))


@pytest.mark.parametrize("name", ["Constraints", "Assay", "Explanation", "Panel"])
def test_signatures_hold_no_notes_of_models(extension, name):
    text = str(extension["plain_signature"](getattr(sm, name)))
    assert not [mark for mark in ("Annotated", "Flag(", "FieldInfo", "Validator", "<") if mark in text]


def test_signatures_keep_types_and_defaults(extension):
    found = extension["plain_signature"](sm.Constraints).parameters
    assert [found["budget"].annotation, found["must_have"].annotation] == [float | None, tuple[str, ...]]
    assert (found["min_marker_auc"].default, repr(found["costs"].default)) == (0.7, "...")
    assert all(one.kind is Parameter.KEYWORD_ONLY for one in found.values())


def test_attributes_have_plain_types(extension):
    assert extension["plain_annotations"](sm.Assay)["efficiency"] == float | None
