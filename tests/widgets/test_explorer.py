"""The activation explorer: its states, what its page needs, its static figure."""

from __future__ import annotations

import pytest
import torch
from matplotlib import pyplot as plt
from torch.nn import functional as F

from helpers.figures.activations import FORMULAS
from helpers.widgets import activation_explorer, explorer

SETTINGS = {
    "x": 0.75,
    "leaky_slope": 0.1,
    "prelu_slope": 0.3,
    "elu_alpha": 1.5,
    "silu_scale": 2.0,
    "gelu_scale": 0.5,
}
BY_TORCH = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.3], dtype=x.dtype)),
    "elu": lambda x: F.elu(x, 1.5),
    "silu": lambda x: x * torch.sigmoid(2 * x),
    "gelu": lambda x: x * torch.special.ndtr(x / 2),
    "mish": F.mish,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_curve_and_slope_are_the_functions(name):
    (found,) = explorer.explored(explorer.opening([name], **SETTINGS))
    x = explorer.LINE.clone().requires_grad_()
    y = BY_TORCH[name](x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert found.curve.y == pytest.approx(y.detach().numpy(), abs=1e-12)
    assert found.curve.slope == pytest.approx(slope.numpy(), abs=1e-12)
    assert found.at[1] == pytest.approx(BY_TORCH[name](torch.tensor([0.75]).double()).item())


def test_an_instructor_opens_it_prepared_or_by_a_state():
    lab = activation_explorer(["mish", "elu"], x=1.0, elu_alpha=0.5, difference=["mish", "elu"])
    assert lab.state["functions"] == ["elu", "mish"]
    assert (lab.state["x"], lab.state["elu_alpha"]) == (1.0, 0.5)
    again = activation_explorer(lab.state, show=["input"])
    assert (again.state, again.show) == (lab.state, ["input"])
    again.state = {"functions": ["gelu"]}
    assert again.state["x"] == -1.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"functions": "relu"}, r"functions is 'relu'; it takes a list, such as \['relu'\]"),
        ({"functions": ["frelu"]}, "functions is 'frelu'; choose one of: relu"),
        ({"x": 10}, "x is 10; it takes a number from -4 to 4"),
        ({"elu_alpha": float("nan")}, "elu_alpha is nan; it takes a number from 0 to 2"),
        ({"difference": ["relu"]}, "difference has 1 names; it takes two, or none"),
        ({"colour": 1}, "A setting is 'colour'; choose one of: x"),
        ({"show": "input"}, r"show is 'input'; it takes a list, such as show=\['input'\]"),
        ({"show": ["x"]}, "show is 'x'; choose one of: functions"),
    ],
)
def test_what_does_not_fit_is_named_with_what_does(settings, message):
    with pytest.raises(ValueError, match=message):
        activation_explorer(**settings)


def test_a_live_output_has_the_view_and_the_figure_and_a_stored_one_the_figure(monkeypatch):
    monkeypatch.delenv("FUNNEL_STATIC", raising=False)
    lab, view = activation_explorer(), "application/vnd.jupyter.widget-view+json"
    data, _ = lab._repr_mimebundle_()
    assert set(data) == {view, "text/html", "text/plain"}
    assert data["text/plain"] == explorer.ALT
    monkeypatch.setenv("FUNNEL_STATIC", "1")
    assert set(lab._repr_mimebundle_()[0]) == {"text/html", "text/plain"}
    assert not plt.get_fignums()


def test_the_static_figure_has_two_states():
    figure = explorer.twin()
    titles = [axes.get_title() for part in figure.subfigs for axes in part.axes]
    assert titles.count("value $f(x)$") == 2
