"""The thin shell of every widget: labelled controls in groups, one drawing per change, Reset."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from IPython.display import display
from ipywidgets import (
    HTML,
    Box,
    Button,
    Checkbox,
    DOMWidget,
    Dropdown,
    FloatSlider,
    GridBox,
    Image,
    IntSlider,
    ToggleButtons,
    VBox,
    Widget,
)
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from ..figures.style import show

# ipywidgets 7 has another name for what appears under the pointer.
TIP = "tooltip" if "tooltip" in DOMWidget.class_trait_names() else "description_tooltip"

STYLE = """<style>
.funnel-series-lab { --jp-widgets-font-size: 15px; --jp-ui-font-size1: 14px; }
.funnel-series-lab input[type=number] { padding: 0 3px; }
.lab-pixels { image-rendering: pixelated; }
.lab-words .widget-html-content { font-size: 16px; line-height: 1.5; min-height: 6em; }
.lab-words table { border-collapse: collapse; }
.lab-words th, .lab-words td { padding: 0 14px 0 0; text-align: right; font-weight: normal;
  white-space: nowrap; }
.lab-words th:first-child, .lab-words td:first-child { text-align: left; }
.lab-words .lab-chosen { font-weight: bold; }
.lab-words code { font-size: 15px; white-space: normal; background: none; color: inherit; }
.lab-heads { display: flex; font-size: 15px; font-weight: bold; line-height: 1.4; }
.lab-heads div { flex: 1; text-align: center; padding: 0 4px; }
.lab-scale { font-size: 15px; line-height: 1.5; }
.lab-scale span { display: inline-block; width: 120px; height: .8em; border: 1px solid #888; }
.lab-key { white-space: nowrap; }
.lab-swatch { display: inline-block; width: .8em; height: .8em; border: 1px solid #888; }
.lab-cell { font-weight: bold; }
.lab-cell-0 { background: #000000 !important; color: #FFFFFF !important; }
.lab-cell-1 { background: #9A9A9A !important; color: #000000 !important; }
.lab-cell-2 { background: #FFFFFF !important; color: #000000 !important; }
.lab-cell--1 { background: #0072B2 !important; color: #FFFFFF !important; }
</style>"""

TITLES = {"batchnorm": "BatchNorm"}  # of groups whose names are written otherwise

# A widget, or a grid of them, with `value` and `observe` as a widget has them; a grid's parts
# `follow` its value once the picture is drawn.
Control = Any


def show_widget(widget: Widget, twin: Figure, alt: str) -> None:
    """Display a live widget, or its static twin where nobody can move a slider.

    twin: an ordinary figure of a few telling states, made by the functions that the widget calls.
    alt: the twin's alternative text.
    With FUNNEL_STATIC=1, which is set when notebooks are executed for storage or as tests, only the
    twin is shown, so that no widget is ever stored. Introduced in notebook 01.
    """
    if is_static():
        widget.close()
        show(twin, alt)
    else:
        plt.close(twin)
        display(widget)


def is_static() -> bool:
    """Whether pages are made for storage: nobody will be there to move a slider."""
    return os.environ.get("FUNNEL_STATIC") == "1"


@dataclass(frozen=True)
class Seen:
    """What a reader sees in one state: a picture's file, and HTML above and below it."""

    picture: bytes
    words: str
    heads: str = ""


@dataclass(frozen=True)
class Screen:
    """Where the picture appears: its size in pixels, the same in every state, and its file's kind.

    pixelated: when the page enlarges it, its pixels stay squares.
    """

    width: int
    height: int
    kind: str = "png"
    pixelated: bool = True


class Lab:
    """Controls, and what they show: `see` turns their values into a picture and words.

    name: of the widget, a class of the box in the page. controls: {name: control}; groups: the
    page's columns, each {group: names of its controls}; see: {name: value} -> Seen; screen: where
    the picture appears; show: the groups that are on the page, None is all, while the others keep
    their values.

    Raises ValueError for a group that is not there.
    """

    def __init__(
        self,
        name: str,
        controls: Mapping[str, Control],
        groups: Sequence[Mapping[str, Sequence[str]]],
        see: Callable[[dict[str, Any]], Seen],
        screen: Screen,
        show: Collection[str] | None = None,
    ) -> None:
        known = [group for column in groups for group in column]
        for group in show or ():
            checked("show", group, known)
        self.controls, self.draws, self._see = dict(controls), 0, see
        self._held, self._stale, self._start = 0, True, self.state
        self.heads, self.words = HTML(), HTML()
        self.words.add_class("lab-words")
        self.image = _picture(screen)
        self.buttons = {"reset": _reset_button(self.reset)}
        seen = (_stage(screen, self.heads, self.image), self.words)
        shown = known if show is None else show
        self.box = _page(name, seen, _columns(groups, shown, self.controls), self.buttons["reset"])
        self._reactions: dict[str, list[Callable[[], None]]] = {}
        for control_name, control in self.controls.items():
            control.observe(partial(self._changed, control_name), names="value")

    @property
    def state(self) -> dict[str, Any]:
        """The value of every control."""
        return {name: control.value for name, control in self.controls.items()}

    def open(self, **values: Any) -> Lab:
        """Put the controls into the state in which the cell opens, and draw for the first time."""
        self.set(**values)
        self._start = self.state
        return self

    def set(self, **values: Any) -> None:
        """Change several controls, and draw once.

        In the order of the controls, where each stands behind those that move it.
        """
        with self.together():
            for name, control in self.controls.items():
                if name in values:
                    control.value = values[name]

    def reset(self) -> None:
        """As if the cell were run again."""
        self.set(**self._start)

    def when(self, name: str, react: Callable[[], None]) -> None:
        """Call `react` when a control changes, before anything is drawn."""
        self._reactions.setdefault(name, []).append(react)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Whatever changes in here is drawn once, at the end."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if not self._held and self._stale:
            self._draw()

    def _changed(self, name: str, _: object) -> None:
        with self.together():
            self._stale = True
            for react in self._reactions.get(name, ()):
                react()

    def _draw(self) -> None:
        seen = self._see(self.state)
        self._stale, self.draws = False, self.draws + 1
        self.image.value = seen.picture
        self.heads.value, self.words.value = seen.heads, f"<div role='status'>{seen.words}</div>"
        for control in self.controls.values():
            if hasattr(control, "follow"):
                control.follow()


def _picture(screen: Screen) -> Image:
    """An image that keeps its place while its content is exchanged."""
    width, height = str(screen.width), str(screen.height)
    layout = {"width": "100%", "height": "auto"}
    image = Image(format=screen.kind, width=width, height=height, layout=layout)
    if screen.pixelated:
        image.add_class("lab-pixels")
    return image


def _stage(screen: Screen, heads: HTML, image: Image) -> VBox:
    """The picture and what stands above it; a drawing is not enlarged until it blurs."""
    widest = "100%" if screen.pixelated else f"{screen.width * 6 // 5}px"
    return VBox([heads, image], layout={"max_width": widest})


def _reset_button(reset: Callable[[], None]) -> Button:
    tip, layout = "Back to the state in which the cell opens", {"margin": "6px 0"}
    button = Button(description="Reset", tooltip=tip, layout=layout)
    button.on_click(lambda _: reset())
    return button


def _columns(
    groups: Sequence[Mapping[str, Sequence[str]]],
    shown: Collection[str],
    controls: Mapping[str, Control],
) -> list[VBox]:
    """The groups that are shown, with their controls, one column beside the other."""
    columns = [
        [
            _group(title, [getattr(controls[name], "box", controls[name]) for name in names])
            for title, names in column.items()
            if title in shown
        ]
        for column in groups
    ]
    return [VBox(column) for column in columns if column]


def _group(title: str, controls: Sequence[Widget]) -> VBox:
    layout = {"border": "1px solid #9A9A9A", "padding": "2px 10px 8px", "margin": "4px 8px 4px 0"}
    if all(isinstance(control, Checkbox) for control in controls):
        controls = [
            GridBox(controls, layout={"grid_template_columns": "auto auto", "grid_gap": "0 16px"})
        ]
    return VBox([HTML(f"<b>{TITLES.get(title, title.capitalize())}</b>"), *controls], layout=layout)


def _page(name: str, seen: Sequence[Widget], columns: Sequence[VBox], reset: Button) -> VBox:
    first, *others = columns or [VBox()]
    first.children = (*first.children, reset)  # where no wrapping moves it
    row = Box([first, *others], layout={"display": "flex", "flex_flow": "row wrap"})
    box = VBox([HTML(STYLE, layout={"display": "none"}), *seen, row])
    for word in ("funnel-series-lab", f"lab-{name}"):
        box.add_class(word)
    return box


# --- controls ---------------------------------------------------------------------------------


def menu(label: str, options: Sequence[Any], tip: str) -> Dropdown:
    """A list that opens; options: values, or (what is read, value)."""
    return Dropdown(options=options, description=label, **_look(label, tip, "290px"))


def buttons(label: str, options: Sequence[Any], tip: str) -> ToggleButtons:
    """A few choices that all can be seen."""
    widget = ToggleButtons(options=options, description=label, **_look(label, tip, "auto"))
    widget.style.button_width = "auto"
    return widget


def check(label: str, tip: str) -> Checkbox:
    """On or off."""
    return Checkbox(False, description=label, indent=False, **_look(label, tip, "auto"))


def slider(label: str, limits: tuple[float, float], step: float, tip: str) -> FloatSlider:
    """A real number; arrow keys move it by a step."""
    low, high = limits
    look = _look(label, tip, "290px")
    return _aligned(FloatSlider(min=low, max=high, step=step, description=label, **look))


def whole_slider(label: str, limits: tuple[int, int], tip: str) -> IntSlider:
    """A whole number; arrow keys move it by one."""
    low, high = limits
    look = _look(label, tip, "290px")
    return _aligned(IntSlider(low, min=low, max=high, description=label, **look))


def _aligned(widget: FloatSlider | IntSlider) -> FloatSlider | IntSlider:
    """Sliders under each other begin at one line."""
    widget.style.description_width = "96px"
    return widget


def _look(label: str, tip: str, width: str) -> dict[str, Any]:
    """The label as wide as its words, never cut; the tip appears under the pointer."""
    look: dict[str, Any] = {"style": {"description_width": "initial"}, TIP: tip}
    return look | {"layout": {"width": width, "max_width": "100%"}}


# --- words ------------------------------------------------------------------------------------


def checked(argument: str, value: Any, known: Collection[Any]) -> Any:
    """The value, if it is known. Raises ValueError, which names the argument and the choices."""
    if value not in known:
        choices = ", ".join(map(str, known))
        raise ValueError(f"{argument} is {value!r}; choose one of: {choices}")
    return value


def number(value: float) -> str:
    """Two digits behind the point, and no minus in front of a zero."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def percent(share: float) -> str:
    """A share with one digit: 0.1234 -> 12.3 %."""
    return f"{100 * share:.1f} %"


def heads(*titles: str) -> str:
    """A row of titles, one above each panel."""
    return f"<div class='lab-heads'>{''.join(f'<div>{title}</div>' for title in titles)}</div>"


def swatch(colour: str, name: str) -> str:
    """A small square in a colour and what it stands for, never on two lines."""
    square = f"<span class='lab-swatch' style='background:{colour}'></span>"
    return f"<span class='lab-key'>{square} {name}</span>"
