"""The activation explorer in Chromium without a kernel: its numbers against torch, its controls."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page

from helpers.figures.activations import FORMULAS
from helpers.widgets import explorer
from tests.browser.bare import bare_page

LAB = explorer.ActivationExplorer._esm, explorer.ActivationExplorer._css


@pytest.fixture(scope="module")
def shared(browser) -> Iterator[Page]:
    with bare_page(browser, *LAB, explorer.page_traits()) as page:
        yield page


@pytest.fixture
def page(shared) -> Page:
    """The explorer as it opens."""
    shared.evaluate("state => put(state)", explorer.page_traits()["state"])
    return shared


def state_of(page: Page) -> dict:
    page.wait_for_timeout(200)  # the state goes to the model when it has settled
    return page.evaluate("traits.state")


def test_the_page_has_every_function_of_the_table(shared):
    known = set(shared.evaluate("Object.keys(lab.FUNCTIONS)"))
    assert known == set(FORMULAS), "helpers/widgets/activation_explorer.js, FUNCTIONS"


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_slopes_are_torchs(shared, name):
    x = torch.cat([torch.linspace(-6, 6, 1201), torch.tensor([-1e3, -50.0, -1e-9, 50.0, 1e3])])
    random, x = np.random.default_rng(0), x.double()
    for _ in range(20):
        parameters = {
            key: float(random.uniform(*row.limits)) for key, row in explorer.PARAMETERS.items()
        }
        state = explorer.opening([name], **parameters)
        theirs = explorer.value_and_slope(explorer.activation(name, state), x)
        chosen = [v for k, v in parameters.items() if explorer.PARAMETERS[k].function == name]
        ours = shared.evaluate(
            "([name, x, a]) => x.map((value) => lab.FUNCTIONS[name](value, a))",
            [name, x.tolist(), *(chosen or [0])],
        )
        values, slopes = np.array(ours).T
        np.testing.assert_allclose(values, theirs[0], rtol=1e-12, atol=1e-6)
        np.testing.assert_allclose(slopes, theirs[1], rtol=1e-12, atol=1e-6)


def test_x_is_dragged_along_the_curve_and_moved_by_keys(page):
    plot = page.get_by_role("slider", name="x: drag or arrow keys")
    box = plot.locator("svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 100, steps=5)
    page.mouse.up()
    assert state_of(page)["x"] == pytest.approx(2, abs=0.051)
    plot.press("Home")
    plot.press("ArrowRight")
    assert state_of(page)["x"] == -3.95
    assert page.get_by_role("columnheader", name="value at x = -3.95").is_visible()


def middle(node: Locator) -> tuple[float, float]:
    box = node.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


PARAMETERS = explorer.PARAMETERS.items()


@pytest.mark.parametrize(("parameter", "row"), PARAMETERS)
def test_a_parameter_is_dragged_on_its_curve_and_the_handle_stays_under_the_pointer(
    page, parameter, row
):
    page.evaluate("put", explorer.as_json(explorer.opening([row.function])))
    handle = page.get_by_role("slider", name=f"{row.symbol} on the curve")
    plot = page.locator(".fs-axes").first.bounding_box()
    low, high = row.limits
    goal = low + 0.4 * (high - low)
    x, y = page.evaluate("([name, a]) => lab.gripOf(name, a)", [row.function, goal])
    goal_at = plot["x"] + plot["width"] * (x + 4) / 8, plot["y"] + plot["height"] * (4.25 - y) / 7
    page.mouse.move(*middle(handle))
    page.mouse.down()
    assert state_of(page)[parameter] == row.start, "taking hold changes nothing"
    page.mouse.move(*goal_at, steps=4)
    page.mouse.up()
    assert middle(handle) == pytest.approx(goal_at, abs=1.5)
    assert state_of(page)[parameter] == pytest.approx(goal, abs=0.05 * (high - low))
    assert float(handle.get_attribute("aria-valuenow")) == state_of(page)[parameter]


@pytest.mark.parametrize(("parameter", "row"), PARAMETERS)
def test_a_handle_is_moved_by_keys_and_can_be_taken_hold_of_at_the_ends_of_its_way(
    page, parameter, row
):
    page.evaluate("put", explorer.as_json(explorer.opening([row.function])))
    handle = page.get_by_role("slider", name=f"{row.symbol} on the curve")
    handle.press("ArrowUp")
    assert state_of(page)[parameter] == pytest.approx(row.start + row.step)
    plot = page.locator(".fs-axes").first.bounding_box()
    for key, end in zip(("Home", "End"), row.limits, strict=True):
        handle.press(key)
        assert state_of(page)[parameter] == end
        box = handle.bounding_box()
        assert box["y"] + box["height"] <= plot["y"] + plot["height"] + 1


def test_a_parameter_waits_until_its_function_is_drawn(page):
    alpha = page.get_by_label("ELU alpha", exact=True)
    assert alpha.is_disabled()
    assert page.locator(".fs-handle:visible").count() == 0
    page.get_by_label("ELU", exact=True).check()
    assert alpha.is_enabled()
    assert page.locator(".fs-handle:visible").count() == 1


def test_two_functions_have_a_difference(page):
    page.get_by_label("of", exact=True).select_option("mish")
    page.get_by_label("minus", exact=True).select_option("silu")
    assert state_of(page)["difference"] == ["mish", "silu"]
    expected = torch.nn.functional.mish(torch.tensor(-1.5)) - torch.nn.functional.silu(
        torch.tensor(-1.5)
    )
    row = page.get_by_role("row", name="Mish - SiLU").get_by_role("cell").first
    assert float(row.text_content()) == pytest.approx(expected.item(), abs=0.00051)


def test_a_kink_says_that_it_has_no_slope(page):
    page.get_by_label("x", exact=True).fill("0")
    assert "At x = 0 ReLU: a kink has no slope" in page.locator(".fs-stage").text_content()


def test_undo_and_reset_go_back(page):
    first = state_of(page)
    page.get_by_label("GELU", exact=True).check()
    page.get_by_role("button", name="undo").click()
    assert state_of(page) == first
    page.get_by_label("GELU", exact=True).check()
    page.get_by_role("button", name="reset").click()
    assert state_of(page) == first


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(browser, theme, width):
    options = {"color_scheme": theme, "viewport": {"width": width, "height": 800}}
    traits = explorer.page_traits()
    traits["state"] = explorer.as_json(explorer.opening(FORMULAS, difference=["mish", "gelu"]))
    with bare_page(browser, *LAB, traits, **options) as page:
        found = Axe().run(page).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        assert [(each["id"], [n["html"] for n in each["nodes"]][:3]) for each in serious] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("button", name="projector").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
