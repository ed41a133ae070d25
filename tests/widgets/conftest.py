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
    """Of a call: the twin and its alternative text in a stored page, the widget in a live one."""
    seen: list = []
    monkeypatch.setattr(shell, "show", lambda figure, alt: seen.append((figure, alt)))
    monkeypatch.setattr(shell, "display", seen.append)

    def show(call: Callable[[], None]) -> Shown:
        monkeypatch.setenv("FUNNEL_STATIC", "1")
        call()
        monkeypatch.delenv("FUNNEL_STATIC")
        call()
        (figure, alt), widget = seen  # nothing else was shown
        plt.close(figure)
        assert not plt.get_fignums()
        return figure, alt, widget

    return show
