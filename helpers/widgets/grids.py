"""Many small controls that act as one: a window's weights, and a grid that the reader paints."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from ipywidgets import BoundedFloatText, Button, HBox, VBox
from traitlets import Bool, HasTraits, Int, Tuple, observe, validate

from .fields import LARGEST_WEIGHT, PAINTED, WINDOWS, standard_painting
from .shell import TIP


class WeightGrid(HasTraits):
    """A field for each weight of a window; `value` is all of them, row after row.

    `rows` and `columns` are the window's. A field is made when it is first needed, and the fields
    `follow` the value when that is called: up to 49 messages, which the picture need not await.
    """

    value = Tuple()
    rows, columns = Int(), Int()
    disabled = Bool(False)

    def __init__(self, window: str) -> None:
        self.box = VBox()
        self._cells: dict[tuple[int, int], BoundedFloatText] = {}
        self._shown: list[BoundedFloatText] = []
        self._shape, self._moving = (0, 0), False
        super().__init__()
        self.shape_as(window, (0.0,) * (WINDOWS[window][0] * WINDOWS[window][1]))

    def shape_as(self, window: str, weights: tuple[float, ...]) -> None:
        """Hold the weights of that window."""
        self.rows, self.columns = WINDOWS[window]
        self.value = weights

    def follow(self) -> None:
        """Show the fields of the window, with its weights in them."""
        if self._shape != (self.rows, self.columns):
            self._shape = self.rows, self.columns
            grid = [[self._cell(r, c) for c in range(self.columns)] for r in range(self.rows)]
            self._shown = [cell for row in grid for cell in row]
            self.box.children = [HBox(row) for row in grid]
        self._moving = True  # the fields follow the value, which then must not follow them
        for cell, weight in zip(self._shown, self.value, strict=True):
            cell.value = weight
        self._moving = False

    @validate("value")
    def _fits(self, proposal: Any) -> tuple[float, ...]:
        weights, count = proposal["value"], self.rows * self.columns
        if len(weights) != count:
            shape = f"{self.rows}x{self.columns}"
            raise ValueError(f"The {shape} window takes {count} weights, and got {len(weights)}")
        limit = LARGEST_WEIGHT
        return tuple(min(max(float(weight), -limit), limit) for weight in weights)

    @observe("disabled")
    def _lock(self, _: object = None) -> None:
        for cell in self._cells.values():
            cell.disabled = self.disabled

    def _typed(self, _: object) -> None:
        if not self._moving:
            self.value = tuple(cell.value for cell in self._shown)

    def _cell(self, row: int, column: int) -> BoundedFloatText:
        if (row, column) not in self._cells:
            self._cells[row, column] = cell = _weight_field(row, column)
            cell.disabled = self.disabled
            cell.observe(self._typed, names="value")
        return self._cells[row, column]


def _weight_field(row: int, column: int) -> BoundedFloatText:
    tip = {TIP: f"Weight in row {row}, column {column} of the window; arrow keys: 0.1"}
    return BoundedFloatText(
        0.0,
        min=-LARGEST_WEIGHT,
        max=LARGEST_WEIGHT,
        step=0.1,
        description=f"{row},{column}",
        style={"description_width": "28px"},
        layout={"width": "96px", "margin": "1px"},
        **tip,
    )


class Painting(HasTraits):
    """A grid of buttons; a click moves a cell on from 0 to 1 to 2 to -1. `value`: row after row.

    The buttons are made when the grid is first `unfolded`, and `follow` as a window's fields do.
    """

    value = Tuple()
    NEXT: ClassVar[dict[int, int]] = {0: 1, 1: 2, 2: -1, -1: 0}

    def __init__(self) -> None:
        self.box = VBox(layout={"display": "none"})
        self._cells: list[Button] = []
        super().__init__(value=standard_painting())

    def unfold(self, unfolded: bool) -> None:
        """Show the grid, or put it away."""
        if unfolded and not self._cells:
            self._cells = [self._button(place) for place in range(PAINTED**2)]
            rows = [self._cells[k : k + PAINTED] for k in range(0, PAINTED**2, PAINTED)]
            self.box.children = [HBox(row) for row in rows]
        self.box.layout.display = "flex" if unfolded else "none"

    def follow(self) -> None:
        """Show each cell's number and colour."""
        for cell, value in zip(self._cells, self.value, strict=False):
            if cell.description != str(value):
                cell.remove_class(_class_of(cell.description))
                cell.add_class(_class_of(value))
                cell.description = str(value)

    def _clicked(self, place: int, _: object) -> None:
        value = self.NEXT[self.value[place]]
        self.value = (*self.value[:place], value, *self.value[place + 1 :])

    def _button(self, place: int) -> Button:
        row, column = divmod(place, PAINTED)
        button = Button(
            description=str(self.value[place]),
            tooltip=f"Row {row}, column {column}: click for the next of 0, 1, 2, -1",
            layout={"width": "30px", "height": "28px", "padding": "0", "margin": "1px"},
        )
        for word in ("lab-cell", _class_of(self.value[place])):
            button.add_class(word)
        button.on_click(partial(self._clicked, place))
        return button


def _class_of(value: int | str) -> str:
    return f"lab-cell-{value}"
