import logging

import pytest

from selectormlp.pipeline.log import TextLog

logger = logging.getLogger("selectormlp.test")


def fail(log, place=None):
    with log:
        logger.info("begun")
        if place is not None:
            log.open(place)
        raise ValueError("it is 100% broken")


def test_what_was_said_before_the_file_was_there_is_in_it(tmp_path, package_log):
    with TextLog() as log:
        logger.debug("early")
        log.open(tmp_path / "log.txt")
        logger.info("late")
        assert [line.split(" ", 3)[2:] for line in (tmp_path / "log.txt").read_text().splitlines()] == [
            ["DEBUG", "early"],
            ["INFO", "late"],
        ]
    logger.info("after")
    assert "after" not in (tmp_path / "log.txt").read_text()


def test_a_run_that_goes_on_continues_its_file(tmp_path, package_log):
    for word in ("first", "second"):
        with TextLog() as log:
            log.open(tmp_path / "log.txt")
            logger.info(word)
    assert [line.split()[-1] for line in (tmp_path / "log.txt").read_text().splitlines()] == ["first", "second"]


def test_an_error_goes_to_the_file_and_not_to_the_terminal(tmp_path, package_log, caplog):
    package_log.propagate = True
    with pytest.raises(ValueError, match="broken"):
        fail(TextLog(), tmp_path / "log.txt")
    assert (tmp_path / "log.txt").read_text().endswith("ERROR it is 100% broken\n")
    assert "broken" not in caplog.text


def test_a_refused_run_leaves_nothing(tmp_path, package_log):
    with pytest.raises(ValueError, match="broken"):
        fail(TextLog())
    assert list(tmp_path.iterdir()) == []


def test_the_logger_is_put_back(package_log):
    before = package_log.handlers[:], package_log.level
    with TextLog():
        assert package_log.level == logging.DEBUG
    assert (package_log.handlers, package_log.level) == before
