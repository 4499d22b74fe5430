"""How much the log shows, where no program has set it up: in a notebook, or in a script."""

from __future__ import annotations

import logging
import sys
from typing import Literal, get_args

from selectormlp.errors import SettingsError, nearest

Verbosity = Literal["warning", "info", "debug"]


class _Shown(logging.Handler):
    """Writes lines to what standard error is at that time: under a progress bar, or in a cell of a notebook."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)


def set_verbosity(verbosity: Verbosity) -> None:
    """Show the package's log in a notebook or script, on standard error.

    Without it, Python shows warnings alone. Other packages' logs, and what a program has set up itself, stay as they
    are; a second call replaces what the first one did.

    Parameters
    ----------
    verbosity
        ``"warning"``; ``"info"``: what is done to the data and why, as the commands say it; or ``"debug"``.

    Raises
    ------
    SettingsError
        If it is none of these.

    Examples
    --------
    >>> set_verbosity("info")
    >>> set_verbosity("loud")
    Traceback (most recent call last):
        ...
    selectormlp.errors.SettingsError: verbosity is 'loud'; there are: 'warning', 'info', 'debug'
    """
    if verbosity not in get_args(Verbosity):
        raise SettingsError(f"verbosity is {verbosity!r}; {nearest(str(verbosity), get_args(Verbosity))}")
    logger = logging.getLogger("selectormlp")
    if not any(isinstance(handler, _Shown) for handler in logger.handlers):
        logger.addHandler(_Shown())
    logger.setLevel(verbosity.upper())
