"""One training loop for both tasks: recipes as plain data, batches from memory, checkpoints."""

from __future__ import annotations

import math
import sys
import time
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..files import write_atomically
from ..session import best_device, random_generator, threads
from .augmentation import augment
from .prediction import Part, _autocast, _layout, _loss, evaluate, precision, standardise
from .recipes import Recipe, make_optimiser, make_scheduler


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
        self.model = model.to(memory_format=_layout(device))
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
        images = standardise(images, self.recipe)
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


def save_atomically(state: dict[str, object], path: Path) -> None:
    """Write a checkpoint: nobody ever reads half of one."""
    with write_atomically(path) as part:
        torch.save(state, part)


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


def _stalled(losses: list[float], patience: int | None) -> bool:
    """Keras's EarlyStopping: `patience` epochs have gone by since the least loss."""
    return patience is not None and len(losses) - 1 - int(np.argmin(losses)) >= patience


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
