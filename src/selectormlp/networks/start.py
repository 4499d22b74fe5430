"""Start of a training run, which orders runs independently of their names and the clock."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

START_KEY = "selectormlp_start"
"""Key of a checkpoint that holds the start of its run, as JSON."""

START_NAME = ".start.json"
"""Name of the file with the start of a run that has no checkpoint yet."""

MAX_START = 200
"""Maximum length of the text, in characters."""


@dataclass(frozen=True, order=True)
class Start:
    """When a training run began.

    Attributes
    ----------
    number
        Number of earlier runs plus one; 0 if unknown.
    utc
        Time, ISO 8601 in UTC.
    """

    number: int = 0
    utc: str = ""

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))


def parse_start(text: object) -> Start:
    """Read the start of a run; other text gives an unknown start.

    Examples
    --------
    >>> parse_start(Start(2, "2026-01-31T12:00:00+00:00").to_json())
    Start(number=2, utc='2026-01-31T12:00:00+00:00')
    >>> parse_start("0")
    Start(number=0, utc='')
    """
    try:
        found = json.loads(text) if isinstance(text, str) and len(text) <= MAX_START else None
    except ValueError:
        found = None
    number, utc = (found.get("number"), found.get("utc")) if isinstance(found, dict) else (None, None)
    if isinstance(number, int) and 0 <= number < 2**31 and isinstance(utc, str):
        return Start(number, utc)
    return Start()
