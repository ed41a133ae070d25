"""Networks trained side by side learn what they would have learnt apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers.nn.activations import ACTIVATIONS
from helpers.nn.networks import LeNet, initialise
from helpers.session import PROFILES
from helpers.training.loop import fit
from helpers.training.recipes import tutorial_recipe
from helpers.training.side_by_side import fit_together, give_back, joined

RECIPE = replace(tutorial_recipe(PROFILES["ci"]), epochs=2)
CPU = torch.device("cpu")


class Pictures:
    """40 random pictures with random labels."""

    images = torch.randint(256, (40, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    labels = torch.randint(10, (40,), generator=torch.Generator().manual_seed(1))


def lenets(arm: str, count: int = 3, **settings) -> list[nn.Module]:
    return [initialise(LeNet(arm, **settings), seed) for seed in range(count)]


def steps(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """A few steps; images (steps, N, S, 3, 32, 32), labels (steps, N, S), float64."""
    optimiser = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    for x, y in zip(images, labels, strict=True):
        logits = network(x.flatten(1, 2)).unflatten(1, (y.shape[1], 10)).transpose(1, 2)
        optimiser.zero_grad()
        F.cross_entropy(logits, y, reduction="none").mean(0).sum().backward()
        optimiser.step()


@pytest.mark.parametrize("arm", ACTIVATIONS)
def test_every_arm_learns_the_same_to_nine_digits(arm):
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(4, 4, 3, 3, 32, 32, generator=generator, dtype=torch.float64)
    labels = torch.randint(10, (4, 4, 3), generator=generator)
    apart, models = ([model.double() for model in lenets(arm)] for _ in range(2))
    together = joined(models)
    steps(together, images, labels)
    give_back(together, models)
    for number, (one, other) in enumerate(zip(apart, models, strict=True)):
        steps(one, images[:, :, number : number + 1], labels[:, :, number : number + 1])
        for name, value in one.state_dict().items():
            torch.testing.assert_close(
                other.state_dict()[name], value, rtol=1e-9, atol=1e-9, msg=f"{arm} {name}"
            )


@pytest.mark.parametrize(
    ("arm", "channels"), [("relu", 16), ("mish", 16), ("relu", 19), ("dw_bn_relu", 16)]
)
def test_a_recipe_trains_as_fit_does(arm, channels):
    models, apart = (lenets(arm, conv2_channels=channels) for _ in range(2))
    together = fit_together(models, Pictures, RECIPE, seeds=[0, 1, 2])
    assert together.losses.shape == (20, 3)
    by_epoch = together.losses.view(2, 10, 3).mean(1)
    for seed, model in enumerate(apart):
        history = fit(model, Pictures, None, RECIPE, seed, CPU, progress=False)
        assert by_epoch[:, seed].tolist() == pytest.approx(history.train_loss, abs=1e-5)
        for name, value in model.state_dict().items():
            torch.testing.assert_close(models[seed].state_dict()[name], value, atol=1e-5, rtol=0)


def test_a_schedule_moves_all_of_them():
    recipe = replace(RECIPE, schedule="one_cycle", weight_decay=0.01, batch=16, learning_rate=0.1)
    models, apart = lenets("relu"), lenets("relu")
    fit_together(models, Pictures, recipe, seeds=[0, 1, 2])
    fit(apart[2], Pictures, None, recipe, 2, CPU, progress=False)
    torch.testing.assert_close(models[2].conv1.weight, apart[2].conv1.weight, atol=1e-5, rtol=0)


def test_the_same_block_gives_the_same_digits():
    first, second = lenets("frelu"), lenets("frelu")
    losses = [
        fit_together(models, Pictures, RECIPE, [0, 1, 2]).losses for models in (first, second)
    ]
    assert torch.equal(*losses)
    assert torch.equal(first[1].act1.bn.running_var, second[1].act1.bn.running_var)


def test_a_network_whose_loss_is_lost_takes_no_other_with_it():
    models, healthy = lenets("frelu"), lenets("frelu")
    nn.init.constant_(models[1].conv1.weight, torch.nan)
    together = fit_together(models, Pictures, RECIPE, [0, 1, 2])
    assert [together.first_bad_step(number) for number in range(3)] == [None, 1, None]
    expected = fit_together(healthy, Pictures, RECIPE, [0, 1, 2]).losses
    assert torch.equal(together.losses[:, [0, 2]], expected[:, [0, 2]])


@pytest.mark.parametrize(
    "changes", [{"augmentation": True}, {"keep": "best_score"}, {"patience": 3}, {"blue_first": 1}]
)
def test_a_recipe_that_needs_more_is_refused(changes):
    with pytest.raises(ValueError, match="use fit for this recipe"):
        fit_together(lenets("relu"), Pictures, replace(RECIPE, **changes), [0, 1, 2])


def test_frozen_weights_stay_as_they_are():
    models = lenets("frelu")
    for model in models:
        model.act1.conv.weight.requires_grad_(False)
    before = models[1].act1.conv.weight.clone()
    fit_together(models, Pictures, RECIPE, [0, 1, 2])
    assert torch.equal(models[1].act1.conv.weight, before)


@pytest.mark.parametrize("arm", ["relu", "frelu"])  # BatchNorm counts its batches in a scalar
def test_alone_a_network_may_have_any_layer(arm):
    net = nn.Sequential(LeNet(arm), nn.LayerNorm(10))
    before = net[1].weight.clone()
    fit_together([net], Pictures, RECIPE, [0])
    assert not torch.equal(net[1].weight, before)


def test_a_layer_that_is_not_known_is_refused():
    with pytest.raises(TypeError, match="Networks with a GroupNorm can't be trained side by side"):
        joined([nn.Sequential(nn.GroupNorm(1, 3)) for _ in range(2)])
