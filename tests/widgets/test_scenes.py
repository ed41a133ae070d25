"""The segmentation explorer: panels, words and table, two networks, the order, the next scene."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import ImageColor

from helpers import set_matrix
from helpers.evaluation.iou import iou_per_class
from helpers.figures.maps import label_image
from helpers.widgets import scenes, segmentation_explorer
from tests.widgets.states import build, picture_of, predicted, stanford


def found() -> scenes.Predictions:
    """With lists of its own, which a test may change."""
    return scenes.predictions(stanford(), predicted())


def without(label: str, places: tuple[int, ...] = (1,)) -> scenes.Predictions:
    """The same with the truth of some scenes, and all predictions, free of a class there."""
    every, gone = found(), stanford().classes.index(label)
    for place in places:
        for maps in (every.scenes.full_labels, *every.maps.values()):
            maps[place] = np.where(maps[place] == gone, 2, maps[place])
    return every


def state(**changes: object) -> scenes.State:
    return scenes.State(**({"image": 1, "arm": "moved", "opacity": 1.0} | changes))


def test_panels_at_full_opacity_are_the_label_maps():
    panels = scenes.panels(found(), state())
    truth, seen = stanford().test.part.full_labels[1], predicted()["moved"][1]
    photo = stanford().test.part.full_image(1)
    assert list(panels) == list(scenes.PANELS)
    assert (panels["photograph"] == photo).all()
    assert (panels["truth"] == label_image(truth, stanford().classes)).all()
    colours = label_image(seen, stanford().classes)
    assert (panels["prediction"] == colours).all()
    wrong = (truth >= 0) & (truth != seen)
    assert (panels["disagreement"][wrong] == colours[wrong]).all()
    assert (np.ptp(panels["disagreement"][~wrong], axis=1) == 0).all(), "the rest is grey"


def test_no_opacity_is_the_photograph():
    panels = scenes.panels(found(), state(opacity=0.0))
    for name in ("truth", "prediction"):
        assert (panels[name] == panels["photograph"]).all()


def test_one_class_shows_hits_misses_and_false_alarms():
    panels = scenes.panels(found(), state(label="vertical"))
    truth, seen = stanford().test.part.full_labels[1], predicted()["moved"][1]
    errors, photo = panels["disagreement"], panels["photograph"]
    assert (panels["truth"][truth != 2] == photo[truth != 2]).all()
    assert (errors[(truth == 2) & (seen != 2)] == scenes.MISSED).all()
    assert (errors[(truth >= 0) & (truth != 2) & (seen == 2)] == scenes.FALSE_ALARM).all()
    hits = (truth == 2) & (seen == 2)
    assert (errors[hits] == label_image(seen, stanford().classes)[hits]).all()
    unknown = (truth < 0) & (seen == 2)
    bare = scenes.panels(found(), state(opacity=0.0))["disagreement"]
    assert (errors[unknown] == bare[unknown]).all()


def test_iou_of_the_scene_stands_beside_the_sets():
    every, now = found(), state()
    truths = stanford().test.part.full_labels
    set_iou = iou_per_class(set_matrix(predicted()["moved"], truths, 3)).numpy()
    np.testing.assert_allclose(every.iou_of_set["moved"], set_iou)
    one = iou_per_class(set_matrix(predicted()["moved"][1:2], truths[1:2], 3)).numpy()
    words = scenes.words(every, now)
    for value in (*set_iou, *one):
        assert f"<td>{100 * value:.1f}</td>" in words
    assert "Scene 1 (1000001, stand-in data); colours: all" in words
    assert "right: right on <b>100.0 %</b>" in scenes.words(every, state(arm="right"))


def rows(words: str) -> dict[str, list[str]]:
    """The table's rows by their first cells."""
    lines = re.findall(r"<tr>(.*?)</tr>", words)
    cells = (re.findall(r"<t[hd]>(.*?)</t[hd]>", line) for line in lines)
    return {first: rest for first, *rest in cells}


def test_a_class_in_neither_truth_nor_prediction_is_called_absent():
    every = without("sky")
    here = rows(scenes.words(every, state(arm="right")))["this scene"]
    assert here == ["absent", "100.0", "100.0", "100.0"]
    assert rows(scenes.words(every, state(arm="moved")))["this scene"][0] == "absent"
    assert "absent" not in rows(scenes.words(every, state(arm="right")))["all 3 scenes"]


def test_a_scene_without_a_known_pixel_has_no_number():
    every = found()
    every.scenes.full_labels[0] = np.full_like(every.scenes.full_labels[0], -1)
    words = scenes.words(every, state(image=0))
    assert rows(words)["this scene"] == ["absent"] * 4
    assert "right on <b>none</b>" in words
    assert "nan" not in words


def test_every_scene_has_the_same_room():
    lab = build("scenes")
    for image in range(3):
        lab.controls["image"].value = image
        assert picture_of(lab).shape[:2] == (scenes.HEIGHT, scenes.SCREEN.width)
    tall = np.zeros((480, 320, 3), np.uint8)
    assert scenes._fitted(tall).size == (160, 240)
    assert scenes._fitted(tall[:200]).size == (320, 200)


def test_the_titles_explain_the_colours_of_errors():
    assert "missed" not in scenes.titles(state())
    assert "missed" in scenes.titles(state(label="sky"))


# --- two networks -------------------------------------------------------------------------------


def test_two_networks_stand_beside_the_truth_with_who_is_right():
    both = state(arm="right", beside="moved")
    panels = scenes.panels(found(), both)
    truth, (a, b) = stanford().test.part.full_labels[1], (predicted()[arm][1] for arm in both.arms)
    assert list(panels) == ["truth", "A: right", "B: moved", "who is right?"]
    for panel, labels in zip(panels.values(), (truth, a, b), strict=False):
        assert (panel == label_image(labels, stanford().classes)).all()
    known = truth >= 0
    assert_painted(panels["who is right?"], a == truth, b == truth, known)
    bare = scenes.panels(found(), state(arm="right", beside="moved", opacity=0.0))
    assert (panels["who is right?"][~known] == bare["who is right?"][~known]).all()


def test_of_one_class_who_is_right_says_whether_the_class_is_there():
    """Also of networks that are both wrong, or wrong by different classes."""
    every = scenes.predictions(stanford(), {name: turned(by) for name, by in (("a", 1), ("b", 2))})
    last = scenes.panels(every, state(arm="a", beside="b", label="sky"))["who is right?"]
    truth, a, b = stanford().test.part.full_labels[1], turned(1)[1], turned(2)[1]
    where = (truth >= 0) & ((truth == 0) | (a == 0) | (b == 0))
    assert_painted(last, (a == 0) == (truth == 0), (b == 0) == (truth == 0), where)
    assert (np.ptp(last[~where], axis=1) == 0).all(), "the rest is grey"


def turned(by: int) -> list[np.ndarray]:
    """The truth with every class exchanged for another."""
    return [(np.maximum(truth, 0) + by) % 3 for truth in stanford().test.part.full_labels]


def assert_painted(panel, a_right, b_right, where):
    """In the colours of the key, each of which occurs where it should."""
    cases = {"neither": ~a_right & ~b_right, "A only": a_right & ~b_right}
    cases |= {"B only": ~a_right & b_right, "both": a_right & b_right}
    for name, mask in cases.items():
        assert (panel[where & mask] == ImageColor.getrgb(scenes.WHO[name])).all(), name


def test_the_key_can_be_told_apart_without_colour():
    """By lightness: a fifth of the way from black to white, or more, between any two."""
    light = sorted(np.dot(ImageColor.getrgb(c), [0.299, 0.587, 0.114]) for c in scenes.WHO.values())
    assert np.diff(light).min() > 51


def test_the_words_explain_the_key_and_have_both_networks_numbers():
    words = scenes.words(found(), state(arm="right", beside="moved"))
    for name, colour in scenes.WHO.items():
        assert scenes.swatch(colour, name) in words
    numbers = rows(words)
    assert list(numbers)[1:] == [
        f"{arm}, {what}" for what in ("this scene", "all 3 scenes") for arm in "AB"
    ]
    assert numbers["A, this scene"] == ["100.0"] * 4
    alone = rows(scenes.words(found(), state(arm="moved")))
    assert numbers["B, this scene"] == alone["this scene"]
    assert numbers["B, all 3 scenes"] == alone["all 3 scenes"]
    assert "Who is right" not in scenes.words(found(), state())


def test_the_picture_keeps_its_size_with_two():
    lab = build("scenes", beside="moved")
    assert picture_of(lab).shape[:2] == (scenes.HEIGHT, scenes.SCREEN.width)
    before = bytes(lab.image.value)
    lab.controls["beside"].value = "none"
    assert bytes(lab.image.value) != before
    assert "photograph" in lab.heads.value


# --- the order, and the next scene ----------------------------------------------------------------


def test_the_worst_scene_comes_first_and_the_slider_walks_on_from_it():
    lab = build("scenes", arm="moved")
    lab.controls["order"].value = "worst"
    slider = lab.controls["image"]
    assert (slider.value, slider.description) == (0, "place")
    shown = []
    for place in range(3):
        slider.value = place
        shown.append(number_of(lab))
    iou = found().iou_of_scenes["moved"].mean(1)
    assert shown == np.argsort(iou).tolist()
    assert "by mean IoU (moved): 2 scenes come before" in lab.words.value


def number_of(lab) -> int:
    """The number of the scene that is on the page."""
    return int(re.search(r"Scene (\d+) ", lab.words.value)[1])


def test_a_scene_stays_on_the_page_when_the_order_becomes_another():
    lab = build("scenes", arm="moved", order="worst", image=1)
    scene = number_of(lab)
    for name, value in (
        ("label", "vertical"),
        ("label", "sky"),
        ("arm", "right"),
        ("label", "all"),
    ):
        lab.controls[name].value = value
        assert number_of(lab) == scene, (name, value)
    lab.controls["order"].value = "number"
    assert number_of(lab) == scene == lab.controls["image"].value
    assert lab.controls["image"].description == "scene"


def test_next_goes_to_the_next_scene_in_the_order_whose_truth_has_the_class():
    every = without("sky")
    lab = scenes.build(every, scenes.State("moved", label="sky"))
    assert lab.buttons["next"].description == "next with sky"
    seen = []
    for _ in range(3):
        draws = lab.draws
        lab.buttons["next"].click()
        assert lab.draws == draws + 1
        seen.append(number_of(lab))
    assert seen == [2, 0, 2], "scene 1 has no sky; after the last comes the first"


def test_next_follows_the_worst_first():
    every = found()
    lab = scenes.build(every, scenes.State("moved", label="vertical", order="worst"))
    walk = np.argsort(every.iou_of_scenes["moved"][:, 2]).tolist()
    shown = [number_of(lab)]
    for _ in range(2):
        lab.buttons["next"].click()
        shown.append(number_of(lab))
    assert shown == walk


def test_next_can_be_pressed_only_with_a_class_that_a_truth_has():
    lab = scenes.build(without("sky", (0, 1, 2)), scenes.State("moved"))
    usable = {}
    for label in ("vertical", "sky", "all"):
        lab.controls["label"].value = label
        usable[label] = not lab.buttons["next"].disabled
    assert usable == {"vertical": True, "sky": False, "all": False}
    assert build("scenes", label="sky").buttons["next"].disabled is False
    lab.buttons["next"].click()  # late, as a page can be: nothing happens
    assert number_of(lab) == 0


# --- what opens -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"image": 999}, "image is 999; choose a whole number from 0 to 2"),
        ({"image": -1}, "image is -1; choose a whole number from 0 to 2"),
        ({"arm": "gelu"}, "arm is 'gelu'; choose one of: right, moved"),
        ({"beside": "gelu"}, "beside is 'gelu'; choose one of: none, right, moved"),
        ({"label": "moon"}, "label is 'moon'; choose one of: all, sky, horizontal, vertical"),
        ({"order": "best"}, "order is 'best'; choose one of: number, worst"),
        ({"opacity": 60}, "opacity is 60; choose a number from 0 to 1"),
        ({"opacity": "half"}, "opacity is 'half'; choose a number from 0 to 1"),
    ],
)
def test_a_wrong_setting_is_told_with_what_is_allowed(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        build("scenes", **wrong)


def test_names_with_a_comma_are_told_apart():
    every = scenes.predictions(stanford(), {"ReLU, mine": turned(0), "FReLU, mine": turned(1)})
    with pytest.raises(ValueError, match="is 'frelu'; choose one of: 'ReLU, mine', 'FReLU, mine'"):
        scenes.build(every, scenes.State("frelu"))


def test_a_stored_notebook_gets_the_twin_and_a_reader_the_widget(on_both_pages):
    figure, alt, widget = on_both_pages(
        lambda: segmentation_explorer(stanford(), predicted(), arm="moved")
    )
    assert "stand-in data" in alt
    assert [axes.get_ylabel() for axes in figure.axes[::4]] == ["scene 0", "scene 1", "scene 2"]
    assert "lab-scenes" in widget._dom_classes


def test_the_twin_of_two_networks_has_their_panels(on_both_pages):
    figure, alt, _ = on_both_pages(
        lambda: segmentation_explorer(stanford(), predicted(), beside="moved", order="worst")
    )
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == ["truth", "A: right", "B: moved", "who is right?"]
    assert "prediction by right and by moved, and who is right" in alt
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert set(scenes.WHO) <= legend
