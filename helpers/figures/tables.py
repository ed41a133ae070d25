"""Tables of a notebook: a DataFrame with formatted numbers, in HTML and in plain text."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from IPython.display import display
from pandas.io.formats.style import Styler

Formats = Mapping[Any, str | Callable[[object], str]]
UNLIMITED: dict[str, int | None] = {
    f"styler.render.max_{what}": None for what in ("rows", "columns")
}
UNLIMITED |= {"styler.render.max_elements": 2**62}


def show_table(frame: pd.DataFrame, formats: Formats | None = None, caption: str = "") -> None:
    """Display a table once; its row names are header cells, a run's name or a number is hidden.

    formats: column -> format such as "{:+.1f}"; other floats have two decimals, what is missing is
    left blank. caption: units, and of what the ± is. Text is shown as it is, never read as HTML.
    The HTML has no colours of its own and no names drawn by chance, so that it fits every theme and
    tests can compare it. Raises ValueError for a format of a column that is not there. Introduced
    in notebook 03.
    """
    formats = dict(formats or {})
    if unknown := [str(column) for column in formats if column not in frame]:
        columns = ", ".join(map(str, frame))
        raise ValueError(f"no column is called '{unknown[0]}'; the table has {columns}.")
    escaped = frame.astype(object).map(_escaped).rename(index=_escaped, columns=_escaped)
    of_escaped = dict(zip(frame, escaped, strict=True))
    of_html = {of_escaped[column]: how for column, how in formats.items()}
    nameless = isinstance(frame.index, pd.RangeIndex) or frame.index.name == "name"
    style = _style(escaped, of_html, nameless)
    if caption:
        style.set_caption(_escaped(caption))
    plain = _style(frame, formats, nameless)
    with pd.option_context(*(part for option in UNLIMITED.items() for part in option)):
        text = plain.to_string(delimiter=" | ", sparse_index=False, sparse_columns=False).strip()
        page = style.to_html(exclude_styles=True)
    text = f"{caption}\n{text}" if caption else text
    display({"text/html": page, "text/plain": text}, raw=True)


def _style(frame: pd.DataFrame, formats: Formats, nameless: bool) -> Styler:
    style = frame.style.format(dict(formats), precision=2, na_rep="")
    style.hide(names=True).hide(axis="columns", names=True)
    if nameless:
        style.hide()
    return style


def _escaped(value: Any) -> Any:
    """Text for HTML; quotes stay, which matter in attributes alone."""
    return html.escape(value, quote=False) if isinstance(value, str) else value
