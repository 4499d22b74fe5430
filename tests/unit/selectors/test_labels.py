import numpy as np
import pytest

from selectormlp.errors import SettingsError
from selectormlp.selectors.labels import class_importance, encode_labels


def test_codes_refer_to_sorted_classes():
    classes, codes = encode_labels(np.array(["b", "a", "b"]))
    np.testing.assert_array_equal(classes[codes], ["b", "a", "b"])


def test_continuous_labels_are_refused():
    with pytest.raises(ValueError, match="Unknown label type"):
        encode_labels(np.array([0.1, 0.7]))


def test_importance_by_label():
    np.testing.assert_array_equal(class_importance(np.array([3, 5]), {5: 0.5}), [1.0, 0.5])


def test_unknown_class_and_negative_weight_are_refused():
    with pytest.raises(SettingsError, match="'T cell', which no cell has: did you mean 'T-cell'"):
        class_importance(np.array(["B-cell", "T-cell"]), {"T cell": 2.0})
    with pytest.raises(SettingsError, match=r"expected a number ≥ 0"):
        class_importance(np.array(["B"]), {"B": -1.0})
