"""Which of the trials is taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from selectormlp.auto.trials import Trial, Trials

SCREENED = 0.5
"""Share of the margin by which another contender must be ahead in closed form for classifiers to be refitted."""


def best_of(trials: Trials, margin: float) -> Trial:
    """Return the first contender, or one that is ahead of it by more than chance when classifiers are refitted.

    Parameters
    ----------
    trials
        What was tried, the preferred contender first. Classifiers are refitted where another is ahead in closed form.
    margin
        Standard errors that count as more than chance; with few donors more, see :meth:`Trials.widened`.
    """
    plain = [trial for trial in trials.done if not trial.raises]
    first, ahead = plain[0], _not_beaten(trials, plain, SCREENED * margin)
    if ahead is first:
        return next(trial for trial in trials.found if not trial.raises)
    first, ahead = trials.confirm(first), trials.confirm(ahead)
    gain, error = trials.difference(ahead, first)
    return ahead if gain > trials.widened(margin) * error else first


def _not_beaten(trials: Trials, plain: Sequence[Trial], margin: float) -> Trial:
    """Return the first contender that the best of those screened does not beat by more than chance."""
    best = max(plain, key=lambda trial: trial.balanced_accuracy)
    for trial in plain:
        gain, error = trials.difference(best, trial)
        if gain <= margin * error:
            return trial
    return best


def raised_from(trials: Trials, best: Trial, aim: float) -> Trial:
    """Return the trial that finds more of the classes that fall short, if by more than chance; else the best one.

    The worst class alone would say little: it is the least of many figures, each of few cells. A class counts where
    it falls short with either panel in the other folds, so that chance which made it short is not taken for a gain.

    Parameters
    ----------
    trials
        What was tried.
    best
        The one to be taken otherwise.
    aim
        Share of its cells that is to be found of every class.
    """
    raised, most = best, 0.0
    for trial in trials.found:
        if trial.least_recall > best.least_recall:
            short = np.minimum(trials.recalls_elsewhere(best), trials.recalls_elsewhere(trial)) < aim
            gain, error = trials.difference(trial, best, short) if short.any() else (0.0, 0.0)
            if gain > max(error, most):
                raised, most = trial, gain
    return raised


def listed(trials: Sequence[Trial]) -> str:
    """Name contenders and their balanced accuracy."""
    return ", ".join(f"{trial.method} {trial.balanced_accuracy:.3f}" for trial in trials if not trial.raises)
