"""A real JupyterLab in a real Chromium: started on a free port, opened, run, looked at, closed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("page.js")
PATIENCE = 180  # seconds: a loaded machine is slow, and a test waits on conditions only

# What the console may say, each with its reason. Anything else fails a test.
EXPLAINED = {
    r"\[Deprecation\]": "a newer browser's notes on JupyterLab's own code",
    r"^No such comm": "JupyterLab asks for widgets before the kernel has imported ipywidgets",
    r"colab-badge\.svg": "the badge's picture comes from the network, which may not be there",
}

NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


# --- the server ---------------------------------------------------------------------------------


@contextmanager
def server(home: Path, profile: str = "ci", data: Path | None = None) -> Iterator[str]:
    """JupyterLab on `home`/notebooks, with the helpers beside them; gives its address.

    Ends with everything that it started, also when the block fails.
    """
    shutil.copytree(ROOT / "notebooks", home / "notebooks")
    for name in ("helpers", "pyproject.toml"):
        (home / name).symlink_to(ROOT / name)
    log = home / "server.log"
    with log.open("w") as words:
        process = subprocess.Popen(
            command(home), env=environment(home, profile, data), stdout=words, stderr=words
        )
    try:
        yield _address(process, home, log)
    finally:
        process.terminate()  # it shuts its kernels down
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def command(home: Path) -> list[str]:
    """The server's command line. Left alone for long, it ends by itself."""
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"),
        "--LabApp.expose_app_in_browser=True",
        "--IdentityProvider.token=",
        "--ServerApp.disable_check_xsrf=True",
        "--ServerApp.shutdown_no_activity_timeout=1800",
        "--MappingKernelManager.cull_idle_timeout=1200",
        f"--ServerApp.root_dir={home / 'notebooks'}",
    ]


def environment(home: Path, profile: str, data: Path | None) -> dict[str, str]:
    """The server's variables: its own folders, live widgets, and nothing of coverage.

    A kernel that is ended while it writes what it covered would leave half a file.
    """
    ours = ("COV_CORE_", "COVERAGE_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept.pop("FUNNEL_STATIC", None)
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "share",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
        "FUNNEL_DATA": data or home / "data",
    }
    news = home / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    news.parent.mkdir(parents=True, exist_ok=True)
    news.write_text(json.dumps(NO_NEWS))
    settings = {"FUNNEL_PROFILE": profile, "PYTHONPATH": str(home)}
    return kept | settings | {name: str(folder) for name, folder in folders.items()}


def _address(process: subprocess.Popen, home: Path, log: Path) -> str:
    """The address, once the server has written it down, which it does when it listens."""
    note = home / "runtime" / f"jpserver-{process.pid}.json"

    def written() -> str | None:
        if process.poll() is not None:
            raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
        try:
            return json.loads(note.read_text())["url"]
        except (OSError, ValueError):  # not there, or half written
            return None

    return until(written, f"JupyterLab's address; its log is {log}")


def until(look: Callable[[], Any], what: str) -> Any:
    """What `look` gives, as soon as it is true; raises TimeoutError that names `what`."""
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > end:
            raise TimeoutError(f"After {PATIENCE} s still waiting for {what}")
        time.sleep(0.02)
    return found


# --- the browser --------------------------------------------------------------------------------


@contextmanager
def browser(path: str) -> Iterator[BrowserContext]:
    """Chromium without a window, as root too; it asks nothing of the network by itself."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield chromium.new_context()  # one for all pages: they share its cache
        finally:
            chromium.close()


@dataclass
class Lab:
    """A server and a browser: what the tests open notebooks with."""

    home: Path
    address: str
    context: BrowserContext

    def write(self, name: str, cells: list[str]) -> str:
        """Store a notebook of code cells; gives its file name."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.metadata["kernelspec"] = kernel
        nbformat.write(notebook, self.home / "notebooks" / f"{name}.ipynb")
        return f"{name}.ipynb"

    @contextmanager
    def opened(self, file: str, width: int = 1280, height: int = 1000) -> Iterator[Notebook]:
        """Open a stored notebook in a page of its own, run it whole, and close both after."""
        page = self.context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(1000 * PATIENCE)
        page.add_init_script(path=SCRIPT)
        notebook = Notebook(page)
        page.on("console", notebook.hear)
        page.on("pageerror", lambda error: notebook.heard.append(str(error)))
        try:
            page.goto(f"{self.address}lab/tree/{file}?reset")
            page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext")
            page.evaluate("() => void funnel.run().then((word) => { funnel.done = word })")
            page.wait_for_function("funnel.done", timeout=2000 * PATIENCE)
            yield notebook
            page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        finally:
            page.close()


@dataclass
class Notebook:
    """An open notebook whose cells have run."""

    page: Page
    heard: list[str] = field(default_factory=list)

    def hear(self, message: Any) -> None:
        """Keep what the console says in earnest."""
        if message.type in ("error", "warning"):
            place = message.location or {}
            self.heard.append(f"{message.type}: {message.text} ({place.get('url', '')})")

    def complaints(self) -> list[str]:
        """What console and kernel said, without what `EXPLAINED` explains."""
        heard = [*self.heard, *self.page.evaluate("funnel.errors")]
        return [text for text in heard if not any(re.search(known, text) for known in EXPLAINED)]

    def widget(self, selector: str) -> Widget:
        """The widget that the CSS selector finds, scrolled into view.

        Raises RuntimeError with what console and kernel said, when that comes in its place.
        """
        root = self.page.locator(f".jp-OutputArea {selector}")
        until(lambda: root.count() or self.complaints(), selector)
        if not root.count():
            raise RuntimeError("\n".join(self.complaints()))
        root.scroll_into_view_if_needed()
        return Widget(self.page, root)

    def theme(self, name: str) -> None:
        """Change JupyterLab's theme: "JupyterLab Light" or "JupyterLab Dark"."""
        self.page.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", name
        )
        self.page.wait_for_function(
            "theme => document.body.dataset.jpThemeName === theme", arg=name
        )
        self.page.evaluate("funnel.painted()")


@dataclass(frozen=True)
class State:
    """What a widget shows: digests of its pictures, its sentence, its controls."""

    pixels: list[str]
    words: str
    settings: str


@dataclass
class Widget:
    """A widget in the page, as a reader has it: controls by their labels, pictures and words."""

    page: Page
    root: Locator

    def all(self, selector: str) -> list[Locator]:
        """The controls of one kind that can be used now."""
        found = self.root.locator(selector).all()
        return [control for control in found if control.is_visible() and control.is_enabled()]

    def control(self, label: str) -> Locator:
        """What stands beside the label: a slider, a menu, a box."""
        exact = re.compile(rf"^\s*{re.escape(label)}\s*$")
        named = self.page.locator(".widget-label").filter(has_text=exact)
        return self.root.locator(".widget-inline-hbox, .widget-inline-vbox").filter(has=named)

    def handle(self, label: str) -> Locator:
        """The handle of the slider with this label, as a screen reader finds it."""
        return self.root.get_by_role("slider", name=label, exact=True)

    def menu(self, label: str) -> Locator:
        """The menu with this label."""
        return self.control(label).locator("select")

    def button(self, words: str) -> Locator:
        """The button with these words."""
        return self.root.get_by_role("button", name=words, exact=True)

    def press(self, target: Locator, *keys: str) -> None:
        """Press keys, one after the other, on what has the focus then."""
        target.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def tabbed(self) -> list[int]:
        """The places of the controls that the Tab key reaches, from the first one on."""
        self.root.evaluate("root => funnel.controls(root)[0].focus()")
        reached = [0]
        while (place := self._next()) > reached[-1]:
            reached.append(place)
        return reached

    def _next(self) -> int:
        self.page.keyboard.press("Tab")
        return self.root.evaluate("root => funnel.focused(root)")

    def drag(self, label: str, share: float, moves: int = 30) -> None:
        """Take the handle with the mouse to `share` of the slider's length, in so many moves."""
        handle = self.handle(label).bounding_box()
        track = self.control(label).locator(".noUi-base").bounding_box()
        x, y = (handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(track["x"] + share * track["width"], y, steps=moves)
        self.page.mouse.up()

    def pixels(self) -> list[str]:
        """A digest of what each picture shows."""
        return self.root.evaluate("root => funnel.pixels(root)")

    def words(self) -> str:
        """The sentence that says what is set and seen."""
        return "\n".join(self.root.get_by_role("status").all_inner_texts())

    def settings(self) -> str:
        """What its controls say, menus and boxes included."""
        return self.root.evaluate("root => funnel.settings(root)")

    def state(self) -> State:
        """What it shows, once the kernel has answered all that it was sent.

        A control sends its next value when the last is answered, hence the same twice.
        """
        seen: list[State] = []

        def settled() -> bool:
            if not self.page.evaluate("funnel.quiet()"):
                return False
            seen.append(State(self.pixels(), self.words(), self.settings()))
            return len(seen) > 1 and seen[-1] == seen[-2]

        until(settled, "the widget to settle")
        return seen[-1]

    @contextmanager
    def watched(self) -> Iterator[dict[str, Any]]:
        """Look at every frame; afterwards the dict has `places`, `faults` and `film`."""
        watch = self.root.evaluate_handle("root => funnel.watch(root)")
        result: dict[str, Any] = {}
        with self.filmed() as film:
            yield result
            self.state()
        result.update(watch.evaluate("watch => watch.stop()"), film=film)

    @contextmanager
    def filmed(self) -> Iterator[list[Image.Image]]:
        """Chromium's own frames of the widget's picture, as they reach the screen."""
        box = self.root.locator("img").bounding_box()
        session = self.page.context.new_cdp_session(self.page)
        film: list[Image.Image] = []

        def keep(frame: dict[str, Any]) -> None:
            screen = Image.open(BytesIO(b64decode(frame["data"])))
            corners = box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]
            film.append(screen.convert("L").crop(tuple(map(round, corners))))
            session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

        session.on("Page.screencastFrame", keep)
        session.send("Page.startScreencast", {"format": "jpeg", "quality": 60})
        yield film
        session.send("Page.stopScreencast")
        session.detach()
