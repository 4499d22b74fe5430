"""The documentation names what there is, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

import selectormlp as sm
from selectormlp import errors

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
LABEL = re.compile(r"^\(([\w-]+)\)=$", flags=re.MULTILINE)
HEADING = re.compile(r"^#{1,3} (.+)$", flags=re.MULTILINE)
FENCED = re.compile(r"^(`{3,}|:{3,}).*?^\1$", flags=re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def listed(module):
    """Names under ``autosummary`` on the page of the reference that are documented as those of a module."""
    page = (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    parts = re.split(r"\.\. currentmodule:: (\S+)\n", page)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    return re.findall(r"^   ([A-Za-z_][\w.]*)$", found[module], flags=re.MULTILINE)


def test_the_reference_lists_every_exported_name_once():
    names = listed("selectormlp")
    modules = {"errors", "plots", "datasets", "__version__"}
    assert sorted(name for name in names if "." not in name) == sorted(set(sm.__all__) - modules)
    assert len(names) == len(set(names))


def test_the_reference_lists_every_figure_and_every_error():
    assert listed("selectormlp.plots") == sorted(sm.plots.__all__)
    assert listed("selectormlp.data.datasets") == ["pbmc68k"]
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert {name.removeprefix("errors.") for name in listed("selectormlp") if name.startswith("errors.")} == kinds


def pages():
    written = (page for page in sorted(DOCS.rglob("*.md")) if not {"_build", "generated"} & set(page.parts))
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written]


def anchors(page):
    """Names that a link to a heading of a page can have, made as GitHub and MyST make them."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(text))
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in plain}
    return made | set(LABEL.findall(text))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_files_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            other = page.parent / target if target else page
            assert other.exists(), target
            assert not anchor or other.suffix != ".md" or anchor in anchors(other), f"{target}#{anchor}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pictures_are_described_to_those_who_cannot_see_them(page):
    for words, target in PICTURE.findall(page.read_text(encoding="utf-8")):
        assert len(words.split()) >= 3, target


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pictures_keep_their_shape(page):
    """Markdown gives a picture no size of its own, so that browsers scale it by its width alone."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    assert not re.search(r"<img|!\[[^\]]*\]\([^)]*\)\{", text)
    assert not re.search(r"^:(width|height|scale):", page.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_every_picture_is_shown_on_a_page():
    shown = {Path(target).name for page in pages() for _, target in PICTURE.findall(page.read_text(encoding="utf-8"))}
    assert shown >= {path.name for path in (DOCS / "images").iterdir()}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_marks_of_an_unfinished_merge_are_left(page):
    assert not re.search(r"^(<{7}|>{7}) ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
