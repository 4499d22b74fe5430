"""The names that the package exports."""

import subprocess
import sys

import pytest

import selectormlp as sm

HEAVY = ("anndata", "lightning", "matplotlib", "numpy", "pandas", "scanpy", "scipy", "sklearn", "torch", "typer")


def test_names_are_sorted_and_each_once():
    assert sm.__all__ == sorted(set(sm.__all__))


@pytest.mark.parametrize("name", sm.__all__)
def test_each_name_is_there(name):
    exported = getattr(sm, name)
    home = getattr(exported, "__module__", None) or getattr(exported, "__name__", "selectormlp")
    assert home.startswith("selectormlp")
    assert getattr(exported, "__name__", name).rpartition(".")[2] == name or name == "__version__"


def test_dir_lists_the_public_names_alone():
    assert [name for name in dir(sm) if not name.startswith("__")] == [n for n in sm.__all__ if not n.startswith("__")]


def test_star_import_brings_every_name():
    names = {}
    exec("from selectormlp import *", names)
    assert set(sm.__all__) <= set(names)


def test_version_is_that_of_the_installed_package():
    from importlib.metadata import version

    assert sm.__version__ == version("selectormlp")


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'selct'"):
        sm.selct  # noqa: B018


def test_bare_import_loads_nothing_heavy():
    code = f"import sys, selectormlp; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_closed_form_selection_loads_neither_pytorch_nor_matplotlib():
    code = "import sys, selectormlp as sm; sm.select; sm.DiscriminantSelector; sm.Panel; sm.read_panel; "
    code += "from selectormlp.selection import select; print([n for n in ('torch', 'matplotlib') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
