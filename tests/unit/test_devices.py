"""Where work is done follows from its size alone, and the log says so."""

import logging
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import torch

from selectormlp.devices import AnyDevice, Work, check_device, choose_device
from selectormlp.errors import SettingsError
from selectormlp.selectors.budget import BudgetSelectorMLP
from selectormlp.selectors.discriminant import DiscriminantSelector
from selectormlp.selectors.persist import PersistSelector
from selectormlp.selectors.selector_mlp import SelectorMLP

LARGE, SMALL, SHORT_STEPS = Work(1000, 1e9), Work(10, 1e9), Work(10**6, 1e6)


def no_accelerator(check_available=False):
    """What optimisers ask; a CUDA build without a driver would answer with CUDA, and fail to start it."""


@pytest.fixture
def with_cuda(monkeypatch):
    """A machine that seems to have a GPU of 16 GB; nothing may be computed on it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=16 * 10**9))
    monkeypatch.setattr(torch.accelerator, "current_accelerator", no_accelerator)


@pytest.fixture
def without_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("work", "expected"),
    [(LARGE, "cuda"), (SMALL, "cpu"), (SHORT_STEPS, "cpu"), (Work(1000, 1e9, 10**10), "cpu")],
    ids=["large", "small", "short steps", "too large for the memory"],
)
def test_auto_goes_by_the_size_of_the_work(with_cuda, said, work, expected):
    assert choose_device("auto", work, what="training") == expected
    assert f"training on {expected}: " in said()


@pytest.mark.parametrize("work", [LARGE, SMALL])
@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_a_device_that_is_named_is_taken(with_cuda, work, name):
    assert choose_device(name, work, what="training") == name


def test_without_a_gpu_auto_is_the_cpu_and_nothing_is_said(without_gpu, said):
    assert choose_device("auto", LARGE, what="training") == "cpu"
    assert not said()
    with pytest.raises(SettingsError, match="PyTorch finds no CUDA device; use 'auto' or 'cpu'"):
        check_device("cuda")
    with pytest.raises(SettingsError, match="device='gpu'; expected one of 'auto', 'cpu', 'cuda'"):
        check_device("gpu")


def test_apples_gpu_is_for_what_can_use_it(without_gpu, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto", LARGE, what="training", known=get_args(AnyDevice)) == "mps"
    assert choose_device("auto", LARGE, what="training") == "cpu"


@pytest.mark.parametrize(
    "selector",
    [
        DiscriminantSelector(2),
        PersistSelector(2, selection_steps=3, hidden_sizes=(8,), random_state=0),
        BudgetSelectorMLP(2, first_steps=2, panel_steps=2, steps=1, random_state=0),
        SelectorMLP(2, max_epochs=1, random_state=0),
    ],
    ids=lambda selector: type(selector).__name__,
)
def test_small_data_stay_on_the_cpu_where_there_is_a_gpu(with_cuda, caplog, selector):
    caplog.set_level(logging.INFO)
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = np.abs(rng.normal(size=(60, 6)))
    X[np.arange(60), y] += 3
    assert selector.fit(X.astype(np.float32), y).device_ == "cpu"
