"""One training loop for both tasks: batches from memory, checkpoints, early stopping."""

from __future__ import annotations

import math
import sys
import time
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from tqdm import tqdm

from ..files import fingerprint, write_atomically
from ..nn.memory_format import memory_format_for
from ..session import best_device, random_generator, threads
from .augmentation import augment
from .prediction import (
    UNKNOWN,
    Part,
    autocast,
    check_classes,
    check_part,
    evaluate,
    naming_lone_image,
    precision,
    predict,
    standardise,
    summed_loss,
)
from .recipes import Recipe, make_optimiser, make_scheduler

_TIME_LEFT_AFTER = 10.0
"""Seconds of training after which the time left is estimated."""


@dataclass
class History:
    """What happened, epoch by epoch. Losses are means over pixels or images; scores lie in 0..1.

    The score is accuracy for classification and mean IoU for segmentation, of the validation part;
    both lists stay empty without one. `step_loss` has one loss for each step of finished epochs.
    `ended` is "finished", "early" (patience) or "interrupted" (Ctrl-C).
    """

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_score: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    step_loss: list[float] = field(default_factory=list)
    kept_epoch: int | None = None
    ended: str = "unfinished"
    device: str = ""
    precision: str = ""

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return len(self.train_loss)

    @property
    def steps(self) -> int:
        """The number of steps in the finished epochs."""
        return len(self.step_loss)

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


def fit(
    model: nn.Module,
    train: Part,
    validation: Part | None,
    recipe: Recipe,
    seed: int = 0,
    device: torch.device | None = None,
    checkpoint: Path | str | None = None,
    progress: bool = True,
) -> History:
    """Train `model` in place and return what happened. Introduced in notebook 03.

    The seed fixes the order of images and the augmentation, each by a generator of its own. With
    `checkpoint`, the state is saved there after each epoch, and a run is resumed from it with the
    result of an unbroken one; a damaged file is renamed to NAME.damaged. Ctrl-C ends training and
    leaves a usable network.

    Raises ValueError for parts that are not what `Part` says, have no known label or labels that
    the network has no class for, for a batch of one image before BatchNorm, for a checkpoint of
    another network, recipe, seed or data, and for a recipe that needs a validation part without
    one; FloatingPointError, with epoch, step and learning rate, for a loss that is not finite.
    """
    if validation is None and recipe.keep != "last":
        raise ValueError(f"keep='{recipe.keep}' chooses an epoch by a validation part: give one.")
    for part in (train,) if validation is None else (train, validation):
        check_part(part)
        if (part.labels == UNKNOWN).all():
            raise ValueError("all labels of a part are unknown: there is nothing to learn from it")
    run = _Training(model, train, validation, recipe, seed, device or best_device())
    check_classes(train.labels, predict(model, train.images[:1], recipe, run.device))
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None:
        run.resume(path)
    with threads(recipe.threads), run.bar(progress) as bar:
        try:
            while not run.is_over:
                run.epoch(bar)
                if path is not None:
                    run.save(path)
        except KeyboardInterrupt:
            run.history.ended = "interrupted"
            print(
                f"Stopped by hand in epoch {run.history.epochs + 1}; "
                "the network keeps what it learnt."
            )
    return run.close()


@dataclass
class _Training:
    """Everything that changes while a network is trained, and the steps that change it."""

    model: nn.Module
    train: Part
    validation: Part | None
    recipe: Recipe
    seed: int
    device: torch.device
    identity: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Tensor] | None = None
    time_left_due: float = math.inf

    def __post_init__(self) -> None:
        self.memory_format = memory_format_for(self.model, self.device)
        # torch's types of `Module.to` lack memory_format
        self.model.to(self.device).to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.steps_per_epoch = -(-len(self.train.labels) // self.recipe.batch)
        self.optimiser = make_optimiser(self.model, self.recipe)
        self.scheduler = make_scheduler(self.optimiser, self.recipe, self.steps_per_epoch)
        numbers = precision(self.recipe, self.device)
        self.history = History(device=str(self.device), precision=numbers)

    @property
    def is_over(self) -> bool:
        return self.history.ended == "early" or self.history.epochs >= self.recipe.epochs

    def bar(self, progress: bool) -> tqdm:
        """A bar over all steps, so that the time left that it shows is the whole training's."""
        if progress:
            self.time_left_due = time.perf_counter() + _TIME_LEFT_AFTER
        return tqdm(
            total=self.recipe.epochs * self.steps_per_epoch,
            initial=self.history.steps,
            unit="step",
            disable=self.is_over or not progress,
            mininterval=0.5,
            file=sys.stdout,  # notebooks show stderr as an error
        )

    def epoch(self, bar: tqdm) -> None:
        """One pass over the training part, then an evaluation on the validation part."""
        begin, history = time.perf_counter(), self.history
        rate = self.optimiser.param_groups[0]["lr"]
        mean, losses = self._pass(bar)
        if self.validation is not None:
            seen = evaluate(self.model, self.validation, self.recipe, self.device)
            history.validation_loss.append(seen.loss)
            history.validation_score.append(seen.score)
        history.step_loss += losses
        history.train_loss.append(mean)
        history.learning_rate.append(rate)
        history.seconds.append(time.perf_counter() - begin)
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(mean)
        self._keep_if_best()
        if _stalled(history.train_loss, self.recipe.patience):
            history.ended = "early"

    def _pass(self, bar: tqdm) -> tuple[float, list[float]]:
        """The mean loss over the training part's images, and the loss of each step."""
        self.model.train()
        epoch, total, count, losses = self.history.epochs, 0.0, 0, []
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
            losses.append(loss)
            total, count = total + loss * len(chosen), count + len(chosen)
            bar.set_postfix_str(f"loss {total / count:.3f}", refresh=False)
            bar.update()
            self._say_time_left(bar)
        return total / count, losses

    def _step(self, images: Tensor, labels: Tensor, changes: torch.Generator) -> float:
        images, labels = images.to(self.device), labels.to(self.device)
        images = images.float() / 255
        if self.recipe.augmentation:
            images, labels = augment(images, labels, changes)
        images = standardise(images, self.recipe).contiguous(memory_format=self.memory_format)
        with autocast(self.recipe, self.device), naming_lone_image():
            total, count = summed_loss(self.model(images), labels, self.recipe)
        loss = total / count.clamp(min=1)
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.recipe.schedule == "one_cycle":
            self.scheduler.step()
        return loss.item()

    def _say_time_left(self, bar: tqdm) -> None:
        """Say once, by the pace of the first seconds, what is left, if that is over a minute."""
        if (late := time.perf_counter() - self.time_left_due) < 0:
            return
        self.time_left_due = math.inf
        pace = (bar.n - bar.initial) / (_TIME_LEFT_AFTER + late)
        minutes = (bar.total - bar.n) / pace / 60
        if minutes > 1:
            bar.write(f"At this pace, training takes about {minutes:.0f} more minutes.")

    def _keep_if_best(self) -> None:
        history, keep = self.history, self.recipe.keep
        if keep == "last":
            return
        losses, scores = history.validation_loss, history.validation_score
        marks = scores if keep == "best_score" else [-loss for loss in losses]
        if marks[-1] > max((mark for mark in marks[:-1] if mark == mark), default=-math.inf):
            history.kept_epoch = history.epochs
            self.kept = deepcopy(self.model.state_dict())

    def resume(self, path: Path) -> None:
        """Note what the training is, and go on from its checkpoint if there is one.

        Called before the first step: what it notes holds the first weights.
        """
        self.identity = self._identity()
        if not path.exists():
            return
        try:
            state = _read(path)
        except ValueError as error:
            aside = path.replace(path.with_name(f"{path.name}.damaged"))
            print(f"{error} It is now called {aside.name}, and training begins again.")
            return
        mine, theirs = self.identity, state["identity"]
        if differing := [name for name in mine if not _agree(mine[name], theirs.get(name))]:
            raise ValueError(
                f"The checkpoint {path.name} was made with another {', '.join(differing)}: "
                "choose another name, or delete it to train anew."
            )
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.history, self.kept = History(**state["history"]), state["kept"]

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must agree in before training is resumed from it."""
        parts = {"training part": self.train, "validation part": self.validation}
        first = self.train.images[: self.recipe.batch]
        return {
            "network": repr(self.model),
            # Besides the weights it shows what the layers compute, which may bear the same names.
            "first logits": predict(self.model, first, self.recipe, self.device),
            **{
                name: part and fingerprint([part.images, part.labels])
                for name, part in parts.items()
            },
            "seed": self.seed,
            "precision": self.history.precision,
            **asdict(self.recipe),
        }

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically."""
        state = {
            "identity": self.identity,
            "model": self.model.state_dict(),
            "kept": self.kept,
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "history": asdict(self.history),
        }
        with write_atomically(path) as part:
            torch.save(state, part)

    def close(self) -> History:
        """Give the network the weights to keep, and return how it ended."""
        if self.history.ended == "unfinished":
            self.history.ended = "finished"
        if self.kept is not None:
            self.model.load_state_dict(self.kept)
        self.model.eval()
        return self.history


def _read(path: Path) -> dict[str, Any]:
    """What `save` wrote. Raises ValueError that names a damaged file."""
    content = BytesIO(path.read_bytes())
    try:
        with ZipFile(content) as archive:  # torch itself doesn't compare the checksums
            if part := archive.testzip():
                raise ValueError(f"the checksum of its part {part} is wrong")
        content.seek(0)
        state = torch.load(content, map_location="cpu", weights_only=True)
        names = ("identity", "model", "kept", "optimiser", "scheduler", "history")
        return {name: state[name] for name in names}
    except MemoryError:
        raise
    except Exception as error:  # of a damaged file torch raises errors of many kinds
        message = f"The checkpoint {path.name} is damaged or of another version ({error!r:.80})."
        raise ValueError(message) from error


def _agree(mine: object, theirs: object) -> bool:
    """Equality; of logits, but for the rounding of another machine or number of threads."""
    if isinstance(mine, Tensor) and isinstance(theirs, Tensor) and mine.shape == theirs.shape:
        return bool((mine - theirs).norm() <= 0.02 * mine.norm())
    return type(mine) is type(theirs) and mine == theirs


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of `count` images in an epoch (from 0): the same for every arm of a seed."""
    return torch.randperm(count, generator=random_generator(seed, f"order/{epoch}"))


def load_weights(model: nn.Module, path: Path | str) -> History:
    """Give `model` the weights that a checkpoint of `fit` keeps, and return that run's history.

    Raises FileNotFoundError with what to do, ValueError for a damaged file, and RuntimeError from
    torch where the layers differ. Introduced in notebook 05.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no checkpoint {path.name}: train the network first (notebook 04)."
        )
    state = _read(path)
    model.load_state_dict(state["kept"] or state["model"])
    model.eval()
    return History(**state["history"])


def _stalled(losses: list[float], patience: int | None) -> bool:
    """Keras's EarlyStopping: `patience` epochs have gone by since the least loss."""
    return patience is not None and len(losses) - 1 - int(np.argmin(losses)) >= patience
