"""The segmentation explorer of notebook 05: a scene, its truth, a prediction, its errors."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageColor

from ..datasets.stanford import Stanford
from ..figures.lab import panel_rows
from ..figures.maps import CLASS_COLOURS, label_image
from ..figures.style import OKABE_ITO
from . import shell
from .scene_maps import ALL, NONE, NUMBER, WORST, Labels, Predictions, State, mean_of, predictions
from .shell import Lab, Screen, Seen, checked, heads, percent, show_widget, swatch

HEIGHT, WIDTH, GAP = 240, 320, 6
PANELS = ("photograph", "truth", "prediction", "disagreement")
SCREEN = Screen(len(PANELS) * (WIDTH + GAP) - GAP, HEIGHT, "jpeg", pixelated=False)
BACKGROUND = 128  # grey: visible on a light page and on a dark one
MISSED, FALSE_ALARM = (0, 0, 0), (255, 255, 255)
# Who is right, by two bits, A's and B's: they differ in lightness too.
WHO = {
    "neither": "#000",
    "A only": OKABE_ITO["blue"],
    "B only": OKABE_ITO["orange"],
    "both": "#FFF",
}

Colours = NDArray[np.uint8]


# --- state -> arrays -> picture ---------------------------------------------------------------


def panels(found: Predictions, state: State) -> dict[str, Colours]:
    """Four panels in colours, at the scene's own size: {title: (h, w, 3)}.

    Photograph, truth, prediction, and where the two disagree: of one class hits in its colour,
    misses black, false alarms white. With two networks truth, both predictions, and who is right.
    """
    number, chosen = found.number(state), found.chosen(state)
    photo, truth = found.scenes.full_image(number), found.scenes.full_labels[number]
    seen = [found.maps[arm][number] for arm in state.arms]
    painted = []
    for labels in (truth, *seen):
        mask = np.ones(labels.shape, bool) if chosen is None else labels == chosen
        painted.append((photo, label_image(labels, found.classes), mask))
    if state.beside == NONE:
        compared = _errors(truth, seen[0], chosen, painted[1][1])
    else:
        compared = _who(truth, chosen, *seen)
    painted.append((_faint(photo), *compared))
    blended = [_blend(*layers, state.opacity) for layers in painted]
    return dict(zip(names(state), [photo, *blended][-len(PANELS) :], strict=True))


def names(state: State) -> tuple[str, ...]:
    """The panels' titles."""
    if state.beside == NONE:
        return PANELS
    return ("truth", f"A: {state.arm}", f"B: {state.beside}", "who is right?")


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


def _who(
    truth: Labels, chosen: int | None, a: Labels, b: Labels
) -> tuple[Colours, NDArray[np.bool_]]:
    """The same of two networks: who is right, of one class wherever one of the three has it."""
    where = truth >= 0
    if chosen is not None:
        where = where & ((truth == chosen) | (a == chosen) | (b == chosen))
        truth, a, b = truth == chosen, a == chosen, b == chosen
    palette = np.array([ImageColor.getrgb(colour) for colour in WHO.values()], np.uint8)
    return palette[(a == truth) + 2 * (b == truth)], where


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
    number = found.number(state)
    truth, right = found.scenes.full_labels[number], []
    for arm in state.arms:
        hits = (found.maps[arm][number] == truth)[truth >= 0]
        right.append(f"{arm}: right on <b>{percent(hits.mean()) if hits.size else 'none'}</b>")
    iou = "mean IoU" if state.label == ALL else f"IoU of {state.label}"
    key = ", ".join(swatch(colour, who) for who, colour in WHO.items())
    before = f"Worst first, by {iou} ({state.arm}): {state.image} scenes come before. "
    return (
        f"{'' if state.beside == NONE else f'Who is right: {key}.<br>'}"
        f"Scene {number} ({found.scenes.ids[number]}, {found.source}); colours: {state.label}, at "
        f"{state.opacity:.0%}. {before if state.order == WORST else ''}"
        f"{'; '.join(right)} of the known pixels.{shell.table(_iou_rows(found, state), turns=True)}"
    )


def _iou_rows(found: Predictions, state: State) -> list[list[str]]:
    """The table's cells: a column for each class; this scene and the set by each network."""
    classes = [swatch(CLASS_COLOURS[name], name) for name in found.classes]
    if (chosen := found.chosen(state)) is not None:
        classes[chosen] = f"<b>{classes[chosen]}</b>"
    number, count = found.number(state), len(found.scenes)
    arms = dict(zip(("A, ", "B, ") if state.beside != NONE else ("",), state.arms, strict=True))
    scene = [[f"{x}this scene", *_cells(found.iou_of_scenes[a][number])] for x, a in arms.items()]
    every = [[f"{x}all {count} scenes", *_cells(found.iou_of_set[a])] for x, a in arms.items()]
    return [["IoU in %", *classes, "mean"], *scene, *every]


def _cells(iou: NDArray) -> list[str]:
    values = (*iou, mean_of(iou))
    return ["absent" if np.isnan(value) else f"{100 * value:.1f}" for value in values]


def titles(state: State) -> str:
    """What stands above the panels."""
    *first, errors = names(state)
    if state.beside == NONE and state.label != ALL:
        errors = (
            f"{swatch(CLASS_COLOURS[state.label], 'found')} {swatch('#000', 'missed')} "
            f"{swatch('#FFF', 'false alarm')}"
        )
    return heads(*first, errors)


# --- the widget -------------------------------------------------------------------------------

GROUPS = (
    {"picture": ("order", "image", "arm", "beside")},
    {"overlay": ("label", "next", "opacity")},
)


def build(found: Predictions, start: State, show: Collection[str] | None = None) -> Lab:
    """The widget without a page: see `segmentation_explorer`."""
    checked("arm", start.arm, found.maps)
    checked("beside", start.beside, (NONE, *found.maps))
    checked("label", start.label, (ALL, *found.classes))
    checked("order", start.order, (NUMBER, WORST))
    checked("image", start.image, range(len(found.scenes)))
    shell.share("opacity", start.opacity)

    def see(values: dict[str, Any]) -> Seen:
        state = State(**values)
        return Seen(picture(found, state), words(found, state), titles(state))

    tip = "The next scene in this order whose truth has the class; after the last, the first"
    onward = shell.button("next with the class", tip)
    lab = Lab("scenes", _controls(found), GROUPS, see, SCREEN, show, {"next": onward})
    _connect(found, lab)
    return lab.open(**vars(start))


def _connect(found: Predictions, lab: Lab) -> None:
    """Let the scene stay when its place changes, and the button find the next one."""
    slider, onward = lab.controls["image"], lab.buttons["next"]
    walk = list(range(len(found.scenes)))

    def reorder(stay: bool = True) -> None:
        scene, state = walk[slider.value], State(**lab.state)
        walk[:] = found.walk(state)
        slider.value = walk.index(scene) if stay or state.order == NUMBER else 0
        slider.description = "scene" if state.order == NUMBER else "place"

    def say_class() -> None:
        state = State(**lab.state)
        onward.description = f"next with {'the class' if state.label == ALL else state.label}"
        onward.disabled = not found.holding(state)

    def go_on(_: object) -> None:
        with lab.together():
            state = State(**lab.state)
            places = found.holding(state)
            later = (place for place in places if place > state.image)
            slider.value = next(later, min(places, default=state.image))

    for control in ("arm", "label"):
        lab.when(control, reorder)
    lab.when("order", partial(reorder, stay=False))
    lab.when("label", say_class)
    onward.on_click(go_on)
    say_class()


def _controls(found: Predictions) -> dict[str, Any]:
    """Those that choose the order stand before the slider, which follows them."""
    last, arms = len(found.scenes) - 1, list(found.maps)
    orders = [("by number", NUMBER), ("worst first", WORST)]
    worst = "Worst first: by the network's IoU of the class, or its mean IoU where it is all"
    painted = "Paint this class only, and mark its errors"
    return {
        "arm": shell.menu("network", arms, "Whose prediction"),
        "beside": shell.menu("beside", [NONE, *arms], "A second network, and who is right"),
        "label": shell.menu("class", [ALL, *found.classes], painted),
        "order": shell.buttons("order", orders, worst),
        "image": shell.whole_slider("scene", (0, last), "Which scene of the test part"),
        "opacity": shell.slider("opacity", (0, 1), 0.05, "0 shows the photograph, 1 the classes"),
    }


def twin(found: Predictions, start: State) -> Figure:
    """Three scenes, from the one that the widget opens with on, by the functions it calls."""
    count = len(found.scenes)
    places = dict.fromkeys((start.image + step * (count // 3)) % count for step in range(3))
    rows, notes = {}, {}
    for state in (replace(start, image=place) for place in places):
        number = found.number(state)
        iou = [mean_of(found.iou_of_scenes[arm][number]) for arm in state.arms]
        said = [f"mean IoU of this scene {mean:.0%}" for mean in iou]
        rows[f"scene {number}"] = panels(found, state)
        alone = [found.source, "", state.arm, *said]
        notes[f"scene {number}"] = alone if state.beside == NONE else [found.source, *said, ""]
    legend = {name: CLASS_COLOURS[name] for name in found.classes}
    return panel_rows(rows, notes, legend if start.beside == NONE else legend | WHO)


def alt(found: Predictions, start: State) -> str:
    """The static figure's alternative text."""
    scores = []
    for arm in start.arms:
        iou = zip(found.classes, found.iou_of_set[arm], strict=True)
        known = (f"{name} {percent(value)}" for name, value in iou if not np.isnan(value))
        scores.append(", ".join(known))
    seen = f"photograph, truth, prediction by {start.arm}, and where they disagree"
    if start.beside != NONE:
        seen = f"truth, prediction by {start.arm} and by {start.beside}, and who is right"
    return (
        f"Three test scenes ({found.source}): {seen}. IoU over all {len(found.scenes)} scenes: "
        f"{'; '.join(scores)}."
    )


def segmentation_explorer(
    data: Stanford,
    maps: Mapping[str, Sequence[Labels]] | None = None,
    image: int = 0,
    arm: str | None = None,
    label: str = ALL,
    opacity: float = 0.6,
    show: Collection[str] | None = None,
    beside: str = NONE,
    order: str = NUMBER,
) -> None:
    """Show test scenes with truth, prediction and errors; Reset returns to this state.

    data: of `load_stanford`; maps: {network: what `class_maps` gave for data.test}. Recorded maps
    join them where the data is the real one. arm is one of the networks' names (None: the first);
    label: a class, or "all"; opacity: 0 to 1; beside: a second network, or "none"; order: by
    "number", or "worst" first, by the IoU of the class, or the mean IoU; image counts from 0, in
    this order. show: which groups of controls are on the page (picture, overlay), all for None.
    Without maps it says so in a line.

    Raises ValueError for what is not there. Introduced in notebook 05.
    """
    found = predictions(data, maps)
    if found is None:
        print(
            "No class maps are recorded here, and notebook 04 has left no network. Run 04, or pass "
            'the maps that you have: segmentation_explorer(data, {"my network": maps}).'
        )
        return
    start = State(arm or next(iter(found.maps)), image, label, opacity, beside, order)
    lab = build(found, start, show)
    show_widget(lab.box, twin(found, start), alt(found, start))
