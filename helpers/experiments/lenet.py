"""A run of article A's task: LeNet on CIFAR-10, always on the CPU, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..datasets import Cifar10, load_cifar10
from ..nn.networks import LeNet, initialise
from ..training.loop import epoch_order
from ..training.prediction import Part, evaluate, predict
from ..training.recipes import Recipe
from ..training.side_by_side import fit_together
from .run import Measured, Record, Run, check_source, fingerprint, rounded

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
    found = []
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


class LossWindows:
    """The mean training loss of every 2,000 steps of `fit`, read off the network's logits.

    The labels follow from seed and epoch, as they do in training. Use it as a context around `fit`.
    Introduced in notebook 03.
    """

    STEPS = WINDOW_STEPS

    def __init__(self, model: nn.Module, labels: Tensor, recipe: Recipe, seed: int) -> None:
        self.model, self.labels, self.batch, self.seed = model, labels, recipe.batch, seed
        self.losses: list[float] = []
        self.due: list[Tensor] = []
        self.epoch = 0

    def __enter__(self) -> Self:
        self.hook = self.model.register_forward_hook(self._look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.hook.remove()

    def _look(self, model: nn.Module, _: object, logits: Tensor) -> None:
        if not model.training:
            return
        if not self.due:
            order = epoch_order(len(self.labels), self.seed, self.epoch)
            self.due = list(self.labels[order].split(self.batch))[::-1]
            self.epoch += 1
        labels = self.due.pop().long().to(logits.device)
        self.losses.append(F.cross_entropy(logits.detach().float(), labels).item())

    def means(self) -> list[float]:
        """One number per window; the last window may be shorter."""
        windows = torch.tensor(self.losses, dtype=torch.float64).split(self.STEPS)
        return [round(window.mean().item(), 5) for window in windows]
