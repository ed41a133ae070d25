"""One JupyterLab and one Chromium for a file of tests; without Chromium, the way to get it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import lab as driver
from tools import chromium


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[driver.Lab]:
    """Ends with the file: playwright's event loop must not run on under other tests."""
    path = chromium.find()
    if path is None:
        pytest.skip(chromium.HOW)
    home = tmp_path_factory.mktemp("lab")
    with driver.server(home) as address, driver.browser(path) as browser:
        yield driver.Lab(home, address, browser)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for pages without a kernel."""
    path = chromium.find()
    if path is None:
        pytest.skip(chromium.HOW)
    with driver.browser(path) as context:
        assert context.browser is not None
        yield context.browser
