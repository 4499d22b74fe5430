"""The package's log in a notebook or a script."""

import logging

import pytest

import selectormlp as sm
from selectormlp.errors import SettingsError

log = logging.getLogger("selectormlp.somewhere")


@pytest.fixture(autouse=True)
def only_ours(package_log):
    """No handlers but those that are set here, as in a fresh notebook."""
    package_log.handlers[:] = []
    package_log.propagate = False


def say_all():
    log.debug("looked closely")
    log.info("did something")
    log.warning("something is odd")


@pytest.mark.parametrize(("verbosity", "lines"), [("warning", 1), ("info", 2), ("debug", 3)])
def test_lines_from_that_level_up_go_to_standard_error(verbosity, lines, capsys):
    sm.set_verbosity(verbosity)
    say_all()
    expected = ["looked closely", "did something", "something is odd"][-lines:]
    assert capsys.readouterr() == ("", "\n".join(expected) + "\n")


def test_each_call_replaces_the_one_before(capsys):
    for verbosity in ("debug", "info", "info", "warning"):
        sm.set_verbosity(verbosity)
    say_all()
    assert capsys.readouterr().err == "something is odd\n"


def test_other_loggers_and_what_a_program_has_set_up_stay(package_log, capsys):
    own = logging.NullHandler()
    package_log.addHandler(own)
    before = logging.getLogger().handlers[:], logging.getLogger().level
    sm.set_verbosity("info")
    assert own in package_log.handlers
    assert (logging.getLogger().handlers[:], logging.getLogger().level) == before
    logging.getLogger("another.package").info("not ours")
    assert "not ours" not in capsys.readouterr().err


def test_functions_say_what_they_do(adata, capsys):
    sm.set_verbosity("info")
    sm.select(adata, label_key="cell_type", n_genes=3, method="discriminant")
    found = capsys.readouterr()
    assert "choosing genes by discriminant from 200 cells" in found.err
    assert found.out == ""


def test_a_level_that_is_none_is_refused():
    with pytest.raises(SettingsError, match="verbosity is 'inof'; did you mean 'info'"):
        sm.set_verbosity("inof")
