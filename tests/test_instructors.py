"""The instructor's guide: written from the notebooks, every question with its answer."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from tools import instructors, notebooks


def test_the_guide_says_what_the_notebooks_say():
    guide = instructors.GUIDE.read_text(encoding="utf-8")
    assert guide == instructors.filled(guide), "run .venv/bin/python tools/instructors.py"


def test_each_diagnostic_question_has_its_answer():
    _, *diagnostics = instructors.GUIDE.read_text("utf-8").split("Diagnostic: ")
    assert len(diagnostics) == 16
    assert all(re.match(r"[^()]+[?.] \([^()]+\.\)", each) for each in diagnostics)


def test_a_guide_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    monkeypatch.setattr(instructors, "GUIDE", tmp_path / "INSTRUCTORS.md")
    instructors.GUIDE.write_text("the old one")
    monkeypatch.setattr(instructors, "filled", lambda _: "no UTF-8: \ud800")
    with pytest.raises(UnicodeEncodeError):
        instructors.main()
    assert instructors.GUIDE.read_text() == "the old one"


@pytest.mark.parametrize("path", notebooks.stored_notebooks(), ids=lambda path: path.stem)
def test_every_prediction_has_its_answer(path):
    cells = notebooks.read(path).cells
    asked = [c.source for c in cells if "**Predict.**" in c.source]
    found = dict(instructors.questions(notebooks.read(path)))
    assert len(found) >= len(asked) > 1
    unanswered = [question for question, answer in found.items() if not answer]
    for_class = " ".join(c.source for c in cells if "**For class.**" in c.source).split()
    assert not [q for q in unanswered if q not in " ".join(for_class)]
    answers = [answer for answer in found.values() if answer]
    assert len(set(answers)) == len(answers), "two questions share an answer"


def test_an_answer_may_be_folded_or_named_for_a_later_section():
    cells = [
        "**Predict.** Now?",
        "**Explain.** Now.",
        "**Predict.** Which? Section 7 is far; section 2 has the answer.",
        "**Explain.** Not this one.",
        "**Question.** Why?\n\n<details><summary>Answer</summary>\n\nSo.\n\n</details>",
        "## 2. Later",
        "**Explain.** These:\n\n- one\n- two",
    ]
    found = instructors.questions(new_notebook(cells=list(map(new_markdown_cell, cells))))
    assert [answer for _, answer in found] == ["Now.", "These: - one - two", "So."]


@pytest.mark.parametrize("path", notebooks.stored_notebooks(), ids=lambda path: path.stem[:2])
def test_each_picture_has_a_question_before_it(path):
    guide = instructors.GUIDE.read_text(encoding="utf-8")
    page = guide.split(f"\n### {path.stem[:2]} - ")[1].split("\n### ")[0]
    waiting = Counter(re.findall(r"^- section (\d+), .*\? \(.*\)$", page, re.MULTILINE))
    section, asked = "0", False
    for cell in notebooks.read(path).cells:
        if heading := re.match(r"##+ (\d+)?", cell.source):
            section, asked = heading[1] or section, False
        asked = asked or bool(instructors.ASKED.search(cell.source))
        if cell.cell_type == "code" and any(map(notebooks.is_figure, cell.outputs)):
            assert asked or waiting[section], f"section {section}: {cell.source[-200:]}"
            waiting[section] -= not asked
            asked = False
