"""Read the text of files of genes."""

from __future__ import annotations

from pathlib import Path

from selectormlp.errors import PanelError, nearest
from selectormlp.gate.files import check_regular, read_start

ZIP_MAGIC, UTF16_MARKS = b"PK\x03\x04", (b"\xff\xfe", b"\xfe\xff")
"""First bytes of workbooks, and of Excel's "Unicode text"."""

MAX_BYTES = 1 << 30
"""Maximum size of a file: the JSON of a panel learned on a hundred million cells is of this order."""


def text_of(place: Path) -> str:
    """Return the text of a file of genes.

    Raises
    ------
    PanelError
        If it is absent, too large, not a regular file or not text.
    """
    check_regular(place, PanelError)
    if not place.is_file():
        if place.is_dir():
            raise PanelError(f"{str(place)!r} is a folder; name a file in it, such as 'panel.json'")
        siblings = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
        raise PanelError(f"no file {str(place)!r}; in its folder, {nearest(place.name, sorted(siblings))}")
    try:
        if place.stat().st_size > MAX_BYTES:
            raise PanelError(f"{str(place)!r} has {place.stat().st_size:,} bytes; a panel has at most {MAX_BYTES:,}")
        content = read_start(place, MAX_BYTES, PanelError)  # some special files report 0 bytes and never end
        if content[:4] == ZIP_MAGIC:
            raise PanelError(
                f"{str(place)!r} is a workbook (or another zip file), which is not read; save the sheet that holds the "
                "genes as CSV"
            )
        return content.decode("utf-16" if content[:2] in UTF16_MARKS else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise PanelError(
            f"{str(place)!r} is not UTF-8 text; expected a panel as JSON, CSV or a plain list (save it as UTF-8)"
        ) from error
    except OSError as error:
        raise PanelError(f"cannot read {str(place)!r} ({error.strerror or error})") from error
