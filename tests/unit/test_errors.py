import inspect

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
