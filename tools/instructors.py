"""Writes into INSTRUCTORS.md what the notebooks say: minutes, and the answers to all questions."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers.exercises import EXERCISES  # noqa: E402
from helpers.files import write_atomically  # noqa: E402
from tools import minutes, notebooks  # noqa: E402

GUIDE = ROOT / "notebooks" / "INSTRUCTORS.md"
ASKED = re.compile(r"\*\*(Predict|Question|For class|Try)\.?\*\*")
ANSWER = re.compile(r"\*\*(Explain[^*]*|Look back\.)\*\*")
FOLDED = re.compile(r"<details><summary>.*?</summary>\s*(.*?)\s*</details>", re.DOTALL)


def minutes_table() -> str:
    """A row per notebook: core, whole, and its exercises."""
    lines = ["| notebook | core | with everything | exercises |", "|---|---|---|---|"]
    for path in notebooks.stored_notebooks():
        core, whole = minutes.stated(notebooks.read(path))
        own = [one for one in EXERCISES.values() if path.stem.startswith(one.notebook)]
        names = ", ".join(f"`{one.name}`" for one in own)
        time = sum(one.minutes for one in own)
        lines.append(f"| [{path.stem[:2]}]({path.name}) | {core} | {whole} | {time}: {names} |")
    return "\n".join(lines)


def questions(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Each question with its answer: folded beside it, or the next explanation."""
    found: dict[str, str] = {}
    waiting: list[str] = []
    section = 0
    for text in (c.source for c in notebook.cells if c.cell_type == "markdown"):
        if heading := re.match(r"## (\d+)\.", text):
            section = int(heading[1])
        if start := ANSWER.search(text):
            answered = [one for one in waiting if section >= _section_of_answer(one)]
            found |= dict.fromkeys(answered, _paragraph(text[start.end() :]))
            waiting = [one for one in waiting if one not in answered]
        for part in ASKED.finditer(text):
            question = _paragraph(text[part.end() :])
            found[question] = ""
            if folded := FOLDED.search(text, part.end()):
                found[question] = " ".join(folded[1].split())
            elif part[1] != "For class":  # what a class talks about may have no one answer
                waiting.append(question)
    return list(found.items())


def _section_of_answer(question: str) -> int:
    named = re.search(r"section (\d+) (has|asks)", question)
    return int(named[1]) if named else 0


def _paragraph(text: str) -> str:
    """The first paragraph on one line, with the list that it leads to, without what is folded."""
    first, *rest = text.strip().split("\n\n")
    more = rest[0] if rest and first.endswith(":") and rest[0].startswith("- ") else ""
    return " ".join(f"{first} {more}".split("<details>")[0].split())


def answers() -> str:
    """All questions and answers, notebook by notebook."""
    blocks = []
    for path in notebooks.stored_notebooks():
        lines = [
            f"- **{question}** {answer}" for question, answer in questions(notebooks.read(path))
        ]
        blocks.append(f"### Answers to {path.stem[:2]}\n\n" + "\n".join(lines))
    return "\n\n".join(blocks)


def filled(guide: str) -> str:
    """The guide with both blocks as the notebooks are now."""
    for name, block in {"minutes": minutes_table(), "answers": answers()}.items():
        head, rest = guide.split(f"<!-- {name}: written by `tools/instructors.py` -->\n")
        _, end = rest.split(f"<!-- end of the {name} -->")
        guide = f"{head}<!-- {name}: written by `tools/instructors.py` -->\n\n{block}\n\n"
        guide += f"<!-- end of the {name} -->{end}"
    return guide


def main() -> None:
    """Write the guide anew, whole or not at all."""
    with write_atomically(GUIDE) as part:
        part.write_text(filled(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{GUIDE} says what the notebooks say")


if __name__ == "__main__":
    main()
