"""The activation explorer: curves by the series' modules, a canvas that draws what moved."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from helpers.figures.activations import FORMULAS
from helpers.figures.style import COLOURS
from helpers.widgets import activation_explorer, explorer

STATE = explorer.State(("relu", "mish"), -1.5, 0.01, 0.25, 1.0)
BY_TORCH = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.3], dtype=x.dtype)),
    "elu": lambda x: F.elu(x, 1.5),
    "silu": F.silu,
    "gelu": F.gelu,
    "mish": F.mish,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_curve_slope_and_output_are_the_functions(name):
    state = explorer.State((name,), 0.75, 0.1, 0.3, 1.5)
    (found,) = explorer.explored(state)
    x = explorer.LINE.clone().requires_grad_()
    y = BY_TORCH[name](x)
    np.testing.assert_allclose(found.curve.y, y.detach().numpy(), atol=1e-12)
    (slope,) = torch.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(found.curve.slope, slope.numpy(), atol=1e-12)
    photo = torch.tensor(explorer.photograph()).double()
    np.testing.assert_allclose(found.output, BY_TORCH[name](photo).numpy(), atol=1e-12)
    at = torch.tensor([0.75], dtype=torch.float64)
    assert found.at[:2] == (0.75, pytest.approx(BY_TORCH[name](at).item()))
    step = (BY_TORCH[name](at + 1e-6) - BY_TORCH[name](at - 1e-6)).item() / 2e-6
    assert found.at[2] == pytest.approx(step, abs=1e-6)


def colours(file: bytes) -> set[tuple[int, ...]]:
    pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    return set(map(tuple, np.unique(pixels.reshape(-1, 3), axis=0).tolist()))


def near(colour: str, found: set[tuple[int, ...]]) -> bool:
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return any(max(abs(a - b) for a, b in zip(wanted, each, strict=True)) < 12 for each in found)


def test_the_picture_has_the_colours_of_what_is_chosen():
    canvas = explorer.Canvas()
    both = colours(canvas.picture(STATE))
    assert near(COLOURS["mish"], both)
    assert not near(COLOURS["gelu"], both)
    assert near(COLOURS["gelu"], colours(canvas.picture(explorer.State(("gelu",), 0, 0, 0, 0))))


@pytest.mark.parametrize(
    "moves",
    [
        [{"x": 2.0}],
        [{"prelu_slope": 0.5}],
        [{"leaky_slope": 0.3}, {"elu_alpha": 0.1}, {"x": -3.0}],
        [{"functions": ("elu",)}, {"functions": tuple(FORMULAS)}],
        [{"functions": ()}],
    ],
)
def test_what_is_kept_from_the_last_drawing_changes_no_pixel(moves):
    start = explorer.State(("relu", "leaky_relu", "prelu", "elu"), -1.5, 0.01, 0.25, 1.0)
    canvas = explorer.Canvas()
    before = canvas.picture(start)
    for move in moves:
        assert canvas.picture(explorer.State(**(vars(start) | move))) != before
    assert canvas.picture(start) == before == explorer.Canvas().picture(start)


def test_moving_x_draws_the_points_alone(monkeypatch):
    canvas, calls = explorer.Canvas(), []
    canvas.picture(STATE)
    monkeypatch.setattr(explorer.drawing, "explorer_function", lambda *_: calls.append(_) or [])
    canvas.picture(explorer.State(**(vars(STATE) | {"x": 1.0})))
    assert not calls
    canvas.picture(explorer.State(("elu",), 1.0, 0.01, 0.25, 1.0))
    assert calls


def test_the_words_read_out_value_slope_and_pixels():
    words = explorer.words(STATE)
    for part in ("At x = -1.50", "ReLU", "Mish", "0.000", "-0.298", "-0.064", "49.3 %"):
        assert part in words
    assert "PReLU, a = 0.25" in explorer.words(explorer.State(("prelu",), 0, 0.01, 0.25, 1))
    assert "tick one" in explorer.words(explorer.State((), 0, 0.01, 0.25, 1))


def test_an_instructor_opens_it_prepared():
    lab = explorer.build(["elu"], x=1.0, elu_alpha=0.5)
    assert lab.state["elu"]
    assert not lab.state["relu"]
    assert (lab.state["x"], lab.state["elu_alpha"]) == (1.0, 0.5)
    with pytest.raises(ValueError, match="functions is 'frelu'; choose one of: relu"):
        explorer.build(["frelu"])


def test_a_stored_notebook_gets_the_twin_and_a_reader_the_explorer(on_both_pages):
    figure, alt, widget = on_both_pages(lambda: activation_explorer(["gelu"]))
    assert "Mish" in alt
    titles = [axes.get_title() for part in figure.subfigs for axes in part.axes]
    assert titles.count("value $f(x)$") == 2
    assert "lab-explorer" in widget._dom_classes
