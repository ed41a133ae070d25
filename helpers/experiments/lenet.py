"""A run of article A's task: LeNet on CIFAR-10, always on the CPU, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from ..datasets import Cifar10, load_cifar10
from ..files import fingerprint
from ..nn.networks import LeNet, initialise
from ..training.prediction import Part, evaluate, predict
from ..training.recipes import Recipe
from ..training.side_by_side import fit_together
from .run import Measured, Record, Run, check_source, rounded

CPU = torch.device("cpu")
WINDOW_STEPS = 2000
"""As article A prints its loss."""

ARTICLE_BATCH = 4
"""The test batches on which article A's BatchNorm took its statistics."""

KNOWN_DATA = {"ddd5fede3a19c3c5": "CIFAR-10, 99.85 % of the images bit-exact"}
"""What is known of a copy of the data, by its fingerprint."""


@cache
def _data() -> tuple[Cifar10, Record]:
    """The data, once per process, and which copy of it this is."""
    data = load_cifar10()
    arrays = [tensor for part in (data.train, data.test) for tensor in (part.images, part.labels)]
    mark = fingerprint(arrays)
    return data, {"name": KNOWN_DATA.get(mark, data.source), "fingerprint": mark}


def measure_lenet(runs: Sequence[Run]) -> list[Measured]:
    """What each run measured, the weights where they are to be kept; the runs differ in their seed.

    Raises ValueError where this machine has other data than the runs ask for.
    """
    (first, *_), (data, copy) = runs, _data()
    check_source(first, data.source)
    train, test = data.train.first(first.train), data.test.first(first.test)
    models = [first_lenet(run) for run in runs]
    done = fit_together(models, train, first.recipe, [run.seed for run in runs])
    result = {
        "device": "cpu",
        "dtype": "float32",
        "seconds": round(done.seconds / len(runs), 2),
        "steps": len(done.losses),
        "ended": "finished",
        "measured_on": {**copy, "train": len(train), "test": len(test)},
    }
    found: list[Measured] = []
    for number, (run, model) in enumerate(zip(runs, models, strict=True)):
        if step := done.first_bad_step(number):
            error = f"FloatingPointError: the loss is not finite from step {step} on."
            found.append(({"error": error}, {}))
        else:
            scores = {"metrics": lenet_metrics(model.eval(), test, run.recipe)}
            found.append((result | _curve(done.losses[:, number]) | scores, _files(run, model)))
    return found


def _curve(losses: Tensor) -> Record:
    means = [window.mean().item() for window in losses.double().split(WINDOW_STEPS)]
    return {"curve": {"window_steps": WINDOW_STEPS, "loss": [round(mean, 5) for mean in means]}}


def first_lenet(run: Run) -> LeNet:
    """The run's network with its first weights."""
    wide = {} if run.width is None else {"conv2_channels": run.width}
    model = LeNet(run.activation, **wide)
    initialise(model, run.seed)
    return model


def lenet_metrics(model: nn.Module, test: Part, recipe: Recipe) -> Record:
    """Accuracies (shares in 0..1), mean loss and accuracy per class on the test part.

    "accuracy_train_mode" is article A's: BatchNorm takes its statistics from test batches of 4.
    """
    seen = evaluate(model, test, recipe, CPU)
    as_article = predict(model, test.images, recipe, CPU, batch=ARTICLE_BATCH, train_mode=True)
    right = as_article.argmax(1) == test.labels
    per_class = seen.matrix.diagonal() / seen.matrix.sum(1)
    return {
        "accuracy": round(seen.score, 6),
        "accuracy_train_mode": round(right.double().mean().item(), 6),
        "loss": seen.loss,
        "per_class": rounded(per_class),
    }


def _files(run: Run, model: nn.Module) -> dict[str, bytes]:
    """The weights of one seed of each arm that article A's recipe trained."""
    if run.grid not in ("lenet-swap", "lenet-controls") or run.seed != 0:
        return {}
    from safetensors.torch import save

    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return {weights_name(run.arm): save(weights)}


def weights_name(arm: str) -> str:
    """Where the weights of an arm lie below the folder of results."""
    return f"weights/lenet-{arm}.safetensors"
