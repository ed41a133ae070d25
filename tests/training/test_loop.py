"""The training loop: it learns, it stops as it should, and a broken run goes on as if unbroken."""

from __future__ import annotations

import dataclasses
import errno
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers import (
    PROFILES,
    LeNet,
    Recipe,
    UNet,
    article_unet_recipe,
    evaluate,
    fit,
    initialise,
    load_weights,
    modern_unet_recipe,
    predict,
    tutorial_recipe,
)
from helpers.training import loop as training, prediction, recipes

CI = PROFILES["ci"]


@dataclass
class Toy:
    images: Tensor
    labels: Tensor


def toy_pictures(count: int = 64) -> Toy:
    """Two kinds of 32x32 pictures, dark and bright, with noise."""
    labels = torch.arange(count) % 2
    noise = torch.randint(0, 60, (count, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    return Toy((noise + 150 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels)


def toy_scenes(count: int = 8, seed: int = 0) -> Toy:
    """Scenes of 32x32 with a bright upper and a dark lower part, and a border that nobody named."""
    generator = torch.Generator().manual_seed(seed)
    horizon = torch.randint(8, 24, (count, 1, 1), generator=generator)
    labels = (torch.arange(32).view(1, 32, 1) >= horizon).long().expand(count, 32, 32).clone()
    noise = torch.randint(0, 60, (count, 3, 32, 32), generator=generator)
    images = (noise + 180 * (1 - labels).unsqueeze(1)).to(torch.uint8)
    labels[:, :, 0] = prediction.UNKNOWN
    return Toy(images, labels)


def small_recipe(**changes) -> Recipe:
    return dataclasses.replace(Recipe(3, 8, "sgd", 0.01), **changes)


def fresh_lenet() -> nn.Module:
    return initialise(LeNet("frelu"), 0)


def weights_of(model: nn.Module) -> list[Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def test_it_learns_and_says_what_happened():
    model, data = fresh_lenet(), toy_pictures()
    history = fit(model, data, data, small_recipe(epochs=6), progress=False)
    assert (history.ended, history.epochs, history.steps) == ("finished", 6, 48)
    by_epoch = np.reshape(history.step_loss, (6, 8)).mean(1)
    assert history.train_loss == pytest.approx(by_epoch)
    assert history.train_loss[-1] < 0.5 * history.train_loss[0]
    assert history.validation_score[-1] > 0.9
    assert "6 epochs, 48 steps" in str(history)
    assert not model.training


def test_the_same_seed_gives_the_same_digits_and_another_seed_another_order():
    def losses(seed):
        return fit(
            fresh_lenet(), toy_pictures(), None, small_recipe(), seed=seed, progress=False
        ).train_loss

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_data_order_is_the_same_for_every_arm(monkeypatch):
    seen = []
    monkeypatch.setattr(
        training._Training,
        "_step",
        lambda self, images, *_: seen.append(images.sum().item()) or 1.0,
    )
    for activation in ("relu", "frelu"):
        fit(LeNet(activation), toy_pictures(), None, small_recipe(), progress=False)
    half = len(seen) // 2
    assert seen[:half] == seen[half:]
    assert seen[: half // 3] != seen[half // 3 : 2 * half // 3]  # each epoch has its own order


@pytest.mark.parametrize("stop_after", [1, 2])
@pytest.mark.parametrize(
    "recipe",
    [
        small_recipe(),
        small_recipe(optimiser="adamw", schedule="one_cycle", keep="best_score", augmentation=True),
        small_recipe(optimiser="adam_amsgrad", schedule="plateau", keep="least_loss", patience=5),
    ],
)
def test_a_killed_run_resumes_to_the_result_of_an_unbroken_one(
    tmp_path, monkeypatch, recipe, stop_after
):
    data, unbroken, broken = toy_pictures(), fresh_lenet(), fresh_lenet()
    whole = fit(unbroken, data, data, recipe, progress=False)

    real = training._Training.epoch

    def killed(run, *arguments):
        if run.history.epochs == stop_after:
            raise SystemExit  # as good as kill -9: nothing of fit's own runs after it
        real(run, *arguments)

    monkeypatch.setattr(training._Training, "epoch", killed)
    with pytest.raises(SystemExit):
        fit(broken, data, data, recipe, checkpoint=tmp_path / "run.pt", progress=False)
    monkeypatch.setattr(training._Training, "epoch", real)
    resumed = fresh_lenet()
    rest = fit(resumed, data, data, recipe, checkpoint=tmp_path / "run.pt", progress=False)
    assert rest.train_loss == whole.train_loss
    assert rest.validation_score == whole.validation_score
    assert rest.step_loss == whole.step_loss
    assert all(map(torch.equal, weights_of(resumed), weights_of(unbroken)))
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_a_finished_checkpoint_is_loaded_and_not_trained_again(tmp_path, monkeypatch):
    data, path = toy_pictures(), tmp_path / "run.pt"
    model = fresh_lenet()
    fit(model, data, data, small_recipe(keep="best_score"), checkpoint=path, progress=False)
    monkeypatch.setattr(training._Training, "_step", lambda *_: pytest.fail("trained again"))
    again = fresh_lenet()
    history = fit(
        again, data, data, small_recipe(keep="best_score"), checkpoint=path, progress=False
    )
    assert history.epochs == 3
    other = fresh_lenet()
    assert load_weights(other, path).train_loss == history.train_loss
    assert all(map(torch.equal, weights_of(again), weights_of(model)))
    assert all(map(torch.equal, weights_of(other), weights_of(model)))


def other_pixel(data: Toy) -> Toy:
    images = data.images.clone()
    images[0, 0, 0, 0] += 1
    return Toy(images, data.labels)


class Named(LeNet):
    """Layers may bear the same names and compute another function."""

    def forward(self, x):
        return super().forward(x).abs()


Named.__name__ = "LeNet"


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"recipe": small_recipe(epochs=1, learning_rate=0.5)}, "learning_rate"),
        ({"seed": 7}, "seed"),
        ({"train": other_pixel(toy_pictures())}, "training part"),
        ({"validation": other_pixel(toy_pictures())}, "validation part"),
        ({"model": lambda: LeNet("mish")}, "network, first logits"),
        ({"model": lambda: initialise(LeNet("relu"), 1)}, "first logits"),
        ({"model": lambda: initialise(Named("relu"), 0)}, "first logits"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_name(tmp_path, changes, names):
    data = toy_pictures()
    asked = {"model": lambda: initialise(LeNet("relu"), 0), "train": data, "validation": data}
    asked |= {"recipe": small_recipe(epochs=1), "seed": 0}

    def train(model, **settings):
        fit(model(), **settings, checkpoint=tmp_path / "run.pt", progress=False)

    train(**asked)
    with pytest.raises(ValueError, match=f"another {names}:"):
        train(**asked | changes)


def test_a_checkpoint_of_another_number_format_is_refused(tmp_path, monkeypatch):
    data, path = toy_pictures(8), str(tmp_path / "run.pt")
    fit(fresh_lenet(), data, None, small_recipe(), checkpoint=path, progress=False)
    monkeypatch.setattr(training, "precision", lambda *_: "bfloat16 autocast")
    with pytest.raises(ValueError, match="another precision:"):
        fit(fresh_lenet(), data, None, small_recipe(), checkpoint=path, progress=False)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a checkpoint", "cut", "foreign"])
def test_a_damaged_checkpoint_is_set_aside_and_training_begins_again(tmp_path, capsys, content):
    data, path = toy_pictures(8), tmp_path / "run.pt"
    unbroken = fit(fresh_lenet(), data, None, small_recipe(), checkpoint=path, progress=False)
    if content == "foreign":
        torch.save(fresh_lenet().state_dict(), path)
    else:
        path.write_bytes(path.read_bytes()[:9000] if content == "cut" else content)
    with pytest.raises(ValueError, match=r"checkpoint run.pt is damaged"):
        load_weights(fresh_lenet(), path)
    again = fit(fresh_lenet(), data, None, small_recipe(), checkpoint=path, progress=False)
    assert again.step_loss == unbroken.step_loss
    assert "run.pt is damaged" in (said := capsys.readouterr().out)
    assert "now called run.pt.damaged" in said
    assert {one.name for one in tmp_path.iterdir()} == {"run.pt", "run.pt.damaged"}


def test_a_flipped_byte_anywhere_in_a_checkpoint_is_noticed(tmp_path):
    path = tmp_path / "run.pt"
    fit(fresh_lenet(), toy_pictures(8), None, small_recipe(), checkpoint=path, progress=False)
    content = path.read_bytes()
    for place in range(len(content) // 40, len(content) * 3 // 4, len(content) // 20):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        with pytest.raises(ValueError, match=r"checkpoint run.pt is damaged"):
            load_weights(fresh_lenet(), path)


def test_a_missing_checkpoint_says_where_it_comes_from(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint net.pt.*notebook 04"):
        load_weights(LeNet(), tmp_path / "net.pt")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint net.pt"):
        load_weights(LeNet(), str(tmp_path / "net.pt"))


def test_a_failed_save_keeps_the_old_checkpoint_and_leaves_nothing_half_written(
    tmp_path, monkeypatch
):
    data, path = toy_pictures(8), tmp_path / "run.pt"
    fit(fresh_lenet(), data, None, small_recipe(), checkpoint=path, progress=False)
    before = path.read_bytes()

    def full_disk(state, part):
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    monkeypatch.setattr(training._Training, "resume", lambda *_: None)
    with pytest.raises(OSError, match=r"the disk is full.*run\.pt"):
        fit(fresh_lenet(), data, None, small_recipe(), checkpoint=path, progress=False)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_gives_back_the_history_and_a_usable_network(monkeypatch, capsys):
    model, data, real = fresh_lenet(), toy_pictures(), training._Training._step
    steps = iter(range(1000))

    def interrupted(run, *arguments):
        if next(steps) == 12:  # in the second epoch
            raise KeyboardInterrupt
        return real(run, *arguments)

    monkeypatch.setattr(training._Training, "_step", interrupted)
    history = fit(model, data, data, small_recipe(), progress=False)
    assert (history.ended, history.epochs) == ("interrupted", 1)
    assert "Stopped by hand in epoch 2" in capsys.readouterr().out
    assert predict(model, data.images, small_recipe()).isfinite().all()


def test_ctrl_c_during_validation_leaves_whole_epochs_only(monkeypatch):
    model, data, real = fresh_lenet(), toy_pictures(), training.evaluate
    looks = iter(range(1000))

    def interrupted(*arguments):
        if next(looks) == 1:  # after the second epoch's steps
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(training, "evaluate", interrupted)
    history = fit(model, data, data, small_recipe(), progress=False)
    lengths = {len(history.train_loss), len(history.validation_loss), len(history.seconds)}
    assert (lengths, history.steps) == ({1}, 8)


def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_rate():
    model = fresh_lenet()
    with torch.no_grad():
        model.fc3.bias[0] = float("inf")
    with pytest.raises(FloatingPointError, match=r"epoch 1, step 1, at learning rate 0.01"):
        fit(model, toy_pictures(), None, small_recipe(), progress=False)


def test_early_stopping_waits_as_keras_does():
    losses = [1.0, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6]
    stops = [n for n in range(1, 8) if training._stalled(losses[:n], patience=5)]
    assert stops == [7]  # five epochs after the least loss, in epoch 2
    assert not training._stalled(losses, patience=None)


def test_the_plateau_schedule_cuts_when_three_epochs_have_not_improved():
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = recipes.make_scheduler(optimiser, small_recipe(schedule="plateau"), 1)
    rates = []
    for loss in (1.0, 0.99995, 0.99995, 0.99995, 0.5):
        schedule.step(loss)
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([1, 1, 1, 0.2, 0.2])


def test_the_kept_epoch_is_the_best_on_validation(monkeypatch):
    scores, kept_weights = iter([0.2, 0.9, 0.4]), []

    def seen(model, *_):
        kept_weights.append(model.fc3.bias.clone())
        return prediction.Evaluation(1.0, next(scores), torch.zeros(2, 2))

    monkeypatch.setattr(training, "evaluate", seen)
    model = fresh_lenet()
    history = fit(
        model, toy_pictures(), toy_pictures(), small_recipe(keep="best_score"), progress=False
    )
    assert history.kept_epoch == 2
    assert torch.equal(model.fc3.bias, kept_weights[1])


@pytest.mark.parametrize("keep", ["least_loss", "best_score"])
def test_an_epoch_without_a_finite_mark_is_never_kept_nor_in_the_way(monkeypatch, keep):
    marks = iter([float("nan"), 0.5, float("nan")])

    def seen(*_):
        mark = next(marks)
        return prediction.Evaluation(mark, mark, torch.zeros(2, 2))

    monkeypatch.setattr(training, "evaluate", seen)
    data = toy_pictures(8)
    history = fit(fresh_lenet(), data, data, small_recipe(keep=keep), progress=False)
    assert history.kept_epoch == 2


def test_choosing_an_epoch_needs_a_validation_part():
    with pytest.raises(ValueError, match=r"keep='best_score'.*validation part"):
        fit(fresh_lenet(), toy_pictures(), None, small_recipe(keep="best_score"))


@pytest.mark.parametrize("recipe", [modern_unet_recipe(CI), article_unet_recipe(CI)])
def test_a_unet_learns_by_both_recipes_and_ignores_unknown_pixels(recipe):
    torch.manual_seed(0)
    model, data = initialise(UNet(2, "frelu", width=4), 0), toy_scenes()
    recipe = dataclasses.replace(recipe, epochs=12, augmentation=False)
    history = fit(model, data, toy_scenes(seed=1), recipe, progress=False)
    assert history.train_loss[-1] < 0.6 * history.train_loss[0]
    assert evaluate(model, data, recipe).matrix.sum() == (data.labels >= 0).sum()


def test_unknown_pixels_dilute_article_bs_loss_and_not_the_fair_one():
    logits, labels = torch.zeros(1, 2, 2, 2), torch.tensor([[[0, 1], [-1, -1]]])

    def mean(recipe):
        total, count = prediction.summed_loss(logits, labels, recipe)
        return (total / count).item()

    assert mean(small_recipe()) == pytest.approx(np.log(2))
    assert mean(small_recipe(unknown_dilutes=True)) == pytest.approx(np.log(2) / 2)


def test_a_batch_of_unknown_labels_teaches_nothing_and_breaks_nothing():
    data = toy_pictures()
    data.labels[:60] = prediction.UNKNOWN  # batches of 8: some have no label
    history = fit(fresh_lenet(), data, data, small_recipe(), progress=False)
    assert 0 in history.step_loss
    assert evaluate(fresh_lenet(), data, small_recipe()).matrix.sum() == 4


def test_the_loss_of_a_part_does_not_depend_on_its_batches():
    data, model = toy_scenes(20), initialise(UNet(2, width=2), 0)
    for recipe in (small_recipe(), small_recipe(unknown_dilutes=True)):
        seen = evaluate(model, data, recipe)
        total, count = prediction.summed_loss(
            predict(model, data.images, recipe), data.labels, recipe
        )
        assert seen.loss == pytest.approx((total / count).item(), rel=1e-6)


def test_of_nothing_known_there_is_no_score_and_no_training():
    data, recipe = toy_scenes(2), small_recipe(unknown_dilutes=True)
    nothing = Toy(data.images, torch.full_like(data.labels, prediction.UNKNOWN))
    model = initialise(UNet(2, width=2), 0)
    with pytest.warns(RuntimeWarning, match="mean over nothing"):
        seen = evaluate(model, nothing, recipe)
    assert np.isnan([seen.loss, seen.score]).all()
    for parts in ((nothing, None), (data, nothing)):
        with pytest.raises(ValueError, match="all labels of a part are unknown"):
            fit(model, *parts, recipe, progress=False)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"images": toy_pictures(4).images / 255}, r"images are torch.float32 .*divides by 255"),
        ({"images": toy_pictures(4).images.to(torch.int16)}, "images are torch.int16"),
        ({"images": toy_pictures(4).images[:, :1]}, r"shape \(4, 1, 32, 32\)"),
        ({"images": toy_pictures(4).images.permute(0, 2, 3, 1)}, r"pass .*\(N, 3, H, W\)"),
        ({"images": toy_pictures(4).images.numpy()}, "images are .*ndarray"),
        ({"labels": torch.tensor([0.0, 1.9, 0.0, 1.0])}, "labels hold torch.float32: pass"),
        ({"labels": torch.zeros(4).to(torch.complex64)}, "labels hold torch.complex64"),
        ({"labels": np.zeros(4, int)}, "labels hold .*ndarray.*: pass a tensor"),
        ({"labels": [0, 1, 0, 1]}, "labels hold .*list"),
        ({"labels": torch.zeros(5).long()}, r"labels of shape \(5,\) do not fit"),
        ({"labels": torch.zeros(4, 16, 16).long()}, "do not fit images"),
    ],
)
def test_a_part_of_another_kind_is_refused_at_the_entry(wrong, says):
    part = dataclasses.replace(toy_pictures(4), **wrong)
    with pytest.raises(ValueError, match=says):
        fit(LeNet(), part, None, small_recipe(), progress=False)
    with pytest.raises(ValueError, match=says):
        fit(LeNet(), toy_pictures(4), part, small_recipe(), progress=False)
    with pytest.raises(ValueError, match=says):
        evaluate(LeNet(), part, small_recipe())
    if "images" in wrong:
        with pytest.raises(ValueError, match=says):
            predict(LeNet(), part.images, small_recipe())


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([0, 1, 255, 0], "labels hold 255, and the network has classes 0 .. 9"),
        ([0, 1, -2, 0], "labels hold -2"),
        (torch.zeros(4, 32, 32).long(), r"answers \(1, 10\) .* labels are \(4, 32"),
    ],
)
def test_labels_that_the_network_has_no_class_for_are_named_before_training(labels, says):
    part = Toy(toy_pictures(4).images, torch.as_tensor(labels))
    with pytest.raises(ValueError, match=says):
        fit(LeNet(), part, None, small_recipe(), progress=False)


def test_unknown_pictures_are_no_error():
    part = Toy(toy_pictures(4).images, torch.tensor([0, -1, 1, -1]))
    assert fit(LeNet(), part, None, small_recipe(), progress=False).epochs == 3


def test_a_last_batch_of_one_picture_says_what_to_do():
    pooled = (nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3), nn.Flatten())
    data = toy_pictures(9)  # in batches of 8
    with pytest.raises(ValueError, match=r"a batch of one image .* another batch size"):
        fit(nn.Sequential(*pooled), data, None, small_recipe(), progress=False)
    with pytest.raises(ValueError, match="a batch of one image"):
        predict(nn.Sequential(*pooled), data.images, small_recipe(), batch=8, train_mode=True)


def test_predicting_in_train_mode_changes_the_answer_and_not_the_network():
    model, data = fresh_lenet(), toy_pictures()
    before = weights_of(model)
    in_eval = predict(model, data.images, small_recipe(), batch=4)
    in_train = predict(model, data.images, small_recipe(), batch=4, train_mode=True)
    assert not torch.allclose(in_eval, in_train, atol=1e-3)
    assert all(map(torch.equal, weights_of(model), before))


def test_article_b_reads_blue_first():
    image = torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1)
    ready = prediction.standardise(image, article_unet_recipe(CI))
    assert ready.flatten().tolist() == pytest.approx([0.9, 0.5, 0.1])


@pytest.mark.parametrize(
    ("setting", "known"), [("optimiser", "sgd"), ("schedule", "constant"), ("keep", "last")]
)
def test_an_unknown_word_in_a_recipe_lists_the_known_ones(setting, known):
    with pytest.raises(ValueError, match=f"No {setting} is called 'best'; known: {known}"):
        small_recipe(**{setting: "best"})


@pytest.mark.parametrize("optimiser", ["sgd", "adam_amsgrad", "adamw"])
def test_every_optimiser_decays_weights_as_the_recipe_says(optimiser):
    made = recipes.make_optimiser(LeNet(), small_recipe(optimiser=optimiser, weight_decay=0.25))
    assert made.param_groups[0]["weight_decay"] == 0.25


def test_the_thread_count_is_given_back():
    before = torch.get_num_threads()
    fit(fresh_lenet(), toy_pictures(8), None, tutorial_recipe(CI), progress=False)
    assert torch.get_num_threads() == before


def test_bf16_is_used_only_where_asked_for_and_supported(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")  # held down
    assert prediction.precision(small_recipe(bf16=True), cpu) == "float32"
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert prediction.precision(small_recipe(bf16=True), cpu) == "bfloat16 autocast"
    assert prediction.precision(small_recipe(), cpu) == "float32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert prediction.precision(small_recipe(bf16=True), cpu) == "float32"


@pytest.mark.parametrize(
    ("capability", "allowed", "expected"),
    [
        ((9, 0), True, "float32, TF32 convolutions"),
        ((9, 0), False, "float32"),
        ((7, 5), True, "float32"),
    ],
)
def test_tf32_is_a_number_format_of_its_own(monkeypatch, capability, allowed, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
    assert prediction.precision(small_recipe(), torch.device("cuda")) == expected


def test_the_time_left_is_said_once_where_it_is_over_a_minute(capsys, monkeypatch):
    def run(seconds_per_look, epochs):
        clock = iter(range(100_000))
        monkeypatch.setattr(training.time, "perf_counter", lambda: next(clock) * seconds_per_look)
        monkeypatch.setattr(training._Training, "_step", lambda *_: 1.0)
        fit(LeNet(), toy_pictures(64), None, small_recipe(epochs=epochs))
        return capsys.readouterr().out

    assert run(1.0, epochs=76).count("about 13 more minutes") == 1
    assert run(20.0, epochs=4).count("about 21 more minutes") == 1  # by the pace of one slow step
    assert "minutes" not in run(1.0, epochs=5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 1.5}, "epochs is 1.5: give a whole number"),
        ({"batch": 0}, "batch is 0: give a whole number from 1"),
        ({"learning_rate": -1e-3}, "learning_rate is -0.001: give a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ],
)
def test_a_recipe_that_trains_nothing_is_refused(wrong, message):
    asked = {"epochs": 1, "batch": 4, "optimiser": "sgd", "learning_rate": 0.1} | wrong
    with pytest.raises(ValueError, match=message):
        Recipe(**asked)
