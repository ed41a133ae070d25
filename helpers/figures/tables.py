"""Tables of a notebook: a DataFrame with formatted numbers, in HTML and in plain text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
from IPython.display import display


def show_table(
    frame: pd.DataFrame,
    formats: Mapping[str, str | Callable[[object], str]] | None = None,
    caption: str = "",
) -> None:
    """Display a table once; its row names are header cells, a run's name or a number is hidden.

    formats: column -> format such as "{:+.1f}"; other floats have two decimals, what is missing is
    left blank. caption: units, and of what the ± is. The HTML has no colours of its own and no
    names drawn by chance, so that it fits every theme and tests can compare it. Introduced in
    notebook 03.
    """
    style = frame.style.format(dict(formats or {}), precision=2, na_rep="")
    style.hide(names=True).hide(axis="columns", names=True)
    if isinstance(frame.index, pd.RangeIndex) or frame.index.name == "name":
        style.hide()
    if caption:
        style.set_caption(caption)
    lines = style.to_string(delimiter=" | ").strip()
    plain = f"{caption}\n{lines}" if caption else lines
    display({"text/html": style.to_html(exclude_styles=True), "text/plain": plain}, raw=True)
