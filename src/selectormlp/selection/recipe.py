"""Choose a panel again from other cells, in the way it was chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from selectormlp.data.cells import Cells, IntArray
from selectormlp.data.joining import DATA_SET_KEY
from selectormlp.data.label_tree import Mistakes
from selectormlp.data.labels import label_text, one_column
from selectormlp.errors import InputError, PanelError, SettingsError
from selectormlp.panel.choose import choose
from selectormlp.panel.constraints import Constraints
from selectormlp.panel.panel import Panel
from selectormlp.selection.steps import How, rank, resolve
from selectormlp.selectors.registry import UNTRUSTED, find_method

if TYPE_CHECKING:
    from anndata import AnnData

_CHOSEN: ContextVar[dict[bytes, IntArray] | None] = ContextVar("chosen", default=None)


@contextmanager
def shared_choices() -> Iterator[None]:
    """Cache choices inside this block, so that equal requests are computed once."""
    token = _CHOSEN.set({})
    try:
        yield
    finally:
        _CHOSEN.reset(token)


@dataclass(frozen=True, eq=False)
class Recipe:
    """Method, settings and constraints by which a panel was chosen.

    Attributes
    ----------
    method
        Name of the method, or an estimator.
    options, seed
        As :func:`selectormlp.selection.ranking.rank_genes` takes them.
    constraints
        Constraints of the panel.
    n_genes
        Its size.
    aliases
        Second gene names of the data, which constraints may use, or None.
    mistakes
        Costs of mistakes between types, or None.
    batches
        Batch of each cell of the data, by cell name, if the method uses batches; or None.
    """

    method: Any
    n_genes: int
    options: Mapping[str, Any]
    constraints: Constraints
    seed: int
    aliases: pd.Index[str] | None = None
    mistakes: Mistakes | None = None
    batches: pd.Series | None = None

    def choose(self, cells: Cells, seed: int | None = None) -> IntArray:
        """Choose a panel from some cells.

        Parameters
        ----------
        cells
            Cells with all genes.
        seed
            Seed to use instead of the recipe's.

        Returns
        -------
        Columns, in order, shape (n_genes,).

        Raises
        ------
        SettingsError, DataError
            If such a panel cannot be chosen from these cells.
        """
        cells = replace(cells, batches=self._batches_of(cells))
        known = _CHOSEN.get()
        if known is None:
            return self._choose(cells, self.seed if seed is None else seed)
        key = self._key(cells, self.seed if seed is None else seed)
        if key not in known:
            known[key] = self._choose(cells, self.seed if seed is None else seed)
        return known[key].copy()

    def _batches_of(self, cells: Cells) -> npt.NDArray[np.str_] | None:
        if self.batches is None:
            return None
        return self.batches.loc[cells.names].to_numpy().astype(np.str_)

    def _key(self, cells: Cells, seed: int) -> bytes:
        """Return a hash of the request and of the cells."""
        asked = (repr(self.method), self.n_genes, sorted(map(repr, self.options.items())), repr(self.constraints), seed)
        digest = hashlib.sha256(repr((asked, repr(self.mistakes))).encode())
        parts: list[Any] = [cells.names, cells.genes]
        parts += [[] if part is None else part for part in (self.aliases, cells.batches)]
        for values in parts:
            digest.update(pd.util.hash_array(np.asarray(values, dtype=object)).tobytes())
        digest.update(cells.labels.tobytes())
        return digest.digest()

    def _choose(self, cells: Cells, seed: int) -> IntArray:
        rules = resolve(cells, self.constraints, n_genes=self.n_genes, aliases=self.aliases).restricted()
        how = How(find_method(self.method), self.options, seed, mistakes=self.mistakes)
        ranked = rank(cells, rules, how, self.n_genes)
        choice = choose(ranked.ranking.order, rules, self.n_genes, ranked.markers)
        return cells.genes.get_indexer(rules.genes[choice.positions]).astype(np.int64)


def recipe_of(
    panel: Panel, label_key: str | None, aliases: pd.Index[str] | None = None, adata: AnnData | None = None
) -> Recipe | str:
    """Read the recipe of a panel from its provenance.

    Parameters
    ----------
    panel
        The panel.
    label_key
        Label column of the data.
    aliases
        See :class:`Recipe`.
    adata
        The data, to look up the column of batches. If files were the batches, data without that column are one batch.

    Returns
    -------
    The recipe, or the reason why there is none. For ``auto``, it is the method that ``auto`` took, with its options;
    the fact that ``auto`` saw all cells when it took that method is not corrected for.

    Examples
    --------
    >>> recipe_of(Panel(("CD3E",)), "cell_type")
    "the method 'given' cannot be run again"
    """
    origin = panel.provenance
    taken = origin.taken  # by 'auto'; trying all its contenders in each split would take too long
    method, selector = (taken.method, taken.options) if taken else (origin.method, origin.settings.get("selector"))
    try:
        found = find_method(method)
    except SettingsError:
        return f"the method {method!r} cannot be run again"
    size = origin.settings.get("n_genes")
    if not isinstance(size, int) or size < len(panel) or (size > len(panel) and not panel.nested):
        return "it was chosen in several steps, extended or cut"
    if found.kind.needs_labels and origin.label_key != label_key:
        return f"it was chosen for other labels ({origin.label_key!r})"
    known = set(found.open_parameters()) - {*UNTRUSTED}
    try:
        constraints = Constraints(**origin.settings.get("constraints", {}))
        kept = origin.settings.get("mistakes")
        mistakes = None if kept is None else Mistakes.from_record(kept)
    except (TypeError, InputError) as error:
        return f"its constraints or tree of labels cannot be read ({error})"
    given = selector if isinstance(selector, Mapping) else {}
    options = {name: value for name, value in given.items() if name in known}
    batches, key = None, origin.settings.get("batch_key")
    is_one_file = key == DATA_SET_KEY and adata is not None and key not in adata.obs  # a single batch
    if isinstance(key, str) and found.make().takes_batches and not is_one_file:
        if adata is None or key not in adata.obs:
            return f"the data lack the batches that it was chosen by ({key!r})"
        batches = batches_by_name(adata, key)
    return Recipe(method, len(panel), options, constraints, origin.seed or 0, aliases, mistakes, batches)


def batches_by_name(adata: AnnData, key: str) -> pd.Series:
    """Return the batch of each cell by name; "" if it has none."""
    found = label_text(one_column(adata.obs, key, "batch", "obs"), key)
    names = np.array([*found.names, ""], dtype=object)  # code -1 takes the last entry
    return pd.Series(names[found.codes], index=adata.obs_names.astype(str))


def named_batches(cells: Cells) -> pd.Series | None:
    """Return the batch of each cell by name; None without batches."""
    return None if cells.batches is None else pd.Series(cells.batches, index=cells.names)


def require_recipe(
    panel: Panel, label_key: str | None, aliases: pd.Index[str] | None = None, adata: AnnData | None = None
) -> Recipe:
    """Read the recipe of a panel, or raise; see :func:`recipe_of`.

    Raises
    ------
    PanelError
        If the panel cannot be chosen again.
    """
    recipe = recipe_of(panel, label_key, aliases, adata)
    if isinstance(recipe, str):
        raise PanelError(f"the panel cannot be chosen again: {recipe}; name a method and a size instead")
    return recipe
