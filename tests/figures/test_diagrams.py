"""Diagrams show every part of a network, in the series' colours."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from helpers import ACTIVATIONS
from helpers.figures import diagrams
from helpers.figures.style import COLOURS
from tests.figures.reading import texts

STEPS = [
    ("image", 3, 64, 96),
    ("down 1", 16, 64, 96),
    ("down 2", 32, 32, 48),
    ("bottom", 64, 16, 24),
    ("up 1", 32, 32, 48),
    ("last", 32, 64, 96),
    ("head", 8, 64, 96),
]


def test_unet_has_a_row_for_each_size_and_its_skips():
    figure = diagrams.unet_shapes(STEPS, plain=1, title="U-Net")
    written = texts(figure)
    assert {"64x96", "32x48", "16x24", "bottom", "64", "U-Net"} <= set(written)
    assert written.count("64x96") == 1
    white = [box.get_facecolor()[:3] == (1, 1, 1) for box in figure.axes[0].patches[: len(STEPS)]]
    assert white == [False] * (len(STEPS) - 1) + [True]
    assert diagrams._skips([0, 0, 1, 2, 1, 0, 0]) == [(1, 5), (2, 4)]


def test_every_diagram_is_an_arm_and_shows_its_parts():
    assert set(diagrams.WIRINGS) <= set(ACTIVATIONS)
    figure = diagrams.arm_diagrams(diagrams.WIRINGS)
    for axes, (arm, wiring) in zip(figure.axes, diagrams.WIRINGS.items(), strict=False):
        written = [t.get_text() for t in axes.texts]
        assert written == ["conv", *wiring.before, *wiring.branch, wiring.join, arm]
        arrows = [p for p in axes.patches if type(p).__name__ == "FancyArrowPatch"]
        assert len(arrows) == len(written) - 1 + wiring.bypass


ARMS = {"nowhere": ["relu", "relu"], "at the end": ["relu", "frelu"]}
SCORES = {"nowhere": [0.5, 0.6, 0.7], "at the end": [0.55, 0.66, 0.74]}


@pytest.fixture
def panels():
    figure = diagrams.placements(ARMS, ["8\n32x32", "64\n4x4"], SCORES, "A title - stand-in data")
    assert figure.get_suptitle() == "A title - stand-in data"
    figure.canvas.draw()
    return figure.axes


def test_each_place_has_its_activations_colour(panels):
    boxes = [p for p in panels[0].patches if isinstance(p, Rectangle)]
    rows = {arm: 1 - i for i, arm in enumerate(ARMS)}
    wanted = {
        (place, rows[arm]): COLOURS[name].lower()
        for arm, names in ARMS.items()
        for place, name in enumerate(names)
    }
    found = {
        (round(b.get_x() + b.get_width() / 2), round(b.get_y() + b.get_height() / 2)): to_hex(
            b.get_facecolor()
        )
        for b in boxes
    }
    assert found == wanted
    assert [t.get_text() for t in panels[0].get_yticklabels()] == list(ARMS)
    assert [t.get_text() for t in panels[0].get_xticklabels()] == ["8\n32x32", "64\n4x4"]


def test_each_seed_is_a_line_and_each_mean_a_dash(panels):
    lines = [line.get_xydata() for line in panels[1].lines]
    seeds, means = lines[:3], lines[3:]
    for seed, line in enumerate(seeds):
        np.testing.assert_allclose(line[:, 0], [100 * SCORES[arm][seed] for arm in ARMS])
        np.testing.assert_allclose(line[:, 1], [1, 0])
    for dash, arm in zip(means, ARMS, strict=True):
        np.testing.assert_allclose(dash[:, 0], 100 * np.mean(SCORES[arm]))
    assert {t.get_text() for t in panels[1].texts} == {"60.0", "65.0", "mean"}
