"""The segmentation explorer of notebook 05: a scene, its truth, a prediction, its errors."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ..datasets.stanford import Scenes, Stanford
from ..evaluation.iou import confusion_matrix, iou_per_class
from ..figures.lab import panel_rows
from ..figures.maps import CLASS_COLOURS, label_image
from ..figures.style import LABELS
from ..nn.networks import UNet
from ..session import Session, current_profile, data_directory
from ..training.loop import load_weights
from ..training.map_prediction import class_maps, set_matrix
from ..training.recipes import modern_unet_recipe
from . import shell
from .shell import Lab, Screen, Seen, checked, heads, percent, show_widget, swatch

HEIGHT, WIDTH, GAP = 240, 320, 6
PANELS = ("photograph", "truth", "prediction", "disagreement")
SCREEN = Screen(len(PANELS) * (WIDTH + GAP) - GAP, HEIGHT, "jpeg", pixelated=False)
BACKGROUND = 128  # grey: visible on a light page and on a dark one
ALL = "all"
MISSED, FALSE_ALARM = (0, 0, 0), (255, 255, 255)
RECORDED = ("relu", "mish", "frelu")

Labels = NDArray[np.integer]
Colours = NDArray[np.uint8]


@dataclass(frozen=True)
class State:
    """What is set: a scene's number, from 0, whose prediction, one class or ALL, and 0..1."""

    image: int
    arm: str
    label: str
    opacity: float


@dataclass(frozen=True)
class Predictions:
    """Scenes, and the class maps (h, w) of each arm for all of them: {arm: maps}."""

    scenes: Scenes
    classes: tuple[str, ...]
    source: str
    maps: Mapping[str, Sequence[Labels]]

    def pair(self, state: State) -> tuple[Labels, Labels]:
        """One scene's prediction and its truth, both (h, w)."""
        return self.maps[state.arm][state.image], self.scenes.full_labels[state.image]

    @cached_property
    def iou_of_set(self) -> dict[str, NDArray]:
        """IoU of each class over all scenes, by arm."""
        truths, count = self.scenes.full_labels, len(self.classes)
        return {
            arm: iou_per_class(set_matrix(list(maps), truths, count)).numpy()
            for arm, maps in self.maps.items()
        }

    def iou_of_scene(self, state: State) -> NDArray:
        """IoU of each class in one scene; NaN for a class in neither truth nor prediction."""
        return iou_per_class(confusion_matrix(*self.pair(state), len(self.classes))).numpy()


# --- state -> arrays -> picture ---------------------------------------------------------------


def panels(found: Predictions, state: State) -> dict[str, Colours]:
    """Photograph, truth, prediction and disagreement in colours, at the scene's own size.

    Of one class, disagreement shows hits in the class's colour, misses black, false alarms white.
    """
    photo, (seen, truth) = found.scenes.full_image(state.image), found.pair(state)
    chosen = None if state.label == ALL else found.classes.index(state.label)
    painted = []
    for labels in (truth, seen):
        mask = np.ones(labels.shape, bool) if chosen is None else labels == chosen
        painted.append((photo, label_image(labels, found.classes), mask))
    painted.append((_faint(photo), *_errors(truth, seen, chosen, painted[1][1])))
    blended = [_blend(*layers, state.opacity) for layers in painted]
    return dict(zip(PANELS, (photo, *blended), strict=True))


def _errors(
    truth: Labels, seen: Labels, chosen: int | None, coloured: Colours
) -> tuple[Colours, NDArray[np.bool_]]:
    """What the last panel paints, and where: not on unknown pixels, which are not scored."""
    known = truth >= 0
    if chosen is None:
        return coloured, known & (truth != seen)
    missed, alarm = (truth == chosen) & (seen != chosen), (seen == chosen) & (truth != chosen)
    colours = coloured.copy()
    colours[missed], colours[alarm] = MISSED, FALSE_ALARM
    return colours, known & ((truth == chosen) | (seen == chosen))


def _blend(photo: Colours, colours: Colours, mask: NDArray[np.bool_], opacity: float) -> Colours:
    """`colours` over the photograph inside the mask; 0: the photograph alone, 1: the colours."""
    share = np.where(mask, np.float32(opacity), np.float32(0))[..., None]
    return (photo + (colours.astype(np.float32) - photo) * share + 0.5).astype(np.uint8)


def _faint(photo: Colours) -> Colours:
    """The photograph in middling greys, so that black, white and colours stand out on it."""
    grey = photo @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat((70 + grey[..., None] * 0.4).astype(np.uint8), 3, axis=2)


def picture(found: Predictions, state: State) -> bytes:
    """The four panels in a row, as a JPEG of the SCREEN's size: photographs are too slow as PNG."""
    row = Image.new("RGB", (SCREEN.width, HEIGHT), (BACKGROUND,) * 3)
    for place, panel in enumerate(panels(found, state).values()):
        fitted = _fitted(panel)
        left = (WIDTH - fitted.width) // 2 + place * (WIDTH + GAP)
        row.paste(fitted, (left, (HEIGHT - fitted.height) // 2))
    buffer = io.BytesIO()
    row.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def _fitted(panel: Colours) -> Image.Image:
    """The panel, shrunk where it is larger than HEIGHT x WIDTH, never enlarged."""
    height, width = panel.shape[:2]
    shrink = min(HEIGHT / height, WIDTH / width, 1)
    size = (round(width * shrink), round(height * shrink))
    return Image.fromarray(panel).resize(size, Image.Resampling.NEAREST)


# --- arrays -> words --------------------------------------------------------------------------


def words(found: Predictions, state: State) -> str:
    """What is set and seen, with IoU of this scene and of the set, as HTML to read aloud."""
    seen, truth = found.pair(state)
    right = float(np.mean((seen == truth)[truth >= 0])) if (truth >= 0).any() else float("nan")
    return (
        f"Scene {state.image} ({found.scenes.ids[state.image]}, {found.source}), network: "
        f"{state.arm}; colours: {state.label}, at {state.opacity:.0%}. "
        f"Right on <b>{percent(right)}</b> of the known pixels."
        f"<table><tr><th>IoU in %</th>{''.join(_head(name, state) for name in found.classes)}"
        f"<th>mean</th></tr>{_row('this scene', found.iou_of_scene(state))}"
        f"{_row(f'all {len(found.scenes)} scenes', found.iou_of_set[state.arm])}</table>"
    )


def _head(name: str, state: State) -> str:
    chosen = " class='lab-chosen'" if name == state.label else ""
    return f"<th{chosen}>{swatch(CLASS_COLOURS[name], name)}</th>"


def _row(name: str, values: NDArray) -> str:
    mean = np.nanmean(values) if not np.isnan(values).all() else float("nan")
    written = ["absent" if np.isnan(v) else f"{100 * v:.1f}" for v in (*values, mean)]
    cells = "".join(f"<td>{value}</td>" for value in written)
    return f"<tr><td>{name}</td>{cells}</tr>"


def titles(state: State) -> str:
    """What stands above the panels."""
    errors = PANELS[-1]
    if state.label != ALL:
        errors = (
            f"{swatch(CLASS_COLOURS[state.label], 'found')} {swatch('#000', 'missed')} "
            f"{swatch('#FFF', 'false alarm')}"
        )
    return heads(*PANELS[:-1], errors)


# --- whose predictions ------------------------------------------------------------------------


def predictions(
    data: Stanford, maps: Mapping[str, Sequence[Labels]] | None = None
) -> Predictions | None:
    """The given maps, and the recorded ones where they belong to this data.

    Failing both, those of the network that notebook 04 left; None without any. Raises ValueError
    for maps whose sizes are not the scenes' own.
    """
    found = dict(maps or {}) | _recorded(data) or _of_checkpoint(data)
    if not found:
        return None
    count = min(len(each) for each in found.values())
    scenes = data.test.first(count)
    for arm, each in found.items():
        for seen, truth in zip(each, scenes.full_labels, strict=False):
            if seen.shape != truth.shape:
                raise ValueError(
                    f"A map of '{arm}' is {seen.shape}, its scene {truth.shape}: pass what "
                    "class_maps gives for data.test, in the same order"
                )
    same_scenes = {arm: each[:count] for arm, each in found.items()}
    return Predictions(scenes, data.classes, data.source, same_scenes)


def _recorded(data: Stanford) -> dict[str, Sequence[Labels]]:
    """The recorded networks were tested on the real data, on the shuffled split's test part."""
    if data.is_standin or data.split != "shuffled":
        return {}
    from ..experiments import recorded_maps  # slow to import, and few widgets need it

    found = {f"{LABELS[arm]}, recorded": recorded_maps(arm, data.task) for arm in RECORDED}
    return {arm: maps for arm, maps in found.items() if maps is not None}


def _of_checkpoint(data: Stanford) -> dict[str, Sequence[Labels]]:
    """The maps of the network that notebook 04 left, computed once."""
    profile = current_profile()
    session = Session(profile, torch.device("cpu"), 0, data_directory())
    kept = session.checkpoint("unet", data.task, "frelu", data.split, data.source)
    if not kept.exists():
        return {}
    with torch.random.fork_rng(devices=[]):
        model = UNet(len(data.classes), "frelu", profile.unet_width)
    load_weights(model, kept)
    test = data.test.first(profile.unet_test)
    return {"FReLU, notebook 04": class_maps(model, test, modern_unet_recipe(profile))}


# --- the widget -------------------------------------------------------------------------------

GROUPS = ({"picture": ("image", "arm")}, {"overlay": ("label", "opacity")})


def build(
    found: Predictions,
    image: int = 0,
    arm: str | None = None,
    label: str = ALL,
    opacity: float = 0.6,
    show: Collection[str] | None = None,
) -> Lab:
    """The widget without a page: see `segmentation_explorer`."""
    checked("image", image, range(len(found.scenes)))
    checked("label", label, (ALL, *found.classes))
    arm = next(iter(found.maps)) if arm is None else checked("arm", arm, found.maps)
    last = len(found.scenes) - 1
    labels = [("all", ALL), *((name, name) for name in found.classes)]
    controls = {
        "image": shell.whole_slider("scene", (0, last), "Which scene of the test part"),
        "arm": shell.menu("network", list(found.maps), "Whose prediction"),
        "label": shell.menu("class", labels, "Paint this class only, and mark its errors"),
        "opacity": shell.slider("opacity", (0, 1), 0.05, "0 shows the photograph, 1 the classes"),
    }

    def see(values: dict[str, Any]) -> Seen:
        state = State(**values)
        return Seen(picture(found, state), words(found, state), titles(state))

    lab = Lab("scenes", controls, GROUPS, see, SCREEN, show)
    return lab.open(image=image, arm=arm, label=label, opacity=opacity)


def twin(found: Predictions, start: State) -> Figure:
    """Three scenes, from the one that the widget opens with on, by the functions it calls."""
    count = len(found.scenes)
    places = dict.fromkeys((start.image + step * (count // 3)) % count for step in range(3))
    rows, notes = {}, {}
    for state in (replace(start, image=place) for place in places):
        name, mean = f"scene {state.image}", np.nanmean(found.iou_of_scene(state))
        rows[name] = panels(found, state)
        notes[name] = [found.source, "", state.arm, f"mean IoU of this scene {mean:.0%}"]
    return panel_rows(rows, notes, {name: CLASS_COLOURS[name] for name in found.classes})


def alt(found: Predictions, start: State) -> str:
    """The static figure's alternative text."""
    iou = zip(found.classes, found.iou_of_set[start.arm], strict=True)
    known = ", ".join(f"{name} {percent(value)}" for name, value in iou if not np.isnan(value))
    return (
        f"Three test scenes ({found.source}): photograph, truth, prediction by {start.arm}, and "
        f"where they disagree. IoU over all {len(found.scenes)} scenes: {known}."
    )


def segmentation_explorer(
    data: Stanford,
    maps: Mapping[str, Sequence[Labels]] | None = None,
    image: int = 0,
    arm: str | None = None,
    label: str = ALL,
    opacity: float = 0.6,
    show: Collection[str] | None = None,
) -> None:
    """Show test scenes with truth, prediction and errors; Reset returns to this state.

    data: of `load_stanford`; maps: {network: what `class_maps` gave for data.test}. Recorded maps
    join them where the data is the real one. image counts from 0; arm is one of the networks' names
    (None: the first); label: a class, or "all"; opacity: 0 to 1. show: which groups of controls are
    on the page (picture, overlay), all for None. Without maps it says so in a line.

    Raises ValueError for what is not there. Introduced in notebook 05.
    """
    found = predictions(data, maps)
    if found is None:
        print(
            "No class maps are recorded here, and notebook 04 has left no network. Run 04, or pass "
            'the maps that you have: segmentation_explorer(data, {"my network": maps}).'
        )
        return
    lab = build(found, image, arm, label, opacity, show)
    start = State(**lab.state)
    show_widget(lab.box, twin(found, start), alt(found, start))
