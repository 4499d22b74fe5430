"""Models on disk: safetensors for networks, skops for SVMs, never a pickle.

Each file holds the parameters learned and a card in JSON: kind, settings, genes, classes, versions. A
checkpoint of Lightning, which does have pickle's format, is read by PyTorch's restricted unpickler, which knows
tensors and plain values only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import skops.io
import torch
from pydantic import ValidationError
from safetensors import safe_open
from sklearn.svm import LinearSVC
from torch import Tensor

from selectormlp.data.anndata_io import CellsSource
from selectormlp.errors import ModelFileError, nearest, quoted
from selectormlp.files import written_whole
from selectormlp.gate.archives import check_zip
from selectormlp.gate.files import check_regular
from selectormlp.models.card import ModelCard, model_card
from selectormlp.models.model import MODEL_TYPES, Model, as_model
from selectormlp.models.panel_classifier import CHECKSUM_KEY, checksum_of
from selectormlp.models.safetensors_file import in_order
from selectormlp.networks.checkpoint_state import CARD_KEY, read_checkpoint
from selectormlp.networks.mlp import SelectorNetwork
from selectormlp.networks.start import START_KEY, Start, parse_start
from selectormlp.selectors.classifier import ClassifyingSelector
from selectormlp.selectors.network import NetworkSelector
from selectormlp.selectors.svm import LinearSVM

logger = logging.getLogger(__name__)

NETWORK_SUFFIX, SVM_SUFFIX, CHECKPOINT_SUFFIX = ".safetensors", ".skops", ".ckpt"
SUFFIXES = (NETWORK_SUFFIX, SVM_SUFFIX, CHECKPOINT_SUFFIX)


def save_model(
    model: Model | ClassifyingSelector,
    stem: Path | str,
    *,
    genes: Sequence[str] | None = None,
    label_key: str = "cell_type",
) -> Path:
    """Save a model under a name, with the suffix of its kind.

    Parameters
    ----------
    model
        Any of the three kinds, fitted: with its genes (a :class:`Model`), or the selector alone.
    genes, label_key
        For a selector alone: gene names in the order of its columns (None: those of the data frame that it was fitted
        on), and the column of cell types that new data are to be read by.
    stem
        Path without a suffix; ``.safetensors`` (networks) or ``.skops`` (SVM) is added.

    Returns
    -------
    The file written.

    Raises
    ------
    OutputError
        If it cannot be written.
    SettingsError
        If it is no fitted model, or its genes are not known.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from selectormlp.data.anndata_io import CellsSource
    >>> from selectormlp.selectors.svm import LinearSVM
    >>> svm = LinearSVM(random_state=0).fit(np.eye(3).repeat(5, axis=0), np.repeat(["B", "NK", "T"], 5))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save_model(Model(svm, ("CD79A", "NKG7", "CD3E"), CellsSource("cell_type")), Path(folder) / "svm")
    ...     loaded = load_model(file)
    >>> file.name, loaded.genes
    ('svm.skops', ('CD79A', 'NKG7', 'CD3E'))
    """
    model = model if isinstance(model, Model) else as_model(model, genes, label_key)
    selector = model.selector
    card = model_card(
        selector,
        model.genes,
        model.classes,
        selector.trained_classes_.tolist(),
        model.source,
        model.data_hashes,
        model.class_balanced,
        model.split,
    ).model_dump_json()
    is_network = isinstance(selector, NetworkSelector)
    path = Path(f"{stem}{NETWORK_SUFFIX if is_network else SVM_SUFFIX}")
    with written_whole(path) as (draft,):
        if isinstance(selector, NetworkSelector):
            weights = {name: value.contiguous() for name, value in selector.network_.state_dict().items()}
            checksum = checksum_of(card, {name: value.numpy() for name, value in weights.items()})
            kept = {CARD_KEY: card, CHECKSUM_KEY: checksum}
            draft.write_bytes(in_order(safetensors.torch.save(weights, metadata=kept)))
        elif isinstance(selector, LinearSVM):
            skops.io.dump({CARD_KEY: card, "svm": selector.svm_}, draft)
    return path


def find_model_file(path: Path | str) -> Path:
    """Find the file that a model path means.

    A path with one of our suffixes is itself. A path ending in ``.pkl``, as the published program writes, or
    without a suffix is taken as the saved model of that stem.

    Raises
    ------
    ModelFileError
        If there is none, or the path is a real pickle file.
    """
    place = Path(path)
    check_regular(place, ModelFileError)
    if place.is_dir():
        raise ModelFileError(f"{str(place)!r} is a folder; expected a model file ({', '.join(SUFFIXES)})")
    if place.exists():
        if place.suffix.lower() in (".pkl", ".pickle", ".joblib"):
            raise ModelFileError(
                f"{str(place)!r} is a pickle, which can run any code when it is opened, so it is not read; expected "
                f"a model saved by this program ({', '.join(SUFFIXES)}): train it again with 'selectormlp train'"
            )
        return place
    stem = place.with_suffix("") if place.suffix == ".pkl" else place
    for suffix in SUFFIXES:
        candidate = stem.with_name(stem.name + suffix)
        if candidate.exists():
            logger.info("%s is taken as the saved model %s (no pickles are written or read)", place, candidate)
            return candidate
    siblings = [p.name for p in place.parent.glob("*") if p.suffix in SUFFIXES] if place.parent.is_dir() else []
    raise ModelFileError(
        f"no model {str(place)!r}; in {str(place.parent)!r}, {nearest(place.name, siblings)}; "
        "'selectormlp train' makes models"
    )


def load_model(path: Path | str, *, model_type: str | None = None) -> Model:
    """Load a model or checkpoint; nothing in the file can run code.

    Parameters
    ----------
    path
        See :func:`find_model_file`.
    model_type
        The kind expected: ``"selector_mlp"``, ``"mlp"``, ``"svm"``, or None for any.

    Raises
    ------
    ModelFileError
        If it is absent, a pickle, damaged, or of another kind.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from selectormlp.data.anndata_io import CellsSource
    >>> from selectormlp.selectors.svm import LinearSVM
    >>> svm = LinearSVM(random_state=0).fit(np.eye(3).repeat(5, axis=0), np.repeat(["B", "NK", "T"], 5))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save_model(Model(svm, ("CD79A", "NKG7", "CD3E"), CellsSource("cell_type")), Path(folder) / "svm")
    ...     loaded = load_model(file)
    >>> loaded.model_type, loaded.classes
    ('svm', ('B', 'NK', 'T'))
    """
    place = find_model_file(path)
    readers: dict[str, Callable[[Path], Model]] = {
        NETWORK_SUFFIX: _load_network,
        SVM_SUFFIX: _load_svm,
        CHECKPOINT_SUFFIX: _load_checkpoint,
    }
    reader = readers.get(place.suffix)
    if reader is None:
        raise ModelFileError(f"{str(place)!r} does not end in {', '.join(SUFFIXES)}; give a model that 'train' saved")
    try:
        model = reader(place)
    except ModelFileError:
        raise
    except Exception as error:  # the three libraries raise many kinds; each means a damaged or foreign file
        reason = _first_line(error)
        raise ModelFileError(
            f"{str(place)!r} is not a readable {place.suffix} model ({reason}); it may be damaged or not ours: "
            "copy it again, or train again"
        ) from error
    if model_type is not None and model.model_type != model_type:
        raise ModelFileError(
            f"{str(place)!r} holds a model of type {model.model_type!r}, not {model_type!r}; give the other file, "
            f"or --model_type {model.model_type}"
        )
    return model


def checkpoint_start(path: Path) -> Start | None:
    """Read when the run of a checkpoint began; None if the file is damaged."""
    try:
        return parse_start(_checkpoint(path)[1].get(START_KEY))
    except ModelFileError:
        return None


def checkpoint_card(path: Path) -> ModelCard:
    """Read the card of a checkpoint.

    Raises
    ------
    ModelFileError
        If the file is damaged or holds none.
    """
    return _checkpoint(path)[0]


def _load_network(place: Path) -> Model:
    with safe_open(place, framework="pt") as stored:
        metadata = stored.metadata() or {}
        card = _card(metadata.get(CARD_KEY), place)
        weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  # not a dict
    model = _network_model(card, weights, place)
    if card.format_version > 1 or CHECKSUM_KEY in metadata:
        arrays = {name: value.numpy() for name, value in weights.items()}
        if metadata.get(CHECKSUM_KEY) != checksum_of(metadata[CARD_KEY], arrays):
            raise ModelFileError(
                f"{str(place)!r} does not agree with its checksum, so its card or weights were altered after it was "
                "written; copy it again, or train again"
            )
    return model


def _load_checkpoint(place: Path) -> Model:
    card, checkpoint = _checkpoint(place)
    prefix = "network."
    state = checkpoint["state_dict"]
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    return _network_model(card, weights, place)


def _checkpoint(place: Path) -> tuple[ModelCard, dict[str, Any]]:
    checkpoint = read_checkpoint(place)
    return _card(checkpoint[CARD_KEY], place), checkpoint


def _network_model(card: ModelCard, weights: dict[str, Tensor], place: Path) -> Model:
    selector = _selector(card, place)
    if not isinstance(selector, NetworkSelector):
        raise ModelFileError(f"{str(place)!r} holds weights of a network but says that it is an SVM; train it again")
    spec = selector.network_spec(len(card.genes), len(card.classes))
    with torch.device("meta"):  # no memory is taken for sizes that a file merely claims
        network = SelectorNetwork(spec)
    for name, expected in network.state_dict().items():
        if name in weights and weights[name].dtype != expected.dtype:
            found, wanted = (str(dtype).removeprefix("torch.") for dtype in (weights[name].dtype, expected.dtype))
            raise ModelFileError(f"{str(place)!r} holds weights ({name}) of type {found}, not {wanted}; train it again")
    network.load_state_dict(weights, assign=True)
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise ModelFileError(f"{str(place)!r} holds NaN or infinite weights; train it again")
    selector.adopt_network(network.eval())
    return _model(card, selector)


def _load_svm(place: Path) -> Model:
    check_zip(place, ModelFileError)
    untrusted = skops.io.get_untrusted_types(file=place)
    if untrusted:
        raise ModelFileError(
            f"{str(place)!r} holds objects of types that are not trusted ({quoted(untrusted, most=3)}); expected a "
            "linear SVM saved by this program: train it again"
        )
    stored = skops.io.load(place, trusted=[])
    card = _card(stored.get(CARD_KEY) if isinstance(stored, dict) else None, place)
    svm, selector = stored["svm"], _selector(card, place)
    if not isinstance(svm, LinearSVC) or not isinstance(selector, LinearSVM):
        raise ModelFileError(f"{str(place)!r} holds no linear SVM; train it again")
    n_trained = sum(card.trained_classes)
    n_rows = 1 if n_trained == 2 else n_trained
    for what, values, expected in (
        ("coefficients", svm.coef_, (n_rows, len(card.genes))),
        ("intercepts", svm.intercept_, (n_rows,)),
    ):
        if values.shape != expected:
            raise ModelFileError(f"{str(place)!r}: {what} of shape {values.shape}, expected {expected}; train again")
        if not np.isfinite(values).all():
            raise ModelFileError(f"{str(place)!r} holds NaN or infinite {what}; train it again")
    if not np.array_equal(svm.classes_, np.flatnonzero(card.trained_classes)):
        raise ModelFileError(f"{str(place)!r} holds an SVM of other classes than its card names; train it again")
    selector.adopt_svm(svm)
    return _model(card, selector)


def _card(text: object, place: Path) -> ModelCard:
    if not isinstance(text, str):
        raise ModelFileError(f"{str(place)!r} was not saved by this program (it holds no model card); train a model")
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "card"
        raise ModelFileError(
            f"{str(place)!r} has an unusable model card ({where}: {first['msg']}); it is damaged or of another "
            "version: train again"
        ) from error


def _selector(card: ModelCard, place: Path) -> Any:
    kind = MODEL_TYPES[card.model_type]
    known = set(kind().get_params(deep=False))
    unknown = set(card.parameters) - known
    if unknown:
        raise ModelFileError(f"{str(place)!r} names unknown settings ({', '.join(sorted(unknown))}); train again")
    selector = kind(**card.parameters)
    selector.classes_ = np.array(card.classes)
    selector.trained_classes_ = np.array(card.trained_classes)
    selector.n_features_in_ = len(card.genes)
    return selector


def _model(card: ModelCard, selector: Any) -> Model:
    source = CellsSource(card.label_key, layer=card.layer, normalize=card.normalize)
    return Model(selector, tuple(card.genes), source, tuple(card.data_hashes), card.class_balanced, card.split)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
