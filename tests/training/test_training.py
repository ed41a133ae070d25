"""The training loop: it learns, it stops as it should, and a broken run goes on as if unbroken."""

from __future__ import annotations

import dataclasses
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
        training._Run, "_step", lambda self, images, *_: seen.append(images.sum().item()) or 1.0
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

    real = training._Run.epoch

    def killed(run, *arguments):
        if run.history.epochs == stop_after:
            raise SystemExit  # as good as kill -9: nothing of fit's own runs after it
        real(run, *arguments)

    monkeypatch.setattr(training._Run, "epoch", killed)
    with pytest.raises(SystemExit):
        fit(broken, data, data, recipe, checkpoint=tmp_path / "run.pt", progress=False)
    monkeypatch.setattr(training._Run, "epoch", real)
    resumed = initialise(LeNet("frelu"), 99)
    rest = fit(resumed, data, data, recipe, checkpoint=tmp_path / "run.pt", progress=False)
    assert rest.train_loss == whole.train_loss
    assert rest.validation_score == whole.validation_score
    assert rest.steps == whole.steps
    assert all(map(torch.equal, weights_of(resumed), weights_of(unbroken)))
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_a_finished_checkpoint_is_loaded_and_not_trained_again(tmp_path, monkeypatch):
    data, path = toy_pictures(), tmp_path / "run.pt"
    model = fresh_lenet()
    fit(model, data, data, small_recipe(keep="best_score"), checkpoint=path, progress=False)
    monkeypatch.setattr(training._Run, "_step", lambda *_: pytest.fail("trained again"))
    again = fresh_lenet()
    history = fit(
        again, data, data, small_recipe(keep="best_score"), checkpoint=path, progress=False
    )
    assert history.epochs == 3
    other = fresh_lenet()
    assert load_weights(other, path).train_loss == history.train_loss
    assert all(map(torch.equal, weights_of(again), weights_of(model)))
    assert all(map(torch.equal, weights_of(other), weights_of(model)))


@pytest.mark.parametrize(
    ("changes", "names"),
    [({"recipe": small_recipe(learning_rate=0.5)}, "learning_rate"), ({"seed": 7}, "seed")],
)
def test_a_checkpoint_of_another_run_is_refused_by_name(tmp_path, changes, names):
    data, path = toy_pictures(), tmp_path / "run.pt"
    asked = {"recipe": small_recipe(), "seed": 0}
    fit(fresh_lenet(), data, None, **asked, checkpoint=path, progress=False)
    with pytest.raises(ValueError, match=f"another {names}"):
        fit(fresh_lenet(), data, None, **(asked | changes), checkpoint=path, progress=False)


def test_a_checkpoint_of_another_activation_is_refused_even_where_the_weights_would_fit(tmp_path):
    data, path = toy_pictures(), tmp_path / "run.pt"
    fit(LeNet("relu"), data, None, small_recipe(), checkpoint=path, progress=False)
    with pytest.raises(ValueError, match="another network"):
        fit(LeNet("mish"), data, None, small_recipe(), checkpoint=path, progress=False)


def test_a_missing_checkpoint_says_where_it_comes_from(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint net.pt.*notebook 04"):
        load_weights(LeNet(), tmp_path / "net.pt")


def test_a_failed_save_keeps_the_old_checkpoint_and_leaves_nothing_half_written(
    tmp_path, monkeypatch
):
    path = tmp_path / "run.pt"
    training.save_atomically({"epoch": 1}, path)

    def full_disk(state, part):
        part.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        training.save_atomically({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_gives_back_the_history_and_a_usable_network(monkeypatch, capsys):
    model, data, real = fresh_lenet(), toy_pictures(), training._Run._step
    steps = iter(range(1000))

    def interrupted(run, *arguments):
        if next(steps) == 12:  # in the second epoch
            raise KeyboardInterrupt
        return real(run, *arguments)

    monkeypatch.setattr(training._Run, "_step", interrupted)
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
    fair = prediction._loss(logits, labels, small_recipe())
    article = prediction._loss(logits, labels, small_recipe(unknown_dilutes=True))
    assert fair.item() == pytest.approx(np.log(2))
    assert article.item() == pytest.approx(np.log(2) / 2)
    nothing = prediction._loss(logits, torch.full((1, 2, 2), -1), small_recipe())
    assert nothing.item() == 0


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
    ("changes", "says"),
    [({"optimiser": "sdg"}, "known: sgd"), ({"schedule": "cosine"}, "known: constant")],
)
def test_an_unknown_optimiser_or_schedule_lists_the_known_ones(changes, says):
    with pytest.raises(ValueError, match=says):
        fit(fresh_lenet(), toy_pictures(), None, small_recipe(**changes), progress=False)


def test_the_thread_count_is_given_back():
    before = torch.get_num_threads()
    fit(fresh_lenet(), toy_pictures(8), None, tutorial_recipe(CI), progress=False)
    assert torch.get_num_threads() == before


def test_bf16_is_used_only_where_asked_for_and_supported(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    assert prediction.precision(small_recipe(bf16=True), cpu) == "bfloat16 autocast"
    assert prediction.precision(small_recipe(), cpu) == "float32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert prediction.precision(small_recipe(bf16=True), cpu) == "float32"


def test_a_slow_machine_is_told_once_what_awaits_and_a_quick_one_is_not(capsys, monkeypatch):
    def run(seconds_per_step, total):
        clock = iter(range(10_000))
        monkeypatch.setattr(training.time, "perf_counter", lambda: next(clock) * seconds_per_step)
        bar, estimate = training.tqdm(total=total), training._Estimate()
        for _ in range(50):
            bar.update()
            estimate.look(bar)
        bar.close()
        return capsys.readouterr().out

    assert run(1.0, total=600).count("about 10 more minutes") == 1
    assert "minutes" not in run(1.0, total=60)
