"""What the labs in the browser share: one ES module, one state, a still figure beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import traitlets
from anywidget import AnyWidget

from .shell import FOLDER, Bundle, checked, with_twin


def module_text(name: str) -> str:
    """A lab's ES module: what the labs share, then the lab itself."""
    return "\n".join((FOLDER / part).read_text(encoding="utf-8") for part in ("lab.js", name))


class BrowserLab(AnyWidget):
    """A lab in the browser; `state` is what is set there, and setting it changes the page.

    data: what the page needs besides; show: the sections that are visible. A subclass has `_esm`,
    `opening` (settings -> its State, ValueError for what does not fit), `still` (the static
    figure's file) and `alt`, its alternative text.
    """

    _css = (FOLDER / "lab.css").read_text(encoding="utf-8")
    state = traitlets.Dict().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    show = traitlets.List(traitlets.Unicode()).tag(sync=True)
    alt: ClassVar[str]
    _ipython_display_ = None  # ipywidgets 7 would show the view alone

    @staticmethod
    def opening(*settings: Any, **named: Any) -> Any:
        """The State that the settings ask for."""
        raise NotImplementedError

    @staticmethod
    def still() -> bytes:
        """The static figure's file."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> Bundle:
        return with_twin(self, super()._repr_mimebundle_(**kwargs), self.still(), self.alt)

    @traitlets.validate("state")
    def _complete(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        """A state with all its names. Raises ValueError that names what does not fit."""
        return as_json(self.opening(**proposal["value"]))


def as_json(state: Any) -> dict[str, Any]:
    """A State as JSON has it."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(state).items()}


def visible(show: Collection[str] | None, sections: Collection[str]) -> list[str]:
    """The sections to show, all for None. Raises ValueError for one that is not there."""
    if isinstance(show, str):
        raise ValueError(f"show is {show!r}; it takes a list, such as show=[{show!r}]")
    return list(sections) if show is None else [checked("show", each, sections) for each in show]
