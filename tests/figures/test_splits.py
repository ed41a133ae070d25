"""The figures of the data set's parts say what the arrays say."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.figures import splits
from tests.figures.reading import texts


def test_class_shares_are_percent():
    figure = splits.class_shares({"sky": 0.75, "road": 0.2, "unknown": 0.05}, "shares")
    assert {"75.0%", "20.0%", "5.0%", "unknown", "shares"} <= set(texts(figure))
    bars = figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == pytest.approx([75, 20, 5])
    assert bars[2].get_hatch()


def test_sources_never_seen_in_training_are_hatched():
    counts = {
        "article": [[60, 20, 0], [0, 30, 0], [0, 10, 20]],
        "shuffled": [[36, 36, 12], [12, 12, 4], [12, 12, 4]],
    }
    figure = splits.sources_in_splits(counts, [0, 6, 9])
    article, shuffled = figure.axes
    assert [bar.get_width() for bar in article.patches if bar.get_hatch()] == [20]
    assert not any(bar.get_hatch() for bar in shuffled.patches)
    assert {"article", "shuffled", "train", "80", "9"} <= set(texts(figure))


def test_sources_refuse_another_shape():
    with pytest.raises(ValueError, match=r"split 'article' has shape \(2, 3\).*\(3, 3\)"):
        splits.sources_in_splits({"article": np.ones((2, 3))}, [0, 1, 2])
