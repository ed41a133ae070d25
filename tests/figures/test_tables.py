"""A table in a notebook is plain HTML with formatted numbers, the same at each run."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers.evaluation import mean_interval
from helpers.figures import tables
from helpers.figures.tables import show_table


@pytest.fixture
def shown(monkeypatch):
    seen = []
    monkeypatch.setattr(tables, "display", lambda data, raw: seen.append(data))
    return seen


FRAME = pd.DataFrame(
    {"runs": [40, 3], "accuracy": [mean_interval([1.0, 3.0]), 50.0], "p": [0.0005, None]},
    index=pd.Index(["ReLU", "mine"], name="arm"),
)


def test_numbers_are_formatted_and_names_are_headers(shown):
    show_table(FRAME, {"p": "{:.1g}"}, "Accuracy in %, mean ± 95 % interval")
    html, plain = shown[0]["text/html"].replace(" >", ">"), shown[0]["text/plain"]
    assert "<th>ReLU</th>" in html
    for cell in ("40", "2.00 ± 12.71", "50.00", "0.0005", ""):
        assert f"<td>{cell}</td>" in html
    assert "<caption>Accuracy in %, mean ± 95 % interval</caption>" in html
    assert ">arm<" not in html
    assert plain.startswith("Accuracy in %")
    assert "ReLU | 40 | 2.00 ± 12.71 | 0.0005" in plain


def test_the_html_has_no_style_and_no_names_by_chance(shown):
    show_table(FRAME)
    show_table(FRAME)
    assert shown[0] == shown[1]
    for word in ("style", "id=", "class=", "color"):
        assert word not in shown[0]["text/html"]


@pytest.mark.parametrize("index", [pd.RangeIndex(2), pd.Index(["3fa0", "77bc"], name="name")])
def test_numbers_of_rows_and_names_of_runs_are_hidden(shown, index):
    show_table(FRAME.set_axis(index))
    assert "<th" not in shown[0]["text/html"].split("<tbody>")[1]


def test_text_is_shown_as_it_is_and_never_read_as_html(shown):
    frame = pd.DataFrame({"a<b": ["<i>x & y</i>", 1.0], "n": [1.25, 2.0]}, index=["<b>r", "it's"])
    show_table(frame, {"a<b": "{}", "n": "{:.1f}"}, "<script>")
    html, plain = shown[0]["text/html"], shown[0]["text/plain"]
    for text in ("a&lt;b", "&lt;i&gt;x &amp; y&lt;/i&gt;", "&lt;b&gt;r", "it's", "&lt;script&gt;"):
        assert text in html
    assert "<i>" not in html
    assert plain == "<script>\n| a<b | n\n<b>r | <i>x & y</i> | 1.2\nit's | 1.0 | 2.0"


def test_plain_text_repeats_both_names_of_a_row(shown):
    show_table(pd.concat({"first": FRAME, "second": FRAME})[["runs"]])
    assert "first | mine | 3\nsecond | ReLU | 40\nsecond | mine | 3" in shown[0]["text/plain"]


def test_a_format_of_no_column_is_an_error():
    with pytest.raises(ValueError, match="no column is called 'q'; the table has runs, accuracy"):
        show_table(FRAME, {"q": "{:.1f}"})


def test_a_table_is_whole_whatever_pandas_is_set_to(shown):
    with pd.option_context("styler.render.max_rows", 1, "styler.render.max_columns", 1):
        show_table(FRAME)
    for text in shown[0].values():
        assert "mine" in text
        assert "0.0005" in text or "0.00" in text
        assert "..." not in text
