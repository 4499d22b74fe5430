"""A report as one HTML file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from selectormlp.errors import OutputError
from selectormlp.files import check_files, written_whole
from selectormlp.reports.content import summarise_findings
from selectormlp.reports.figures import draw_figures
from selectormlp.reports.findings import Findings

FILE_NAME = "report.html"


def report_file(place: Path | str) -> Path:
    """Return the file that a report goes to: the one named, or ``report.html`` in the folder named.

    Examples
    --------
    >>> report_file("results").as_posix(), report_file("mine.html").as_posix()
    ('results/report.html', 'mine.html')
    """
    path = Path(place)
    return path if path.suffix.lower() in (".html", ".htm") and not path.is_dir() else path / FILE_NAME


def check_place(place: Path | str) -> None:
    """Refuse a place that a report cannot be written to, before the long work; nothing is made.

    Raises
    ------
    OutputError
        If the file is a folder, or its folder cannot be made or written to.
    """
    try:
        check_files(report_file(place))
    except OutputError as error:
        raise OutputError(f"cannot write the report: {error}") from error


def render(found: Findings) -> str:
    """Return the page: everything in it, nothing fetched."""
    content = summarise_findings(found)
    template = _environment().get_template("report.html.j2")
    return template.render(
        content=content,
        figures=draw_figures(found),
        csv_link="data:text/csv;charset=utf-8," + quote(content.panel_csv),
        style=_own("report.css"),
        script=_own("report.js"),
    )


def write_report(found: Findings, place: Path | str) -> Path:
    """Write the page.

    Parameters
    ----------
    found
        What it is to show.
    place
        A file that ends in ``.html``, or a folder for ``report.html``.

    Returns
    -------
    The file.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = report_file(place)
    text = render(found)
    with written_whole(path) as (draft,):
        draft.write_text(text, encoding="utf-8", newline="\n")
    return path


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("selectormlp.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _own(name: str) -> Markup:
    """Read a file of the package as it is."""
    text = files("selectormlp.reports").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704  # ours
