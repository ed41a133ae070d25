"""Each widget in JupyterLab, by keyboard and by mouse, as a reader has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Locator

from tests.browser.cases import CASES, Case
from tests.browser.lab import Lab, Notebook, Widget

KINDS = (
    ".noUi-target:not([disabled]) .noUi-handle",
    "input[type=checkbox]",
    "input[type=number]",
    ".widget-toggle-button:not(.mod-active)",
    "select",
)
AT_START = "slider => slider.ariaValueNow === slider.ariaValueMin"
AT_END = "menu => menu.selectedIndex === menu.length - 1"


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module")
def notebook(lab: Lab, case: Case) -> Iterator[Notebook]:
    """A page with the widget alone; the tests of a widget share it."""
    with lab.opened(lab.write(f"only_{case.name}", [case.cell])) as opened:
        yield opened


@pytest.fixture
def widget(notebook: Notebook, case: Case) -> Iterator[Widget]:
    """The widget as the cell opened it; afterwards nobody may have complained."""
    found = notebook.widget(case.selector)
    found.button("Reset").click()
    found.state()
    yield found
    found.state()
    assert notebook.complaints() == []


def contrast(picture: Image.Image) -> int:
    darkest, lightest = picture.getextrema()
    return lightest - darkest


def use(widget: Widget, control: Locator) -> None:
    """Change what the control says: sliders and menus by keyboard, the others as they are used."""
    kind = control.evaluate("control => control.type ?? 'slider'")
    if kind == "slider":
        widget.press(control, "ArrowRight" if control.evaluate(AT_START) else "ArrowLeft")
    elif kind == "select-one":
        widget.press(control, "Home" if control.evaluate(AT_END) else "End")
    elif kind == "number":
        control.fill("0.7")
        control.press("Tab")
    else:
        control.click()


def test_it_opens_with_picture_and_words(widget):
    seen = widget.state()
    assert seen.pixels
    assert len(seen.words) > 20


def test_an_arrow_key_changes_picture_and_words(widget, case):
    before = widget.state()
    widget.press(widget.handle(case.slider), "ArrowRight")
    after = widget.state()
    assert after.pixels != before.pixels
    assert after.words != before.words
    assert after.settings != before.settings


def test_a_drag_settles_on_its_last_value(widget, case):
    with widget.watched() as seen:
        widget.drag(case.slider, share=1.1)  # beyond the end, as a hand does
    dragged = widget.state()
    widget.button("Reset").click()
    widget.state()
    widget.press(widget.handle(case.slider), "End")
    assert widget.state() == dragged
    assert seen["faults"] == []
    assert [len(places) for places in seen["places"]] == [1] * len(dragged.pixels)
    assert len(seen["film"]) > 2
    assert min(map(contrast, seen["film"])) > 50, "an empty picture was on the screen"


@pytest.mark.parametrize("by", ["mouse", "Enter", " "], ids=["mouse", "enter", "space"])
def test_reset_restores(widget, case, by):
    before = widget.state()
    widget.press(widget.handle(case.slider), "ArrowRight", "ArrowRight")
    assert widget.state() != before
    reset = widget.button("Reset")
    reset.click() if by == "mouse" else widget.press(reset, by)
    assert widget.state() == before


def test_every_control_can_be_used_and_reset_undoes_it_all(widget):
    last = before = widget.state()
    for kind in KINDS:
        for control in widget.all(kind)[:9]:
            use(widget, control)
            now = widget.state()
            assert now.settings != last.settings, control
            last = now
    widget.button("Reset").click()
    assert widget.state() == before


def test_the_tab_key_reaches_every_control(widget):
    count = widget.root.evaluate("root => funnel.controls(root).length")
    assert widget.tabbed() == list(range(count))


def test_a_sliders_number_has_its_name(widget, case):
    assert widget.root.get_by_role("textbox", name=case.slider, exact=True).count() == 1


@pytest.mark.parametrize("by", ["mouse", "Enter", " "], ids=["mouse", "enter", "space"])
def test_a_sliders_buttons_move_it_by_a_step_and_back(widget, case, by):
    """Found by the names that a screen reader says."""
    before, seen = widget.state(), []
    for word in ("more", "less"):
        button = widget.button(f"one {word}: {case.slider}")
        button.click() if by == "mouse" else widget.press(button, by)
        seen.append(widget.state())
    assert seen[0].pixels != before.pixels
    assert (seen[1].pixels, seen[1].words) == (before.pixels, before.words)


CUT_OFF = """root => {
  const { left, right } = root.getBoundingClientRect();
  const all = (kinds) => [...root.querySelectorAll(kinds)];
  const outside = ({ left: from, right: to }) => from < left - 1 || to > right + 1;
  const parts = all("th, td, .lab-heads div, .lab-step, .noUi-base, .widget-readout");
  const cut = parts.filter((part) => outside(part.getBoundingClientRect()));
  const boxes = all(".lab-table, .lab-heads div");
  const full = boxes.filter((box) => box.scrollWidth > box.clientWidth);
  return [...cut, ...full].map((part) => `${part.className} ${part.innerText}`);
}"""


@pytest.mark.parametrize("width", [360, 600, 848, 1280, 1920])
def test_nothing_is_cut_off_in_a_cell_of_any_width(notebook, widget, case, width):
    page, around = notebook.page, widget.page.viewport_size
    beside = 1280 - widget.root.bounding_box()["width"]
    page.set_viewport_size({"width": round(width + beside), "height": 1000})
    if case.name == "scenes":
        widget.menu("beside").select_option("mirrored")
    widget.state()
    assert widget.root.bounding_box()["width"] == pytest.approx(width, abs=2)
    cut = widget.root.evaluate(CUT_OFF)
    page.set_viewport_size(around)
    assert cut == []


# --- the funnel lab, and a notebook of the series ------------------------------------------------

BOTH_SIDES = """
import ipywidgets
from helpers.widgets import funnel_lab

lab, label = funnel_lab("edge"), ipywidgets.Label("?")
lab.observe(lambda change: setattr(label, "value", f"row {lab.state['row']}"), "state")
label.add_class("lab-label")
ipywidgets.VBox([lab, label])
"""


def test_the_funnel_lab_and_python_have_one_state_and_keys_stay_in_the_lab(lab):
    with lab.opened(lab.write("both_sides", [BOTH_SIDES])) as notebook:
        widget = notebook.widget(".fs-lab")
        x = widget.root.get_by_role("slider", name="x: the pixel")
        widget.press(x, "ArrowDown", "d", "d", "x", "m")
        label = notebook.page.locator(".lab-label")
        label.filter(has_text="row 9").wait_for()
        assert widget.root.is_visible()
        assert notebook.complaints() == []


def test_notebook_02_runs_whole_and_its_widgets_move(lab):
    with lab.opened("02_funnel_condition.ipynb") as notebook:
        x = notebook.widget(".fs-lab").root.get_by_role("slider", name="x: the pixel")
        x.press("ArrowDown")
        assert x.get_attribute("aria-valuetext").startswith("row 87")
        widget = notebook.widget(".funnel-series-lab >> nth=0")
        before = widget.state()
        widget.press(widget.root.locator(".noUi-handle").first, "ArrowRight")
        assert widget.state().pixels != before.pixels
        figures = notebook.page.locator(".jp-OutputArea figure img")
        assert figures.count() > 3  # JupyterLab draws what is near the window
        assert all(figures.nth(i).get_attribute("alt") for i in range(figures.count()))
        assert notebook.complaints() == []


# --- the driver itself --------------------------------------------------------------------------

FAULTY = """
import ipywidgets
from helpers.widgets.shell import Shell

slider = ipywidgets.IntSlider(1, 1, 9, description="number")
words = ipywidgets.HTML("<div role='status'>1</div>")

def divide(change):
    words.value = f"<div role='status'>{1 / (change['new'] - 5):.2f}</div>"

slider.observe(divide, names="value")
picture = ipywidgets.HTML(
    "<img width=20 src='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='>"
)
box = ipywidgets.VBox([Shell(), slider, words, picture])
box.add_class("funnel-series-lab").add_class("lab-faulty")
box
"""


@pytest.fixture(scope="module")
def faulty(lab: Lab) -> Iterator[Notebook]:
    with lab.opened(lab.write("faulty", [FAULTY])) as opened:
        yield opened


def test_an_error_in_a_widget_is_heard(faulty):
    widget = faulty.widget(".lab-faulty")
    widget.press(widget.handle("number"), "ArrowRight")
    assert widget.state().words == "-0.33"
    assert faulty.complaints() == []
    widget.drag("number", 0.5, moves=1)
    assert widget.state().words == "-0.33"
    (complaint,) = faulty.complaints()
    assert "ZeroDivisionError" in complaint


def test_a_picture_that_moves_or_is_exchanged_is_seen(faulty):
    widget = faulty.widget(".lab-faulty")
    found = []
    for change in ("", "picture.width = 30", "picture.replaceWith(new Image(30))"):
        with widget.watched() as seen:
            change = f"root => {{ const picture = root.querySelector('img'); {change} }}"
            widget.root.evaluate(change)
        found.append((len(seen["places"][0]), "replaced" in seen["faults"]))
    assert found[:2] == [(1, False), (2, False)]
    assert found[2][1]


def test_what_the_console_says_is_heard(faulty):
    before = len(faulty.complaints())
    faulty.page.evaluate("console.error('one')")
    faulty.page.evaluate("console.error('GET colab-badge.svg')")
    faulty.page.evaluate("void setTimeout(() => { throw new Error('two') })")
    faulty.page.evaluate("funnel.painted()")
    said = "\n".join(faulty.heard)
    assert "one" in said
    assert "two" in said
    assert len(faulty.complaints()) == before + 2
