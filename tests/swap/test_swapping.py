"""Exchanging activations: in torchvision's networks, and in small ones with a trap each."""

from __future__ import annotations

import importlib
import math
import pickle
import threading
import warnings
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from helpers.nn.activations import ACTIVATIONS, FReLU, add_activation, make_activation
from helpers.nn.networks import LeNet, UNet, initialise, parameter_count
from helpers.swap import SwapReport, swap_activation
from helpers.swap.call_by_call import CallByCall
from helpers.swap.torchvision import import_torchvision

EXAMPLE = torch.linspace(-1, 1, 2 * 3 * 64 * 64).view(2, 3, 64, 64)
SMALL = EXAMPLE[:, :, :16, :16]

# Network -> new funnels, places left (each with its reason), activations called as functions.
NO_WINDOW, ONE_PIXEL, GATE = "no window", "its map is 1x1", "a gate"
NETWORKS = {
    "resnet18": (17, {}, 0),
    "resnet50": (49, {}, 0),
    "mobilenet_v2": (35, {}, 0),
    "mobilenet_v3_small": (23, {NO_WINDOW: 1, ONE_PIXEL: 9, GATE: 9}, 0),
    "shufflenet_v2_x0_5": (37, {}, 0),
    "efficientnet_b0": (33, {ONE_PIXEL: 16, GATE: 16}, 0),
    "densenet121": (120, {}, 1),
    "googlenet": (0, {}, 57),
    "squeezenet1_1": (26, {}, 0),
    "alexnet": (5, {NO_WINDOW: 2}, 0),
    "regnet_y_400mf": (49, {ONE_PIXEL: 16, GATE: 16}, 0),
    "convnext_tiny": (0, {"its channels stand last": 18}, 0),
}


def network(name: str) -> nn.Module:
    settings = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    if name.startswith(("efficientnet", "convnext")):
        settings = {"stochastic_depth_prob": 0.0}  # a block that is left out has no gradient
    torch.manual_seed(0)
    return getattr(import_torchvision().models, name)(weights=None, num_classes=10, **settings)


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def kinds(model: nn.Module) -> list[tuple[str, type]]:
    return [(name, type(module)) for name, module in model.named_modules()]


def is_same_state(model: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    after = model.state_dict()
    return all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_torchvision(name):
    model = network(name).train()
    before, shape = state(model), model(EXAMPLE).shape
    model.load_state_dict(before)  # train mode moved the running statistics
    report = swap_activation(model, "frelu", EXAMPLE[:1])

    funnels, left, functions = NETWORKS[name]
    assert len(report.swapped) == funnels
    assert len(report.left) == sum(left.values())
    for reason, count in left.items():
        assert sum(reason in row.reason for row in report.left) == count
    assert sum(report.functions.values()) == functions
    assert is_same_state(model, before)
    assert model.training

    _check_funnels(model, report, before, shape)
    once, weights = kinds(model), state(model)
    again = swap_activation(model, "frelu", EXAMPLE[:1])
    assert not again.swapped
    assert kinds(model) == once
    assert is_same_state(model, weights)


def _check_funnels(model, report: SwapReport, before: dict, shape: torch.Size) -> None:
    """Each row of the report is a funnel of the right size, and learns."""
    output = model(EXAMPLE)
    assert output.shape == shape
    output.square().sum().backward()
    new = {n: p for n, p in model.named_parameters() if n not in before}
    assert len(new) == 3 * len(report.swapped)  # window, gamma, beta
    for parameter in new.values():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    for row in report.swapped:
        funnel = model.get_submodule(row.name)
        assert isinstance(funnel, FReLU)
        assert funnel.conv.in_channels == row.shape[1]
        assert funnel.conv.weight.grad.abs().sum() > 0
    assert report.parameters_before + sum(p.numel() for p in new.values()) == parameter_count(model)
    assert report.parameters_after == parameter_count(model)


# --- one trap each ------------------------------------------------------------------------------


class Shared(nn.Module):
    """One ReLU behind two convolutions with as many channels, and behind a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(4, 8), nn.Linear(8, 2)
        self.act = nn.ReLU(inplace=True)
        self.fail = False

    def forward(self, x):
        x = self.act(self.conv1(x))
        if self.fail:
            raise KeyError("in the middle of a forward")
        x = self.act(self.conv2(x))
        return self.fc2(self.act(self.fc1(x.mean((2, 3)))))

    def by_hand(self, x):
        """The same, without counting calls."""
        first, second, third = self.act
        x = second(self.conv2(first(self.conv1(x))))
        return self.fc2(third(self.fc1(x.mean((2, 3)))))


def swapped(model: nn.Module, *arguments, **settings) -> nn.Module:
    swap_activation(model, *arguments, **settings)
    return model


def test_one_module_behind_two_convolutions_becomes_two_funnels():
    model = Shared()
    report = swap_activation(model, "frelu", SMALL)
    assert [type(m) for m in model.act] == [FReLU, FReLU, nn.ReLU]
    assert model.act[0] is not model.act[1]
    assert [(r.name, r.place, r.behind, r.calls) for r in report.swapped] == [
        ("act.0", "act", "conv1", (1,)),
        ("act.1", "act", "conv2", (2,)),
    ]
    assert [(r.name, r.reason) for r in report.left] == [
        ("act.2", "its input is (N, 8), not (N, C, H, W): no window")
    ]
    assert torch.equal(model(SMALL), model.by_hand(SMALL))


def test_names_in_the_state_are_those_of_places_and_turns():
    new = set(swapped(Shared(), example=SMALL).state_dict()) - set(Shared().state_dict())
    assert {name.rsplit(".", 2)[0] for name in new if "conv" in name} == {"act.0", "act.1"}


def test_a_forward_that_failed_does_not_shift_the_next():
    model = swapped(Shared(), example=SMALL).eval()
    expected, model.fail = model.by_hand(SMALL), True
    with pytest.raises(KeyError):
        model(SMALL)
    model.fail = False
    assert torch.equal(model(SMALL), expected)


def test_the_turn_is_each_threads_own():
    model = swapped(Shared(), example=SMALL).eval()
    expected, inside, go = model.by_hand(SMALL), threading.Event(), threading.Event()

    def wait(module, inputs):
        if threading.current_thread() is other:
            inside.set()
            assert go.wait(20)

    answers = []
    other = threading.Thread(target=lambda: answers.append(model(SMALL)))
    model.conv2.register_forward_pre_hook(wait)
    other.start()
    assert inside.wait(20)  # the other has had its first call, and not its second
    answers.append(model(SMALL))
    go.set()
    other.join()
    assert len(answers) == 2
    assert all(torch.equal(answer, expected) for answer in answers)


@pytest.mark.parametrize("copy", [deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_counts_for_itself(copy):
    model = swapped(Shared(), example=SMALL).eval()
    twin = copy(model)
    model.act[0].bn.weight.data.fill_(3.0)
    model.act._turn.number = 1
    assert torch.equal(twin(SMALL), twin.by_hand(SMALL))
    assert not torch.equal(twin(SMALL), model(SMALL))
    twin.fail = True
    with pytest.raises(KeyError):
        twin(SMALL)
    twin.fail = False
    assert torch.equal(twin(SMALL), twin.by_hand(SMALL))


def test_compiled_and_exported_networks_take_the_same_turns():
    model = swapped(Shared(), example=SMALL).eval()
    expected = model.by_hand(SMALL)
    program = torch.export.export(model, (SMALL,), strict=False).module()
    torch.testing.assert_close(program(SMALL), expected)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    for _ in range(2):
        torch.testing.assert_close(compiled(SMALL), expected)


def test_checkpointing_a_whole_block_is_safe():
    model = swapped(Shared(), example=SMALL).eval()
    gradients = []
    for run in (model, lambda x: checkpoint(model, x, use_reentrant=False)):
        model.zero_grad()
        run(SMALL).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for plain, saved in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, saved)


class SomeTimes(nn.Module):
    """Leaves its second call out when told so."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.act = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.ReLU()
        self.short = False

    def forward(self, x):
        x = self.act(self.conv1(x))
        return x if self.short else self.act(self.conv2(x))


def test_another_number_of_calls_than_in_the_example_is_an_error():
    model = swapped(SomeTimes(), example=SMALL)
    model.short = True
    with pytest.raises(RuntimeError, match=r"act stands for 2 calls .* ended after call 1.*skip"):
        model(SMALL)
    model.short = False
    model(SMALL)


class Repeated(nn.Module):
    """One block, run several times with the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 4, 1), SomeTimes()
        self.block.conv1 = nn.Conv2d(4, 4, 1)
        self.times = 2

    def forward(self, x):
        x = self.stem(x)
        for _ in range(self.times):
            x = self.block(x)
        return x


def test_a_block_that_shares_its_weights_shares_its_funnels():
    model = Repeated()
    report = swap_activation(model, "frelu", SMALL)
    assert [row.behind for row in report.swapped] == ["block.conv1", "block.conv2"]
    assert [row.calls for row in report.swapped] == [(1, 3), (2, 4)]
    model.times = 5  # the block counts, not the network: another number of runs is no trouble
    model(SMALL)


def test_one_object_in_several_places_becomes_several():
    act = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 4, 1), act, nn.Conv2d(4, 5, 1), act)
    report = swap_activation(model, "frelu", SMALL)
    assert [(row.name, row.shape[1]) for row in report.swapped] == [("1", 4), ("3", 5)]
    assert model[1] is not model[3]
    model(SMALL)


def test_the_layer_before_is_found_through_all_that_is_between():
    between = (nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(), nn.Identity())
    model = nn.Sequential(nn.Conv2d(3, 4, 1), *between, nn.SiLU())
    assert [row.behind for row in swap_activation(model, "frelu", SMALL).swapped] == ["0", "0"]


def test_a_parent_in_two_places_is_swapped_once():
    block = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
    model = nn.Sequential(nn.Conv2d(3, 4, 1), block, block)
    assert [r.name for r in swap_activation(model, example=SMALL).swapped] == ["1.1"]
    assert model[1] is model[2]
    model(SMALL)


class ByAnotherRoad(nn.Module):
    """Calls its ReLU through a plain list: what stands under the name is not called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.unused = nn.Conv2d(3, 4, 1), nn.ReLU(), nn.SiLU()
        self.steps = [self.conv, self.act]

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        return x


def test_what_the_example_does_not_reach_by_its_name_is_left():
    model = ByAnotherRoad()
    report = swap_activation(model, "frelu", SMALL)
    assert [(r.name, r.reason) for r in report.left] == [
        ("act", "the example did not reach it"),
        ("unused", "the example did not reach it"),
    ]
    assert report.functions == {("", "relu"): 1}
    assert isinstance(model.act, nn.ReLU)


class Functional(nn.Module):
    """Every way to call an activation that is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
        self.inner = LeNet()

    def forward(self, x):
        x = self.block(x)
        x = F.relu(x) + torch.relu(x) + x.relu() + x.clone().relu_() + F.relu(x, inplace=False)
        x = F.softplus(x) + F.hardtanh(x)
        return self.inner(F.interpolate(F.silu(x)[:, :3], (32, 32)))


def test_functions_are_named_with_their_callers():
    report = swap_activation(Functional(), "frelu", SMALL)
    rarer = {("", "softplus"): 1, ("", "hardtanh"): 1}
    assert report.functions == {("", "relu"): 5, ("", "silu"): 1, ("inner", "relu"): 2} | rarer
    assert "relu, called by the network itself (5x), inner (2x)" in str(report)
    assert [row.name for row in report.swapped] == ["block.1", "inner.act1", "inner.act2"]


class InPlace(nn.Module):
    """Throws the result away, or reads the input again: both rest on work in place."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv, self.act, self.way = nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), way

    def forward(self, x):
        x = self.conv(x)
        y = self.act(x)
        ways = {"thrown away": lambda: x, "read again": lambda: y + x, "passed on": lambda: y * 2}
        return ways[self.way]()


@pytest.mark.parametrize("way", ["thrown away", "read again", "passed on"])
def test_in_place_work_that_others_rest_on_is_left(way):
    model = InPlace(way)
    before = model(SMALL)
    report = swap_activation(model, "mish", SMALL)
    if way == "passed on":
        assert not report.left
    else:
        assert "in place" in report.left[0].reason
        assert torch.equal(model(SMALL), before)
        assert model.act.inplace


class ChannelsMoved(nn.Module):
    """An activation on (N, H, W, C), where H and C are equal, behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 16, 1), nn.GELU()

    def forward(self, x):
        return self.act(torch.permute(self.conv(x), (0, 2, 3, 1))).permute(0, 3, 1, 2)


def test_channels_that_stand_last_are_seen_where_no_size_tells():
    model = ChannelsMoved()
    assert "channels stand last" in swap_activation(model, "frelu", SMALL).left[0].reason
    assert len(swap_activation(model, "mish", SMALL).swapped) == 1


class Generator(nn.Module):
    """A linear layer whose output becomes a map: its channels stand second."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.act = nn.Linear(3, 5 * 4 * 4), nn.ReLU()

    def forward(self, x):
        return self.act(self.fc(x.mean((2, 3))).view(-1, 5, 4, 4))


def test_a_linear_layer_that_makes_a_map():
    (row,) = swap_activation(Generator(), "frelu", SMALL).swapped
    assert (row.behind, row.shape[1]) == ("fc", 5)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_funnels_are_like_their_surroundings(dtype, memory_format):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3))
    model.to(dtype=dtype, memory_format=memory_format).train()
    model[2].eval()
    swap_activation(model, "frelu", SMALL)
    assert model[0].training
    assert not model[2].training
    assert not model[2].bn.training
    assert model[2].conv.weight.dtype == model[2].bn.running_mean.dtype == dtype
    x = SMALL.to(dtype=dtype, memory_format=memory_format)
    assert model(x).is_contiguous(memory_format=memory_format)
    between_channels = 1 if memory_format == torch.channels_last else 9
    assert model[2].conv.weight.stride(1) == between_channels
    assert all(p.requires_grad for p in model[2].parameters())


def test_new_parameters_learn_in_a_frozen_network():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()).requires_grad_(False)
    swap_activation(model, "frelu", SMALL)
    model(SMALL).sum().backward()
    assert model[0].weight.grad is None
    assert model[1].conv.weight.grad is not None


def test_a_network_on_the_meta_device():
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    assert swap_activation(model, "frelu", SMALL).swapped
    assert model[1].conv.weight.is_meta


class Noise(nn.Module):
    """Draws random numbers, in eval mode too."""

    def forward(self, x):
        return x + torch.rand_like(x)


def test_the_trace_leaves_no_trace():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), Noise()).train()
    model[1].eval()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before, generator = state(model), torch.get_rng_state()
    swap_activation(model, "frelu", SMALL, skip="2")
    assert is_same_state(model, before)
    assert torch.equal(torch.get_rng_state(), generator)
    assert [m.training for m in model] == [True, False, True, True]
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert vars(model[2]).keys() == vars(nn.ReLU()).keys()


def test_a_failed_trace_leaves_no_trace():
    model = LeNet().train()
    relu = model.act1
    with pytest.raises(ValueError, match=r"LeNet can't take .*\(2, 3, 64, 64\).*Give example="):
        swap_activation(model, "frelu", EXAMPLE)
    assert model.act1 is relu
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


# --- names and settings -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_name(name):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.ReLU6())
    report = swap_activation(model, name, SMALL)
    expected = make_activation(name, 4)
    assert type(model[1]) is type(expected)
    assert [p.shape for p in model[1].parameters()] == [p.shape for p in expected.parameters()]
    pointwise = not any(isinstance(m, nn.Conv2d | nn.BatchNorm2d) for m in expected.modules())
    assert len(report.swapped) == (2 if pointwise else 1)
    once = kinds(model)
    assert not swap_activation(model, name, SMALL).swapped
    assert kinds(model) == once
    model(SMALL)


def test_what_has_no_weights_is_shared_and_slopes_are_not():
    assert isinstance(swapped(Shared(), "mish", SMALL).act, type(make_activation("mish")))
    slopes = swapped(Shared(), "prelu", SMALL).act
    assert [slope.num_parameters for slope in slopes] == [4, 4, 1]


def test_an_activation_that_is_there_already_stays():
    model = LeNet("frelu")
    assert not swap_activation(model, "frelu", torch.zeros(1, 3, 32, 32)).swapped
    assert len(swap_activation(model, "frelu_1x1", torch.zeros(1, 3, 32, 32)).swapped) == 2
    assert model.act1.conv.kernel_size == (1, 1)


def test_back_again_gives_the_first_answers():
    model = network("resnet18").eval()
    before = model(EXAMPLE)
    swap_activation(model, "frelu", EXAMPLE)
    assert not torch.allclose(model(EXAMPLE), before)
    swap_activation(model, "relu", EXAMPLE)
    assert torch.equal(model(EXAMPLE), before)


def test_skip_takes_names_and_patterns():
    model = network("resnet18")
    report = swap_activation(model, example=EXAMPLE, skip=["relu", "layer1", "*.1.relu"])
    assert {row.name for row in report.left} == {
        "relu",
        "layer1.0.relu",
        *(f"layer{stage}.1.relu" for stage in range(1, 5)),
    }
    assert {row.reason for row in report.left} == {"skipped"}
    assert len(report.swapped) == 6


def test_calls_are_chosen_as_the_report_writes_them():
    report = swap_activation(network("resnet18"), example=EXAMPLE, only="layer*.relu#2")
    assert {row.calls for row in report.swapped} == {(2,)}
    assert len(report.swapped) == 8
    assert str(report.swapped[0]).startswith("layer1.0.relu#2: ReLU -> FReLU")
    assert len([row for row in report.left if row.reason == "skipped"]) == 9
    model = Shared()
    report = swap_activation(model, "mish", SMALL, skip="act#1")
    assert [type(m) for m in model.act] == [nn.ReLU, type(make_activation("mish"))]
    assert report.swapped[0].calls == (2, 3)
    with pytest.raises(ValueError, match="only: 'act#9' matches no activation"):
        swap_activation(Shared(), "mish", SMALL, only="act#9")


def test_nothing_skipped_may_be_written_as_none():
    assert len(swap_activation(Shared(), "mish", SMALL, skip=None).swapped) == 1


@pytest.mark.parametrize("pattern", ["layer9", "fc", "lay", ""])
def test_a_pattern_without_a_match_is_an_error(pattern):
    model = network("resnet18")
    with pytest.raises(ValueError, match=rf"'{pattern}' matches no activation.*layer1\.0\.relu"):
        swap_activation(model, example=EXAMPLE, skip=["layer1", pattern])
    assert isinstance(model.relu, nn.ReLU)


def test_an_arm_of_ones_own_that_needs_channels_may_fail_without_them():
    add_activation("own_depthwise", lambda channels: nn.Conv2d(channels, channels, 1))
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    assert len(swap_activation(net, "own_depthwise", SMALL).swapped) == 1
    assert net[1].in_channels == 8


def test_a_lazy_network_needs_an_example_and_stays_lazy_without():
    net = nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU())
    with pytest.raises(ValueError, match=r"lazy layers.*give example="):
        swap_activation(net, "frelu")
    assert isinstance(net[0], nn.LazyConv2d)
    assert len(swap_activation(net, "frelu", SMALL).swapped) == 1
    assert net[0].in_channels == 3


def test_without_an_example_the_first_convolution_says_the_channels():
    model = nn.Sequential(nn.Conv2d(5, 4, 3, stride=2), nn.ReLU())
    (row,) = swap_activation(model).swapped
    assert row.shape == (1, 4, 111, 111)
    with pytest.raises(ValueError, match=r"no Conv2d.*give example="):
        swap_activation(nn.Sequential(nn.Linear(3, 4), nn.ReLU()))


@pytest.mark.parametrize(
    ("model", "settings", "error"),
    [
        (nn.ReLU(), {}, "is an activation itself"),
        (FReLU(3), {}, "is an activation itself"),
        (LeNet(), {"name": "frelo"}, "Did you mean 'frelu'"),
        (LeNet(), {"example": torch.zeros(3, 32, 32)}, r"image\[None\]"),
        (LeNet(), {"example": "image.png"}, "example is a str"),
        (torch.jit.ScriptModule(), {}, "is compiled"),
        (torch.compile(LeNet(), backend="eager"), {}, "is compiled"),
    ],
)
def test_what_can_not_be_swapped_says_why(model, settings, error):
    with pytest.raises((ValueError, TypeError), match=error):
        swap_activation(model, **{"example": SMALL, **settings})


def test_bytes_are_an_example_too():
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    assert len(swap_activation(LeNet(), "frelu", images).swapped) == 2


def test_graph_modules_are_networks_too():
    graph = torch.fx.symbolic_trace(network("resnet18").eval())
    report = swap_activation(graph, "frelu", EXAMPLE[:1])
    assert len(report.swapped) == 17
    twin = network("resnet18").eval()
    swap_activation(twin, "frelu", EXAMPLE[:1])
    twin.load_state_dict(graph.state_dict())
    torch.testing.assert_close(graph(EXAMPLE), twin(EXAMPLE))


class WholeActivations(torch.fx.Tracer):
    """Sees activations from outside, as any layer."""

    def is_leaf_module(self, module, name):
        return isinstance(module, FReLU) or super().is_leaf_module(module, name)


def test_a_swapped_network_can_become_a_graph():
    model = swapped(Shared(), example=SMALL).eval()
    graph = torch.fx.GraphModule(model, WholeActivations().trace(model))
    assert torch.equal(graph(SMALL), model(SMALL))


def test_our_unet_becomes_the_one_with_funnels():
    model = swapped(UNet(2, width=2), example=torch.zeros(1, 3, 64, 64))
    funnels = UNet(2, "frelu", width=2)
    assert model.state_dict().keys() == funnels.state_dict().keys()
    assert parameter_count(model) == parameter_count(funnels)


def test_initialise_draws_what_both_have_alike():
    relu, frelu = (initialise(m, seed=3) for m in (Shared(), swapped(Shared(), example=SMALL)))
    assert is_same_state(frelu, relu.state_dict())
    again = initialise(swapped(Shared(), example=SMALL), seed=3)
    assert is_same_state(again, frelu.state_dict())


def test_the_report_says_what_was_done():
    text = str(swap_activation(network("resnet18"), "frelu", EXAMPLE, skip="layer4"))
    assert text.startswith("ResNet: 13 new frelu, 2 left, 0 called as functions\n")
    assert "layer1.0.relu#2: ReLU -> FReLU, 64x16x16, behind layer1.0.bn2" in text
    assert "... and 5 more" in text
    assert "skipped:\n    ReLU: layer4.0.relu, layer4.1.relu" in text
    assert "out of reach" not in text


def test_turns_have_a_name_in_the_printed_network():
    assert "CallByCall" in repr(swapped(Shared(), example=SMALL))
    assert isinstance(swapped(Shared(), example=SMALL).act, CallByCall)


def test_features_can_be_taken_from_a_swapped_network():
    models = import_torchvision().models
    feature_extraction = importlib.import_module("torchvision.models.feature_extraction")
    network, image = models.resnet18(weights=None).eval(), torch.randn(1, 3, 64, 64)
    swap_activation(network, "frelu", image)
    features = feature_extraction.create_feature_extractor(network, {"layer1": "one"})(image)["one"]
    stem = network.maxpool(network.relu(network.bn1(network.conv1(image))))
    assert torch.allclose(features, network.layer1(stem), atol=1e-5)


class Attention(nn.Module):
    """Tokens in four axes, as in EfficientViT: (N, heads, pixels, features)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.act, self.proj = nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1)
        self.after, self.conv, self.last = nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()

    def forward(self, x):
        tokens = self.act(self.qkv(x).reshape(2, 2, 4, -1).transpose(2, 3))
        mixed = tokens @ (tokens.transpose(2, 3) @ tokens)
        x = self.after(self.proj(mixed.transpose(2, 3).reshape(2, 8, 16, 16)))
        return self.last(self.conv(x))


def test_behind_a_shortcut_with_a_layer_the_main_path_counts():
    report = swap_activation(network("resnet18"), example=EXAMPLE, only="layer2.0.relu#2")
    assert report.swapped[0].behind == "layer2.0.bn2"


def test_no_window_where_no_image_is():
    report = swap_activation(Attention(), "frelu", SMALL)
    assert [row.name for row in report.swapped] == ["last"]
    assert [row.name for row in report.left] == ["act", "after"]
    assert "no image there" in report.left[0].reason
    assert len(swap_activation(Attention(), "mish", SMALL).swapped) == 3


class Wired(nn.Module):
    """One activation behind two convolutions, wired as it is told."""

    def __init__(self, forward) -> None:
        super().__init__()
        self.a, self.b, self.act = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.ReLU()
        self.wiring = forward

    def forward(self, x):
        return self.wiring(self, x)


def shuffled(self, x):
    y = self.act(self.a(x))
    y = y.view(2, 2, 2, 16, 16).transpose(1, 2).reshape(2, 4, 16, 16)
    return self.act(self.b(y))


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: (y := self.act(self.a(x)), self.act(y + self.b(y)))[1],
        lambda self, x: (y := self.act(self.a(x)), self.act(self.b(y) + y))[1],
        shuffled,
    ],
    ids=["shortcut first", "shortcut last", "channels shuffled"],
)
def test_of_several_tensors_the_layer_without_an_activation_counts(forward):
    report = swap_activation(Wired(forward), "frelu", SMALL)
    assert [(row.name, row.behind) for row in report.swapped] == [("act.0", "a"), ("act.1", "b")]


def in_place(x):
    x = x.clone()
    x[x < 0] = 0
    return x


def leaky_in_place(x):
    x[x < 0] *= 0.1
    return x


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x.pow(3))))


COMPILED, SCRIPTED = torch.compile(gelu_tanh), torch.jit.script(gelu_tanh)
EXPRESSIONS = {
    "maximum": (lambda x: torch.maximum(x, torch.zeros_like(x)), "relu"),
    "max": (lambda x: torch.max(torch.zeros(1), x), "relu"),
    "where": (lambda x: torch.where(x > 0, x, 0), "relu"),
    "masked_fill": (lambda x: x.masked_fill(x < 0, 0), "relu"),
    "masked_fill_": (lambda x: x.masked_fill_(x < 0, 0), "relu"),
    "setitem": (in_place, "relu"),
    "mask": (lambda x: x * (x > 0), "relu"),
    "mask in bfloat16": (lambda x: ((y := x.bfloat16()) * (y > 0).to(y.dtype)).float(), "relu"),
    "absolute": (lambda x: (x + x.abs()) / 2, "relu"),
    "clamp": (lambda x: x.clamp(min=0), "relu"),
    "clamp_min": (lambda x: x.clamp_min(0), "relu"),
    "leaky": (lambda x: torch.max(x, 0.1 * x), "an activation"),
    "leaky setitem": (leaky_in_place, "an activation"),
    "elu": (lambda x: torch.where(x > 0, x, x.exp() - 1), "elu"),
    "silu": (lambda x: x * torch.sigmoid(x), "silu"),
    "silu_": (lambda x: x.mul_(x.sigmoid()), "silu"),
    "quick gelu": (lambda x: torch.sigmoid(1.702 * x).mul(x), "gelu"),
    "gelu": (lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)), "gelu"),
    "gelu by tanh": (gelu_tanh, "gelu"),
    "hardswish": (lambda x: x * (x + 3).clamp(0, 6) / 6, "hardswish"),
    "softplus": (lambda x: torch.log1p(x.exp()), "softplus"),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_activations_written_as_expressions_are_reported(name):
    function, kind = EXPRESSIONS[name]
    report = swap_activation(Wired(lambda self, x: function(self.a(x))), "frelu", SMALL)
    assert report.functions == {("", f"{kind} (an expression)"): 1}


@pytest.mark.parametrize(
    "function",
    [
        lambda self, x: self.a(x) * torch.sigmoid(self.b(self.a(x))),  # a gate
        lambda self, x: self.a(x).clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3),  # GeM
        lambda self, x: self.a(x).clamp(0, 800),  # a box that is cut at the image's side
        lambda self, x: F.normalize(self.a(x)).softmax(1),
        lambda self, x: (y := self.a(x)).exp() + y.square() + y.abs(),
        lambda self, x: torch.maximum((y := self.a(x))[..., :2], y.mean((2, 3), keepdim=True)),
        lambda self, x: torch.tanh(self.a(x)),  # an output
        lambda self, x: torch.tanh(y := self.a(x)) + y,
    ],
)
def test_what_bends_and_is_no_activation_is_not_reported(function):
    assert not swap_activation(Wired(function), "frelu", SMALL).functions


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: F.threshold(x, 0.0, 0.0), "threshold"),
        (F.logsigmoid, "log_sigmoid"),
        (lambda x: F.glu(torch.cat([x, x], 1), 1), "glu"),
        (F.softshrink, "softshrink"),
        (torch.ops.aten.relu.default, "relu"),
        (torch.ops.aten.silu_, "silu"),
        (COMPILED, "gelu (an expression)"),
        (SCRIPTED, "gelu (an expression)"),
    ],
)
def test_rarer_functions_are_reported(function, name):
    report = swap_activation(Wired(lambda self, x: function(self.a(x))), "frelu", SMALL)
    assert report.functions == {("", name): 1}


def test_a_network_that_chooses_by_what_it_sees_is_traced():
    halved = Wired(lambda self, x: torch.cond(x.sum() > 0, torch.sin, torch.cos, (self.a(x),)))
    assert not swap_activation(halved, "frelu", SMALL).functions


def test_mish_of_two_functions_and_a_maximum_of_two_maps_are_reported():
    mish = Wired(lambda self, x: (y := self.a(x)) * torch.tanh(F.softplus(y)))
    functions = {("", "softplus"): 1, ("", "mish (an expression)"): 1}
    assert swap_activation(mish, "frelu", SMALL).functions == functions
    wired = Wired(lambda self, x: torch.maximum(F.relu(y := self.a(x)), F.relu(self.b(y))))
    functions = {("", "relu"): 2, ("", "maximum of two maps (an expression)"): 1}
    assert swap_activation(wired, "frelu", SMALL).functions == functions


@pytest.mark.parametrize("gate", [torch.tanh, torch.sigmoid])
def test_a_gates_function_between_layers_is_an_activation(gate):
    between = Wired(lambda self, x: self.b(F.max_pool2d(gate(self.a(x)), 2)))
    assert swap_activation(between, "frelu", SMALL).functions == {("", gate.__name__): 1}


@pytest.mark.parametrize("part", [COMPILED, SCRIPTED])
def test_the_layer_behind_compiled_and_scripted_functions_stays_known(part):
    wired = Wired(lambda self, x: self.act(part(self.b(part(self.act(self.a(x)))))))
    rows = swap_activation(wired, "frelu", SMALL).swapped
    assert [(row.name, row.behind) for row in rows] == [("act.0", "a"), ("act.1", "b")]


def test_what_layers_alone_read_is_an_activation_and_a_gate_stays():
    class Bounded(nn.Module):
        def __init__(self):
            super().__init__()
            self.before = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.MaxPool2d(2))
            self.a, self.sigmoid, self.b = nn.Conv2d(4, 4, 3), nn.Sigmoid(), nn.Conv2d(8, 4, 1)
            self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Sigmoid())
            self.out = nn.Tanh()

        def forward(self, x):
            x = self.sigmoid(self.a(self.before(x)))
            x = self.b(torch.cat([x, x], 1))
            return self.out((x * self.squeeze(x)).mean((2, 3)))

    report = swap_activation(Bounded(), "frelu", SMALL)
    assert [(row.name, row.behind) for row in report.swapped] == [
        ("before.1", "before.0"),
        ("sigmoid", "a"),
    ]
    gate = "a gate or an output, no activation"
    assert {row.name: row.reason for row in report.left} == {"squeeze.2": gate, "out": gate}


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: self.b(x * self.act(self.a(x))),
        lambda self, x: self.b((y := self.act(self.a(x))) + 1) * y,
        lambda self, x: self.b(F.conv2d(x, self.act(self.a(x))[:1, :3])),
        lambda self, x: (self.b(y := self.act(self.a(x))), y),
    ],
    ids=["multiplies the input", "multiplies a layer's output", "makes a filter", "leaves"],
)
def test_what_something_else_reads_too_is_left(forward):
    wired = Wired(forward)
    wired.a, wired.act, wired.b = nn.Conv2d(3, 3, 1), nn.Tanh(), nn.LazyConv2d(3, 1)
    report = swap_activation(wired, "frelu", SMALL)
    assert [row.name for row in report.left] == ["act"]
    assert len(swap_activation(wired, "frelu", SMALL, also=nn.Tanh).swapped) == 1


def test_videos_signals_and_several_inputs():
    video = nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU())
    example = torch.zeros(1, 3, 8, 8, 8)
    assert "not (N, C, H, W)" in swap_activation(video, "frelu", example).left[0].reason
    assert len(swap_activation(video, "mish", example).swapped) == 1
    signal = nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU())
    assert len(swap_activation(signal, "mish", torch.zeros(1, 3, 8)).swapped) == 1

    class Two(Wired):
        def forward(self, x, index):
            return self.act(self.a(x))[:, index]

    def two():
        return Two(None).double()

    index = torch.tensor([1, 2])
    assert len(swap_activation(two(), "frelu", (SMALL, index)).swapped) == 1
    assert len(swap_activation(two(), "frelu", {"index": index, "x": SMALL}).swapped) == 1


def test_a_wrapper_names_the_network_inside():
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = LeNet()

        def __call__(self, source):
            return source

    with pytest.raises(TypeError, match=r"Wrapper is a wrapper .* give its \.model"):
        swap_activation(Wrapper(), "frelu", SMALL)


def test_a_scripted_part_stays_and_the_rest_is_swapped():
    part = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), torch.jit.script(part), nn.SiLU())
    report = swap_activation(model, "frelu", SMALL)
    assert [(row.name, row.behind) for row in report.swapped] == [("1", "0"), ("3", "")]
    assert [(row.name, row.reason) for row in report.left] == [
        ("2", "compiled, and nothing in it can be replaced")
    ]


def test_a_swap_under_autocast_or_inference_mode_trains_in_float32():
    for mode in (torch.autocast("cpu", torch.bfloat16), torch.inference_mode()):
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
        with mode:
            swap_activation(model, "frelu", SMALL)
        assert model[1].conv.weight.dtype == torch.float32
        model(SMALL.clone()).square().sum().backward()
        assert model[1].conv.weight.grad is not None


def test_a_second_name_and_lost_hooks_are_said():
    model = Wired(lambda self, x: self.act(self.a(x)))
    model.alias = model.act
    model.act.register_forward_hook(lambda *_: None)
    report = swap_activation(model, "frelu", SMALL)
    assert report.left[0].reason == "the same module as act, and called by that name"
    assert "1 hook(s) of the old one are gone" in str(report)
