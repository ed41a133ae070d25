"""A lab on a page of its own, without a kernel: a host that imitates a widget's model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, Route

ADDRESS = "http://lab.test/"  # nothing is asked of a network: the routes below answer
HOST = """
const traits = JSON.parse(document.getElementById("traits").textContent);
const heard = {};
window.model = {
  get: (name) => traits[name],
  set: (name, value) => { traits[name] = value; },
  save_changes: () => { window.saves = (window.saves ?? 0) + 1; },
  on: (name, react) => (heard[name] ??= []).push(react),
  off: () => {},
};
window.put = (state) => {
  traits.state = state;
  heard["change:state"].forEach((react) => react());
};
window.keys = [];
document.addEventListener("keydown", (event) => window.keys.push(event.key));
import * as lab from "./lab.js";
Object.assign(window, { lab, traits });
lab.default.render({ model: window.model, el: document.getElementById("here") });
window.ready = true;
"""


@contextmanager
def bare_page(
    browser: Browser, module: str, style: str, traits: dict[str, Any], **options: Any
) -> Iterator[Page]:
    """The page; it fails afterwards when anything was asked of elsewhere or complained."""
    text = json.dumps(traits).replace("</", "<\\/")
    html = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>A lab</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{style}</style><script type='application/json' id='traits'>{text}</script>"
        f"<main id='here'></main><script type='module'>{HOST}</script></html>"
    )
    known = {ADDRESS: ("text/html", html), f"{ADDRESS}lab.js": ("text/javascript", module)}
    faults: list[str] = []

    def answer(route: Route) -> None:
        kind, body = known.get(route.request.url, ("", ""))
        if not kind:
            faults.append(f"asked for {route.request.url}")
            return route.abort()
        return route.fulfill(body=body, content_type=kind)

    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.route("**/*", answer)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(ADDRESS)
    page.wait_for_function("window.ready")
    try:
        yield page
        assert faults == []
    finally:
        context.close()
