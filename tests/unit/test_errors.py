"""Errors and the words of messages."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from selectormlp import errors
from selectormlp.errors import InputError, SelectorMLPError, nearest, quoted

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


def test_the_tree_drawn_at_the_top_of_the_file_is_the_tree():
    assert len(KINDS) == 8
    for kind in KINDS:
        assert issubclass(kind, SelectorMLPError)
        assert kind.__name__ in errors.__doc__
        assert issubclass(kind, ValueError) == issubclass(kind, InputError)


def test_whatever_a_file_brings_in_a_message_is_a_line_that_can_be_read():
    message = str(InputError(f"found 'a\nb\r{9000 * 'x'}', expected a name; choose another"))
    assert len(message.splitlines()) == 1
    assert len(message) < 3100
    assert message.startswith("found 'a b ")
    assert message.endswith("expected a name; choose another")


@pytest.mark.parametrize(
    ("name", "valid", "sentence"),
    [
        ("bulk_label", ["n_genes", "bulk_labels", "louvain"], "did you mean 'bulk_labels'?"),
        ("CELLTYPE", ["cell_type", "Celltype"], "did you mean 'Celltype', 'cell_type'?"),
        ("0", [0, 1, 22], "did you mean '0'?"),
        ("qqq", ["b", "a", "b"], "there are: 'b', 'a'"),
        ("", [], "there are none"),
    ],
)
def test_nearest_names_are_offered(name, valid, sentence):
    assert nearest(name, valid) == sentence


def test_nearest_offers_no_more_than_asked():
    assert nearest("aaa1", [f"aaa{i}" for i in range(9)], most=2).count("'aaa") == 2


def test_quoted_counts_the_rest():
    assert quoted(range(8)) == "'0', '1', '2', '3', '4', '5', '6', '7'"
    assert quoted(range(10)).endswith("'7' and 2 more")
    assert quoted(["it's\n"]) == '"it\'s\\n"'
    assert quoted([]) == ""


def test_messages_say_one_or_several_and_not_both():
    """No text of the program but docstrings holds ``cell(s)``: ``counted`` writes the number with its noun."""
    found = []
    for path in sorted(Path(errors.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings)
        found += [f"{path.name}: {node.value}" for node in texts if re.search(r"[a-z]\(e?s\)", str(node.value))]
    assert not found
