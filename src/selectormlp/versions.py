"""The versions that results depend on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

RECORDED = ("selectormlp", "torch", "scikit-learn", "numpy", "scipy", "anndata")
"""Packages whose version can change what is learned or chosen."""


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what is learned and chosen.

    Examples
    --------
    >>> list(package_versions())
    ['python', 'selectormlp', 'torch', 'scikit-learn', 'numpy', 'scipy', 'anndata']
    """
    versions = {"python": platform.python_version()}
    for name in RECORDED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that is not installed
            versions[name] = "unknown"
    return versions
