"""What ``make mutation`` found, file by file; exits with 1 where tests notice less than ``LEAST`` of the changes.

A change is noticed if a test fails or hangs on it. It is missed if all tests pass, or none reaches it, or nothing came
of it: the run was stopped, or the process died.
"""

import json
import sys
from pathlib import Path

LEAST = 0.85
"""Share of the changes to a file that tests are to notice."""

KILLED = {1, 3}
"""Exit codes of pytest where a test failed."""

TIMEOUT = {24, -24, 36, 152, 255}
"""Exit codes of mutmut where tests took longer than they may."""


def outcomes(folder):
    """Read how many changes to each file there were, how many failed a test, and how many hung."""
    found = {}
    for meta in sorted(Path(folder).rglob("*.py.meta")):
        codes = list(json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"].values())
        if codes:
            name = meta.relative_to(folder).as_posix().removesuffix(".meta")
            found[name] = (len(codes), sum(code in KILLED for code in codes), sum(code in TIMEOUT for code in codes))
    return found


def table(found):
    """Write the outcomes as lines, a last one for all files together, and say which files have too few noticed."""
    rows = {**found, "all": tuple(map(sum, zip(*found.values(), strict=True)))}
    lines, poor = [f"{'file':48}{'changes':>8}{'failed':>8}{'hung':>6}{'missed':>8}{'noticed':>9}"], []
    for name, (n_changes, n_killed, n_hung) in rows.items():
        share = (n_killed + n_hung) / n_changes
        missed = n_changes - n_killed - n_hung
        lines.append(f"{name:48}{n_changes:8}{n_killed:8}{n_hung:6}{missed:8}{share:9.1%}")
        if share < LEAST:
            poor.append(name)
    return lines, poor


if __name__ == "__main__":
    found = outcomes(sys.argv[1] if len(sys.argv) > 1 else "mutants")
    if not found:
        sys.exit("nothing is found in mutants/; expected what `make mutation` leaves there: run it")
    lines, poor = table(found)
    print("\n".join(lines))  # noqa: T201
    if poor:
        sys.exit(f"less than {LEAST:.0%} is noticed in: {', '.join(poor)}; `mutmut results` lists what is missed")
