"""What a notebook's call shows on both kinds of page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ipywidgets import Widget
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from helpers.widgets import shell

Shown = tuple[Figure, str, Widget]


@pytest.fixture
def on_both_pages(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable], Shown]:
    """Of a call: the twin and its words on both pages, and the widget of the live one."""
    outputs: list[dict] = []
    figures: list[Figure] = []
    widgets: list[Widget] = []
    monkeypatch.setattr(shell, "close_the_earlier", widgets.append)
    monkeypatch.setattr(shell, "display", lambda data, **_: outputs.append(data))
    monkeypatch.setattr(shell, "twin_png", lambda figure: figures.append(figure) or b"a picture")

    def show(call: Callable[[], None]) -> Shown:
        monkeypatch.setenv("FUNNEL_STATIC", "1")
        call()
        monkeypatch.delenv("FUNNEL_STATIC")
        call()
        stored, live = outputs
        view = live.pop("application/vnd.jupyter.widget-view+json")
        (widget,) = widgets
        assert view["model_id"] == widget.model_id
        assert stored == live
        for figure in figures:
            plt.close(figure)
        assert not plt.get_fignums()
        return figures[0], stored["text/plain"], widget

    return show
