"""Slides: one HTML file a notebook, with its stored outputs and notes, nothing fetched.

`python tools/slides.py` writes build/slides. Which cell is a slide, and which a speaker's note,
stands in the cells' slideshow tags; `python tools/slides.py tag` writes these by rule.
"""

from __future__ import annotations

import argparse
import re
import sys
from copy import deepcopy
from html import escape
from pathlib import Path

from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers.files import write_atomically  # noqa: E402
from tools import notebooks  # noqa: E402

TARGET = ROOT / "build" / "slides"
NOTE = re.compile(r"\*?\*(Explain|What to see|Look back|What this means|[A-Z][^*]*[.;,:]\*)|`|- ")
"""How a text begins that explains what was just shown: the speaker says it."""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
{highlighting}
body {{ margin: 0; background: #fff; color: #1a1a1a; font: 26px/1.35 sans-serif; overflow: hidden }}
section {{ display: none; position: absolute; inset: 0 }}
section.now {{ display: block }}
.fit {{ width: 1180px; padding: 30px 50px; box-sizing: content-box; transform-origin: 0 0 }}
pre, code {{ font: 20px/1.3 monospace }}
pre {{ margin: 0.4em 0; white-space: pre-wrap }}
img {{ width: 100%; max-height: 560px; object-fit: contain; object-position: left }}
table {{ border-collapse: collapse; font-size: 22px }}
td, th {{ padding: 0.15em 0.7em; border-bottom: 1px solid #bbb; text-align: left }}
summary {{ color: #555; font-size: 18px }}
aside {{ display: none }}
body.notes aside {{ display: block; border-top: 2px solid #555; margin-top: 1em; font-size: 20px }}
footer {{ position: absolute; right: 12px; bottom: 6px; color: #555; font-size: 15px }}
@media print {{ section {{ display: block; position: relative; break-after: page }} }}
</style></head><body>
{slides}
<footer>arrow keys: on and back &middot; n: notes &middot; <span id="at"></span></footer>
<script>
const slides = [...document.querySelectorAll("section")];
let at = Math.min(Number(location.hash.slice(1)) || 1, slides.length) - 1;
function fit(slide) {{
  const inner = slide.firstElementChild;
  inner.style.transform = "";
  const scale = Math.min(innerWidth / inner.scrollWidth, innerHeight / inner.scrollHeight);
  inner.style.transform = `scale(${{Math.min(scale, innerWidth / 1280)}})`;
}}
function show(to) {{
  at = Math.max(0, Math.min(to, slides.length - 1));
  slides.forEach((slide, i) => slide.classList.toggle("now", i === at));
  fit(slides[at]);
  document.getElementById("at").textContent = `${{at + 1}} / ${{slides.length}}`;
  history.replaceState(null, "", `#${{at + 1}}`);
}}
addEventListener("keydown", (event) => {{
  const step = {{ ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 }}[event.key];
  if (step && event.target.tagName !== "SUMMARY") show(at + step);
  if (event.key === "n") {{ document.body.classList.toggle("notes"); fit(slides[at]); }}
}});
addEventListener("toggle", () => fit(slides[at]), true);
addEventListener("resize", () => fit(slides[at]));
addEventListener("load", () => show(at));
show(at);
</script></body></html>
"""


def slide_type(cell: NotebookNode, before: NotebookNode | None) -> str:
    """The tag of a cell by rule: slide, subslide, "-" (on the slide before), notes, or skip.

    before: the last cell that is shown. Code stands with what is before it, unless that is full.
    """
    if notebooks.is_bootstrap(cell) or not cell.source.strip():
        return "skip"
    if cell.cell_type == "markdown":
        if cell.source.startswith(("# ", "## ")):
            return "slide"
        return "notes" if NOTE.match(cell.source) else "subslide"
    if cell.source.startswith(("import ", "from ", "check.solution(")):
        return "skip"
    if before is None:
        return "subslide"
    full = before.cell_type == "code" and (is_rich(before) or (is_rich(cell) and before.outputs))
    return "subslide" if full else "-"


def is_rich(cell: NotebookNode) -> bool:
    """Whether it shows a picture, a table, or an exercise: something with a slide of its own."""
    data = [output.get("data", {}) for output in cell.outputs]
    return "check." in cell.source or any("text/html" in each for each in data)


def tag(notebook: NotebookNode) -> None:
    """Write each cell's slideshow tag."""
    before = None
    for cell in notebook.cells:
        kind = slide_type(cell, before)
        cell.metadata["slideshow"] = {"slide_type": kind}
        before = before if kind in ("skip", "notes") else cell


def page(notebook: NotebookNode, title: str) -> str:
    """The notebook's slides as one HTML page; notes follow the slide that they explain."""
    slides: list[list[str]] = []  # of each, what it shows and what is said
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "subslide")
        if kind in ("notes", "-") and slides:
            slides[-1][kind == "notes"] += shown(cell)
        elif kind != "skip":
            slides.append([shown(cell), ""])
    sections = [
        f'<section><div class="fit">{what}<aside>{said}</aside></div></section>'
        for what, said in slides
    ]
    return PAGE.format(
        title=escape(title),
        highlighting=HtmlFormatter().get_style_defs(".highlight"),
        slides="\n".join(sections),
    )


def shown(cell: NotebookNode) -> str:
    """A cell as HTML: text; or its outputs, with the code folded above them."""
    if cell.cell_type == "markdown":
        text = notebooks.BADGE.sub("", cell.source)
        html = markdown2html_mistune(re.sub(r" · \*(core|further)\*", "", text))
        return re.sub(r'<a class="anchor-link".*?</a>', "", html)
    code = highlight(cell.source, PythonLexer(), HtmlFormatter())
    outputs = "".join(map(output_html, cell.outputs))
    return f"<details><summary>code</summary>{code}</details>{outputs}" if outputs else code


def output_html(output: NotebookNode) -> str:
    """A stored output as HTML: a picture with its words, a table, or text."""
    data = output.get("data", {})
    if "text/html" in data:
        return "".join(data["text/html"])
    if "text/markdown" in data:
        return markdown2html_mistune("".join(data["text/markdown"]))
    return f"<pre>{escape(''.join(output.get('text', data.get('text/plain', ''))))}</pre>"


def write_slides() -> None:
    """One page a notebook."""
    for path in notebooks.stored_notebooks():
        with write_atomically(TARGET / f"{path.stem}.html") as part:
            part.write_text(page(notebooks.read(path), path.stem), encoding="utf-8")
    print(f"The slides are in {TARGET}: open one in a browser.")


def write_tags() -> None:
    """The tags of every notebook's cells; a notebook that has them stays untouched."""
    for path in notebooks.stored_notebooks():
        notebook = notebooks.read(path)
        before = deepcopy(notebook)
        tag(notebook)
        if notebook != before:
            notebooks.write(notebook, path)
            print(f"{path.name}: tagged")


def main() -> None:
    """Write the slides, or with `tag` the cells' tags."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs="?", choices=["tag"], help="without it, write the slides")
    write_tags() if parser.parse_args().command else write_slides()


if __name__ == "__main__":
    main()
