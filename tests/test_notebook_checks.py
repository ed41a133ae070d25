"""The checks on stored notebooks find what they are there to find."""

from __future__ import annotations

import pytest

from tests.test_notebooks import PATH, own_numbers


@pytest.mark.parametrize(
    "code",
    [
        "epochs = 3",
        "fit(model, epochs=3)",
        "fit(model, batch_size=4)",
        "load(size=(128, 160))",
        "UNet(8, width=16)",
        "lr = 1e-3",
        "train_images: int = 400",
        "torch.manual_seed(0)",
        "rng = np.random.default_rng(1)",
        "for epoch in range(10):\n    pass",
        "def train(model, epochs=2):\n    pass",
        "%matplotlib inline\nseeds = [0, 1]",
    ],
)
def test_a_profiles_number_is_found(code):
    assert list(own_numbers(code))


@pytest.mark.parametrize(
    "code",
    [
        "epochs = session.profile.lenet_epochs",
        "fit(model, epochs=session.profile.lenet_epochs)",
        "FReLU(6, kernel_size=3)",
        "bars(width=0.4)",
        "for row in range(4):\n    pass",
        "x = np.linspace(-5, 5, 201)",
        "torch.manual_seed(session.seed)",
    ],
)
def test_other_numbers_pass(code):
    assert not list(own_numbers(code))


@pytest.mark.parametrize("text", ["in /Users/x", "/opt/series/a.py", r"C:\Users\x", "('/var/a')"])
def test_a_path_of_a_machine_is_found(text):
    assert PATH.search(text)


@pytest.mark.parametrize("text", ["https://a.org/home/x", "data/tmp/x", "and/or", "x/var/y"])
def test_addresses_and_relative_paths_pass(text):
    assert not PATH.search(text)
