"""The README's main results are what the records say."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from helpers.evaluation import intervals
from helpers.experiments import records
from tools import main_results

README = main_results.README.read_text(encoding="utf-8")


def test_the_readme_has_what_the_records_say():
    written = README.split(main_results.BEGIN)[1].split(main_results.END)[0]
    assert main_results.BEGIN + written == main_results.block(), "run `make results`"


def test_the_figure_was_drawn_from_these_records():
    with Image.open(main_results.FIGURE) as picture:
        assert picture.text["Description"] == main_results.alternative(), "run `make results`"


def test_a_number_is_the_paired_difference_of_its_arms():
    task = main_results.TASKS["LeNet"]
    by_seed = task.runs.pivot(index="seed", columns="arm", values="accuracy")
    span = intervals.mean_interval(intervals.paired_differences(by_seed["frelu"], by_seed["relu"]))
    assert f"brings {span.mean:+.1f} ± {span.half_width:.1f} points of accuracy" in README
    assert f"({len(by_seed)} pairs of runs). FReLU in ReLU's place" in README


def test_changed_records_change_readme_and_figure(monkeypatch):
    before, words = main_results.block(), main_results.alternative()
    found = records("lenet-swap")
    found.loc[found.query("arm == 'frelu'").index[0], "accuracy"] += 20
    monkeypatch.setattr(
        main_results, "records", lambda *grids: found if "lenet-swap" in grids else records()
    )
    assert main_results.block() != before
    with Image.open(BytesIO(main_results.draw())) as picture:
        assert picture.text["Description"] == main_results.alternative() != words


def test_what_was_not_run_is_said(monkeypatch):
    monkeypatch.setattr(main_results, "records", lambda *grids: records())
    assert "brings (not run yet) points of accuracy" in main_results.block()
    assert "(0 pairs of runs)" in main_results.block()
