"""Warnings about scores: their kinds and texts."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Self

from selectormlp.errors import counted, quoted

MAX_GENES, MAX_PAIRS, MAX_COLUMNS = 8, 5, 3
"""Maximum number of names that a warning lists; the others are counted."""


class Kind(Enum):
    """Kind of a warning, in the order of display. The value is its heading."""

    OPTIMISTIC = "Too good"
    DONORS_UNUSED = "Donors unused"
    AMBIENT = "Ambient RNA"
    EVERYWHERE = "Genes everywhere"
    HARDLY_APART = "Types that may be one"
    ONE_DONOR = "Types of one donor"


class Caution(str):
    """A note that warns: a sentence, as other notes of a result, with its kind.

    Parameters
    ----------
    kind
        What it is about.
    text
        The sentence.

    Examples
    --------
    >>> found = donors_unused({"donor": 4})
    >>> found.kind, found[:31]
    (<Kind.DONORS_UNUSED: 'Donors unused'>, "obs has 'donor' (4 values), whi")
    """

    __slots__ = ("_kind",)
    _kind: Kind

    def __new__(cls, kind: Kind, text: str) -> Self:
        """Make a note of a kind."""
        note = super().__new__(cls, text)
        note._kind = kind
        return note

    def __getnewargs__(self) -> tuple[Kind, str]:  # type: ignore[override]
        """Return what a copy is made from."""
        return self._kind, str(self)

    @property
    def kind(self) -> Kind:
        """What it is about."""
        return self._kind


def cautions_of(notes: Sequence[str]) -> list[Caution]:
    """Return the notes that warn, by kind."""
    order = list(Kind)
    return sorted((note for note in notes if isinstance(note, Caution)), key=lambda note: order.index(note.kind))


def known_donors(reason: str) -> Caution:
    """Warn that donors of the test cells were learned from; ``reason`` says why the method cannot choose again."""
    return Caution(
        Kind.OPTIMISTIC,
        "OPTIMISTIC: the panel is tested on cells that it was not learned on, but it was learned on other cells of "
        f"their donors, and {reason}.",
    )


def known_cells(n_learned: int, n_cells: int, reason: str) -> Caution:
    """Warn that a panel was learned on its test cells; ``reason`` says why the method cannot choose again."""
    return Caution(
        Kind.OPTIMISTIC,
        f"OPTIMISTIC: the panel was learned on {n_learned:,} of these {n_cells:,} cells, which leaves too few to test "
        f"it on, and {reason}. Test it on other cells, or test a panel that was chosen from part of these.",
    )


def donors_unused(columns: dict[str, int]) -> Caution:
    """Warn of columns of obs that look like donors while none is used, given the number of values of each."""
    found = [f"{name!r} ({counted(n_values, 'value')})" for name, n_values in list(columns.items())[:MAX_COLUMNS]]
    return Caution(
        Kind.DONORS_UNUSED,
        f"obs has {', '.join(found)}, which may be donors, and donors are not used: cells of one donor are on both "
        "sides of the splits, so the scores may be too good for new donors. Name the column as donor_key "
        "(--donor-key).",
    )


def ambient_genes(genes: Sequence[str]) -> Caution:
    """Warn of genes that a few types express strongly and nearly all others show a little."""
    return Caution(
        Kind.AMBIENT,
        f"Nearly all types show {_listed_genes(genes)} at a low level and a few types at a very high one, as ambient "
        "RNA of broken cells does in droplets. An assay that measures whole cells may detect less in the other types.",
    )


def genes_everywhere(genes: Sequence[str]) -> Caution:
    """Warn of genes that most cells of nearly all types show."""
    return Caution(
        Kind.EVERYWHERE,
        f"Most cells of nearly all types show {_listed_genes(genes)}. The panel reads how much of them "
        "there is, which depends on depth, cell size and stress too.",
    )


def hardly_apart(pairs: Sequence[tuple[str, str, float]]) -> Caution:
    """Warn of pairs of types that even all genes do not tell apart; of each, the share taken for each other."""
    named = "; ".join(f"{first!r} and {second!r} ({share:.0%})" for first, second, share in pairs[:MAX_PAIRS])
    more = f" and {len(pairs) - MAX_PAIRS} more pairs" if len(pairs) > MAX_PAIRS else ""
    return Caution(
        Kind.HARDLY_APART,
        f"Hardly told apart, even by all genes: {named}{more} (share taken for each other, both ways added; 100 % is "
        "chance). They may be one type that was clustered too finely, and panels spend genes on them: merge them, or "
        "leave one out.",
    )


def no_more_than_noise(score: float, limit: float) -> Caution:
    """Warn that clusters of one part of the counts are not told by the other; both balanced accuracies are given."""
    return Caution(
        Kind.HARDLY_APART,
        "Count split finds nothing: clusters of one part of the counts are predicted from the other with a balanced "
        f"accuracy of {score:.3f}; above {limit:.3f} it would be more than clusters of homogeneous cells give. Do not "
        "choose genes by labels that come from clustering these counts.",
    )


def not_apart(pairs: Sequence[tuple[str, str]]) -> Caution:
    """Warn of pairs of types that the held-out part of the counts does not tell apart."""
    named = "; ".join(f"{first!r} and {second!r}" for first, second in pairs[:MAX_PAIRS])
    more = f" and {len(pairs) - MAX_PAIRS} more pairs" if len(pairs) > MAX_PAIRS else ""
    return Caution(
        Kind.HARDLY_APART,
        f"On held-out counts no further apart than one homogeneous type cut in two: {named}{more}. "
        "Telling them apart may take a third of the panel: merge them, or show by other means that they are two.",
    )


def _listed_genes(genes: Sequence[str]) -> str:
    return f"{counted(len(genes), 'gene')} of the panel ({quoted(genes, most=MAX_GENES)})"
