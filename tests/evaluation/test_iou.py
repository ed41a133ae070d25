"""Metrics against cases by hand, sklearn, torchmetrics and article B's rule in plain Python."""

from __future__ import annotations

import importlib
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sklearn_metrics

from helpers.evaluation.iou import (
    confusion_matrix,
    iou_per_class,
    mean_iou,
    per_image_iou,
    pixel_accuracy,
)
from helpers.swap.torchvision import import_torchvision

unhurried = settings(max_examples=50, deadline=None)  # a first call may import or compile


@pytest.fixture(scope="module")
def torchmetrics():
    import_torchvision()  # torchmetrics imports torchvision, which may need its remedy first
    return importlib.import_module("torchmetrics.functional.classification")


@st.composite
def label_maps(draw, images=1):
    """Pairs of prediction and target of one to nine classes, most of them with classes missing."""
    classes = draw(st.integers(1, 9))
    used = draw(st.integers(1, classes))
    pairs = []
    for _ in range(images):
        shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
        prediction = draw(arrays(np.int64, shape, elements=st.integers(0, used - 1)))
        target = draw(arrays(np.int64, shape, elements=st.integers(-1, classes - 1)))
        pairs.append((prediction, target))
    return classes, [p for p, _ in pairs], [t for _, t in pairs]


def several_label_maps():
    return st.integers(1, 4).flatmap(label_maps)


def article_rule(predictions, targets, classes):
    """Article B's IoU from its description, pixel by pixel: what `per_image_iou` must equal."""
    scores = [[] for _ in range(classes)]
    for prediction, target in zip(predictions, targets, strict=True):
        pixels = list(zip(prediction.ravel().tolist(), target.ravel().tolist(), strict=True))
        for name in range(classes):
            intersection = sum(1 for p, t in pixels if p == name and t == name)
            union = sum(1 for p, t in pixels if p == name or t == name)
            if union > 0:
                scores[name].append(intersection / union)
    per_class = [sum(s) / len(s) if s else -1 for s in scores]
    return per_class, sum(per_class) / classes


# --- by hand ---------------------------------------------------------------------------------

TARGET = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [-1, -1, 1, 1]])
PREDICTION = torch.tensor([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1]])


def test_four_by_four_by_hand():
    matrix = confusion_matrix(PREDICTION, TARGET, classes=2)
    assert matrix.dtype == torch.int64
    assert matrix.tolist() == [[6, 0], [2, 6]]
    assert iou_per_class(matrix).tolist() == [6 / 8, 6 / 8]
    assert mean_iou(matrix) == 0.75
    assert pixel_accuracy(matrix) == 12 / 14


def test_unknown_pixels_are_false_positives_for_the_article_only():
    score = per_image_iou([PREDICTION], [TARGET], classes=2)
    assert score.per_class.tolist() == [6 / 9, 6 / 9]


def test_rows_are_the_truth():
    matrix = confusion_matrix(torch.tensor([1, 1, 2]), torch.tensor([0, 0, 0]), classes=3)
    assert matrix.tolist() == [[0, 2, 1], [0, 0, 0], [0, 0, 0]]


def test_absent_class_is_nan_and_left_out_of_the_mean():
    matrix = torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    iou = iou_per_class(matrix)
    assert iou.dtype == torch.float64
    assert iou[:2].tolist() == [3 / 4, 4 / 5]
    assert iou[2].isnan()
    assert mean_iou(matrix) == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_class_only_predicted_scores_zero():
    assert iou_per_class(torch.tensor([[3, 1], [0, 0]])).tolist() == [3 / 4, 0]


def test_article_averages():
    """A class skipped in one image, predicted where it is not in another, and one that never is."""
    predictions = [torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 0, 0, 0]])]
    targets = [torch.tensor([[0, 0, 0, 0]]), torch.tensor([[0, 0, 0, 0]])]
    score = per_image_iou(predictions, targets, classes=3)
    assert score.counted.tolist() == [2, 1, 0]
    assert score.per_class.tolist() == [(0.5 + 1) / 2, 0, -1]
    assert score.mean == pytest.approx((0.75 + 0 - 1) / 3)


def test_article_scores_a_class_under_unknown_pixels_zero():
    score = per_image_iou([np.array([[1, 1]])], [np.array([[-1, -1]])], classes=2)
    assert score.per_class.tolist() == [-1, 0]


def test_images_of_different_sizes():
    predictions = [torch.zeros(2, 3, dtype=torch.int64), torch.zeros(5, 1, dtype=torch.uint8)]
    targets = [torch.zeros(2, 3, dtype=torch.int8), np.zeros((5, 1), dtype=np.int16)]
    assert per_image_iou(predictions, targets, classes=1).mean == 1


# --- nothing to average ----------------------------------------------------------------------


@pytest.mark.parametrize("score", [mean_iou, pixel_accuracy])
def test_mean_over_nothing_is_nan_with_a_warning(score):
    matrix = confusion_matrix(torch.zeros(4, 4).long(), torch.full((4, 4), -1), classes=3)
    assert matrix.sum() == 0
    with pytest.warns(RuntimeWarning, match="mean over nothing"):
        assert math.isnan(score(matrix))


def test_empty_maps_count_nothing():
    empty = torch.zeros(0, 3, dtype=torch.int8)
    assert confusion_matrix(empty, empty, classes=2).tolist() == [[0, 0], [0, 0]]


def test_no_warning_when_there_is_something():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matrix = confusion_matrix(torch.tensor([0]), torch.tensor([0]), classes=3)
        assert mean_iou(matrix) == pixel_accuracy(matrix) == 1
        per_image_iou([torch.tensor([[0]])], [torch.tensor([[0]])], classes=3)


# --- second opinions -------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:A single label was found")
@unhurried
@given(label_maps())
def test_agrees_with_scikit_learn(maps):
    classes, [prediction], [target] = maps
    known = target >= 0
    if not known.any():
        return
    matrix = confusion_matrix(prediction, target, classes)
    labels = list(range(classes))
    expected = sklearn_metrics.confusion_matrix(target[known], prediction[known], labels=labels)
    assert np.array_equal(matrix.numpy(), expected)
    present = np.union1d(target[known], prediction[known])
    expected = sklearn_metrics.jaccard_score(
        target[known], prediction[known], labels=present, average=None
    )
    iou = iou_per_class(matrix)
    np.testing.assert_allclose(iou[present].numpy(), expected)
    assert iou.isnan().sum() == classes - len(present)
    assert pixel_accuracy(matrix) == pytest.approx(
        sklearn_metrics.accuracy_score(target[known], prediction[known])
    )


@unhurried
@given(maps=label_maps())
def test_agrees_with_torchmetrics(torchmetrics, maps):
    classes, [prediction], [target] = maps
    classes = max(classes, 2)  # torchmetrics wants two
    known = target >= 0
    if not known.any():
        return
    matrix = confusion_matrix(prediction, target, classes)
    expected = torchmetrics.multiclass_confusion_matrix(
        torch.from_numpy(prediction), torch.from_numpy(target), classes, ignore_index=-1
    )
    assert torch.equal(matrix, expected)
    expected = torchmetrics.multiclass_jaccard_index(
        torch.from_numpy(prediction[known]), torch.from_numpy(target[known]), classes, average=None
    )
    iou = iou_per_class(matrix)
    present = ~iou.isnan()  # torchmetrics counts an absent class as 0
    torch.testing.assert_close(iou[present].float(), expected[present])
    assert mean_iou(matrix) == pytest.approx(expected[present].mean().item(), rel=1e-5)


@unhurried
@given(maps=several_label_maps())
def test_agrees_with_torchmetrics_mean_iou_of_images(torchmetrics, maps):
    """torchmetrics' MeanIoU per image scores absent classes 0: with them restored, ours is it."""
    segmentation = importlib.import_module("torchmetrics.functional.segmentation")
    classes, predictions, targets = maps
    targets = [np.where(target < 0, 0, target) for target in targets]
    score = per_image_iou(predictions, targets, classes).per_image
    for row, prediction, target in zip(score, predictions, targets, strict=True):
        expected = segmentation.mean_iou(
            torch.from_numpy(prediction)[None],
            torch.from_numpy(target)[None],
            num_classes=classes,
            per_class=True,
            input_format="index",
        )[0]
        torch.testing.assert_close(
            row[~row.isnan()].float(), expected[~row.isnan()].float(), rtol=1e-5, atol=1e-6
        )


@unhurried
@given(several_label_maps())
def test_per_image_iou_is_the_articles_rule(maps):
    classes, predictions, targets = maps
    score = per_image_iou(predictions, targets, classes)
    per_class, mean = article_rule(predictions, targets, classes)
    assert score.per_class.tolist() == pytest.approx(per_class)
    assert score.mean == pytest.approx(mean)


# --- properties ------------------------------------------------------------------------------


@unhurried
@given(several_label_maps(), st.sampled_from([torch.int8, torch.int16, torch.int32, torch.int64]))
def test_matrices_of_several_maps_add_up_in_any_dtype(maps, dtype):
    classes, predictions, targets = maps
    together = confusion_matrix(
        np.concatenate([p.ravel() for p in predictions]),
        np.concatenate([t.ravel() for t in targets]),
        classes,
    )
    apart = sum(
        confusion_matrix(torch.from_numpy(p).to(dtype), torch.from_numpy(t).to(dtype), classes)
        for p, t in zip(predictions, targets, strict=True)
    )
    assert torch.equal(together, apart)


@unhurried
@given(label_maps(), st.sampled_from([-100, -1, 0, 255]))
def test_any_ignore_index(maps, ignore_index):
    classes, [prediction], [target] = maps
    target = np.where(target < 0, ignore_index, target)
    matrix = confusion_matrix(prediction, target, classes, ignore_index)
    known = target != ignore_index
    assert matrix.sum() == known.sum()
    assert matrix.trace() == (prediction == target)[known].sum()


@pytest.mark.parametrize("classes", [1, 12, 13, 14, 15, 100, 300])
@pytest.mark.parametrize("pixels", [1, 2, 101])
def test_many_classes_are_counted_alike(classes, pixels):
    """Counting in pairs and one by one, on both sides of the border between them."""
    generator = np.random.default_rng(0)
    prediction = generator.integers(0, classes, pixels)
    target = generator.integers(-1, classes, pixels)
    prediction[0] = target[-1] = classes - 1
    known = target >= 0
    expected = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(expected, (target[known], prediction[known]), 1)
    assert np.array_equal(confusion_matrix(prediction, target, classes).numpy(), expected)


@pytest.mark.parametrize("classes", [15, 16, 21, 255])
def test_255_is_unknown_in_a_mask_of_bytes(classes):
    target = np.array([[0, 255, 14], [255, 3, 3]], np.uint8)
    prediction = np.array([[0, 1, 14], [2, 3, 4]])
    matrix = confusion_matrix(prediction, target, classes, ignore_index=255)
    assert matrix.sum() == 4
    assert [matrix[0, 0], matrix[14, 14], matrix[3, 3], matrix[3, 4]] == [1, 1, 1, 1]


def test_inputs_are_left_alone_and_may_have_strides():
    target = torch.arange(24).reshape(4, 6).remainder(3).T
    prediction = target.clone()
    matrix = confusion_matrix(prediction, target, classes=3)
    assert matrix.tolist() == [[8, 0, 0], [0, 8, 0], [0, 0, 8]]
    assert torch.equal(prediction, target)
    small = np.array([0, 1, -1], dtype=np.int8)
    confusion_matrix(np.array([0, 1, 1], dtype=np.uint8), small, classes=2)
    assert small.tolist() == [0, 1, -1]


def test_masks_are_labels_of_two_classes():
    truth, mask = np.array([True, True, False]), np.array([True, False, False])
    assert confusion_matrix(mask, truth, classes=2).tolist() == [[1, 0], [1, 1]]


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        ([0, 1], [0, 2], r"the target has label 2, outside 0 \.\. 1"),
        ([0, 1], [0, -2], r"the target has label -2, .* ignore_index"),
        ([0, 2], [0, 1], r"the prediction has label 2, outside .* argmax"),
        ([0, -1], [0, -1], r"the prediction has label -1"),
        ([0, 300], [0, 1], r"the prediction has label 300"),
        ([0, 1, 1], [0, 1], r"shape \((1, )?3,?\), the target \((1, )?2,?\): enlarge the logits"),
        ([0.0, 1.0], [0, 1], r"the prediction holds float64: pass integer labels"),
        ([0, 1], [0.5, 1], r"the target holds float64"),
    ],
)
def test_errors_name_what_is_wrong(prediction, target, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(np.array(prediction), np.array(target), classes=2)
    with pytest.raises(ValueError, match=f"image 0: .*{message}"):
        per_image_iou([np.array([prediction])], [np.array([target])], classes=2)


def test_minus_one_is_outside_when_another_index_is_ignored():
    with pytest.raises(ValueError, match="the target has label -1"):
        confusion_matrix(np.array([0]), np.array([-1]), classes=2, ignore_index=255)


def test_numbers_of_images_must_agree():
    with pytest.raises(ValueError, match="2 predictions and 1 targets"):
        per_image_iou([np.zeros((1, 1), int)] * 2, [np.zeros((1, 1), int)], classes=1)
    with pytest.raises(ValueError, match="at least one"):
        per_image_iou([], [], classes=1)


@pytest.mark.parametrize("score", [iou_per_class, mean_iou, pixel_accuracy])
def test_a_confusion_matrix_is_square(score):
    with pytest.raises(ValueError, match=r"square.*\(2, 3\)"):
        score(torch.zeros(2, 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_labels_on_a_gpu():
    matrix = confusion_matrix(PREDICTION.cuda(), TARGET.cuda(), classes=2)
    assert matrix.tolist() == [[6, 0], [2, 6]]


def test_one_hot_maps_are_refused():
    labels = np.random.default_rng(0).integers(0, 3, (2, 8, 9))
    for one_hot in (
        np.eye(3, dtype=int)[labels],
        np.eye(3, dtype=int)[labels].transpose(0, 3, 1, 2),
    ):
        with pytest.raises(ValueError, match="the target is one-hot: pass labels"):
            confusion_matrix(one_hot, one_hot, 3)
    assert confusion_matrix(labels % 2, labels % 2, 3).sum() == labels.size
    three_pixels = np.array([1, 0, 0]).reshape(3, 1, 1)  # three pictures of a pixel each
    assert confusion_matrix(three_pixels, three_pixels, 3).sum() == 3


@pytest.mark.parametrize("shape", [(9, 2), (2, 8, 9), (4, 2, 8, 9)])
def test_one_hot_maps_of_two_classes_are_refused(shape):
    axis = shape.index(2)
    first = np.random.default_rng(0).integers(0, 2, [1 if n == 2 else n * 9 for n in shape])
    one_hot = np.concatenate([first, 1 - first], axis)
    with pytest.raises(ValueError, match="the target is one-hot: pass labels"):
        confusion_matrix(one_hot, one_hot, 2)


@pytest.mark.parametrize("classes", ["21", 21.0, 0, None])
def test_a_number_of_classes_is_whole(classes):
    with pytest.raises(ValueError, match=f"classes is {classes!r}: give how many there are"):
        confusion_matrix(np.array([0]), np.array([0]), classes)


def test_a_matrix_that_no_memory_holds_is_refused():
    with pytest.raises(ValueError, match="1000000 classes make a matrix of 8000 GB"):
        confusion_matrix(np.array([0]), np.array([0]), 1_000_000)


def test_a_single_map_is_no_list_of_maps():
    rows = list(np.zeros((8, 9), int))
    with pytest.raises(ValueError, match=r"and got one of shape \(9,\)"):
        per_image_iou(rows, rows, 3)
    with pytest.raises(ValueError, match=r"got a single one, \(8, 9\): put it into a list"):
        per_image_iou(np.zeros((8, 9), int), np.zeros((8, 9), int), 3)
