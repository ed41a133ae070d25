"""The series as static pages: stored outputs, labs that live without a kernel, nothing fetched.

Written to build/site. The pages' own files are in site/; notebooks, labs and pictures are copied
beside them into build/pages, from where Sphinx reads.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the series is not installed, it is run where it lies

from helpers.widgets import explorer, funnel  # noqa: E402
from tools import notebooks  # noqa: E402

SOURCE, TARGET = ROOT / "build" / "pages", ROOT / "build" / "site"
LABS: dict[str, tuple[Any, Any]] = {
    "funnel_lab": (funnel, funnel.FunnelLab),
    "activation_explorer": (explorer, explorer.ActivationExplorer),
}
START = """---
html_theme.sidebar_secondary.remove: true
---
# The funnel series

**A pixel x, and what a window makes of its neighbours, T(x): the funnel activation FReLU keeps the
larger one.** Drag over x to choose a pixel, drag a weight up or down to change the window, and see
who wins. Eight notebooks lead from here to the question whether the funnel is worth its price.

```{{raw}} html
{lab}
```

| notebook | its question |
|---|---|
{rows}

All of it, with the recorded runs and the tests: [the repository]({address}).

```{{toctree}}
:hidden:

{names}
running
```
"""


def main() -> int:
    """Build the pages; the exit status is Sphinx's, for which a warning is an error."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "site", SOURCE)
    write_labs(SOURCE / "_static" / "labs")
    rows, names = [], []
    for path in notebooks.stored_notebooks():
        notebook = notebooks.read(path)
        title, question = title_and_question(notebook.cells[0].source)
        rows.append(f"| [{title}]({path.stem}.ipynb) | {question} |")
        names.append(path.stem)
        adapt(notebook, path.stem)
        (SOURCE / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    start = {"rows": "\n".join(rows), "names": "\n".join(names), "address": notebooks.address()}
    (SOURCE / "index.md").write_text(
        START.format(lab=place_of("funnel_lab", ""), **start), encoding="utf-8"
    )
    shutil.rmtree(TARGET, ignore_errors=True)
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(SOURCE), str(TARGET)]
    failed = subprocess.call([sys.executable, *command], cwd=ROOT)
    print(f"The pages are in {TARGET}. To read them: python -m http.server --directory {TARGET}")
    return failed


def write_labs(folder: Path) -> None:
    """Each lab's module and its traits, and the look that they share."""
    folder.mkdir(parents=True)
    for name, (module, widget) in LABS.items():
        (folder / f"{name}.js").write_text(str(widget._esm), encoding="utf-8")
        traits = json.dumps(module.page_traits(), separators=(",", ":"))
        (folder / f"{name}.json").write_text(traits, encoding="utf-8")
        (folder / "lab.css").write_text(str(widget._css), encoding="utf-8")


def title_and_question(text: str) -> tuple[str, str]:
    """A notebook's title and its one-sentence question, from its first cell."""
    title = re.search(r"^# (?:\d\d - )?(.+)$", text, re.MULTILINE)
    question = re.search(r"^\*\*(.+\?)\*\*$", text, re.MULTILINE)
    if not (title and question):
        raise ValueError(f"A notebook begins with its title and its question, not with: {text}")
    return title[1], question[1]


def adapt(notebook: Any, stem: str) -> None:
    """Make of a stored notebook what a page needs: figures with words, labs alive, no badge."""
    first, bootstrap = notebook.cells[0], notebook.cells[1]
    badge = r"\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)"
    file = f"{notebooks.address()}/blob/main/notebooks/{stem}.ipynb"
    first.source = re.sub(badge, rf"[Open in Colab](\1) or [see the file]({file})", first.source)
    bootstrap.metadata.setdefault("tags", []).append("hide-input")
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        lab = next((name for name in LABS if re.search(rf"^{name}\(", cell.source, re.M)), "")
        cell.outputs = [
            output_of(each, f"{stem[:2]}-{place}-{count}", lab)
            for count, each in enumerate(cell.outputs)
            if each.get("name") != "stderr"
        ]


def output_of(output: Any, name: str, lab: str) -> Any:
    """The output; a figure becomes HTML with its words, and a lab's figure the lab."""
    if not notebooks.is_figure(output):
        return output
    picture, words = notebooks.picture_and_words(output)
    folder = SOURCE / "_static" / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(picture)
    words = escape(words)
    figure = (
        f'<figure class="series-figure"><img src="_static/figures/{name}.png" alt="{words}">'
        f'<figcaption aria-hidden="true">{words}</figcaption></figure>'
    )
    output["data"] = {"text/html": place_of(lab, figure) if lab else figure}
    return output


def place_of(lab: str, still: str) -> str:
    """Where host.js puts a lab; until then, and without JavaScript, the still figure is there."""
    return f'<div class="live-lab" data-lab="{lab}">{still}</div>'


if __name__ == "__main__":
    sys.exit(main())
