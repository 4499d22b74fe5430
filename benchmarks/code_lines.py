"""Count lines of code by room, without docstrings, comments and blank lines.

python benchmarks/code_lines.py [FOLDER]
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(text: str) -> int:
    """Return the number of lines that hold code; a text that stands alone, as docstrings do, is none."""
    words = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - words)


def main(folder: Path) -> None:
    """Print a line a room."""
    rooms: Counter[str] = Counter()
    for file in folder.rglob("*.py"):
        part = file.relative_to(folder).parts
        rooms[part[0] if len(part) > 1 else "root"] += code_lines(file.read_text(encoding="utf-8"))
    for room, number in sorted(rooms.items()):
        print(f"{room:12} {number:6,}")
    print(f"{'all':12} {rooms.total():6,}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "src/selectormlp"))
