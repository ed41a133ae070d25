"""The three cells of each exercise in its notebook: what to write, the stub, the solution."""

from __future__ import annotations

import pytest

from helpers.exercises import EXERCISES
from tools import notebooks


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_stands_in_its_notebook(name):
    one = EXERCISES[name]
    (path,) = [p for p in notebooks.stored_notebooks() if p.stem.startswith(one.notebook)]
    sources = [cell.source for cell in notebooks.read(path).cells]
    first = next(i for i, text in enumerate(sources) if text.startswith(f"**Exercise: `{name}`**"))
    words, stub, solution = sources[first : first + 3]
    assert words.endswith(f"({one.minutes} minutes, {one.difficulty}). {one.task}".rstrip())
    assert stub.startswith(one.stub)
    assert f"check.{name}(" in stub
    assert solution == f'check.solution("{name}")'


def test_every_exercise_of_a_notebook_is_known():
    for path in notebooks.stored_notebooks():
        cells = notebooks.read(path).cells
        named = [c.source.split("`")[1] for c in cells if c.source.startswith("**Exercise: ")]
        assert set(named) == {n for n, e in EXERCISES.items() if e.notebook == path.stem[:2]}
