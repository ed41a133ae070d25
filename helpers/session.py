"""Profile, device, seed and expected time of a notebook."""

from __future__ import annotations

import math
import os
import platform
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from numbers import Integral
from pathlib import Path

import torch
from torch import nn


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads of the CPU for a while; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Profile:
    """How much is trained: the only place where epochs, sizes and counts of the series stand.

    Sizes are (height, width) in pixels; `None` means "all images". Introduced in notebook 01.
    """

    name: str
    describes: str
    may_download: bool
    picture_side: int  # pixels, the photograph of 01 and 02
    depth_samples: int  # samples in the gradient-flow experiment of 01
    depth_width: int  # units of each of its layers
    dying_samples: int  # points of the spirals on which units of 01 die
    dying_width: int  # units of each hidden layer there
    dying_steps: int
    measurement_seeds: int  # repetitions of both experiments of 01
    lenet_epochs: int
    lenet_batch: int
    lenet_train: int | None
    lenet_test: int | None
    unet_epochs: int
    unet_short_epochs: int  # the net of 5 minutes in 05
    unet_batch: int
    unet_size: tuple[int, int]
    unet_width: int
    unet_train: int | None
    unet_test: int | None
    cost_shapes: tuple[tuple[int, int, int, int], ...]  # (N, C, H, W) of the tensors of 07
    cost_rounds: int
    swap_width: int  # channels of the first stage of 08's small ResNet
    swap_train: int | None
    swap_test: int | None
    swap_epochs: int
    swap_batch: int
    swap_learning_rate: float
    swap_seeds: int  # runs of each network of 08
    standin_cifar: tuple[int, int]  # pictures for training and for the test
    standin_stanford: int


# What the six levels of the article's U-Net put out, four images of 224x224 at a time.
_UNET_LEVELS = tuple((4, 32 * 2**level, 224 >> level, 224 >> level) for level in range(6))

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="ci",
            describes="seconds; every step is taken, no result is meant to be read",
            may_download=False,
            picture_side=64,
            depth_samples=64,
            depth_width=32,
            dying_samples=64,
            dying_width=16,
            dying_steps=20,
            measurement_seeds=2,
            lenet_epochs=2,
            lenet_batch=4,
            lenet_train=3000,
            lenet_test=500,
            unet_epochs=2,
            unet_short_epochs=1,
            unet_batch=4,
            unet_size=(64, 64),
            unet_width=4,
            unet_train=24,
            unet_test=8,
            cost_shapes=((2, 4, 32, 32), (2, 8, 16, 16), (2, 16, 8, 8)),
            cost_rounds=3,
            swap_width=4,
            swap_train=480,
            swap_test=200,
            swap_epochs=2,
            swap_batch=32,
            swap_learning_rate=0.1,
            swap_seeds=2,
            standin_cifar=(3000, 500),
            standin_stanford=60,
        ),
        Profile(
            name="class",
            describes="minutes on a laptop; a result worth discussing",
            may_download=True,
            picture_side=256,
            depth_samples=512,
            depth_width=256,
            dying_samples=256,
            dying_width=64,
            dying_steps=100,
            measurement_seeds=3,
            lenet_epochs=2,
            lenet_batch=4,
            lenet_train=None,
            lenet_test=None,
            unet_epochs=30,
            unet_short_epochs=16,
            unet_batch=16,
            unet_size=(128, 160),
            unet_width=16,
            unet_train=None,
            unet_test=None,
            cost_shapes=_UNET_LEVELS,
            cost_rounds=15,
            swap_width=8,
            swap_train=5000,
            swap_test=None,
            swap_epochs=8,
            swap_batch=64,
            swap_learning_rate=0.1,
            swap_seeds=3,
            standin_cifar=(20000, 2000),
            standin_stanford=300,
        ),
        Profile(
            name="full",
            describes="the articles' sizes; hours without a GPU",
            may_download=True,
            picture_side=256,
            depth_samples=2048,
            depth_width=256,
            dying_samples=512,
            dying_width=64,
            dying_steps=300,
            measurement_seeds=10,
            lenet_epochs=2,
            lenet_batch=4,
            lenet_train=None,
            lenet_test=None,
            unet_epochs=100,
            unet_short_epochs=30,
            unet_batch=16,
            unet_size=(224, 224),
            unet_width=32,
            unet_train=None,
            unet_test=None,
            cost_shapes=_UNET_LEVELS,
            cost_rounds=50,
            swap_width=16,
            swap_train=None,
            swap_test=None,
            swap_epochs=30,
            swap_batch=64,
            swap_learning_rate=0.1,
            swap_seeds=5,
            standin_cifar=(50000, 10000),
            standin_stanford=715,
        ),
    )
}

RECORDED_MACHINE = "two cores of an Intel Xeon (AMX, 2.6 GHz)"
"""Where MINUTES and RECORDED_SECONDS were measured, with nothing else running, torch 2.13."""

RECORDED_SECONDS = {"unet": 0.0083, "lenet": 0.00092}
"""What the two pieces of work of `slowness` take there; both are measured anew with MINUTES."""


@dataclass(frozen=True)
class Minutes:
    """How long a notebook computes on RECORDED_MACHINE, by profile.

    work: the piece of work that it is scaled by; longest: where more than half of it goes;
    on_gpu: whether a GPU takes that half over. LeNet's batches of 4 are too small for one.
    """

    by_profile: dict[str, float]
    work: str = "lenet"
    longest: str = ""
    on_gpu: bool = False


# Trainings of more than 5 minutes were timed over a few epochs and scaled up; those of the full
# profile from class, by pixels, channels and epochs.
MINUTES = {
    "01_activation_functions": Minutes({"ci": 0.2, "class": 0.4, "full": 2}),
    "02_funnel_condition": Minutes({"ci": 0.15, "class": 0.2, "full": 0.2}),
    "03_cifar10_lenet_swap": Minutes({"ci": 0.3, "class": 2.4, "full": 2.4}, longest="section 4"),
    "04_unet_stanford_background": Minutes(
        {"ci": 0.2, "class": 7, "full": 190}, "unet", "section 7", on_gpu=True
    ),
    "05_iou_evaluation": Minutes(
        {"ci": 0.2, "class": 7.5, "full": 190}, "unet", "sections 2 and 8", on_gpu=True
    ),
    "06_is_it_the_funnel": Minutes({"ci": 0.2, "class": 0.2, "full": 0.2}),
    "07_cost_of_a_funnel": Minutes({"ci": 0.15, "class": 1, "full": 2.5}),
    "08_in_your_network": Minutes(
        {"ci": 0.3, "class": 8, "full": 400}, longest="section 5", on_gpu=True
    ),
}


@dataclass(frozen=True)
class Session:
    """What a notebook runs with. Introduced in notebook 01."""

    profile: Profile
    device: torch.device
    seed: int
    data: Path

    def checkpoint(self, *words: str) -> Path:
        """Where the reader's network of that name is kept, one file per profile and number format.

        `words` distinguish networks: task, activation, split, the data's source. Introduced in
        notebook 04.
        """
        number_format = [] if gains_from_bf16(self.device) else ["float32"]
        name = "-".join([*words, self.profile.name, *number_format]).lower().replace(" ", "-")
        return self.data / "runs" / f"{name}.pt"


def current_profile() -> Profile:
    """The profile that `FUNNEL_PROFILE` names, "class" by default.

    Raises ValueError when no profile has that name.
    """
    name = os.environ.get("FUNNEL_PROFILE") or "class"
    if name not in PROFILES:
        raise ValueError(f"FUNNEL_PROFILE is '{name}'; choose one of {', '.join(PROFILES)}")
    return PROFILES[name]


def repository() -> Path | None:
    """The folder that holds notebooks and helpers, or None for an installed package."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "notebooks").is_dir() else None


def data_directory() -> Path:
    """Where data, checkpoints and a reader's runs go: `FUNNEL_DATA`, else `data/cache`.

    A relative `FUNNEL_DATA` counts from the present directory. Raises ValueError when it is a file
    or a link that leads nowhere.
    """
    if named := os.environ.get("FUNNEL_DATA"):
        place = Path(named).expanduser().absolute()
        if not place.is_dir() and os.path.lexists(place):
            raise ValueError(f"FUNNEL_DATA is '{named}', which is no folder: name one.")
        return place
    return (repository() or Path.cwd()) / "data" / "cache"


def best_device() -> torch.device:
    """CUDA where there is a GPU, Apple's MPS where there is one, otherwise the CPU.

    `FUNNEL_DEVICE` (cpu, cuda, cuda:1, mps) overrules the choice. Raises ValueError for a device
    that is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    there["cpu"] = True
    wanted = os.environ.get("FUNNEL_DEVICE", "").strip().lower()
    name = wanted or next(name for name, is_there in there.items() if is_there)
    if not there.get(name.split(":")[0], False):
        found = ", ".join(known for known, is_there in there.items() if is_there)
        raise ValueError(f"FUNNEL_DEVICE is '{name}', but this machine offers only {found}")
    try:
        return torch.device(name)
    except RuntimeError:
        raise ValueError(
            f"FUNNEL_DEVICE is '{name}'; write cpu, cuda, mps, or cuda:1 for the second GPU"
        ) from None


def stream_seed(seed: int, stream: str) -> int:
    """The seed of one purpose ("order/3", a layer's name): a draw here shifts nothing there.

    Raises ValueError for a seed that is no whole number.
    """
    if not isinstance(seed, Integral):
        raise ValueError(f"seed is {seed!r}: give a whole number.")
    return zlib.crc32(f"{seed}/{stream}".encode())


def random_generator(seed: int, stream: str) -> torch.Generator:
    """A CPU generator of its own for each purpose. Introduced in notebook 03."""
    return torch.Generator().manual_seed(stream_seed(seed, stream))


def start(notebook: str, seed: int = 0) -> Session:
    """Choose profile and device, and print them with the expected time.

    `notebook` is the file's name without its ending. Raises ValueError for an unknown notebook,
    profile or device, and for a seed that is no whole number.
    """
    if notebook not in MINUTES:
        raise ValueError(
            f"No notebook is called '{notebook}'; known: {', '.join(MINUTES)}. "
            "A new one needs its row in MINUTES, helpers/session.py."
        )
    stream_seed(seed, notebook)  # raises the error that says what a seed is
    session = Session(current_profile(), best_device(), seed, data_directory())
    print(f"Profile '{session.profile.name}': {session.profile.describes}.")
    minutes, where = _minutes(MINUTES[notebook], session)
    print(_computing(MINUTES[notebook], minutes, where))
    number = torch.__version__.split("+")[0]
    print(f"Device: {_device_line(session.device)}. Seed {seed}. torch {number}.")
    for hint in (_gpu_hint(MINUTES[notebook], minutes), _widgets_hint()):
        if hint:
            print(hint)
    return session


def _minutes(row: Minutes, session: Session) -> tuple[float, str]:
    """How long this notebook computes, and where: here if the CPU does it, else where recorded.

    In ci nothing is measured, so that a run takes no time for it.
    """
    minutes, recorded = row.by_profile[session.profile.name], f"on {RECORDED_MACHINE}"
    if session.device.type != "cpu" or session.profile.name == "ci":
        return minutes, f"Without a GPU, {recorded},"
    if times := slowness().get(row.work):
        return minutes * times, "On this machine"
    return minutes, f"This machine is too busy or too slow to be measured; {recorded}"


def _computing(row: Minutes, minutes: float, where: str) -> str:
    most = f"; most of it in {row.longest}" if row.longest and minutes >= 1 else ""
    return f"{where} this notebook computes for about {_duration(minutes)}{most}."


def _duration(minutes: float) -> str:
    if minutes < 1:
        return f"{minutes * 60:.0f} seconds"
    if minutes < 120:
        return f"{minutes:.0f} minute{'s' if minutes >= 1.5 else ''}"
    return f"{minutes / 60:.0f} hours"


# --- how fast this machine is -------------------------------------------------------------------

MEASURE_SECONDS = {"lenet": 0.1, "unet": 0.35}  # at most
MOST_ROUNDS, LEAST_ROUNDS = 30, 3


@cache
def slowness() -> dict[str, float]:
    """How many times as long as RECORDED_MACHINE this one's CPU takes, by kind of work.

    "lenet": small layers on one thread, batches of 4; "unet": a level of the U-Net with a funnel,
    in the number format and with the threads that `fit` takes. Both forward and backward, once per
    process. Without the kind that is too much for MEASURE_SECONDS. Threads, generators and gradient
    mode stay as they were. Introduced in notebook 01.
    """
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        found = {
            "lenet": _least_seconds(_lenet_step(), MEASURE_SECONDS["lenet"], 1),
            "unet": _least_seconds(_unet_level(), MEASURE_SECONDS["unet"]),
        }
    finite = {work: seconds for work, seconds in found.items() if seconds < math.inf}
    return {work: seconds / RECORDED_SECONDS[work] for work, seconds in finite.items()}


def _least_seconds(work: Callable[[], object], at_most: float, count: int | None = None) -> float:
    """The shortest round, since others on the machine make it longer, never shorter.

    Infinite if only one or two fit, which are slow because they are the first.
    """
    rounds: list[float] = []
    begin = time.perf_counter()
    with threads(count):
        while len(rounds) < MOST_ROUNDS and time.perf_counter() - begin < at_most:
            start = time.perf_counter()
            work()
            rounds.append(time.perf_counter() - start)
    return min(rounds) if len(rounds) >= LEAST_ROUNDS else math.inf


def _lenet_step() -> Callable[[], object]:
    """LeNet's layers. Its module imports this one, so they are written down here."""
    first = (nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2))
    second = (nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2))
    dense = (nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    network, images = nn.Sequential(*first, *second, nn.Flatten(), *dense), torch.ones(4, 3, 32, 32)
    return lambda: network(images).sum().backward()


def _unet_level() -> Callable[[], object]:
    """Convolution, BatchNorm and funnel of the class U-Net's third level, half a batch."""
    block = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64))
    window = nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False)
    condition = nn.Sequential(window, nn.BatchNorm2d(64))
    for part in (block, condition):
        part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub
    maps = torch.ones(8, 64, 32, 40).to(memory_format=torch.channels_last).requires_grad_()
    bf16 = gains_from_bf16(maps.device)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            x = block(maps)
            y = torch.maximum(x, condition(x))
        y.float().sum().backward()

    return step


def gains_from_bf16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 by units of its own, and does not emulate it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    units: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # not in torch 2.11
    # ATEN_CPU_CAPABILITY=avx2 makes a larger x86 processor do without its units.
    larger = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    x86 = larger and (units.get("avx512_bf16") or units.get("amx_bf16"))
    return bool(x86 or units.get("bf16"))


# --- the machine --------------------------------------------------------------------------------


def _device_line(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "the GPU of this Mac"
    return f"the CPU, {torch.get_num_threads()} threads"


def _gpu_hint(row: Minutes, minutes: float) -> str | None:
    """How to have a GPU, where that saves the reader minutes of training."""
    if torch.cuda.is_available() or not row.on_gpu or minutes < 1:
        return None
    if _on_colab():
        way = "choose Runtime > Change runtime type > T4 GPU, and begin anew"
    elif _on_kaggle():
        way = "choose Settings > Accelerator > GPU T4 x2, and begin anew"
    elif platform.system() == "Linux" and Path("/dev/nvidia0").exists():
        way = "there is one that this torch can't use, see 'GPU' in site/running.md"
    else:
        return None
    return f"A GPU would save most of these {_duration(minutes)}: {way}."


def _widgets_hint() -> str | None:
    """Which ipywidgets JupyterLab 4 needs, where an older one is installed and Colab is not."""
    number = version("ipywidgets")
    if int(number.partition(".")[0]) >= 8 or _on_colab() or _on_kaggle():
        return None
    return (
        f"JupyterLab 4 shows no widget of ipywidgets {number}: it needs ipywidgets 8 with "
        "jupyterlab_widgets 3 (pip install 'ipywidgets>=8', then restart JupyterLab)."
    )


def _on_colab() -> bool:
    return "google.colab" in sys.modules


def _on_kaggle() -> bool:
    return "KAGGLE_KERNEL_RUN_TYPE" in os.environ
