"""The thin shell of every widget: labelled controls in groups, one drawing per change, Reset."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from IPython import get_ipython
from IPython.display import display
from ipywidgets import (
    HTML,
    Box,
    Button,
    DOMWidget,
    Dropdown,
    FloatSlider,
    Image,
    IntSlider,
    ToggleButtons,
    VBox,
    Widget,
)
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from ..figures.style import figure_output, png

# ipywidgets 7 has another name for what appears under the pointer.
TIP = "tooltip" if "tooltip" in DOMWidget.class_trait_names() else "description_tooltip"

FOLDER = Path(__file__).parent

STEPS = {"less": -1, "more": 1}

Bundle = tuple[dict[str, Any], dict[str, Any]]
"""What IPython shows: an output's data by kind, and their metadata."""


def show_widget(widget: Widget, twin: Figure, alt: str) -> None:
    """Display a live widget and, for pages on which nothing is alive, its static figure.

    twin: the static figure, a few chosen states drawn by the functions that the widget calls.
    alt: its alternative text.
    With FUNNEL_STATIC=1, which is set when notebooks are executed for storage or as tests, only the
    figure is displayed, so that no widget is ever stored. Introduced in notebook 01.
    """
    if not alt.strip():
        raise ValueError("A widget's figure needs alternative text: say what it shows.")
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    live: Bundle = {"application/vnd.jupyter.widget-view+json": view}, {}
    data, metadata = with_twin(widget, live, twin_png(twin), alt)
    display(data, metadata=metadata, raw=True)


def with_twin(widget: Widget, live: Bundle | None, picture: bytes, alt: str) -> Bundle:
    """A lab's output: its live view, and its picture where a saved notebook is opened again."""
    data, metadata = live or ({}, {})
    if os.environ.get("FUNNEL_STATIC") == "1":
        close(widget)
        data, metadata = {}, {}
    else:
        close_the_earlier(widget)
    return data | figure_output(picture, alt), metadata


_shown: dict[str, tuple[str, list[Widget]]] = {}  # cell -> its run, and what that run showed


def close_the_earlier(widget: Widget) -> None:
    """Close what an earlier run of this cell showed, as a front end that names its cells can tell.

    Without it, every run of a cell leaves its widgets in the kernel and in the page.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    parent = kernel.get_parent() if kernel else {}
    cell = parent.get("metadata", {}).get("cellId")
    run = parent.get("header", {}).get("msg_id", "")
    if not cell:
        return
    earlier, widgets = _shown.get(cell, (run, []))
    if earlier != run:
        for each in widgets:
            if each is not widget:  # a lab that another cell made is shown again
                close(each)
        widgets = []
    _shown[cell] = run, [*widgets, widget]


def close(widget: Widget) -> None:
    """Close a widget with all that is in it."""
    looks = [getattr(widget, part, None) for part in ("layout", "style")]
    for part in (*getattr(widget, "children", ()), *filter(None, looks)):
        close(part)
    widget.close()


def twin_png(figure: Figure) -> bytes:
    """The static figure's file; the figure is closed."""
    plt.close(figure)
    return png(figure)


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


class Shell(AnyWidget):
    """The look of the labs that need a kernel, and names for their sliders; nothing to see."""

    _esm = (FOLDER / "shell.js").read_text(encoding="utf-8")
    _css = (FOLDER / "shell.css").read_text(encoding="utf-8")


class Lab:
    """Controls, and what they show: `see` turns their values into a picture and words.

    name: of the widget, a class of the box in the page. controls: {name: control}; groups: the
    page's columns, each {group: names of its controls}; see: {name: value} -> Seen; screen: where
    the picture appears; show: the groups that are on the page, None is all, while the others keep
    their values; buttons: {name: button} that groups may name too. Changes may come from several
    threads; one at a time is handled and drawn.

    Raises ValueError for a group that is not there.
    """

    def __init__(
        self,
        name: str,
        controls: Mapping[str, DOMWidget],
        groups: Sequence[Mapping[str, Sequence[str]]],
        see: Callable[[dict[str, Any]], Seen],
        screen: Screen,
        show: Collection[str] | None = None,
        buttons: Mapping[str, Button] | None = None,
    ) -> None:
        known = [group for column in groups for group in column]
        show = known if show is None else [checked("show", group, known) for group in show]
        self.controls, self.draws, self._see = dict(controls), 0, see
        self._lock, self._held, self._stale = threading.RLock(), 0, True
        # As handled so far; a control may have a newer value, whose change waits for the lock.
        self._values = {name: control.value for name, control in controls.items()}
        self._start = self.state
        self.heads, self.words, self.image = HTML(), HTML(), _picture(screen)
        self.words.add_class("lab-words")
        self.heads.add_class("lab-titles")
        reset = button("Reset", "Back to the state in which the cell opens", margin="6px 0")
        reset.on_click(lambda _: self.reset())
        self.buttons = {"reset": reset, **(buttons or {})}
        self.box = self._page(name, screen, groups, show)
        self._reactions: dict[str, list[Callable[[], None]]] = {}
        for control_name, control in self.controls.items():
            control.observe(partial(self._changed, control_name), names="value")

    @property
    def state(self) -> dict[str, Any]:
        """The value of every control."""
        return dict(self._values)

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
        """Whatever changes in here is drawn once, at the end; other threads wait."""
        with self._lock:
            self._held += 1
            try:
                yield
            finally:
                self._held -= 1
            if not self._held and self._stale:
                self._draw()

    def _changed(self, name: str, _: object) -> None:
        with self.together():
            self._stale, self._values[name] = True, self.controls[name].value
            for react in self._reactions.get(name, ()):
                react()

    def _draw(self) -> None:
        seen = self._see(self.state)
        self._stale, self.draws = False, self.draws + 1
        self.image.value = seen.picture
        self.heads.value, self.words.value = seen.heads, f"<div role='status'>{seen.words}</div>"

    def _page(
        self,
        name: str,
        screen: Screen,
        groups: Sequence[Mapping[str, Sequence[str]]],
        show: Collection[str],
    ) -> VBox:
        """The picture with its titles, the words, and the groups to show, column beside column."""
        columns = [
            [self._group(title, names) for title, names in column.items() if title in show]
            for column in groups
        ]
        wide = {"flex": "1 1 300px", "min_width": "0", "max_width": "100%"}
        first, *others = [VBox(column, layout=wide) for column in columns if column] or [VBox()]
        first.children = (*first.children, self.buttons["reset"])  # where no wrapping moves it
        row = Box([first, *others], layout={"display": "flex", "flex_flow": "row wrap"})
        # A drawing is not enlarged until it blurs.
        widest = "100%" if screen.pixelated else f"{screen.width * 6 // 5}px"
        stage = VBox([self.heads, self.image], layout={"max_width": widest})
        page = VBox([Shell(layout={"display": "none"}), stage, self.words, row])
        return _with_classes(page, "funnel-series-lab", f"lab-{name}")

    def _group(self, title: str, names: Sequence[str]) -> VBox:
        widgets = [self._row(name) for name in names]
        frame = {"border": "1px solid #9A9A9A", "padding": "2px 10px 8px"}
        heading = HTML(f"<b>{title.capitalize()}</b>")
        box = VBox([heading, *widgets], layout=frame | {"margin": "4px 8px 4px 0"})
        return _with_classes(box, "lab-group")

    def _row(self, name: str) -> DOMWidget:
        """A control or a button; a slider stands between two buttons that move it by one step."""
        if name in self.buttons:
            return self.buttons[name]
        control = self.controls[name]
        if not isinstance(control, (IntSlider, FloatSlider)):
            return control
        less, more = (self._step_button(name, word, sign) for word, sign in STEPS.items())
        return _with_classes(Box([less, control, more]), "lab-rail")

    def _step_button(self, name: str, word: str, sign: int) -> Button:
        """A button that moves a slider by one step, as far as its limits."""
        slider = self.controls[name]

        def step(_: object) -> None:
            with self.together():
                slider.value = round(slider.value + sign * slider.step, 9)

        words = f"one {word}: {slider.description}"
        made = _with_classes(button(words, words, width="30px"), "lab-step", f"lab-{word}")
        made.on_click(step)
        self.buttons[f"{word} {name}"] = made
        return made


def _picture(screen: Screen) -> Image:
    """An image that keeps its place while its content is exchanged."""
    size = {"width": str(screen.width), "height": str(screen.height)}
    whole = {"width": "100%", "height": "auto", "margin": "0"}
    image = Image(format=screen.kind, layout=whole, **size)
    return _with_classes(image, *(["lab-pixels"] if screen.pixelated else []))


def _with_classes(widget: DOMWidget, *names: str) -> Any:
    for name in names:
        widget.add_class(name)
    return widget


# --- controls: the label as wide as its words, never cut; the tip appears under the pointer ------


def menu(label: str, options: Sequence[Any], tip: str) -> Dropdown:
    """A list that opens; options: values, or (what is read, value)."""
    return _control(Dropdown, label, tip, options=options)


def buttons(label: str, options: Sequence[Any], tip: str) -> ToggleButtons:
    """A few choices that all can be seen."""
    widget = _control(ToggleButtons, label, tip, "auto", options=options)
    widget.style.button_width = "auto"
    return widget


def button(label: str, tip: str, **layout: str) -> Button:
    """What is pressed; as wide as its words."""
    narrow = {"width": "auto", "align_self": "flex-start"}
    return Button(description=label, tooltip=tip, layout=narrow | layout)


def slider(label: str, limits: tuple[float, float], step: float, tip: str) -> FloatSlider:
    """A real number; arrow keys move it by a step."""
    return _slider(FloatSlider, label, limits, tip, step=step)


def whole_slider(label: str, limits: tuple[int, int], tip: str) -> IntSlider:
    """A whole number; arrow keys move it by one."""
    return _slider(IntSlider, label, limits, tip, value=limits[0])


def _slider(kind: Any, label: str, limits: tuple[float, float], tip: str, **settings: Any) -> Any:
    widget = _control(kind, label, tip, "auto", min=limits[0], max=limits[1], **settings)
    widget.style.description_width = "72px"  # sliders under each other begin at one line
    return widget


def _control(kind: Any, label: str, tip: str, width: str = "290px", **settings: Any) -> Any:
    layout = {"width": width, "max_width": "100%"}
    style = {"description_width": "initial"}
    return kind(description=label, style=style, layout=layout, **{TIP: tip}, **settings)


# --- words ------------------------------------------------------------------------------------


def checked(argument: str, value: Any, known: Collection[Any]) -> Any:
    """The value, if it is known. Raises ValueError, which names the argument and the choices."""
    if value not in known:
        write = repr if any("," in str(each) for each in known) else str
        choices = f"one of: {', '.join(map(write, known))}"
        if isinstance(known, range):
            choices = f"a whole number from {known[0]} to {known[-1]}"
        raise ValueError(f"{argument} is {value!r}; choose {choices}")
    return value


def share(argument: str, value: Any) -> float:
    """The value, if it is from 0 to 1. Raises ValueError, which names the argument."""
    if not (isinstance(value, Real) and 0 <= float(value) <= 1):
        raise ValueError(f"{argument} is {value!r}; choose a number from 0 to 1")
    return float(value)


def number(value: float) -> str:
    """Two digits behind the point, and no minus in front of a zero."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def percent(share: float) -> str:
    """A share with one digit: 0.1234 -> 12.3 %."""
    return f"{100 * share:.1f} %"


def table(rows: Sequence[Sequence[str]], turns: bool = False) -> str:
    """Cells as HTML, the first row's as heads; wider than the page it can be scrolled.

    turns: where it would not fit, its rows become columns.
    """
    tags = ["th", *["td"] * (len(rows) - 1)]
    lines = [
        f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in row)}</tr>"
        for tag, row in zip(tags, rows, strict=True)
    ]
    kind = f"lab-table lab-turns' style='--rows: {len(rows[0])}" if turns else "lab-table"
    return f"<div class='{kind}'><table>{''.join(lines)}</table></div>"


def heads(*titles: str) -> str:
    """A row of titles, one above each panel."""
    return f"<div class='lab-heads'>{''.join(f'<div>{title}</div>' for title in titles)}</div>"


def swatch(colour: str, name: str) -> str:
    """A small square in a colour and what it stands for, never on two lines."""
    square = f"<span class='lab-swatch' style='background:{colour}'></span>"
    return f"<span class='lab-key'>{square} {name}</span>"
