"""The stored notebooks: their bootstrap cells and badges, what is stale, running and cleaning."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from base64 import b64decode
from html import unescape
from pathlib import Path
from typing import Any

import nbclient
import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
FIGURE = re.compile(r'<figure[^>]*><img alt="([^"]*)" src="data:image/png;base64,([^"]*)">')
BADGE_PICTURE = "https://colab.research.google.com/assets/colab-badge.svg"
BADGE = re.compile(r"\[!\[Open in Colab\][^\r\n]*")

# Run after the last cell, and not stored: which profile and which data the outputs come from.
PROVENANCE = """\
import json
_sources = {v.source for v in list(globals().values()) if hasattr(type(v), "is_standin")}
print(json.dumps({"profile": session.profile.name, "data": sorted(_sources)}))
"""


def project() -> dict[str, Any]:
    """What pyproject.toml says, the only place where address and version stand."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def address() -> str:
    """The repository's address."""
    return project()["urls"]["Repository"]


GITHUB = re.compile(
    r"(?:https?://(?:[^@/]+@)?github\.com(?::\d+)?/|(?:ssh://)?git@github\.com(?::\d+)?[:/])"
    r"([\w.-]+/[\w.-]+?)(?:\.git)?/?"
)


def origin_address() -> str | None:
    """Where on GitHub this clone comes from, by its remote `origin`; None for any other clone."""
    if not (ROOT / ".git").exists():  # a plain copy, perhaps inside somebody else's repository
        return None
    command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    remote = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    found = GITHUB.fullmatch(remote)
    return f"https://github.com/{found[1]}" if found else None


def badge(name: str) -> str:
    """The Markdown of the button that opens the notebook `name` in Colab."""
    github = address().replace("https://github.com/", "")
    target = f"https://colab.research.google.com/github/{github}/blob/main/notebooks/{name}.ipynb"
    return f"[![Open in Colab]({BADGE_PICTURE})]({target})"


def stored_notebooks() -> list[Path]:
    """The notebooks of the series, in reading order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def read(path: Path) -> NotebookNode:
    """A notebook of the current format."""
    return nbformat.read(path, as_version=4)


def write(notebook: NotebookNode, path: Path) -> None:
    """Write it atomically, with the line ends that the file had."""
    part = path.with_suffix(".part")
    line_end = "\r\n" if path.exists() and b"\r\n" in path.read_bytes() else "\n"
    part.write_text(f"{nbformat.writes(notebook).rstrip()}\n", "utf-8", newline=line_end)
    part.replace(path)


def is_figure(output: Any) -> bool:
    """Whether a stored output is one of the series' figures, or a lab's still picture."""
    return bool(FIGURE.search("".join(output.get("data", {}).get("text/html", ""))))


def picture_and_words(output: Any) -> tuple[bytes, str]:
    """A figure's PNG and its alternative text. Raises ValueError for an output that is none."""
    found = FIGURE.search("".join(output["data"]["text/html"]))
    if not found:
        raise ValueError("the output holds no figure of the series")
    return b64decode(found[2]), unescape(found[1])


def is_bootstrap(cell: NotebookNode) -> bool:
    """Whether `make links` writes this cell."""
    return "bootstrap" in cell.metadata.get("tags", [])


def digest(notebook: NotebookNode) -> str:
    """SHA-256 over the code that made the outputs.

    Text cells make no output, and the bootstrap changes with the repository's address only.
    """
    cells = [c.source for c in notebook.cells if c.cell_type == "code" and not is_bootstrap(c)]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def is_stale(notebook: NotebookNode) -> bool:
    """Whether the code changed since the outputs were made."""
    return notebook.metadata.get("funnel", {}).get("digest") != digest(notebook)


# --- link -------------------------------------------------------------------------------------


def bootstrap_source(name: str) -> str:
    """The source of the first code cell of the notebook `name`."""
    template = (ROOT / "tools" / "bootstrap_cell.py").read_text(encoding="utf-8").rstrip()
    filled = template.replace("REPOSITORY", address()).replace("NUMBER", project()["version"])
    return filled.replace("NOTEBOOK", name)


def put_bootstrap(notebook: NotebookNode, name: str) -> None:
    """Write the first code cell, in the place of the one that called `start(` before."""
    cells = notebook.cells
    first = next((i for i, c in enumerate(cells) if c.cell_type == "code"), len(cells))
    if first == len(cells) or not re.search(r"\bstart\(", cells[first].source):
        cells.insert(first, nbformat.v4.new_code_cell())
    cell = cells[first]
    cell.source = bootstrap_source(name)
    cell.metadata.update(
        {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["bootstrap"]}
    )


def put_badge(notebook: NotebookNode, name: str) -> None:
    """Write the Colab badge under the title; a notebook without one gets its name as title."""
    if not notebook.cells or notebook.cells[0].cell_type != "markdown":
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(f"# {name}"))
    cell = notebook.cells[0]
    if BADGE.search(cell.source):
        cell.source = BADGE.sub(lambda _: badge(name), cell.source)
    else:
        title, _, rest = cell.source.partition("\n")
        cell.source = f"{title}\n\n{badge(name)}\n{rest}".rstrip()


def link() -> None:
    """Write the repository's address everywhere: pyproject.toml, README, bootstrap cells, badges.

    It is the remote `origin`'s where that is on GitHub, and else stays pyproject.toml's.
    """
    old, new = address(), origin_address() or address()
    for name in ("pyproject.toml", "README.md"):  # in this order: badges read pyproject.toml
        text = (ROOT / name).read_bytes().decode()  # as bytes: line ends stay
        linked = link_table(with_address(text, old, new))
        if linked != text:
            (ROOT / name).write_bytes(linked.encode())
            print(f"{name}: linked")
    for path in stored_notebooks():
        notebook = read(path)
        before = nbformat.writes(notebook)
        put_bootstrap(notebook, path.stem)
        put_badge(notebook, path.stem)
        if nbformat.writes(notebook) != before:
            write(notebook, path)
            print(f"{path.name}: linked")


def with_address(text: str, old: str, new: str) -> str:
    """The text with the address `old` changed to `new`, but not where a longer name begins so."""
    return re.sub(rf"{re.escape(old)}(?![\w-]|\.(?!git\b)\w)", lambda _: new, text)


def link_table(text: str) -> str:
    """The README with each badge pointing at the notebook that its line names."""

    def line_with_badge(line: str) -> str:
        name = re.search(r"notebooks/(\w+)\.ipynb\)", line)
        return BADGE.sub(lambda _: f"{badge(name[1])} |", line) if name else line

    return "\n".join(line_with_badge(line) for line in text.split("\n"))


# --- execute ----------------------------------------------------------------------------------


def execute(names: list[str]) -> None:
    """Run the stale notebooks in the class profile, or those that `names` begin, stale or not."""
    paths = stored_notebooks()
    for name in names:
        if not any(path.name.startswith(name) for path in paths):
            known = ", ".join(path.name for path in paths)
            sys.exit(f"No notebook's name begins with '{name}': nothing was run. Known: {known}.")
    for path in paths:
        notebook = read(path)
        wanted = any(path.name.startswith(n) for n in names) if names else is_stale(notebook)
        if not wanted:
            print(f"{path.name}: {'up to date' if not names else 'skipped'}")
            continue
        started = time.perf_counter()
        run(notebook)
        clean(notebook)
        write(notebook, path)
        print(f"{path.name}: executed in {time.perf_counter() - started:.0f} s")


def run(notebook: NotebookNode) -> None:
    """Execute in place and note where the outputs come from; stand-in data is refused."""
    os.environ.update(FUNNEL_PROFILE="class", FUNNEL_STATIC="1")
    client = nbclient.NotebookClient(
        notebook,
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    )
    notebook.cells.append(nbformat.v4.new_code_cell(PROVENANCE))
    client.execute()
    provenance = json.loads(notebook.cells.pop().outputs[-1].text)
    if "stand-in data" in provenance["data"]:
        sys.exit("The outputs would be of stand-in data: nothing stored. See data/README.md.")
    notebook.metadata["funnel"] = {"digest": digest(notebook), **provenance}


def clean(notebook: NotebookNode) -> None:
    """Remove what belongs to this run and machine: widget state, paths, timings, versions."""
    keep = {"funnel": notebook.metadata["funnel"]}
    keep["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict(keep | {"language_info": {"name": "python"}})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            outputs = [o for o in cell.outputs if WIDGET_VIEW not in o.get("data", {})]
            cell.outputs = [nbformat.from_dict(without_paths(output)) for output in outputs]


def without_paths(value: object) -> object:
    """The same output, with this machine's folders cut off every path in its texts."""
    if isinstance(value, dict):
        return {k: v if k.startswith("image/") else without_paths(v) for k, v in value.items()}
    if isinstance(value, str):
        if "ipykernel_" in value:  # for a figure's 100 kB of base64 the search would take a minute
            value = re.sub(r"\S*ipykernel_\d+[\\/]\d+\.py", "notebook", value)
        for folder in (ROOT, Path.home(), Path(tempfile.gettempdir())):
            value = value.replace(f"{folder}{os.sep}", "")
    return value


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["execute", "link"])
    parser.add_argument(
        "names", nargs="*", help="beginnings of file names: run these, stale or not"
    )
    arguments = parser.parse_args()
    if arguments.command == "link":
        link()
    else:
        execute(arguments.names)


if __name__ == "__main__":
    main()
