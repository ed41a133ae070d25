"""The exercises: references are right, stubs aren't done, each known mistake gets its hint."""

from __future__ import annotations

import ast
import inspect
import os
import random
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import rcParams
from torch import nn
from torch.nn import functional as F

import helpers
from helpers import exercises
from helpers.datasets.resize import resize_nearest
from helpers.exercises import EXERCISES

NAMES = pytest.mark.parametrize("name", EXERCISES)
MISTAKES = [(name, mistake) for name, one in EXERCISES.items() for mistake in one.mistakes]


def stub_of(name):
    space = {"nn": nn}
    exec(EXERCISES[name].stub, space)  # the series' own words
    return next(value for key, value in space.items() if key.startswith(("my_", "My")))


@NAMES
def test_the_reference_is_right(name):
    one = EXERCISES[name]
    mine = one.reference() if name == "read_intervals" else one.reference
    assert one(mine).right


@NAMES
def test_the_stub_is_not_done_yet(name):
    answer = EXERCISES[name](stub_of(name))
    assert (answer.right, answer.mistake) == (False, "not done yet")
    assert answer.exercise == name


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=lambda x: getattr(x, "word", x))
def test_each_known_mistake_gets_its_own_hint(name, mistake):
    answers = [EXERCISES[name](mistake.made) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0].right, answers[0].mistake) == (False, mistake.word)
    assert answers[0].hint == mistake.hint
    assert name in repr(answers[0])
    assert mistake.hint.split("'")[0][:20] in answers[0]._repr_html_()


class Odd:
    """Raises from everything that one may ask of it."""

    def __array__(self, *_):
        raise KeyError

    def __str__(self):
        raise KeyError

    __eq__ = __len__ = __repr__ = __str__
    __hash__ = None


class OddError(BaseException):
    def __str__(self):
        raise KeyError


def raise_odd(*_):
    raise OddError


class Surprise(nn.Module):
    def __init__(self, *_):
        super().__init__()
        raise KeyError("surprise")


GARBAGE = {
    "a number": 7,
    "words": "max(x, T(x))",
    "no argument": lambda: 1,
    "an error": Surprise,
    "an error that can't be shown": raise_odd,
    "an odd object": lambda *_: Odd(),
    "complex": lambda *_: 1j,
    "a generator": lambda *_: (n for n in range(3)),
    "leaves": lambda *_: exit(3),
    "deep": lambda *case: deep(*case),
    "infinite": lambda *_: float("inf"),
    "an object": lambda *_: object(),
    "leaves when converted": lambda *_: Leaving(),
    "words that raise": lambda *_: Raising("x"),
    "words equal to all": lambda *_: Equal("x"),
    "nothing but a shape": lambda *_: torch.ones(3, device="meta"),
    "a wrong shape": lambda *_: torch.zeros(3, 1, 2),
    "overwrites": lambda *case: [part.fill_(0) for part in case if hasattr(part, "fill_")],
}


def deep(*case):
    return deep(*case)


class Raising(str):
    __hash__ = str.__hash__

    def __eq__(self, _):
        raise KeyError

    def __add__(self, _):
        raise KeyError


class Equal(str):
    __hash__ = str.__hash__

    def __eq__(self, _):
        return True


class Leaving:
    def __array__(self, *_, **__):
        raise SystemExit


def settings():
    return (
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        Path.cwd(),
        rcParams["lines.linewidth"],
        random.getstate(),
        str(np.random.get_state()),  # noqa: NPY002
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda *_: torch.set_default_dtype(torch.float64),
        lambda *_: torch.set_grad_enabled(False),
        lambda *_: torch.set_num_threads(torch.get_num_threads() + 1),
        lambda *_: torch.use_deterministic_algorithms(True),
        lambda *_: os.chdir("/"),
        lambda *_: rcParams.update({"lines.linewidth": 9}),
        lambda *_: random.seed(7),
        lambda *_: np.random.seed(7),  # noqa: NPY002
    ],
)
def test_what_an_answer_sets_for_the_process_is_set_back(change):
    before = settings()
    exercises.standard_error(change)
    assert settings() == before


@NAMES
@pytest.mark.parametrize("made", GARBAGE.values(), ids=GARBAGE)
def test_nothing_that_a_reader_passes_raises(name, made):
    answer = EXERCISES[name](made)
    assert not answer.right
    assert answer.hint
    assert answer._repr_html_()


def test_a_wrong_object_is_shown_with_its_smallest_case():
    answer = exercises.mish(lambda x: 0.9 * x)
    assert answer.mistake == "other"
    assert "case: three numbers" in answer.details
    assert "yours" in answer.details
    assert "right" in answer.details


def test_an_error_is_shown_with_its_line():
    def stops(x):
        return x + nowhere  # noqa: F821

    answer = exercises.mish(stops)
    assert answer.hint == "It stops with an error:"
    assert "NameError: name 'nowhere' is not defined" in answer.details
    assert "return x + nowhere" in answer.details


def test_a_loop_that_never_ends_is_stopped_even_where_it_catches_every_exception(monkeypatch):
    def endless(x):
        while True:
            try:
                while True:
                    x = x + 1
            except Exception:
                x = 0

    monkeypatch.setattr("helpers.exercises.exercise.SECONDS", 0.1)
    answer = exercises.mish(endless)
    assert answer.mistake == "other"
    assert "TooLong: it ran for more than 0.1 s: does a loop never end?" in answer.details
    assert "exercise.TooLong" not in answer.details


def test_a_pair_of_channels_in_the_wrong_order_is_no_second_funnel():
    wrong = nn.Sequential(nn.Conv2d(3, 6, 5), helpers.FReLU(16), nn.MaxPool2d(2))
    assert exercises.swap(lambda: wrong).mistake == "a FReLU has the wrong channel count"


@pytest.mark.parametrize("padding", [0, 2, 4])
def test_any_padding_that_changes_the_size_gets_that_hint(padding):
    def folded(x, weight, bias):
        return torch.maximum(
            x, F.conv2d(x, weight, bias, padding=padding + weight.shape[-1], groups=x.shape[1])
        )

    assert exercises.folded_frelu(folded).mistake == "T(x) has another size"


@pytest.mark.parametrize("name", ["small_maps", "read_intervals"])
def test_an_answer_of_nothing_is_not_done_yet(name):
    assert EXERCISES[name](lambda *_: None).mistake == "not done yet"


def test_maps_that_differ_are_drawn():
    (sum_,) = [m.made for m in exercises.frelu.mistakes if m.word == "a sum, not a maximum"]
    answer = exercises.frelu(sum_)
    assert answer.picture.startswith("data:image/png;base64,")
    assert answer.picture in answer._repr_html_()
    assert not exercises.mish(lambda x: x).picture


def test_the_references_are_the_series_own():
    x = torch.linspace(-9, 9, 50)
    assert torch.allclose(exercises.mish.reference(x), F.mish(x), atol=1e-6)
    mine, theirs = exercises.frelu.reference(3), helpers.FReLU(3)
    theirs.load_state_dict(mine.state_dict())
    picture = torch.randn(2, 3, 7, 5)
    assert torch.allclose(mine(picture), theirs(picture), atol=1e-6)
    draw = np.random.default_rng(0)
    truths, maps = draw.integers(-1, 4, (3, 8, 9)), draw.integers(0, 4, (3, 8, 9))
    article = helpers.per_image_iou(list(maps), list(truths), 4).mean
    assert exercises.article_iou.reference(truths, maps, 4) == pytest.approx(article)
    fair = helpers.mean_iou(helpers.confusion_matrix(maps, truths, 4))
    assert exercises.set_iou.reference(truths, maps, 4) == pytest.approx(fair)
    values, others = draw.normal(size=(2, 8))
    p = helpers.sign_flip_p(helpers.paired_differences(values, others))
    assert exercises.sign_flip.reference(values, others) == pytest.approx(p)
    labels = draw.integers(-1, 4, (7, 9))
    ours = exercises.resize_labels.reference(labels, 3, 5)
    np.testing.assert_array_equal(ours, resize_nearest(labels, (3, 5)))
    lenet = helpers.parameter_count(helpers.LeNet("frelu"))
    assert helpers.parameter_count(exercises.swap.reference()) == lenet


def test_each_notebook_has_its_exercises_and_they_take_their_time():
    for number in range(1, 9):
        of_notebook = [one for one in EXERCISES.values() if one.notebook == f"{number:02d}"]
        assert 3 <= len(of_notebook) <= 6
        assert all(1 <= one.minutes <= 20 for one in of_notebook)
        assert {one.difficulty for one in of_notebook} <= {"easy", "medium", "hard"}


def test_the_solution_is_the_references_source_folded():
    shown = exercises.solution("frelu").data
    assert "torch.maximum(x, self.bn(self.conv(x)))" in shown
    assert shown.startswith("<details>")
    with pytest.raises(ValueError, match="no exercise is called 'frelo'"):
        exercises.solution("frelo")
    with pytest.raises(ValueError, match="no exercise is called"):
        exercises.solution(exercises.mish)


def test_an_imaginary_part_is_not_dropped():
    reference = exercises.mish_slope.reference
    assert not exercises.mish_slope(lambda x: reference(x) + 1j).right


def test_checks_are_kept_for_grading(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNNEL_GRADES", str(tmp_path / "grades.jsonl"))
    exercises.mish(F.silu)
    (line,) = (tmp_path / "grades.jsonl").read_text().splitlines()
    assert '"mistake": "sigmoid as the gate"' in line


# --- mutations --------------------------------------------------------------------------------

OPERATORS = [ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Pow]
COMPARISONS = [ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq]


class Mutate(ast.NodeTransformer):
    """Changes the `at`-th operator, comparison, constant or order of arguments that it meets."""

    def __init__(self, at, draw):
        self.at, self.draw, self.seen = at, draw, 0

    def generic_visit(self, node):
        super().generic_visit(node)
        change = getattr(self, f"change_{type(node).__name__}", None)
        if change is None or not self.fits(node):
            return node
        self.seen += 1
        return change(node) if self.seen - 1 == self.at else node

    @staticmethod
    def fits(node):
        if isinstance(node, ast.Constant):
            return isinstance(node.value, (bool, int, float))
        return not isinstance(node, ast.Call) or len(node.args) > 1

    def change_BinOp(self, node):  # noqa: N802
        node.op = self.draw.choice([op for op in OPERATORS if not isinstance(node.op, op)])()
        return node

    def change_Compare(self, node):  # noqa: N802
        others = [op for op in COMPARISONS if not isinstance(node.ops[0], op)]
        node.ops[0] = self.draw.choice(others)()
        return node

    def change_Constant(self, node):  # noqa: N802
        if isinstance(node.value, bool):
            return ast.copy_location(ast.Constant(not node.value), node)
        return ast.copy_location(ast.Constant(node.value + self.draw.choice([-1, 1, 2])), node)

    def change_Call(self, node):  # noqa: N802
        node.args = node.args[::-1]
        return node


def mutants(one, count, seed):
    source = textwrap.dedent(inspect.getsource(one.reference))
    draw = random.Random(seed)
    places = Mutate(-1, draw)
    places.visit(ast.parse(source))
    space = vars(inspect.getmodule(one.reference))
    texts = set()
    for _ in range(count if places.seen else 0):
        tree = ast.parse(source)
        Mutate(draw.randrange(places.seen), draw).visit(tree)
        texts.add(ast.unparse(ast.fix_missing_locations(tree)))
    for text in sorted(texts):
        made = dict(space)
        try:
            exec(compile(text, "mutant", "exec"), made)  # a mutant of the series' own source
        except Exception:
            continue
        yield text, made[one.reference.__name__]


@NAMES
def test_no_mutant_is_called_right_unless_it_is_equal(name):
    one = EXERCISES[name]
    original = set(ast.unparse(ast.parse(one.solution)).splitlines())
    right = [text for text, made in mutants(one, 200, seed=0) if one(made).right]
    changed = {line.strip() for text in right for line in set(text.splitlines()) - original}
    assert not [line for line in changed if not any(ok in line for ok in EQUAL.get(name, ()))]


ORDER = "np.maximum(1, union)"
EQUAL: dict[str, tuple[str, ...]] = {
    "channels_by_relu": ("inputs[-1]",),
    "fold_batch_norm": ("conv.bias == None",),
    "frelu": ("padding=k // 3", "padding=k - 2", "torch.maximum(self.bn(self.conv(x)), x)"),
    "folded_frelu": ("weight.shape[-2]", "groups=x.shape[1]), x)"),
    "pixel": ("max((window * patch).sum().item(), x[row, column].item())",),
    "bisection": ("slope(middle) <= 0",),
    "article_iou": (ORDER, "np.maximum(union, 0)", "union != 0", "strict=False"),
    "iou": (ORDER, "np.maximum(union, 0)", "union != 0"),
    "set_iou": ("strict=False",),
    "gains": ("strict=False",),
    "sign_flip": ("np.subtract(others, values)", "np.mean(sums > abs"),
}
"""What is in a mutant's changed line where it computes the same."""
