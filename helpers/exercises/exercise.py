"""An exercise: what to write, how it is tried, and the mistakes that it knows."""

from __future__ import annotations

import inspect
import json
import os
import random
import re
import signal
import sys
import textwrap
import threading
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from traceback import extract_tb, format_exception_only
from typing import Any

import numpy as np
import torch
from matplotlib import rc_context

Found = Mapping[str, Any]
"""What one try yields: a name -> an array, a number or words."""

NOT_DONE = "not done yet"
SECONDS = 20.0
"""The most that an answer may take for one case; the references take milliseconds."""


@dataclass(frozen=True)
class Mistake:
    """A mistake that readers make: an object that makes it, its word, and what to tell them."""

    word: str
    made: Any
    hint: str


@dataclass(frozen=True)
class Answer:
    """What a check says of the reader's object. Introduced in notebook 01.

    right: it does in every case what the reference does. mistake: the word of a known mistake,
    "not done yet", "other", or None where it is right. hint: what to do next.
    """

    exercise: str
    right: bool
    mistake: str | None
    hint: str
    details: str = field(default="", repr=False)
    picture: str = field(default="", repr=False)

    def __repr__(self) -> str:
        return f"{self.exercise}: {self._verdict()}. {self.hint}\n{self.details}".strip()

    def _verdict(self) -> str:
        if self.right:
            return "right"
        return str(self.mistake) if self.mistake != "other" else "not right yet"

    def _repr_html_(self) -> str:
        mark = "\u2713" if self.right else "\u2026" if self.mistake == NOT_DONE else "\u2717"
        details = (
            f'<pre style="font-family:monospace">{escape(self.details)}</pre>'
            if self.details
            else ""
        )
        if self.picture:
            details += f'<img alt="x, your answer and the right one" src="{self.picture}">'
        return (
            '<div style="border-left:4px solid currentColor;padding:0.2em 1em">'
            f"<b>{mark} {escape(self.exercise)}: {escape(self._verdict())}.</b> "
            f"{escape(self.hint)}{details}</div>"
        )


@dataclass(frozen=True)
class Exercise:
    """A task with its reference and cases; calling it with the reader's object checks that.

    run: (object, case) -> what it yields; a value None under "answer" means that nothing is written
    yet. cases: the smallest first, each with a name. reference: a function or class whose source is
    the solution. stub: what stands in the notebook before the reader begins.
    """

    name: str
    notebook: str
    minutes: int
    difficulty: str
    task: str
    stub: str
    reference: Any
    cases: Mapping[str, Any]
    run: Callable[[Any, Any], Found]
    mistakes: Sequence[Mistake] = ()

    def __call__(self, mine: Any) -> Answer:
        """Try the reader's object: right, not done yet, a known mistake, or wrong and where.

        Raises nothing, whatever the object does.
        """
        try:
            answer = self._judged([self._tried(mine, case) for case in self.cases.values()])
        except KeyboardInterrupt:
            raise
        except (
            BaseException
        ) as error:  # an answer may be an object that raises when it is looked at
            hint = f"Your answer can't be looked at: it raises {type(error).__name__}."
            answer = Answer(self.name, False, "other", hint)
        if path := os.environ.get("FUNNEL_GRADES"):
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(answer)) + "\n")
        return answer

    def _tried(self, mine: Any, case: Any) -> Found | None:
        """What the object yields; an error counts as a result; None where nothing is written."""
        with _settings_restored():
            torch.default_generator.manual_seed(0)  # a GPU's generator stays as it is
            try:
                with _limited(SECONDS):
                    found = self.run(mine, deepcopy(case))
            except NotImplementedError:
                return None
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # whatever the reader's object raises
                words = "".join(format_exception_only(error)).strip().removeprefix(f"{__name__}.")
                return None if mine is None else {"raises": words, "where": _line_of(error)}
        empty = any(found.get("answer", 0) is nothing for nothing in (None, ...))
        return None if empty else found

    def _judged(self, found: Sequence[Found | None]) -> Answer:
        if None in found:
            hint = "Write it, return the result, then run this cell again."
            return Answer(self.name, False, NOT_DONE, hint)
        expected = [self._tried(self.reference, case) for case in self.cases.values()]
        different = [not _same(*pair) for pair in zip(found, expected, strict=True)]
        if not any(different):
            return Answer(self.name, True, None, "It does what the reference does.")
        first = different.index(True)
        shown = (
            _beside(list(self.cases)[first], found[first], expected[first]),
            _drawn(found[first], expected[first]),
        )
        for mistake in self.mistakes:
            made = (self._tried(mistake.made, case) for case in self.cases.values())
            if all(_same(*pair) for pair in zip(found, made, strict=True)):
                return Answer(self.name, False, mistake.word, mistake.hint, *shown)
        stopped = "raises" in (found[first] or {})
        hint = "It stops with an error:" if stopped else "The smallest case that differs:"
        return Answer(self.name, False, "other", hint, *shown)

    @property
    def solution(self) -> str:
        """The reference's source."""
        return textwrap.dedent(inspect.getsource(self.reference))


@contextmanager
def _settings_restored() -> Iterator[None]:
    """Without warnings; what the reader's object sets for the whole process is set back after."""
    kept = torch.get_default_dtype(), torch.get_num_threads(), Path.cwd()
    deterministic = torch.are_deterministic_algorithms_enabled()
    dice = random.getstate(), np.random.get_state()  # noqa: NPY002 (what a reader may seed)
    with (
        torch.random.fork_rng(devices=[]),
        torch.inference_mode(False),
        torch.set_grad_enabled(True),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        rc_context(),
    ):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            torch.set_default_dtype(kept[0])
            torch.set_num_threads(kept[1])
            os.chdir(kept[2])
            random.setstate(dice[0])
            np.random.set_state(dice[1])  # noqa: NPY002
            torch.use_deterministic_algorithms(deterministic)


class TooLong(BaseException):
    """An answer took too long; no Exception, so that a loop that catches those ends as well."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise TooLong in what runs longer; without effect where there is no alarm clock.

    Windows has none, and no thread but the main one, in which a notebook's cells run.
    """
    main = threading.current_thread() is threading.main_thread()
    if not (main and hasattr(signal, "setitimer")):
        yield
        return

    def stop(*_: object) -> None:
        raise TooLong(f"it ran for more than {seconds:g} s: does a loop never end?")

    handler = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def _same(found: Found | None, expected: Found | None) -> bool:
    if found is None or expected is None:
        return found is expected
    if "raises" in found and "raises" in expected:  # messages differ in sizes
        one, other = (re.sub(r"\d+", "", side["raises"]) for side in (found, expected))
        return one == other
    return found.keys() == expected.keys() and all(_alike(found[k], expected[k]) for k in found)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and str.__eq__(one, other)
    a, b = _array(one), _array(other)
    if a is None or b is None:
        return False
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)


def _array(value: Any) -> np.ndarray | None:
    """As numbers; None for what can't be one, such as the reader's own kind of object."""
    try:
        value = value.detach().cpu() if isinstance(value, torch.Tensor) else value
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if np.iscomplexobj(value):
                return None  # the imaginary part would be dropped
            return np.asarray(value, dtype=float)
    except KeyboardInterrupt:
        raise
    except BaseException:  # an object decides by itself what its conversion raises
        return None


def _beside(case: str, found: Found | None, expected: Found | None) -> str:
    """The case's name, and the error, or the first value that differs, yours and right."""
    if found and "raises" in found:
        return f"case: {case}\nyour code raised:\n{_written(found['raises'] + found['where'])}"
    for name in {**(expected or {}), **(found or {})}:
        ours, right = ((side or {}).get(name, "nothing") for side in (found, expected))
        if not _alike(ours, right):
            pair = f"{name}, yours:\n{_written(ours)}\n{name}, right:\n{_written(right)}"
            return f"case: {case}\n{pair}"
    return f"case: {case}"


def _line_of(error: BaseException) -> str:
    """The line of the reader's own code in which an error arose, "" where there is none."""
    ours = (str(Path(__file__).parents[1]), sys.prefix, sys.base_prefix)
    lines = [
        f"\nline {frame.lineno}: {frame.line}"
        for frame in extract_tb(error.__traceback__)
        if frame.line and not frame.filename.startswith(ours)
    ]
    return lines[-1] if lines else ""


def _drawn(found: Found | None, expected: Found | None) -> str:
    """The first channel of maps (N, C, H, W), yours beside the right one, as a PNG's data URI."""
    yours, right = (_as_map((side or {}).get("answer")) for side in (found, expected))
    if yours is None or right is None:
        return ""
    from ..figures.condition import signed_pictures
    from ..figures.style import plt, png

    figure = signed_pictures({"": {"yours": yours, "right": right}})
    picture = png(figure)
    plt.close(figure)
    return f"data:image/png;base64,{b64encode(picture).decode()}"


def _as_map(value: Any) -> np.ndarray | None:
    array = _array(value)
    return array[0, 0] if array is not None and array.ndim == 4 and array.size else None


def _written(value: Any) -> str:
    array = _array(value)
    if array is None:
        text = value if isinstance(value, str) else f"an object of class {type(value).__name__}"
    else:
        text = np.array2string(array, precision=4, threshold=60, suppress_small=True)
    return textwrap.indent(text[:1200], "  ")
