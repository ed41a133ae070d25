"""The slides in Chromium at 1280x720: no cell is cut off, nothing is fetched, notes on a key."""

from __future__ import annotations

import pytest

from tools import notebooks, slides

STORED = notebooks.stored_notebooks()
FIT = """() => { const box = document.querySelector("section.now .fit").getBoundingClientRect();
return [box.left, box.top, box.right, box.bottom, box.width / 1280]; }"""


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_tags_are_those_of_the_rule(path):
    notebook = notebooks.read(path)
    stored = [cell.metadata.get("slideshow") for cell in notebook.cells]
    slides.tag(notebook)
    assert stored == [cell.metadata["slideshow"] for cell in notebook.cells], "slides.py tag"


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_no_slide_is_cut_off_and_nothing_is_fetched(browser, tmp_path, path):
    place = tmp_path / "slides.html"
    place.write_text(slides.page(notebooks.read(path), path.stem), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    asked, failures = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(place.as_uri())
    count = page.locator("section").count()
    assert count > 15
    for _ in range(count):
        left, top, right, bottom, scale = page.evaluate(FIT)
        assert left >= 0
        assert top >= 0
        assert right <= 1281
        assert bottom <= 721
        assert scale > 0.45, page.locator("section.now").inner_text()[:200]
        page.keyboard.press("ArrowRight")
    page.keyboard.press("n")
    assert page.locator("aside:visible").count() <= 1
    assert not failures
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    page.close()


def test_notes_follow_their_slide_and_code_is_folded():
    (path,) = [path for path in STORED if path.stem.startswith("02")]
    text = slides.page(notebooks.read(path), "02")
    explained = text.index("A pointwise function meets each pixel alone")
    assert text.rindex("<aside>", 0, explained) > text.rindex("</section>", 0, explained)
    together = text.index("1. What must a pixel beat?"), text.index("Three grids of 5 by 5 pixels")
    assert "</section>" not in text[slice(*together)]
    assert "<details><summary>code</summary>" in text
    assert "colab-badge" not in text


@pytest.fixture
def one_notebook(tmp_path, monkeypatch):
    """A series of one notebook, whose cells have no tags yet."""
    notebook = notebooks.read(STORED[0])
    for cell in notebook.cells:
        cell.metadata.pop("slideshow", None)
    notebooks.write(notebook, tmp_path / "01_a.ipynb")
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(slides, "TARGET", tmp_path / "slides")
    return tmp_path / "01_a.ipynb"


def test_tag_writes_tags_alone_and_only_where_they_are_missing(one_notebook, monkeypatch):
    monkeypatch.setattr("sys.argv", ["slides.py", "tag"])
    slides.main()
    assert notebooks.read(one_notebook).cells[0].metadata["slideshow"] == {"slide_type": "slide"}
    written = one_notebook.stat().st_mtime_ns
    slides.main()
    assert one_notebook.stat().st_mtime_ns == written
    assert list(one_notebook.parent.iterdir()) == [one_notebook]


@pytest.mark.parametrize("words", [["tags"], ["tag", "01"]])
def test_other_words_write_nothing(one_notebook, monkeypatch, words):
    before = one_notebook.read_bytes()
    monkeypatch.setattr("sys.argv", ["slides.py", *words])
    with pytest.raises(SystemExit, match="2"):
        slides.main()
    assert one_notebook.read_bytes() == before
    assert list(one_notebook.parent.iterdir()) == [one_notebook]


def test_slides_that_cannot_be_written_leave_the_old_ones(one_notebook, monkeypatch):
    monkeypatch.setattr("sys.argv", ["slides.py"])
    slides.main()
    (page,) = slides.TARGET.iterdir()
    before = page.read_bytes()
    monkeypatch.setattr(slides, "page", lambda *_: "no UTF-8: \ud800")
    with pytest.raises(UnicodeEncodeError):
        slides.main()
    assert list(slides.TARGET.iterdir()) == [page]
    assert page.read_bytes() == before
