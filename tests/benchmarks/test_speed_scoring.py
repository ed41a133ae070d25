"""IoU over the test part at full size: the series' metrics against the article's function."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import per_image_iou, set_matrix
from tests.benchmarks import opponents


@pytest.fixture(scope="module")
def maps(stanford) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Predictions and truths: the truth moved by some pixels stands for a network's answer."""
    truths = stanford.test.full_labels
    return [np.roll(truth, (5, 9), (0, 1)).clip(0) for truth in truths], truths


@pytest.fixture(scope="module")
def their_maps(maps) -> tuple[list[np.ndarray], ...]:
    """The same as int64, as np.argmax and np.loadtxt give them; ours are int8 from the start."""
    return tuple([one.astype(np.int64) for one in part] for part in maps)


def test_per_image_iou(compare, maps, their_maps, stanford):
    classes = len(stanford.classes)
    compare(
        lambda: per_image_iou(*maps, classes),
        lambda: opponents.article_iou(*their_maps, classes),
        work=f"per-image IoU of {len(maps[0])} test images at full size",
        against="the article's function",
        at_least=20,
        data=stanford.source,
    )


def test_confusion_matrix(compare, maps, their_maps, stanford):
    classes = len(stanford.classes)
    compare(
        lambda: set_matrix(*maps, classes),
        lambda: opponents.article_iou(*their_maps, classes),
        work=f"one confusion matrix over {len(maps[0])} test images at full size",
        against="the article's function",
        at_least=20,
        data=stanford.source,
    )
