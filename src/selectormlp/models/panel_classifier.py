"""A panel's classifier: labels and calibrated probabilities for new cells, kept on disk without code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors.numpy
import scipy.sparse as sp
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from scipy.special import log_softmax

from selectormlp.data.cells import Matrix
from selectormlp.data.source import Normalization
from selectormlp.errors import DataError, ModelFileError, SettingsError
from selectormlp.files import written_whole
from selectormlp.gate.files import check_regular

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SUFFIX = ".safetensors"

CARD_KEY = "selectormlp_panel_classifier"
"""Where the card stands in the metadata of the file."""

CHECKSUM_KEY = "selectormlp_checksum"
"""Where the checksum of card and numbers stands there."""

UNSURE = "unsure"
"""Label of a cell whose highest probability is below the confidence wanted."""


class ClassifierCard(BaseModel):
    """What a classifier's file says of it, checked on reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    genes: list[str] = Field(min_length=1)
    classes: list[str] = Field(min_length=2)
    label_key: str
    layer: str | None = None
    normalize: Normalization
    is_counts: bool
    temperature: float = Field(gt=0, allow_inf_nan=False)
    min_confidence: float = Field(ge=0, le=1)
    accuracy: float = Field(ge=0, le=1)
    calibration_error: float = Field(ge=0, le=1)
    n_cells: int = Field(ge=1)
    data_hash: str
    versions: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> ClassifierCard:
        if len(set(self.genes)) < len(self.genes) or len(set(self.classes)) < len(self.classes):
            raise ValueError("genes or classes repeat")
        check_class_names(self.classes)
        return self


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a classifier says of cells.

    Attributes
    ----------
    cells
        Names.
    classes
        Class names.
    probabilities
        Calibrated, shape (n_cells, n_classes); rows sum to 1.
    min_confidence
        Highest probability from which a cell gets a label.
    empty
        Cells whose values are zero in all genes of the panel, shape (n_cells,): their probabilities say nothing.
    """

    cells: pd.Index[str]
    classes: tuple[str, ...]
    probabilities: FloatArray
    min_confidence: float
    empty: BoolArray

    @property
    def confidence(self) -> FloatArray:
        """Highest probability of each cell, shape (n_cells,)."""
        highest: FloatArray = self.probabilities.max(axis=1)
        return highest

    @property
    def best(self) -> npt.NDArray[np.object_]:
        """The most probable class of each cell, shape (n_cells,)."""
        names: npt.NDArray[np.object_] = np.array(self.classes, dtype=object)[self.probabilities.argmax(axis=1)]
        return names

    @property
    def labels(self) -> npt.NDArray[np.object_]:
        """The same, ``"unsure"`` where the confidence is below ``min_confidence``, or the cell empty."""
        return np.where((self.confidence >= self.min_confidence) & ~self.empty, self.best, UNSURE)

    def to_frame(self) -> pd.DataFrame:
        """Return a line a cell (indexed by name): label, best, confidence, and the probability of each class."""
        front = pd.DataFrame(
            {"label": self.labels, "best": self.best, "confidence": self.confidence}, index=self.cells.rename("cell")
        )
        columns = [f"probability of {name}" for name in self.classes]
        return pd.concat([front, pd.DataFrame(self.probabilities, index=front.index, columns=columns)], axis=1)


@dataclass(frozen=True, eq=False)
class PanelClassifier:
    """Logistic regression on the genes of a panel, its probabilities calibrated.

    Attributes
    ----------
    card
        Genes, classes, how cells were read, calibration.
    mean, scale
        Of each gene in training, shape (n_genes,).
    weights, offsets
        Of each class, shapes (n_classes, n_genes) and (n_classes,).
    """

    card: ClassifierCard
    mean: FloatArray
    scale: FloatArray
    weights: FloatArray
    offsets: FloatArray

    def scores(self, X: Matrix) -> FloatArray:
        """Return the score of each class before calibration, shape (n_cells, n_classes).

        Parameters
        ----------
        X
            Expression of ``card.genes``, shape (n_cells, n_genes).
        """
        dense = X.toarray() if isinstance(X, sp.csr_array) else np.asarray(X)
        found: FloatArray = ((dense - self.mean) / self.scale) @ self.weights.T + self.offsets
        return found

    def predict(self, X: Matrix, cells: pd.Index[str], *, min_confidence: float | None = None) -> Predictions:
        """Predict cells.

        Parameters
        ----------
        X
            Expression of ``card.genes``, normalised as in training, shape (n_cells, n_genes).
        cells
            Names.
        min_confidence
            Instead of the card's, 0 to 1.

        Raises
        ------
        DataError
            If there is another number of genes, or a probability is not finite.
        SettingsError
            If ``min_confidence`` is out of range.
        """
        if X.shape[1] != len(self.card.genes):
            raise DataError(f"{X.shape[1]} genes; expected the {len(self.card.genes)} that the classifier learned from")
        wanted = self.card.min_confidence if min_confidence is None else min_confidence
        check_confidence(wanted)
        with np.errstate(all="ignore"):  # looked at below
            probabilities = np.exp(log_softmax(self.scores(X) / self.card.temperature, axis=1))
        n_bad = int((~np.isfinite(probabilities)).any(axis=1).sum())
        if n_bad:
            raise DataError(
                f"the classifier gives {n_bad:,} of {len(probabilities):,} cells probabilities that are not finite "
                f"(values up to {np.abs(X).max():.3g}, weights up to {np.abs(self.weights).max():.3g}); give finite "
                "values of the usual size, or fit the classifier again"
            )
        empty = np.asarray((X != 0).sum(axis=1)).ravel() == 0
        return Predictions(cells, tuple(self.card.classes), probabilities, wanted, empty)

    def save(self, path: Path | str) -> Path:
        """Write the classifier to a safetensors file: numbers and a card in JSON, nothing that could run.

        Parameters
        ----------
        path
            Where to; ``.safetensors`` is added where it is missing.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        place = Path(path)
        place = place if place.suffix == SUFFIX else place.with_name(place.name + SUFFIX)
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in ("mean", "scale", "weights", "offsets")}
        with written_whole(place) as (draft,):
            text = self.card.model_dump_json()
            checksum = checksum_of(text, arrays)
            safetensors.numpy.save_file(arrays, draft, metadata={CARD_KEY: text, CHECKSUM_KEY: checksum})
        return place


def checksum_of(card: str, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of a card's text and of arrays, which notices accidents; whoever forges a file can make one.

    Examples
    --------
    >>> checksum_of("{}", {"mean": np.zeros(1)})[:8] == checksum_of("{}", {"mean": np.ones(1)})[:8]
    False
    """
    digest = hashlib.sha256(card.encode())
    for name in sorted(arrays):
        digest.update(f"\n{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def check_class_names(classes: Iterable[str]) -> None:
    """Refuse a class that is named as a cell without a label is.

    Raises
    ------
    SettingsError
        With what to do.
    """
    if UNSURE in classes:
        raise SettingsError(
            f"a class is named {UNSURE!r}, which is what a cell without a confident label is called; rename it in obs, "
            f"or leave it out (exclude_labels, --exclude-label {UNSURE})"
        )


def check_confidence(value: float) -> None:
    """Refuse a confidence outside 0 to 1.

    Raises
    ------
    SettingsError
        With the range.
    """
    if not 0 <= value <= 1:
        raise SettingsError(
            f"min_confidence is {value!r}; expected a probability, 0 (label every cell that has counts) to 1"
        )


def load_classifier(path: Path | str) -> PanelClassifier:
    """Read a classifier that :meth:`PanelClassifier.save` wrote; nothing in the file can run code.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelFileError
        If the file is absent, damaged, or none of ours.

    Examples
    --------
    >>> import tempfile
    >>> import selectormlp as sm
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     trained = sm.fit_classifier(sm.datasets.pbmc68k(), ["CD79A", "NKG7", "CST3"], label_key="bulk_labels")
    ...     loaded = load_classifier(trained.save(Path(folder) / "blood.safetensors"))
    >>> loaded.card.genes
    ['CD79A', 'NKG7', 'CST3']
    """
    place = Path(path)
    _check_existing(place)
    try:
        with safe_open(place, framework="numpy") as stored:
            metadata = stored.metadata() or {}
            text = metadata.get(CARD_KEY)
            if text is None:
                raise ModelFileError(
                    f"{str(place)!r} is not a panel's classifier; expected a file that 'selectormlp evaluate --model' "
                    "wrote"
                )
            card = ClassifierCard.model_validate_json(text)
            n_genes, n_classes = len(card.genes), len(card.classes)
            shapes = {
                "mean": (n_genes,),
                "scale": (n_genes,),
                "weights": (n_classes, n_genes),
                "offsets": (n_classes,),
            }
            if set(stored.keys()) != set(shapes):
                raise ModelFileError(f"{str(place)!r} holds other numbers than a classifier's; write it again")
            arrays = {name: stored.get_tensor(name) for name in shapes}
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "card"
        reason = first["msg"].removeprefix("Value error, ")
        raise ModelFileError(f"{str(place)!r} has an unusable card ({where}: {reason}); write it again") from error
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        reason = " ".join(str(error).split())[:160]
        raise ModelFileError(
            f"{str(place)!r} is not a readable model ({reason}); expected a file that 'selectormlp evaluate "
            "--model' wrote"
        ) from error
    _check_arrays(place, arrays, shapes)
    if metadata.get(CHECKSUM_KEY) != checksum_of(text, arrays):
        raise ModelFileError(
            f"{str(place)!r} does not agree with its checksum, so its card or numbers were altered after it was "
            "written; copy or write it again"
        )
    return PanelClassifier(card, **arrays)


def _check_existing(place: Path) -> None:
    check_regular(place, ModelFileError)
    if place.is_file():
        return
    named = place.parent / f"{place.name}{SUFFIX}"
    writes = f"'selectormlp evaluate … --model FILE{SUFFIX}' writes one"
    raise ModelFileError(
        f"no classifier {str(place)!r}; {f'did you mean {str(named)!r}?' if named.is_file() else writes}"
    )


def _check_arrays(place: Path, arrays: dict[str, FloatArray], shapes: dict[str, tuple[int, ...]]) -> None:
    for name, values in arrays.items():
        if values.shape != shapes[name] or values.dtype != np.float64 or not np.isfinite(values).all():
            raise ModelFileError(
                f"{str(place)!r}: {name} of shape {values.shape} and type {values.dtype}, or not finite; expected "
                f"{shapes[name]} finite float64: write it again"
            )
    if (arrays["scale"] <= 0).any():
        raise ModelFileError(f"{str(place)!r}: scales that are not above 0; write it again")
