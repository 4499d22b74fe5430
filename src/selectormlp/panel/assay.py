"""Assays: how cells will be measured, and the limits of the instrument."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field, ValidationError, field_validator, model_validator

from selectormlp.config.files import read_settings, write_settings
from selectormlp.config.model import NonNegative, Positive, Settings, describe
from selectormlp.errors import SettingsError, nearest
from selectormlp.moments.measurement import Measurement
from selectormlp.panel.assay_limits import AssayLimits

Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]


class Assay(Settings):
    """How the cells will be measured.

    The first six values affect the choice of genes, ``spread`` only simulated cells, and ``limits`` which panels are
    allowed. Values are per cell and gene.

    Raises
    ------
    pydantic.ValidationError
        If a value is out of range, background, mixing or efficiencies of genes are given without efficiency, or limits
        without ``source`` and ``date``.

    Examples
    --------
    >>> ASSAYS["imaging"].specificity
    0.8
    >>> Assay(efficiency=0.5, mixing=0.1).measurement().efficiency
    0.5
    """

    name: str = "custom"
    """Name for messages and reports."""
    specificity: Share = 0.0
    """Share of the criterion that tells each type from all others mixed; the rest tells pairs of types apart."""
    efficiency: Positive | None = None
    """Counts detected per count of the reference; null: values are used as sequenced."""
    gene_efficiencies: dict[str, Positive] | None = None
    """Relative efficiency of genes, by name; 1 for genes that are not named."""
    background: NonNegative = 0.0
    """Counts without a molecule."""
    mixing: Probability = 0.0
    """Share of a cell's counts that come from its neighbours."""
    failure: Probability = 0.0
    """Probability that the probes of a gene fail."""
    spread: NonNegative = 0.0
    """Standard deviation of the natural log efficiency of genes that are not named."""
    limits: AssayLimits | None = None
    """Limits of the instrument."""
    source: str | None = None
    """Source of the values: a paper, a vendor's page, a calibration."""
    date: str | None = None
    """Date of the source, as year-month-day."""

    @field_validator("date")
    @classmethod
    def _is_a_day(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                dt.date.fromisoformat(value)
            except ValueError as error:
                raise ValueError(f"date is {value!r}; expected year-month-day, such as 2026-11-26") from error
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.limits is not None and not (self.source and self.date):
            raise ValueError("limits are given without source and date; give both")
        if self.efficiency is None and (self.background or self.mixing or self.gene_efficiencies):
            raise ValueError(
                "background, mixing or gene_efficiencies are given without efficiency; set efficiency, 1 where the "
                "assay detects as many molecules as the reference"
            )
        return self

    @property
    def alters_choice(self) -> bool:
        """Whether genes are chosen for another technology than that of the data; limits do not count.

        Examples
        --------
        >>> Assay(failure=0.1).alters_choice, ASSAYS["sequencing"].alters_choice
        (True, False)
        """
        return bool(self.specificity or self.failure or self.efficiency)

    def measurement(self, genes: Sequence[str] | None = None) -> Measurement:
        """Return the properties that affect the choice of genes.

        Parameters
        ----------
        genes
            Gene names of the data, to look up efficiencies of genes.

        Raises
        ------
        SettingsError
            If the assay has efficiencies of genes and no names are given.
        """
        efficiencies = None
        if self.gene_efficiencies:
            if genes is None:
                raise SettingsError(
                    f"the assay {self.name!r} has efficiencies of genes, and the genes have no names here; give a data "
                    "frame whose columns are genes"
                )
            efficiencies = np.array([self.gene_efficiencies.get(gene, 1.0) for gene in genes])
        return Measurement(self.specificity, self.efficiency, efficiencies, self.background, self.mixing, self.failure)

    def write(self, path: Path | str) -> Path:
        """Write the assay to a JSON file.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        return write_settings(self, path)


ASSAYS = {
    "sequencing": Assay(name="sequencing"),
    "imaging": Assay(
        name="imaging",
        specificity=0.8,
        spread=1.0,
        source="four pairs of scRNA-seq and imaging (MERFISH, osmFISH): docs/benchmark.md, Another technology",
        date="2026-11-26",
    ),
}
"""Assays by name. ``sequencing``: cells will be measured with the technology of the data. ``imaging``: with a
technology that has its own detection efficiencies."""


def find_assay(assay: Assay | str | Path | Mapping[str, object]) -> Assay:
    """Return an assay by name, from a file or its values, or as it is.

    Parameters
    ----------
    assay
        An assay, a name of ``ASSAYS``, the path of a JSON, YAML or TOML file, or the values of an assay by name.

    Raises
    ------
    SettingsError
        If the name is unknown, or the file does not hold an assay.

    Examples
    --------
    >>> find_assay("imaging").name
    'imaging'
    """
    if isinstance(assay, Assay):
        return assay
    if isinstance(assay, str) and assay in ASSAYS:
        return ASSAYS[assay]
    if isinstance(assay, Mapping):
        return make_assay(**assay)
    if isinstance(assay, str | Path) and Path(assay).suffix.lower() in (".json", ".yaml", ".yml", ".toml"):
        return read_settings(Assay, assay)
    raise SettingsError(f"assay={assay!r}; {nearest(str(assay), ASSAYS)} Or name the .json or .yaml file of an assay")


def assumption(assay: Assay | str | Path | Mapping[str, object]) -> str:
    """Describe in one sentence which technology a panel is chosen for, and the option to change it.

    Examples
    --------
    >>> assumption("sequencing")
    "measurement by the technology of the data; for imaging, use assay 'imaging' (--assay imaging)"
    """
    found = find_assay(assay)
    if not found.alters_choice:
        return "measurement by the technology of the data; for imaging, use assay 'imaging' (--assay imaging)"
    return (
        f"measurement by another technology (assay {found.name!r}); for the technology of the data, use assay "
        "'sequencing'"
    )


def make_assay(**values: object) -> Assay:
    """Make an assay from values.

    Raises
    ------
    SettingsError
        If a key is unknown, or a value of the wrong type or out of range.
    """
    try:
        return Assay.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise SettingsError(describe(error, Assay)) from error
    except TypeError as error:
        raise SettingsError(f"an assay holds numbers, text and the like; {error}") from error
