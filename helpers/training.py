"""One training loop for both tasks: recipes as plain data, batches from memory, checkpoints."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler
from tqdm import tqdm

from .augmentation import augment
from .memory_format import memory_format_for
from .metrics import confusion_matrix, mean_iou
from .session import Profile, best_device, random_generator

UNKNOWN = -1
"""The label of pixels that nobody named: no loss, no score."""


class Part(Protocol):
    """What a network is trained or scored on: uint8 images (N, 3, H, W) and their labels.

    Labels are (N,) for classification and (N, H, W) for segmentation, UNKNOWN where nobody knows.
    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Recipe:
    """How to train, as plain data, so that a run can say all that was asked. Introduced in notebook
    03.

    mean, deviation: per channel, of images in 0..1. keep: "last", "least_loss" or "best_score", the
    epoch whose weights the network has in the end, by the validation part. patience: epochs without
    a lower training loss until training stops. threads: of the CPU; None leaves them as they are.
    """

    epochs: int
    batch: int
    optimiser: str
    learning_rate: float
    schedule: str = "constant"
    weight_decay: float = 0.0
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    deviation: tuple[float, float, float] = (0.5, 0.5, 0.5)
    blue_first: bool = False
    augmentation: bool = False
    unknown_dilutes: bool = False
    keep: str = "last"
    patience: int | None = None
    bf16: bool = False
    threads: int | None = None


def tutorial_recipe(profile: Profile) -> Recipe:
    """Article A's: SGD 1e-3 with momentum 0.9, images scaled to -1..1. Introduced in notebook 03.

    Batches of 4 are too small to share out: one thread is faster than two.
    """
    return Recipe(profile.lenet_epochs, profile.lenet_batch, "sgd", 1e-3, threads=1)


def article_unet_recipe(profile: Profile) -> Recipe:
    """Article B's: Adam with amsgrad, the rate cut on plateaus, the weights of the least validation
    loss.

    Images are BGR, divided by 255 and not standardised; unknown pixels give no loss, but count in
    its mean. Introduced in notebook 04.
    """
    return Recipe(
        profile.unet_epochs,
        profile.unet_batch,
        "adam_amsgrad",
        1e-3,
        schedule="plateau",
        mean=(0.0, 0.0, 0.0),
        deviation=(1.0, 1.0, 1.0),
        blue_first=True,
        unknown_dilutes=True,
        keep="least_loss",
        patience=5,
    )


def modern_unet_recipe(profile: Profile, short: bool = False, augmentation: bool = True) -> Recipe:
    """The fair protocol's: AdamW, one cycle to 3e-3, augmentation, the epoch chosen on validation
    mIoU.

    short: the net of few minutes. Means and deviations are ImageNet's usual ones. Introduced in
    notebook 04.
    """
    return Recipe(
        profile.unet_short_epochs if short else profile.unet_epochs,
        profile.unet_batch,
        "adamw",
        3e-3,
        schedule="one_cycle",
        weight_decay=1e-4,
        mean=(0.485, 0.456, 0.406),
        deviation=(0.229, 0.224, 0.225),
        augmentation=augmentation,
        keep="best_score",
        bf16=True,
    )


@dataclass
class History:
    """What happened, epoch by epoch. Losses are means over pixels or images; scores lie in 0..1.

    The score is accuracy for classification and mean IoU for segmentation, of the validation part;
    both lists stay empty without one. `ended` is "finished", "early" (patience) or "interrupted"
    (Ctrl-C).
    """

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_score: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    steps: int = 0
    kept_epoch: int | None = None
    ended: str = "unfinished"
    device: str = ""
    precision: str = ""

    @property
    def epochs(self) -> int:
        """How many epochs are finished."""
        return len(self.train_loss)

    def __str__(self) -> str:
        if not self.train_loss:
            return f"no epoch finished ({self.ended})"
        minutes, seconds = divmod(round(sum(self.seconds)), 60)
        kept = "" if self.kept_epoch is None else f"; weights of epoch {self.kept_epoch} kept"
        return (
            f"{self.epochs} epochs, {self.steps} steps in {minutes} min {seconds} s "
            f"on {self.device} ({self.precision}); "
            f"loss {self.train_loss[0]:.3f} -> {self.train_loss[-1]:.3f}{kept}"
        )


@dataclass(frozen=True)
class Evaluation:
    """Mean loss, score (accuracy or mean IoU, 0..1) and confusion matrix of one part."""

    loss: float
    score: float
    matrix: Tensor


def fit(
    model: nn.Module,
    train: Part,
    validation: Part | None,
    recipe: Recipe,
    seed: int = 0,
    device: torch.device | None = None,
    checkpoint: Path | None = None,
    progress: bool = True,
) -> History:
    """Train `model` in place and return what happened. Introduced in notebook 03.

    The seed fixes the order of images and the augmentation, each by a generator of its own. With
    `checkpoint`, the state is kept there after each epoch and an unfinished or finished run is
    taken up from it, with the result of an unbroken one. Ctrl-C ends training and leaves a usable
    network.

    Raises ValueError for a checkpoint of another network, recipe, seed or data, and for a recipe
    that has nothing to choose an epoch by; FloatingPointError, with epoch, step and learning rate,
    when the loss is not finite.
    """
    if validation is None and recipe.keep != "last":
        raise ValueError(f"keep='{recipe.keep}' chooses an epoch by a validation part: give one.")
    device = device or best_device()
    run = _Run(model.to(device), train, recipe, seed, device)
    if checkpoint is not None and checkpoint.exists():
        run.resume(checkpoint)
    with threads(recipe.threads), _bar(run, progress) as bar:
        try:
            while not run.is_over:
                run.epoch(validation, bar)
                if checkpoint is not None:
                    run.save(checkpoint)
        except KeyboardInterrupt:
            run.history.ended = "interrupted"
            print(
                f"Stopped by hand in epoch {run.history.epochs + 1}; "
                "the network keeps what it learnt."
            )
    return run.close()


class _Run:
    """A training under way: everything that changes while it goes on."""

    def __init__(
        self, model: nn.Module, train: Part, recipe: Recipe, seed: int, device: torch.device
    ) -> None:
        self.memory_format = memory_format_for(model, device)
        self.model = model.to(memory_format=self.memory_format)
        self.train, self.recipe, self.seed, self.device = train, recipe, seed, device
        self.steps_per_epoch = -(-len(train.labels) // recipe.batch)
        self.optimiser = make_optimiser(model, recipe)
        self.scheduler = make_scheduler(self.optimiser, recipe, self.steps_per_epoch)
        self.history = History(device=str(device), precision=precision(recipe, device))
        self.kept: dict[str, Tensor] | None = None
        self.estimate = _Estimate()

    @property
    def asked(self) -> dict[str, object]:
        """What a checkpoint must agree in before it is taken up."""
        data = [*self.train.images.shape, int(self.train.labels.sum())]
        asked = {"network": repr(self.model), "seed": self.seed, "data": data}
        return asked | _plain(asdict(self.recipe))

    @property
    def is_over(self) -> bool:
        return self.history.ended == "early" or self.history.epochs >= self.recipe.epochs

    def epoch(self, validation: Part | None, bar: tqdm) -> None:
        """One pass over the training part, then a look at the validation part."""
        begin, history = time.perf_counter(), self.history
        rate = self.optimiser.param_groups[0]["lr"]
        loss = self._pass(bar)
        if validation is not None:
            seen = evaluate(self.model, validation, self.recipe, self.device)
            history.validation_loss.append(seen.loss)
            history.validation_score.append(seen.score)
        history.steps += self.steps_per_epoch
        history.train_loss.append(loss)
        history.learning_rate.append(rate)
        history.seconds.append(time.perf_counter() - begin)
        if self.recipe.schedule == "plateau":
            self.scheduler.step(loss)
        self._keep_if_best()
        if _stalled(history.train_loss, self.recipe.patience):
            history.ended = "early"

    def _pass(self, bar: tqdm) -> float:
        self.model.train()
        epoch, total, count = self.history.epochs, 0.0, 0
        order = epoch_order(len(self.train.labels), self.seed, epoch)
        changes = random_generator(self.seed, f"augmentation/{epoch}")
        for step, chosen in enumerate(order.split(self.recipe.batch), 1):
            images, labels = self.train.images[chosen], self.train.labels[chosen]
            loss = self._step(images, labels.long(), changes)
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"The loss is {loss} in epoch {epoch + 1}, step {step}, at learning rate "
                    f"{self.optimiser.param_groups[0]['lr']:.2g}: lower the rate, "
                    "or look at the images and labels."
                )
            total, count = total + loss * len(chosen), count + len(chosen)
            bar.set_postfix_str(f"loss {total / count:.3f}", refresh=False)
            bar.update()
            self.estimate.look(bar)
        return total / count

    def _step(self, images: Tensor, labels: Tensor, changes: torch.Generator) -> float:
        images, labels = images.to(self.device), labels.to(self.device)
        images = images.float() / 255
        if self.recipe.augmentation:
            images, labels = augment(images, labels, changes)
        images = standardise(images, self.recipe).contiguous(memory_format=self.memory_format)
        with _autocast(self.recipe, self.device):
            loss = _loss(self.model(images), labels, self.recipe)
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.recipe.schedule == "one_cycle":
            self.scheduler.step()
        return loss.item()

    def _keep_if_best(self) -> None:
        history, keep = self.history, self.recipe.keep
        marks = {
            "least_loss": [-loss for loss in history.validation_loss],
            "best_score": history.validation_score,
        }.get(keep)
        if marks is not None and marks[-1] > max(marks[:-1], default=-np.inf):
            history.kept_epoch = history.epochs
            self.kept = deepcopy(self.model.state_dict())

    def save(self, path: Path) -> None:
        state = {
            "asked": self.asked,
            "model": self.model.state_dict(),
            "kept": self.kept,
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "history": asdict(self.history),
        }
        save_atomically(state, path)

    def resume(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        differing = [key for key, value in self.asked.items() if state["asked"].get(key) != value]
        if differing:
            raise ValueError(
                f"The checkpoint {path.name} was made with another {', '.join(differing)}: "
                "choose another name, or delete it to train anew."
            )
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.history, self.kept = History(**state["history"]), state["kept"]

    def close(self) -> History:
        """Give the network the weights to keep, and say how it ended."""
        if self.history.ended == "unfinished":
            self.history.ended = "finished"
        if self.kept is not None:
            self.model.load_state_dict(self.kept)
        self.model.eval()
        return self.history


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of `count` images in an epoch (from 0): the same for every arm of a seed."""
    return torch.randperm(count, generator=random_generator(seed, f"order/{epoch}"))


def predict(
    model: nn.Module,
    images: Tensor,
    recipe: Recipe,
    device: torch.device | None = None,
    batch: int = 64,
    train_mode: bool = False,
) -> Tensor:
    """Logits, float32 on the CPU, of uint8 images (N, 3, H, W). The network is left as it was.

    train_mode: BatchNorm takes its mean and variance from each batch, as article A had it; the
    batch size then changes the answer. Introduced in notebook 03.
    """
    device = device or best_device()
    model = (
        deepcopy(model).to(device).train(train_mode)
    )  # a copy: train mode moves running statistics
    memory_format, parts = memory_format_for(model, device), []
    with torch.inference_mode(), threads(recipe.threads if batch <= recipe.batch else None):
        for chosen in images.split(batch):
            ready = standardise(chosen.to(device).float() / 255, recipe)
            with _autocast(recipe, device):
                parts.append(model(ready.contiguous(memory_format=memory_format)).float().cpu())
    return torch.cat(parts)


def evaluate(
    model: nn.Module, part: Part, recipe: Recipe, device: torch.device | None = None
) -> Evaluation:
    """Loss, score and confusion matrix of a part at its own size. Introduced in notebook 03."""
    logits = predict(model, part.images, recipe, device, batch=max(recipe.batch, 16))
    labels = part.labels.long()
    loss = _loss(logits, labels, recipe).item()
    matrix = confusion_matrix(
        logits.argmax(1), labels, classes=logits.shape[1], ignore_index=UNKNOWN
    )
    score = (
        mean_iou(matrix) if labels.dim() == 3 else (matrix.diagonal().sum() / matrix.sum()).item()
    )
    return Evaluation(loss, float(score), matrix)


def standardise(images: Tensor, recipe: Recipe) -> Tensor:
    """Images in 0..1, (N, 3, H, W), in the recipe's channel order, with its mean and deviation."""
    if recipe.blue_first:
        images = images.flip(1)
    mean = images.new_tensor(recipe.mean).view(1, -1, 1, 1)
    deviation = images.new_tensor(recipe.deviation).view(1, -1, 1, 1)
    return (images - mean) / deviation


def precision(recipe: Recipe, device: torch.device) -> str:
    """What is computed in: "bfloat16 autocast" where asked for and gained from, else "float32"."""
    if not recipe.bf16:
        return "float32"
    if device.type == "cuda":
        gains = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # younger than torch 2.11
        gains = device.type == "cpu" and any(capabilities.get(unit) for unit in _BF16_UNITS)
    return "bfloat16 autocast" if gains else "float32"


_BF16_UNITS = ("avx512_bf16", "amx_bf16", "bf16")


def save_atomically(state: dict[str, object], path: Path) -> None:
    """Write a checkpoint: nobody ever reads half of one."""
    with whole(path) as part:
        torch.save(state, part)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; what was written there is moved to `path` in the end.

    When writing fails, `path` is as it was and nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_weights(model: nn.Module, path: Path) -> History:
    """Give `model` the weights that a checkpoint of `fit` keeps, and return that run's history.

    Raises FileNotFoundError with what to do, and RuntimeError from torch where the layers differ.
    Introduced in notebook 05.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"There is no checkpoint {path.name}: train the network first (notebook 04)."
        )
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["kept"] or state["model"])
    model.eval()
    return History(**state["history"])


_OPTIMISERS = {
    "sgd": lambda weights, recipe: torch.optim.SGD(
        weights, recipe.learning_rate, momentum=0.9, weight_decay=recipe.weight_decay, fused=True
    ),
    "adam_amsgrad": lambda weights, recipe: torch.optim.Adam(
        weights, recipe.learning_rate, eps=1e-7, amsgrad=True, fused=True
    ),
    "adamw": lambda weights, recipe: torch.optim.AdamW(
        weights, recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    ),
}


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser of all weights. Raises ValueError for a name that nobody knows."""
    if recipe.optimiser not in _OPTIMISERS:
        raise ValueError(
            f"No optimiser is called '{recipe.optimiser}'; known: {', '.join(_OPTIMISERS)}."
        )
    return _OPTIMISERS[recipe.optimiser](model.parameters(), recipe)


def make_scheduler(
    optimiser: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int
) -> lr_scheduler.LRScheduler:
    """The recipe's schedule: "one_cycle" moves by step, "plateau" by epoch, "constant" never.

    Raises ValueError for a name that nobody knows.
    """
    if recipe.schedule == "constant":
        return lr_scheduler.ConstantLR(optimiser, factor=1.0)
    if recipe.schedule == "one_cycle":
        steps = recipe.epochs * steps_per_epoch
        return lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=steps)
    if recipe.schedule == "plateau":  # Keras's ReduceLROnPlateau(factor=0.2, patience=3)
        return lr_scheduler.ReduceLROnPlateau(
            optimiser, factor=0.2, patience=2, threshold=1e-4, threshold_mode="abs"
        )
    raise ValueError(
        f"No schedule is called '{recipe.schedule}'; known: constant, one_cycle, plateau."
    )


def _loss(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Mean cross-entropy without unknown labels; article B divides by their number all the same."""
    if labels.dim() == 1:
        return F.cross_entropy(logits.float(), labels)
    total = F.cross_entropy(logits.float(), labels, ignore_index=UNKNOWN, reduction="sum")
    count = labels.numel() if recipe.unknown_dilutes else (labels != UNKNOWN).sum().clamp(min=1)
    return total / count


def _stalled(losses: list[float], patience: int | None) -> bool:
    """Keras's EarlyStopping: `patience` epochs have gone by since the least loss."""
    return patience is not None and len(losses) - 1 - int(np.argmin(losses)) >= patience


def _autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager:
    if precision(recipe, device) == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads of the CPU for a while; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _bar(run: _Run, progress: bool) -> tqdm:
    """A bar over all steps, so that the time left that it shows is the whole training's."""
    return tqdm(
        total=run.recipe.epochs * run.steps_per_epoch,
        initial=run.history.epochs * run.steps_per_epoch,
        unit="step",
        disable=run.is_over or not progress,
        mininterval=0.5,
        file=sys.stdout,  # notebooks paint what comes by stderr as if it were an error
    )


class _Estimate:
    """Tells the reader once what awaits, when that is over a minute.

    It judges by the pace of ten seconds, without the very first steps, which set things up.
    """

    SKIPPED, SECONDS = 5, 10.0

    def __init__(self) -> None:
        self.began = self.told = None

    def look(self, bar: tqdm) -> None:
        """Called after every step."""
        if self.told or bar.disable:
            return
        done, now = bar.n - bar.initial - self.SKIPPED, time.perf_counter()
        if done == 0:
            self.began = now
        if done <= 0 or now - self.began < self.SECONDS:
            return
        self.told = True
        minutes = (now - self.began) / done * (bar.total - bar.n) / 60
        if minutes > 1:
            bar.write(f"At this pace, training takes about {minutes:.0f} more minutes.")


def _plain(settings: dict[str, object]) -> dict[str, object]:
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()
    }
