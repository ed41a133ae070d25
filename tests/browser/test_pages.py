"""The series as pages: built once, looked at in Chromium as a reader has them."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tools import notebooks, pages

NAMES = ["index", "running", *(path.stem for path in notebooks.stored_notebooks())]
LARGEST = 15e6  # bytes of all files


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "SOURCE", home / "pages")
        patch.setattr(pages, "TARGET", home / "site")
        assert pages.main() == 0, "Sphinx warned"
    return home / "site"


@pytest.fixture(scope="module")
def address(folder) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def opened(browser: Browser, address: str, theme: str, width: int) -> tuple[Page, list[str]]:
    """A page, and what it complains of, or asks of other hosts."""
    context = browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": 900}, reduced_motion="reduce"
    )
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("response", lambda got: faults.append(got.url) if got.status >= 400 else None)
    local = (address, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(local) else faults.append(r.url))
    return page, faults


class Links(HTMLParser):
    """The links, names and pictures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.silent: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names |= {given[key] or "" for key in ("id", "name") if key in given}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        if tag == "img" and not given.get("alt"):
            self.silent.append(given.get("src") or "")


def test_they_are_small_and_every_link_and_picture_is_there(folder):
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < LARGEST
    read = {name: Links((folder / f"{name}.html").read_text("utf-8")) for name in NAMES}
    for name, page in read.items():
        assert page.silent == [], f"{name}: pictures without words"
        for link in page.links:
            if re.match(r"https?:|mailto:", link):
                continue
            file, part = urldefrag(unquote(link))
            target = (folder / file).resolve() if file else folder / f"{name}.html"
            assert target.exists(), f"{name}: {link}"
            if part and target.stem in read:
                assert part in read[target.stem].names, f"{name}: {link}"


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_and_accessible(browser, address, name, theme, width):
    page, faults = opened(browser, address, theme, width)
    page.goto(f"{address}{name}.html")
    for lab in page.locator("[data-lab]").all():
        lab.locator(".fs-lab").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults == []
    found = Axe().run(page).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [n["html"] for n in each["nodes"]][:3]) for each in serious] == []
    page.context.close()


def test_the_start_pages_lab_answers_and_its_state_is_in_the_address(browser, address):
    page, faults = opened(browser, address, "light", 1280)
    page.goto(address)
    weight = page.get_by_label("weight, row 1, column 1")
    weight.fill("0.25")
    weight.press("Enter")
    page.get_by_role("slider", name="x: the pixel").press("ArrowDown")
    page.wait_for_function("location.hash.includes('0.25')")
    page.reload()
    assert page.get_by_label("weight, row 1, column 1").input_value() == "0.25"
    text = page.get_by_role("slider", name="x: the pixel").get_attribute("aria-valuetext")
    assert text.startswith("row 87, column 48")
    assert faults == []
    page.context.close()


@pytest.mark.parametrize("width", [360, 800, 1280, 1920])
def test_a_lab_takes_the_pages_width_and_nothing_lies_on_it(browser, address, width):
    page, faults = opened(browser, address, "light", width)
    page.goto(address)
    box = page.locator(".fs-lab").bounding_box()
    assert box["width"] > {360: 320, 800: 720, 1280: 940, 1920: 1400}[width]
    picture, controls = (page.locator(each).bounding_box() for each in (".fs-stage", ".fs-side"))
    assert (picture["x"] + picture["width"] <= controls["x"]) == (width > 900), "side by side"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.mouse.wheel(0, 3000)
    page.mouse.wheel(0, -300)  # the theme's button to the top comes when a reader scrolls back
    assert page.locator("#pst-back-to-top").count() == 0
    assert faults == []
    page.context.close()


def test_another_address_in_the_same_tab_changes_the_lab(browser, address):
    page, faults = opened(browser, address, "light", 1280)
    page.goto(address)
    page.get_by_label("weight, row 1, column 1").wait_for()
    page.goto(f"{address}#funnel_lab={quote(json.dumps({'scale': 2}))}")
    page.wait_for_function("document.querySelector('[aria-label=times]').value === '2'")
    assert faults == []
    page.context.close()


ODD = '{"functions": ["constructor"]}'
REFUSED = re.compile(r"The state in the address was refused \(.+\); the start state is shown\.")
HOSTILE = ["{", "3", "[1]", '{"window": "9x9"}', '{"input": "own"}', '{"condition": "constructor"}']


@pytest.mark.parametrize("state", HOSTILE)
def test_an_address_that_is_no_state_opens_the_lab_as_always(browser, address, state):
    page, faults = opened(browser, address, "light", 1280)
    page.goto(f"{address}#funnel_lab={quote(state)}")
    assert page.get_by_label("weight, row 1, column 1").input_value() == "-0.50"
    assert page.locator(".fs-line").text_content().startswith("max(")
    page.locator(".fs-message", has_text=REFUSED).wait_for()
    page.get_by_role("slider", name="x: the pixel").press("ArrowDown")
    page.locator(".fs-message", has_text=REFUSED).wait_for(state="detached")
    page.goto(f"{address}#funnel_lab={quote(json.dumps({'scale': 2}))}")
    page.wait_for_function("document.querySelector('[aria-label=times]').value === '2'")
    page.goto(f"{address}#funnel_lab={quote(state)}")
    page.wait_for_function("document.querySelector('[aria-label=times]').value === '1'")
    page.locator(".fs-message", has_text=REFUSED).wait_for()
    assert faults == []
    page.context.close()


def test_an_explorers_address_that_is_no_state_opens_it_as_always(browser, address):
    page, faults = opened(browser, address, "light", 1280)
    page.goto(f"{address}01_activation_functions.html#activation_explorer={quote(ODD)}")
    page.get_by_role("checkbox", name="ReLU", exact=True).wait_for()
    page.locator(".fs-message", has_text=REFUSED).wait_for()
    assert faults == []
    page.context.close()


def test_in_the_dark_no_light_sheet_lies_under_a_lab(browser, address):
    page, faults = opened(browser, address, "dark", 1280)
    page.goto(f"{address}01_activation_functions.html")
    sheet = page.locator(".text_html", has=page.locator(".fs-lab"))
    look = "node => { const s = getComputedStyle(node); return [s.backgroundColor, s.padding]; }"
    assert sheet.evaluate(look) == ["rgba(0, 0, 0, 0)", "0px"]
    assert faults == []
    page.context.close()


def test_notebooks_01_and_02_have_their_labs_alive(folder):
    for name, lab in {"01": "activation_explorer", "02": "funnel_lab"}.items():
        (path,) = folder.glob(f"{name}_*.html")
        assert path.read_text("utf-8").count(f'data-lab="{lab}"') == 1


def test_labs_get_nothing_of_a_data_set(folder):
    for path in (folder / "_static" / "labs").glob("*.json"):
        pictures = json.loads(path.read_text("utf-8"))["data"].get("pictures", {})
        assert not {"cifar", "stanford"} & set(pictures)
