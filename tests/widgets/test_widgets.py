"""What every widget promises: labels, one draw per change, a Reset, a picture of one size."""

from __future__ import annotations

import gc
import re
import threading
from inspect import isfunction

import numpy as np
import pytest
from ipywidgets import Button, FloatSlider, IntSlider, Widget
from matplotlib import pyplot as plt

from helpers import widgets
from helpers.widgets import shell
from tests.browser.cases import CASES
from tests.widgets.states import NAMES, build, move, picture_of
from tools.notebooks import picture_and_words

STATES = 500
every_widget = pytest.mark.parametrize("name", NAMES)


# --- the output of a cell -----------------------------------------------------------------------


def test_a_lab_that_is_shown_again_stays_open(monkeypatch):
    kernel, lab = Kernel(), widgets.funnel_lab("edge")
    monkeypatch.delenv("FUNNEL_STATIC", raising=False)
    monkeypatch.setattr(shell, "get_ipython", lambda: kernel)
    for _ in range(2):
        kernel.run("the cell that says lab")
        lab._repr_mimebundle_()
        assert lab.comm is not None


VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict, dict]]:
    """Each output's data and metadata."""
    page: list[tuple[dict, dict]] = []
    keep = lambda data, metadata, raw: page.append((data, metadata))  # noqa: E731
    monkeypatch.setattr(shell, "display", keep)
    return page


@pytest.mark.parametrize(("static", "kinds"), [("0", {VIEW}), ("1", set())])
def test_an_output_has_the_figure_with_words_and_a_live_one_the_widget(
    shown, monkeypatch, static, kinds
):
    monkeypatch.setenv("FUNNEL_STATIC", static)
    twin, _ = plt.subplots()
    widgets.show_widget(IntSlider(), twin, alt="what the twin shows")
    ((data, _),) = shown
    assert set(data) == {"text/html", "text/plain", *kinds}
    picture, words = picture_and_words({"data": data})
    assert picture.startswith(b"\x89PNG")
    assert words == data["text/plain"] == "what the twin shows"
    assert not plt.get_fignums()


def test_the_twin_needs_words():
    with pytest.raises(ValueError, match="alternative text"):
        widgets.show_widget(IntSlider(), plt.figure(), alt=" ")


class Kernel:
    """A kernel that is asked to run cells, as JupyterLab asks it."""

    def __init__(self) -> None:
        self.kernel, self.parent, self.runs = self, {}, 0

    def get_parent(self) -> dict:
        return self.parent

    def run(self, cell: str) -> None:
        self.runs += 1
        self.parent = {"metadata": {"cellId": cell}, "header": {"msg_id": str(self.runs)}}


@pytest.mark.parametrize("name", [*NAMES, "funnel", "explorer"])
def test_a_cell_that_runs_again_closes_what_it_showed(shown, monkeypatch, name):
    kernel = Kernel()
    monkeypatch.delenv("FUNNEL_STATIC", raising=False)
    monkeypatch.setattr(shell, "get_ipython", lambda: kernel)
    labs = {"funnel": widgets.funnel_lab, "explorer": widgets.activation_explorer}

    def run(cell: str) -> int:
        kernel.run(cell)
        if name in labs:
            labs[name]()._repr_mimebundle_()
        else:
            widgets.show_widget(build(name).box, plt.figure(), "words")
        gc.collect()
        found = [each for each in gc.get_objects() if issubclass(type(each), Widget)]
        return sum(each.comm is not None for each in found)

    run("one")
    first = run("other")
    assert run("other") == first
    assert run("other") == first
    assert run("third") > first


# --- lists of them ------------------------------------------------------------------------------


def test_every_public_widget_is_in_the_lists_of_the_tests():
    others = {widgets.show_widget, widgets.funnel_lab, widgets.activation_explorer}
    public = {each for each in vars(widgets).values() if isfunction(each)} - others
    modules = sorted(each.__module__.rpartition(".")[2] for each in public)
    assert modules == sorted(NAMES), "tests/widgets/states.py"
    assert modules == sorted(case.name for case in CASES), "tests/browser/cases.py"


# --- 500 random states of each ------------------------------------------------------------------


@every_widget
def test_no_move_of_a_reader_errs_or_changes_the_pictures_size(name, caplog):
    lab, random = build(name), np.random.default_rng(0)
    size, controls = picture_of(lab).shape, [*lab.controls, *lab.buttons]
    for _ in range(STATES):
        moved = controls[random.integers(len(controls))]
        before, draws = lab.state, lab.draws
        move(lab, moved, random)  # an error in a callback is raised here
        assert lab.draws == draws + (lab.state != before), f"{moved}: one draw for one change"
        assert "nan" not in lab.words.value
        if random.random() < 0.1:
            assert picture_of(lab).shape == size
    assert not caplog.records


@every_widget
def test_reset_is_the_cell_run_again(name):
    fresh, lab, random = build(name), build(name), np.random.default_rng(1)
    for _ in range(5):
        for control in lab.controls:
            move(lab, control, random)
    assert lab.state != fresh.state
    draws = lab.draws
    lab.buttons["reset"].click()
    assert lab.draws == draws + 1
    assert lab.state == fresh.state
    assert lab.words.value == fresh.words.value
    assert lab.heads.value == fresh.heads.value
    assert bytes(lab.image.value) == bytes(fresh.image.value)
    lab.buttons["reset"].click()
    assert lab.draws == draws + 1, "nothing changed: nothing is drawn"


@every_widget
def test_a_widget_opens_with_one_draw(name):
    assert build(name).draws == 1


# --- the page -----------------------------------------------------------------------------------


@every_widget
def test_every_control_has_a_label_that_is_not_cut_and_a_tip(name):
    lab = build(name)
    for field in [*lab.controls.values(), *lab.buttons.values()]:
        tip = field.tooltip if isinstance(field, Button) else getattr(field, shell.TIP)
        assert field.description, type(field)
        assert tip, field.description
        width = getattr(field.style, "description_width", "") or "initial"
        if width != "initial":  # a letter takes up to 9.5 pixels
            assert 9.5 * len(field.description) <= int(width.removesuffix("px")) + 1


@every_widget
def test_every_slider_stands_between_two_buttons_of_one_step(name):
    lab = build(name)
    kinds = (IntSlider, FloatSlider)
    sliders = {key: each for key, each in lab.controls.items() if isinstance(each, kinds)}
    assert sliders
    for key, slider in sliders.items():
        less, more = lab.buttons[f"less {key}"], lab.buttons[f"more {key}"]
        (box,) = (w for w in shown_controls(lab) if slider in getattr(w, "children", ()))
        assert box.children == (less, slider, more)
        names = [f"one {word}: {slider.description}" for word in ("less", "more")]
        assert [less.description, more.description] == names
        slider.value = slider.min
        draws = lab.draws
        less.click()
        assert (slider.value, lab.draws) == (slider.min, draws), "no further than the limit"
        more.click()
        assert (slider.value, lab.draws) == (slider.min + slider.step, draws + 1)
        slider.value = slider.max
        more.click()
        assert slider.value == slider.max
        less.click()
        assert slider.value == round(slider.max - slider.step, 6)


def test_many_steps_do_not_add_up_to_odd_numbers():
    lab, values = build("scenes", opacity=0.0), []
    for _ in range(20):
        lab.buttons["more opacity"].click()
        values.append(lab.state["opacity"])
    assert values == [round(0.05 * step, 2) for step in range(1, 21)]


@every_widget
def test_a_slider_is_as_wide_as_its_box(name):
    for control in build(name).controls.values():
        if isinstance(control, (IntSlider, FloatSlider)):
            assert control.layout.width == "auto"


@every_widget
def test_no_widget_is_made_while_a_reader_moves(name, monkeypatch):
    lab, random = build(name), np.random.default_rng(2)
    monkeypatch.setattr(Widget, "open", lambda made: pytest.fail(f"a new {type(made)}"))
    for moved in (*lab.controls, *lab.buttons) * 2:
        move(lab, moved, random)


@pytest.mark.parametrize("name", ["reach", "scenes"])
def test_a_table_has_a_box_that_scrolls(name):
    assert re.search(r"<div class='lab-table[^>]*><table>.*</table></div>", build(name).words.value)


def luminance(colour: str) -> float:
    """WCAG's relative luminance of "#rrggbb"."""
    levels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("part", [r"\.noUi-connects", r"\.ui-slider ", r"\.mod-active"])
def test_rails_and_chosen_buttons_stand_out_from_white(part):
    (colour,) = re.findall(part + r"[^}]*background: (#\w{6})", shell.Shell._css)
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5


@every_widget
def test_the_words_are_announced_and_can_be_read_as_text(name):
    words = build(name).words.value
    assert words.startswith("<div role='status'>")
    assert len(re.sub(r"<[^>]+>", " ", words).split()) > 8


@every_widget
def test_the_page_can_find_the_widget(name):
    classes = build(name).box._dom_classes
    assert {"funnel-series-lab", f"lab-{name}"} <= set(classes)


@every_widget
def test_the_picture_keeps_its_place(name):
    lab = build(name)
    height, width, _ = picture_of(lab).shape
    assert (lab.image.width, lab.image.height) == (str(width), str(height))


def shown_controls(lab):
    """Every ipywidget that is in the page's tree."""
    found, waiting = [], [lab.box]
    while waiting:
        widget = waiting.pop()
        found.append(widget)
        waiting += getattr(widget, "children", ())
    return found


@pytest.mark.parametrize(
    ("name", "group", "inside", "outside"),
    [
        ("channels", "picture", "image", "layer"),
        ("scenes", "overlay", "opacity", "arm"),
    ],
)
def test_groups_can_be_hidden_and_keep_their_values(name, group, inside, outside):
    lab = build(name, show=[group])
    page = shown_controls(lab)
    assert lab.controls[inside] in page
    assert lab.controls[outside] not in page
    assert lab.buttons["reset"] in page
    assert lab.state == build(name).state
    complete = build(name)
    assert complete.controls[outside] in shown_controls(complete)


@every_widget
def test_an_unknown_group_names_the_known_ones(name):
    with pytest.raises(ValueError, match="show is 'colour'; choose one of"):
        build(name, show=["colour"])


def test_several_changes_are_drawn_once():
    lab = build("reach")
    lab.set(layers=4, window="5x5")
    assert lab.draws == 2
    assert (lab.state["window"], lab.state["layers"]) == ("5x5", 4)
    with lab.together():
        lab.controls["layers"].value = 2
        lab.controls["window"].value = "3x3"
        assert lab.draws == 2
    assert lab.draws == 3


@pytest.mark.parametrize(("value", "text"), [(-0.001, "0.00"), (0.125, "0.12"), (-1.5, "-1.50")])
def test_zero_has_no_sign(value, text):
    assert shell.number(value) == text


# --- several threads, as in ipykernel 7 ---------------------------------------------------------


def twins(see, before_react=lambda: None) -> tuple[shell.Lab, IntSlider]:
    """A lab in which `copy` follows `number`, and `other` is free."""
    number, copy, other = (IntSlider(max=9) for _ in range(3))
    number.observe(lambda _: before_react(), names="value")
    controls = {"number": number, "copy": copy, "other": other}
    lab = shell.Lab("test", controls, [{}], see, shell.Screen(1, 1))
    lab.when("number", lambda: copy.set_trait("value", number.value))
    return lab.open(), number


def test_a_change_that_is_half_handled_is_not_drawn_by_another_thread():
    drawn, half, go_on = [], threading.Event(), threading.Event()

    def wait() -> None:
        half.set()
        assert go_on.wait(20)

    def see(values):
        drawn.append(values)
        return shell.Seen(b"", "")

    lab, number = twins(see, wait)
    thread = threading.Thread(target=lambda: number.set_trait("value", 5))
    thread.start()
    assert half.wait(20)  # the slider has its new value, and the lab has not reacted
    lab.controls["other"].value = 1
    go_on.set()
    thread.join()
    assert all(values["number"] == values["copy"] for values in drawn)
    assert drawn[-1] == {"number": 5, "copy": 5, "other": 1} == lab.state


def test_the_last_change_is_drawn_last():
    slow = threading.Event()

    def see(values):
        if values["other"] == 1:
            slow.set()
            thread.join(0.3)  # a second change comes while the first is being drawn
        return shell.Seen(b"", str(values["other"]))

    lab, _ = twins(see)
    thread = threading.Thread(target=lambda: slow.wait(20) and lab.set(other=2))
    thread.start()
    lab.set(other=1)
    thread.join()
    assert "2" in lab.words.value
