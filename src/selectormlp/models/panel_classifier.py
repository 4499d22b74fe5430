"""A panel's classifier: labels and calibrated probabilities for new cells, kept on disk without code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors.numpy
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from scipy.special import log_softmax

from selectormlp.data.cells import FloatArray, IntArray, Matrix, dense
from selectormlp.errors import DataError, ModelFileError, counted
from selectormlp.files import written_whole
from selectormlp.gate.files import check_regular
from selectormlp.models.classifier_card import ClassifierCard, check_confidence
from selectormlp.models.novelty import Novelty
from selectormlp.models.partial import MissingGenes, draw_cells, fill_in
from selectormlp.models.predictions import Predictions
from selectormlp.models.safetensors_file import in_order
from selectormlp.models.stopping import LevelLabels, label_levels
from selectormlp.values import Shown

SUFFIX = ".safetensors"

CARD_KEY = "selectormlp_panel_classifier"
"""Key of the card in the metadata of the file."""

CHECKSUM_KEY = "selectormlp_checksum"
"""Key of the checksum of card and numbers."""


@dataclass(frozen=True, eq=False)
class PanelClassifier(Shown):
    """Logistic regression on the genes of a panel, its probabilities calibrated.

    Attributes
    ----------
    card
        Genes, classes, how cells were read, calibration.
    mean, scale
        Of each gene in training, shape (n_genes,).
    weights, offsets
        Of each class, shapes (n_classes, n_genes) and (n_classes,).
    novelty
        What the types look like, to tell cells that are of none; None in files of format 1.
    parts
        Mean share of each gene in the counts of a cell of training, shape (n_genes,); None in files of format 1.
    """

    card: ClassifierCard
    mean: FloatArray
    scale: FloatArray
    weights: FloatArray
    offsets: FloatArray
    novelty: Novelty | None = None
    parts: FloatArray | None = None

    def __repr__(self) -> str:
        """Return size, label column and accuracy."""
        card = self.card
        return (
            f"PanelClassifier({counted(len(card.genes), 'gene')}, {counted(len(card.classes), 'type')} of "
            f"{card.label_key!r}; accuracy {card.accuracy:.3f} on cells not learned from)"
        )

    def scores(self, X: Matrix) -> FloatArray:
        """Return the score of each class before calibration, shape (n_cells, n_classes).

        Parameters
        ----------
        X
            Expression of ``card.genes``, shape (n_cells, n_genes).
        """
        return self._scores((dense(X).astype(np.float64) - self.mean) / self.scale)

    def _scores(self, Z: FloatArray) -> FloatArray:
        found: FloatArray = Z @ self.weights.T + self.offsets
        return found

    def target_of(self, present: IntArray) -> float:
        """Return the total to which counts are scaled where only these genes were measured.

        It is the card's, less the share that the other genes had in training.
        """
        share = 1.0 if self.parts is None else float(self.parts[present].sum())
        return self.card.target_sum * (share or 1.0)

    def missing_genes(self, present: IntArray) -> MissingGenes | None:
        """Return what it costs that only these genes were measured; None where they are all.

        Raises
        ------
        ModelFileError
            If the classifier is of an older format, which cannot fill genes in.
        """
        genes = [gene for place, gene in enumerate(self.card.genes) if place not in set(present.tolist())]
        if not genes:
            return None
        if self.novelty is None:
            raise ModelFileError(
                "the classifier was written by an older version, which keeps too little to fill in genes that were not "
                "measured; fit it again ('selectormlp evaluate --model')"
            )
        Z, codes = draw_cells(self.novelty)
        right = np.array(
            [self._scores(part).argmax(axis=1) == codes for part in (Z, fill_in(Z[:, present], present, self.novelty))]
        )
        known = np.unique(codes)
        recalls = np.array([right[:, codes == code].mean(axis=1) for code in known])
        worst = int((recalls[:, 1] - recalls[:, 0]).argmin())
        whole, partial = recalls.mean(axis=0)
        return MissingGenes(
            tuple(genes),
            float(whole),
            float(partial),
            self.card.classes[known[worst]],
            float(recalls[worst, 0]),
            float(recalls[worst, 1]),
        )

    def predict(
        self,
        X: Matrix,
        cells: pd.Index[str],
        *,
        min_confidence: float | None = None,
        present: IntArray | None = None,
    ) -> Predictions:
        """Predict cells.

        Parameters
        ----------
        X
            Expression of ``card.genes``, normalised as in training, shape (n_cells, n_genes).
        cells
            Names.
        min_confidence
            Instead of the card's, 0 to 1; along a tree of labels, at every level.
        present
            Places in ``card.genes`` of the genes that X holds, where some were not measured; these are filled in.

        Raises
        ------
        DataError
            If there is another number of genes, or a probability is not finite.
        SettingsError
            If ``min_confidence`` is out of range.
        """
        columns = np.arange(len(self.card.genes)) if present is None else present
        if X.shape[1] != len(columns):
            raise DataError(
                f"{counted(X.shape[1], 'gene')}; expected the {len(columns)} that the classifier learned from"
            )
        wanted = self.card.min_confidence if min_confidence is None else min_confidence
        check_confidence(wanted)
        missing = self.missing_genes(columns)
        Z = (dense(X).astype(np.float64) - self.mean[columns]) / self.scale[columns]
        with np.errstate(all="ignore"):  # looked at below
            scores = self._scores(Z if missing is None or self.novelty is None else fill_in(Z, columns, self.novelty))
            probabilities = np.exp(log_softmax(scores / self.card.temperature, axis=1))
        n_bad = int((~np.isfinite(probabilities)).any(axis=1).sum())
        if n_bad:
            raise DataError(
                f"the classifier gives {n_bad:,} of {len(probabilities):,} cells probabilities that are not finite "
                f"(values up to {np.abs(X).max():.3g}, weights up to {np.abs(self.weights).max():.3g}); give finite "
                "values of the usual size, or fit the classifier again"
            )
        empty = np.asarray((X != 0).sum(axis=1)).ravel() == 0
        novelty = None
        if self.novelty is not None:
            novelty = self.novelty.score(Z, columns)
            novelty -= self.novelty.cuts[probabilities.argmax(axis=1)]
        levels = self._levels(probabilities, min_confidence)
        return Predictions(cells, tuple(self.card.classes), probabilities, wanted, empty, novelty, missing, levels)

    def _levels(self, probabilities: FloatArray, min_confidence: float | None) -> LevelLabels | None:
        """Find where each cell stops along the tree of labels; None where there is none."""
        known = self.card.tree
        if known is None:
            return None
        cuts = known.cuts if min_confidence is None else np.full(len(known.levels) + 1, min_confidence)
        return label_levels(probabilities, self.card.classes, known.tree(), cuts, self.card.label_key)

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
        if self.novelty is not None and self.parts is not None:
            arrays |= {f"novelty_{name}": np.ascontiguousarray(value) for name, value in vars(self.novelty).items()}
            arrays["parts"] = np.ascontiguousarray(self.parts)
        with written_whole(place) as (draft,):
            text = self.card.model_dump_json()
            checksum = checksum_of(text, arrays)
            kept = {CARD_KEY: text, CHECKSUM_KEY: checksum}
            draft.write_bytes(in_order(safetensors.numpy.save(arrays, metadata=kept)))
        return place


def checksum_of(card: str, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of a card's text and of arrays, which detects accidents, not forgery.

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
    place = _existing(Path(path))
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
            shapes = _shapes(card)
            if set(stored.keys()) != set(shapes):
                raise ModelFileError(f"{str(place)!r} does not hold the numbers of a classifier; write it again")
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
    kept = {name: arrays.pop(name) for name in tuple(arrays) if name.startswith("novelty_")}
    novelty = Novelty(**{name.removeprefix("novelty_"): values for name, values in kept.items()}) if kept else None
    return PanelClassifier(card, **arrays, novelty=novelty)


def _shapes(card: ClassifierCard) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array that goes with a card."""
    n_genes, n_classes = len(card.genes), len(card.classes)
    shapes: dict[str, tuple[int, ...]] = {
        "mean": (n_genes,),
        "scale": (n_genes,),
        "weights": (n_classes, n_genes),
        "offsets": (n_classes,),
    }
    if card.format_version > 1:
        shapes |= {
            "novelty_centers": (n_classes, n_genes),
            "novelty_shares": (n_classes,),
            "novelty_within": (n_genes, n_genes),
            "novelty_cuts": (n_classes,),
            "parts": (n_genes,),
        }
    return shapes


def _existing(place: Path) -> Path:
    """Return the file, or that of its name with the suffix that :meth:`PanelClassifier.save` adds."""
    for candidate in (place, place.with_name(place.name + SUFFIX)):
        check_regular(candidate, ModelFileError)
        if candidate.is_file():
            return candidate
    raise ModelFileError(f"no classifier {str(place)!r}; 'selectormlp evaluate … --model FILE{SUFFIX}' writes one")


def _check_arrays(place: Path, arrays: dict[str, FloatArray], shapes: dict[str, tuple[int, ...]]) -> None:
    for name, values in arrays.items():
        if values.shape != shapes[name] or values.dtype != np.float64 or not np.isfinite(values).all():
            raise ModelFileError(
                f"{str(place)!r}: {name} of shape {values.shape} and type {values.dtype}, or not finite; expected "
                f"{shapes[name]} finite float64: write it again"
            )
    if (arrays["scale"] <= 0).any():
        raise ModelFileError(f"{str(place)!r}: scales that are not above 0; write it again")
    _check_novelty(place, arrays)


def _check_novelty(place: Path, arrays: dict[str, FloatArray]) -> None:
    """Refuse invalid shares and an invalid covariance."""
    if "parts" not in arrays:
        return
    for name in ("novelty_shares", "parts"):
        if (arrays[name] < 0).any() or abs(arrays[name].sum() - 1) > 1e-6:
            raise ModelFileError(f"{str(place)!r}: {name} that are not shares of 1; write it again")
    within = arrays["novelty_within"]
    if not np.allclose(within, within.T, atol=1e-9) or np.linalg.eigvalsh(within).min() < -1e-6:
        raise ModelFileError(f"{str(place)!r}: novelty_within is no covariance; write it again")
