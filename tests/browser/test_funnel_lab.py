"""The funnel lab in Chromium without a kernel: its numbers against torch, and every control."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Locator, Page

from helpers.widgets import fields, funnel
from tests.browser.bare import bare_page

ARRAYS = """(states) => states.map((state) => {
  const values = (name) => lab.floats(traits.data.pictures[name].values);
  const x = state.input === "painted" ? Float64Array.from(state.painted) : values(state.input);
  const found = lab.compute(state, x, traits.data);
  const text = (array) => {
    let bytes = "";
    for (const byte of new Uint8Array(array.buffer)) bytes += String.fromCharCode(byte);
    return btoa(bytes);
  };
  return [found.raw, found.T, found.y].map(text);
})"""


@pytest.fixture(scope="module")
def shared(browser) -> Iterator[Page]:
    with bare_page(
        browser, funnel.FunnelLab._esm, funnel.FunnelLab._css, funnel.page_traits()
    ) as page:
        yield page


@pytest.fixture
def page(shared) -> Page:
    """The lab as it opens."""
    shared.evaluate("state => put(state)", funnel.page_traits()["state"])
    return shared


def random_states(count: int) -> list[funnel.State]:
    random = np.random.default_rng(0)
    choose = lambda values: values[random.integers(len(values))]  # noqa: E731
    found = []
    for _ in range(count):
        window = choose(list(fields.WINDOWS))
        given = choose(["impulse", "edge", "corner", "line", "checkerboard", "painted"])
        if random.random() < 0.1:
            given = choose(["photograph", "noise"])
        rows, columns = fields.WINDOWS[window]
        state = funnel.opening(
            given,
            window,
            weights=random.uniform(-3, 3, rows * columns),
            scale=float(random.uniform(-3, 3)),
            condition=choose(list(funnel.LAYERS)),
            batchnorm=bool(random.integers(2)),
            gamma=float(random.uniform(-2, 2)),
            beta=float(random.uniform(-2, 2)),
            painted=random.choice(fields.PAINTS, fields.PAINTED**2),
        )
        side = len(fields.input_field(given, state.painted))
        row, column = (int(place) for place in random.integers(side, size=2))
        found.append(replace(state, row=row, column=column))
    return found


def state_of(page: Page) -> dict:
    page.wait_for_timeout(200)  # the state goes to the model when it has settled
    return page.evaluate("traits.state")


def weight(page: Page, row: int, column: int) -> Locator:
    return page.get_by_label(f"weight, row {row}, column {column}")


# --- numbers ------------------------------------------------------------------------------------


def test_five_hundred_states_have_torchs_arrays(shared):
    states = random_states(500)
    found = shared.evaluate(ARRAYS, [funnel.as_json(state) for state in states])
    largest = 0.0
    for state, texts in zip(states, found, strict=True):
        theirs = funnel.fields(state, torch.float64)
        for text, name in zip(texts, ("raw", "T", "y"), strict=True):
            ours = np.frombuffer(b64decode(text)).reshape(theirs.x.shape)
            largest = max(largest, float(np.abs(ours - getattr(theirs, name)).max()))
    assert largest < 1e-5


def test_the_line_has_the_numbers_of_the_arrays(shared):
    for state in random_states(60):
        line, sentence = shared.evaluate(
            """(state) => { put(state); return [document.querySelector(".fs-line code").textContent,
            document.querySelector(".fs-words").textContent] }""",
            funnel.as_json(state),
        )
        found = funnel.fields(state, torch.float64)
        at = state.row, state.column
        said = [part.split()[0] for part in line.split(" = ")[1:]]
        expected = [found.raw[at], *([found.T[at]] if state.batchnorm else []), found.y[at]]
        assert [float(number) for number in said] == pytest.approx(expected, abs=0.0051)
        assert float(line.split()[line.startswith("max(")]) == pytest.approx(
            found.x[at], abs=0.0051
        )
        share = float(re.findall(r"(\d+\.\d) %", sentence)[0])
        assert share == pytest.approx(100 * np.mean(found.x < found.T), abs=0.051)


def test_its_slopes_are_autograds(shared):
    for state in random_states(40):
        if state.pools:
            continue
        x = torch.from_numpy(fields.input_field(state.input, state.painted))[None, None].double()
        module = funnel.layer(state).double()
        window = module.conv.weight.detach().clone() / state.scale
        window.requires_grad_()
        goal = torch.from_numpy(np.random.default_rng(1).normal(size=tuple(x.shape)))
        raw = torch.nn.functional.conv2d(x, state.scale * window, padding=state.side // 2)
        y = module.combine(x, module.bn(raw) if state.batchnorm else raw)
        ((y - goal) ** 2).mean().backward()
        slopes = shared.evaluate(
            """([state, x, goal]) => lab.slopes(
              state, lab.compute(state, Float64Array.from(x), traits.data), goal, traits.data)""",
            [funnel.as_json(state), x.flatten().tolist(), goal.flatten().tolist()],
        )
        rows, columns = fields.WINDOWS[state.window]
        top, left = (state.side - rows) // 2, (state.side - columns) // 2
        theirs = window.grad[0, 0, top : top + rows, left : left + columns].flatten()
        np.testing.assert_allclose(slopes["weights"], theirs, rtol=1e-5, atol=1e-7)
        if state.batchnorm:
            assert slopes["gamma"] == pytest.approx(
                module.bn.weight.grad.item(), rel=1e-5, abs=1e-7
            )
            assert slopes["beta"] == pytest.approx(module.bn.bias.grad.item(), rel=1e-5, abs=1e-7)


def test_mish_is_torchs(shared):
    x = torch.linspace(-30, 30, 601, dtype=torch.float64)
    ours = torch.tensor(shared.evaluate("x => x.map(lab.mish)", x.tolist()), dtype=torch.float64)
    assert (ours - torch.nn.functional.mish(x)).abs().max() < 1e-12


# --- touching it --------------------------------------------------------------------------------


def test_a_pointer_and_arrow_keys_move_the_pixel(page):
    x = page.get_by_role("slider", name="x: the pixel")
    box = x.locator("canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 10.5 / 128, box["y"] + box["height"] * 20.5 / 128)
    x.press("ArrowDown")
    x.press("Shift+ArrowRight")
    state = state_of(page)
    assert (state["row"], state["column"]) == (21, 18)
    assert x.get_attribute("aria-valuetext").startswith("row 21, column 18")


def test_home_and_end_go_to_the_ends_of_the_row_and_of_the_picture(page):
    x = page.get_by_role("slider", name="x: the pixel")
    row = state_of(page)["row"]
    ends = {"Home": (row, 0), "End": (row, 127), "Control+Home": (0, 0), "Control+End": (127, 127)}
    for key, place in ends.items():
        x.press(key)
        state = state_of(page)
        assert (state["row"], state["column"]) == place, key


def test_on_a_narrow_page_the_window_stands_next_to_x(browser):
    options = {"viewport": {"width": 344, "height": 800}}  # what the pages leave it of 360
    lab = funnel.FunnelLab
    with bare_page(browser, lab._esm, lab._css, funnel.page_traits(), **options) as page:
        x = page.get_by_role("slider", name="x: the pixel").bounding_box()
        assert weight(page, 1, 1).bounding_box()["y"] - (x["y"] + x["height"]) < 100


def test_a_weight_is_typed_dragged_stepped_and_set_to_zero(page):
    cell = weight(page, 1, 1)
    cell.fill("0,11")
    cell.press("Enter")
    cell.press("ArrowUp")
    assert state_of(page)["weights"][0] == 0.16
    box = cell.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 5, box["y"] - 35, steps=4)
    page.mouse.up()
    assert state_of(page)["weights"][0] == pytest.approx(0.66)
    cell.dblclick()
    assert state_of(page)["weights"][0] == 0
    assert page.get_by_label("weights", exact=True).input_value() == "by hand"


@pytest.mark.parametrize("typed", ["abc", "NaN", "1,2.3", "", "Infinity"])
def test_what_is_no_number_is_refused_and_said(page, typed):
    cell = weight(page, 2, 3)
    cell.fill(typed)
    cell.press("Enter")
    assert state_of(page)["weights"][5] == 1
    assert "is no number" in page.get_by_role("status").text_content()


def test_a_number_beyond_the_limit_says_what_became_of_it(page):
    weight(page, 2, 3).fill("12")
    weight(page, 2, 3).press("Enter")
    assert state_of(page)["weights"][5] == 9
    assert "12 became 9" in page.get_by_role("status").text_content()


def test_the_wheel_scrolls_the_page_until_a_weight_is_clicked(page):
    cell = weight(page, 1, 1)
    cell.focus()
    cell.hover()
    page.mouse.wheel(0, 100)
    assert state_of(page)["weights"][0] == -0.5
    cell.click()
    page.mouse.wheel(0, -100)
    assert state_of(page)["weights"][0] == -0.45


def test_a_preset_glides_and_undo_redo_reset_go_back_and_forth(page):
    first = state_of(page)
    page.get_by_label("weights", exact=True).select_option("blur")
    page.wait_for_function("document.querySelector('.fs-grid input').value === '0.11'")
    assert state_of(page)["weights"] == [0.11] * 9
    page.get_by_role("button", name="undo").click()
    assert state_of(page)["weights"] == first["weights"]
    page.get_by_role("button", name="redo").click()
    assert state_of(page)["weights"] == [0.11] * 9
    page.get_by_role("button", name="reset").click()
    assert state_of(page) == first


def test_a_window_of_another_shape_keeps_its_middle(page):
    weight(page, 2, 2).fill("0.7")
    weight(page, 2, 2).press("Enter")
    page.get_by_role("radio", name="1x3").check()
    assert state_of(page)["weights"] == [-1, 0.7, 1]
    page.get_by_role("radio", name="5x5").check()
    weights = np.array(state_of(page)["weights"]).reshape(5, 5)
    assert weights[2].tolist() == [0, -1, 0.7, 1, 0]
    assert np.count_nonzero(weights) == 3


def test_a_pool_has_no_weights_and_gamma_waits_for_batchnorm(page):
    assert page.get_by_label("gamma", exact=True).is_disabled()
    page.get_by_role("radio", name="maximum").check()
    assert weight(page, 1, 1).count() == 0
    assert page.get_by_label("times", exact=True).is_disabled()
    page.get_by_label("BatchNorm after the window").check()
    page.get_by_label("gamma", exact=True).fill("0.5")
    assert state_of(page)["gamma"] == 0.5


def test_pointing_at_a_product_lights_pixel_and_weight(page):
    page.locator(".fs-grid").nth(2).locator("div").nth(2).hover()
    assert page.locator(".fs-lit").count() == 3
    assert page.locator(".fs-hot").is_visible()


def test_x_is_painted_with_the_pointer(page):
    page.get_by_label("x is").select_option("painted")
    page.locator(".fs-choices", has_text="brush").get_by_role("radio", name="2", exact=True).check()
    x = page.get_by_role("slider", name="x: the pixel")
    box = x.bounding_box()
    cell = box["width"] / 16
    page.mouse.move(box["x"] + 4.5 * cell, box["y"] + 2.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 6.5 * cell, box["y"] + 2.5 * cell, steps=6)
    page.mouse.up()
    assert state_of(page)["painted"][36:39] == [2, 2, 2]


def test_a_picture_of_ones_own_stays_in_the_browser(page):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((200, 100)).save(buffer, "PNG")
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.get_by_label("A picture of your own").set_input_files(file)
    words = page.locator(".fs-words", has_text="your own")
    words.wait_for()
    assert state_of(page)["input"] == "photograph", "the model, and so the kernel, hears nothing"
    page.get_by_role("button", name="copy state").click()
    page.locator(".fs-message", has_text="stays in this page: no state holds it").wait_for()
    file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    page.get_by_label("A picture of your own").set_input_files(file)
    page.locator(".fs-message", has_text="notes.txt can't be read as a picture.").wait_for()
    assert words.is_visible()


DROP = """async (place) => {
    const data = await fetch(document.querySelector("canvas").toDataURL());
    const picture = await data.blob();
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([picture], "dropped.png", { type: "image/png" }));
    const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
    document.querySelector(place).dispatchEvent(event);
    return event.defaultPrevented;
}"""


@pytest.mark.parametrize("place", [".fs-touch", ".fs-words"])
def test_a_picture_dropped_anywhere_on_the_lab_is_taken(page, place):
    assert page.evaluate(DROP, place), "the browser would open the file in the lab's place"
    page.locator(".fs-words", has_text="your own").wait_for()


def test_an_arrow_key_on_x_ends_the_slide(page):
    page.get_by_role("button", name="play", exact=True).click()
    page.get_by_role("slider", name="x: the pixel").press("ArrowRight")
    page.get_by_role("button", name="play", exact=True).wait_for()


def test_a_picture_of_one_grey_is_zero_and_another_can_be_chosen(page):
    for grey, size in ((77, (10_000, 1)), (200, (5, 5))):
        buffer = io.BytesIO()
        Image.new("L", size, grey).save(buffer, "PNG")
        file = {"name": "grey.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
        page.get_by_label("A picture of your own").set_input_files(file)
        page.locator(".fs-words", has_text="100.0 % are ties").wait_for()
    with page.expect_file_chooser():
        page.get_by_role("button", name="another picture").click()


def test_a_picture_that_is_not_chosen_leaves_the_menu_as_it_was(browser):
    lab, traits = funnel.FunnelLab, funnel.page_traits()
    with bare_page(browser, lab._esm, lab._css, traits) as page:
        menu = page.get_by_label("x is")
        with page.expect_file_chooser():
            menu.select_option("own")
        assert menu.input_value() == "photograph"


def test_a_fast_stroke_has_no_gaps(page):
    page.get_by_label("x is").select_option("painted")
    page.locator(".fs-choices", has_text="brush").get_by_role("radio", name="2", exact=True).check()
    box = page.get_by_role("slider", name="x: the pixel").bounding_box()
    cell = box["width"] / 16
    page.mouse.move(box["x"] + 1.5 * cell, box["y"] + 2.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 14.5 * cell, box["y"] + 2.5 * cell, steps=1)
    page.mouse.up()
    assert state_of(page)["painted"][33:47] == [2] * 14


def test_the_window_can_be_fitted_to_a_painting(page):
    page.get_by_label("x is").select_option("painted")
    page.get_by_role("slider", name="x: the pixel").press(" ")
    page.get_by_label("x is").select_option("edge")
    page.get_by_text("Fit the window to a target").click()
    page.get_by_label("target").select_option("my painting")
    weights = state_of(page)["weights"]
    page.get_by_role("button", name="one step").click()
    page.get_by_text("Step 1: loss").wait_for()
    assert state_of(page)["weights"] != weights
    page.get_by_text("Fit the window to a target").click()


PICTURES = """() => [...document.querySelectorAll("canvas")].map((canvas) =>
  String(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data))"""


def whole(page: Page) -> bool:
    """Whether the pictures are those that a fresh drawing of the state gives."""
    shown = page.evaluate(PICTURES)
    state = state_of(page)
    page.evaluate("put", funnel.as_json(funnel.opening("corner")))
    page.evaluate("put", state)
    return shown == page.evaluate(PICTURES)


def test_a_pixel_pointed_at_while_weights_glide_or_the_window_slides_leaves_whole_pictures(page):
    page.get_by_label("weights", exact=True).select_option("sharpen")
    page.get_by_role("slider", name="x: the pixel").press("ArrowDown")
    assert whole(page)
    page.get_by_role("button", name="step", exact=True).click()
    page.locator(".fs-touch").click()
    assert whole(page)


def test_another_x_ends_a_fit_and_its_target(page):
    page.get_by_label("lesson").select_option("edge")
    page.get_by_text("Fit the window to a target").click()
    page.get_by_label("rate", exact=True).fill("0.01")
    page.get_by_role("button", name="fit the window").click()
    page.get_by_label("x is").select_option("photograph")
    page.wait_for_timeout(300)
    assert None not in state_of(page)["weights"], "NaN"
    assert page.get_by_role("button", name="fit the window").is_visible()
    page.get_by_role("button", name="tell me the target").click()
    page.get_by_text("There is no target yet.").wait_for()
    page.get_by_text("Fit the window to a target").click()


def test_the_window_slides_pixel_by_pixel(page):
    page.get_by_label("lesson").select_option("edge")
    step = page.get_by_role("button", name="step", exact=True)
    for _ in range(3):
        step.click()
    assert state_of(page)["column"] == 2
    alpha = (
        "document.querySelectorAll('canvas')[1].getContext('2d').getImageData(%d, 0, 1, 1).data[3]"
    )
    assert [page.evaluate(alpha % column) for column in (2, 3)] == [255, 0]
    page.get_by_label("speed").select_option("slow")
    page.get_by_role("button", name="play").click()
    page.wait_for_function("traits.state.column > 5")
    page.get_by_role("button", name="pause").click()
    page.get_by_role("button", name="all pixels").click()
    assert page.evaluate(alpha % 3) == 255


def test_gradient_descent_finds_the_hidden_window(page):
    page.get_by_label("lesson").select_option("edge")
    page.get_by_label("x is").select_option("noise")
    page.get_by_text("Fit the window to a target").click()
    page.get_by_label("target").select_option("sharpen")
    page.get_by_role("button", name="start from 0").click()
    page.get_by_role("button", name="fit the window").click()
    page.get_by_role("button", name="stop").wait_for(state="hidden", timeout=60_000)
    sharpen = fields.preset_weights("sharpen", "3x3")
    np.testing.assert_allclose(state_of(page)["weights"], sharpen, atol=0.05)
    page.get_by_role("button", name="tell me").click()
    page.get_by_text("The target's window is: sharpen.").wait_for()
    page.get_by_role("button", name="undo").click()
    assert state_of(page)["weights"] == [0] * 9, "as it was before the fit"
    page.get_by_text("Fit the window to a target").click()


def test_the_state_is_a_line_to_copy_and_to_paste(page):
    line = page.get_by_label("the state as one line")
    line.fill('{"input": "edge", "row": 3, "column": 4}')
    line.press("Enter")
    state = state_of(page)
    assert (state["input"], state["row"]) == ("edge", 3)
    for wrong, said in (
        ("{", "This is no state"),
        ('{"scale": 7}', "scale is 7; it takes a number"),
        ('{"preset": "blur"}', '"preset" is none of input, painted'),
        ('{"input": "own"}', 'input is "own"; it takes'),
        ('{"condition": "constructor"}', 'condition is "constructor"; it takes'),
    ):
        line.fill(wrong)
        line.press("Enter")
        assert said in page.locator(".fs-message").text_content()
        assert state_of(page)["scale"] == 1
    page.get_by_role("button", name="undo").click()
    assert state_of(page)["input"] == "photograph", "what was refused is no step to undo"


def test_keys_stay_in_the_lab(page):
    page.evaluate("keys.length = 0")
    page.get_by_label("times", exact=True).press("d")
    page.get_by_role("slider", name="x: the pixel").press("x")
    assert page.evaluate("keys") == []


# --- for everybody ------------------------------------------------------------------------------


def test_the_tab_key_reaches_every_control_in_reading_order(page):
    reachable = """() => [...document.querySelectorAll(
      "button, input:not([hidden]), select, summary, [tabindex]")]
      .filter((node) => !node.disabled && node.checkVisibility()
        && !(node.type === "radio" && !node.checked)).length"""
    page.locator(".fs-touch").focus()
    seen = [page.evaluate_handle("document.activeElement")]
    for _ in range(page.evaluate(reachable) - 1):
        page.keyboard.press("Tab")
        seen.append(page.evaluate_handle("document.activeElement"))
    assert page.evaluate("nodes => new Set(nodes).size", seen) == len(seen)
    following = (
        "nodes => nodes.every((node, k) => !k || nodes[k - 1].compareDocumentPosition(node) & 4)"
    )
    assert page.evaluate(following, seen)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(browser, theme, width):
    options = {"color_scheme": theme, "viewport": {"width": width, "height": 800}}
    style = funnel.FunnelLab._css
    with bare_page(browser, funnel.FunnelLab._esm, style, funnel.page_traits(), **options) as page:
        for lesson in ("max-pool", "BatchNorm"):
            page.get_by_label("lesson").select_option(lesson)
            page.get_by_role("radio", name="7x7").check()
            found = Axe().run(page).response["violations"]
            serious = [each for each in found if each["impact"] in ("serious", "critical")]
            assert [(each["id"], [n["html"] for n in each["nodes"]][:3]) for each in serious] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("radio", name="window", exact=True).check()
        page.get_by_role("button", name="projector").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_reduced_motion_is_respected(browser):
    options = {"reduced_motion": "reduce"}
    style = funnel.FunnelLab._css
    with bare_page(browser, funnel.FunnelLab._esm, style, funnel.page_traits(), **options) as page:
        page.get_by_role("button", name="play").click()
        assert "reduced motion; use step" in page.locator(".fs-message").text_content()
        page.get_by_label("weights", exact=True).select_option("blur")
        assert weight(page, 1, 1).input_value() == "0.11"


def test_parts_can_be_hidden(browser):
    traits = {**funnel.page_traits(), "show": ["window"]}
    with bare_page(browser, funnel.FunnelLab._esm, funnel.FunnelLab._css, traits) as page:
        assert page.get_by_label("times", exact=True).is_visible()
        assert page.get_by_label("x is").count() == 0
        assert weight(page, 1, 1).count() == 0
