"""Write the typed dictionaries of keywords from the request models; a test keeps them in step (`make keywords`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import selectormlp
from selectormlp.config.keywords import typed_dict_text
from selectormlp.config.model import Settings

ROOT = Path(selectormlp.__file__).parent
HEAD = '''"""Keywords of functions, written by docs/keyword_types.py from the request models (`make keywords`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict
'''


def files() -> Iterator[tuple[Path, str]]:
    """Yield each file and its text."""
    from selectormlp.assessment.request import (
        CompareRequest,
        EvaluateRequest,
        FitClassifierRequest,
        LearnAssayRequest,
        ReportRequest,
        RobustnessRequest,
        StabilityRequest,
    )
    from selectormlp.data.source import Source
    from selectormlp.selection.request import ExtendRequest, SelectRequest

    rooms: dict[str, dict[str, type[Settings]]] = {
        "selection": {"select": SelectRequest, "extend": ExtendRequest, "explain": Source},
        "assessment": {
            "evaluate": EvaluateRequest,
            "compare": CompareRequest,
            "robustness": RobustnessRequest,
            "stability": StabilityRequest,
            "report": ReportRequest,
            "learn_assay": LearnAssayRequest,
            "fit_classifier": FitClassifierRequest,
        },
    }
    for room, kinds in rooms.items():
        texts = [HEAD]
        for name, kind in kinds.items():
            named = signature_of(ROOT / room, name)
            texts.append(
                typed_dict_text(f"{name.title().replace('_', '')}Options", kind, named, of=f"selectormlp.{name}")
            )
        yield ROOT / room / "keywords.py", "\n\n".join(texts)


def signature_of(room: Path, name: str) -> set[str]:
    """Return the parameters of a function without importing its module, which imports what is written here."""
    import ast

    for file in room.glob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return {one.arg for one in (*node.args.args, *node.args.kwonlyargs)}
    raise LookupError(f"no function {name} in {room}")


if __name__ == "__main__":
    for place, text in files():
        place.write_text(text, encoding="utf-8")
