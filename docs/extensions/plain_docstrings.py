"""NumPy docstrings whose types stand in the signature, and links from names to the pages of what is exported."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.ext.napoleon import Config, NumpyDocstring

HOMES = ("selectormlp", "selectormlp.errors", "selectormlp.plots", "selectormlp.data.datasets")
"""Where names are documented, whichever module they are defined in."""

STYLE = Config(napoleon_google_docstring=False, napoleon_use_ivar=True, napoleon_use_rtype=False)

ROUTING = re.compile(r"get_metadata_routing|set_\w+_request")
"""Methods of scikit-learn that say what its tools hand on; few call them, and their text needs its glossary."""


class PlainDocstring(NumpyDocstring):
    """Reads what follows ``Returns`` as sentences, where NumPy's own habit is to begin with a type."""

    def _consume_returns_section(self, preprocess_types: bool = False) -> list[tuple[str, str, list[str]]]:
        del preprocess_types  # there are none
        return [("", "", self._dedent(self._consume_to_next_section()))]


def _convert(app: Any, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    if str(getattr(obj, "__module__", "")).startswith("sklearn."):
        lines[:] = _in_short(lines)
    lines[:] = _escaped(PlainDocstring(lines, STYLE, app, what, name, obj, options).lines())


def _escaped(lines: list[str]) -> list[str]:
    """Keep ``|w|`` and names that end in ``_``, which are no substitutions and no links here; examples stay."""
    in_example, done = False, []
    for line in lines:
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        done.append(line if in_example else "".join(map(_escaped_words, re.split(r"(``.*?``)", line))))
    return done


def _escaped_words(text: str) -> str:
    if text.startswith("``"):
        return text
    return re.sub(r"(\w)_(?!\w)", r"\1\\_", re.sub(r"(?<!\\)\|", r"\\|", text))


def _in_short(lines: list[str]) -> list[str]:
    """Return the first sentence of what scikit-learn says; the rest leads to pages of its own."""
    first = next((line for line in lines if line.strip()), "").strip()
    return [re.sub(r":ref:`([^<`]*?)\s*<[^>]*>`", r"\1", first) + " As in scikit-learn.", ""]


def _skip(app: Any, what: str, name: str, obj: object, skip: bool, options: Any) -> bool | None:
    del app, what, obj, options
    return True if ROUTING.fullmatch(name) else (skip or None)


def _link(app: Any, env: Any, node: Any, contnode: nodes.Node) -> nodes.Node | None:
    """Find a name that is written with the module it is defined in, or with none, among those exported."""
    if node.get("refdomain") != "py":
        return None
    last = node["reftarget"].rsplit(".", 1)[-1]
    domain = env.get_domain("py")
    for home in HOMES:
        if f"{home}.{last}" in domain.objects:
            return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", f"{home}.{last}", node, contnode)
    return None


def setup(app: Any) -> dict[str, Any]:
    """Connect them."""
    app.connect("autodoc-process-docstring", _convert)
    app.connect("autodoc-skip-member", _skip)
    app.connect("missing-reference", _link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
