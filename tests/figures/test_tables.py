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
