"""The size limits of CONTRIBUTING.md: lines of a file and of a function, parameters of a signature."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "src").rglob("*.py"))
LIMITS = re.search(
    r"at most (\d+) lines, a function (\d+) .* and a signature (\d+) parameters",
    (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
)
MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS = map(int, LIMITS.groups())


def functions(file):
    found = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return [node for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def n_lines(function):
    """Lines of a function without its docstring."""
    documented = ast.get_docstring(function) is not None
    first = function.body[0]
    return function.end_lineno - function.lineno + 1 - documented * (first.end_lineno - first.lineno + 1)


def n_parameters(function):
    names = function.args
    given = [*names.posonlyargs, *names.args, *names.kwonlyargs]
    return sum(one.arg not in ("self", "cls") for one in given)


def test_there_are_files_to_look_at():
    assert len(FILES) > 100


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT / "src" / "selectormlp")))
def test_a_file_keeps_the_limits(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_FILE
    found = functions(file)
    assert {one.name: n_lines(one) for one in found if n_lines(one) > MAX_FUNCTION} == {}
    # Constructors of estimators name each parameter, as scikit-learn asks.
    assert {
        one.name: n_parameters(one) for one in found if one.name != "__init__" and n_parameters(one) > MAX_PARAMETERS
    } == {}
