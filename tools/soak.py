"""The slow campaigns: `python tools/soak.py [faults] [kills] [networks]`, all without a word.

networks: swaps FReLU into networks of torchvision and, where it is installed, timm, one of each
family: does the report account for every activation, does the network still answer as before in
shape, and does every funnel get a gradient? faults: damages a small Stanford release and its
prepared arrays in many ways: each must load to the right arrays or give one error that names it.
kills: ends downloads, preparations, trainings and recordings by SIGKILL at random moments: what is
called next must end as an unbroken run does. Prints a table; ends with 1 when something was lost.
`make test` has a sample of each.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import io
import os
import random
import re
import resource
import shutil
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import md5
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers.datasets import (  # noqa: E402
    DataError,
    Images,
    load_stanford,
    standin_stanford,
    stanford_release,
)
from helpers.datasets.download import Remote, download  # noqa: E402
from helpers.datasets.stanford import RELEASE  # noqa: E402
from helpers.experiments.run import SCHEMA  # noqa: E402
from helpers.experiments.store import Store  # noqa: E402
from helpers.files import fingerprint  # noqa: E402
from helpers.nn.activations import FReLU  # noqa: E402
from helpers.nn.networks import LeNet, initialise  # noqa: E402
from helpers.swap import swap_activation  # noqa: E402
from helpers.swap.recognition import SWAPPABLE  # noqa: E402
from helpers.swap.torchvision import import_torchvision  # noqa: E402
from helpers.training import Recipe, fit  # noqa: E402
from tests.download_server import DownloadServer  # noqa: E402

SMALL = re.compile("atto|femto|pico|nano|tiny|xxs|xs|small|mini|lite|_s0|b0|a0|18|10|050|064")
OUTCOMES = ("fully", "partly", "nothing", "refused", "raised", "wrong")
ROWS = 400  # networks for larger images take minutes each, and are left out
FAULTS = 1000
SECONDS, GIGABYTES = 10, 1  # the most that one damaged file may cost
SCENES = 12
KILLS = 13  # of each kind of work
ARCHIVE = b"\x1f\x8b" + random.Random(0).randbytes(20_000_000)  # what is downloaded


# --- networks ---------------------------------------------------------------------------------


def networks() -> Iterator[tuple[str, str, tuple[int, ...], Callable[[], nn.Module]]]:
    """One network of each family, the cheaper ones preferred, with random weights.

    Package, name, the input's shape without N, and how to make the network.
    """
    vision = import_torchvision()
    families: dict[str, str] = {}
    for name in vision.models.list_models(module=vision.models):
        families.setdefault(re.split(r"\d|_", name)[0], name)
    for name in families.values():
        rows = vision.models.get_model_weights(name).DEFAULT.transforms().crop_size[0]
        make = partial(vision.models.get_model, name, weights=None)
        yield f"torchvision {vision.__version__}", name, (3, rows, rows), make
    if importlib.util.find_spec("timm") is None:
        print("timm is not installed: only torchvision's networks are tried.")
        return
    timm: Any = importlib.import_module("timm")

    def size(name: str) -> tuple[int, ...]:
        return getattr(timm.get_pretrained_cfg(name), "input_size", (3, 224, 224))

    for family in timm.list_modules():
        names = [name for name in timm.list_models(module=family) if size(name)[1] <= ROWS]
        if names:
            name = min(names, key=lambda name: (not SMALL.search(name), size(name), len(name)))
            make = partial(timm.create_model, name)
            yield f"timm {timm.__version__}", name, size(name), make


def try_network(size: tuple[int, ...], make: Callable[[], nn.Module]) -> tuple[str, str]:
    """What the swap did, one of OUTCOMES, and what was wrong or why it was refused."""
    torch.manual_seed(0)
    model, example = make(), torch.rand(2, *size)
    before = _shape(model.eval(), example)
    activations = [name for name, m in model.named_modules() if isinstance(m, SWAPPABLE)]
    try:
        report = swap_activation(model, "frelu", example)
    except (ValueError, TypeError) as error:
        return "refused" if _shape(model, example) == before else "wrong", str(error)
    if _shape(model, example) != before:
        return "wrong", "another shape"
    named = [row.place for row in report.swapped] + [row.name for row in report.left]
    silent = [name for name in activations if not f"{name}.".startswith(tuple(map(_dot, named)))]
    if silent:
        return "wrong", f"not in the report: {silent}"
    funnels = [module for module in model.modules() if isinstance(module, FReLU)]
    _first(model.train()(example)).float().sum().backward()
    if any(p.grad is None for funnel in funnels for p in funnel.parameters()):
        return "wrong", "a funnel without gradient"
    if not report.swapped:
        return "nothing", ""
    return "partly" if report.left or report.functions else "fully", ""


def _dot(name: str) -> str:
    return f"{name}."


def _first(output: Any) -> Tensor:
    while not isinstance(output, Tensor):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    return output


@torch.no_grad()
def _shape(model: nn.Module, example: Tensor) -> torch.Size:
    return _first(model(example)).shape


def soak_networks() -> bool:
    """Try them all, and print a row of a table for each package; whether none was wrong."""
    found: dict[str, Counter[str]] = {}
    for package, name, size, make in networks():
        try:
            word, why = try_network(size, make)
        except Exception as error:  # somebody else's network may fail in its own ways
            word, why = "raised", f"{type(error).__name__}: {error}"
        found.setdefault(package, Counter())[word] += 1
        if why:
            print(f"{package} {name} {word}: {why[:200]}", flush=True)
    print(f"| package | families | {' | '.join(OUTCOMES)} |")
    for package, words in found.items():
        counts = " | ".join(str(words[word]) for word in OUTCOMES)
        print(f"| {package} | {words.total()} | {counts} |")
    return not any(words["wrong"] for words in found.values())


# --- faults -----------------------------------------------------------------------------------


def soak_faults() -> bool:
    """Damage one file at a time, load, and compare; whether nothing was lost."""
    draw, words, slowest = random.Random(0), Counter[str](), 0.0
    with tempfile.TemporaryDirectory() as folder:
        root, kept = Path(folder, "data"), Path(folder, "kept")
        os.environ |= {"FUNNEL_PROFILE": "ci", "FUNNEL_DATA": str(root)}
        _release(kept)
        shutil.copytree(kept, root)
        right = _loaded()
        shutil.copytree(root, kept, dirs_exist_ok=True)
        prepared = sorted(path for path in (root / "prepared").rglob("*") if path.is_file())
        for number in range(FAULTS):
            path = draw.choice(prepared) if number % 2 else root / RELEASE.archive.name
            if path not in prepared:
                shutil.rmtree(root / "prepared")  # else nobody reads the archive
            _damage(path, draw, "gone" if path in prepared else "cut")
            begin = time.perf_counter()
            words[_outcome(right, path)] += 1
            slowest = max(slowest, time.perf_counter() - begin)
            shutil.rmtree(root)
            shutil.copytree(kept, root)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{FAULTS} faults in data files: {dict(words.most_common())}")
    print(f"the slowest took {slowest:.1f} s; at most {peak:.1f} GB of memory")
    lost = any(word.startswith("fault") for word in words)
    return not lost and slowest < SECONDS and peak < GIGABYTES


def _release(root: Path) -> None:
    """An archive of a few generated scenes in `root` that passes for the real release."""
    tree = root / "iccv09Data"
    standin_stanford.write(tree, SCENES)
    with tarfile.open(root / RELEASE.archive.name, "w:gz") as archive:
        archive.add(tree, tree.name)
    for kind, ending in stanford_release._ENDINGS.items():
        files = sorted(tree.rglob("horizons.txt" if kind == "horizons" else f"*{ending}"))
        sums = {path: md5(path.read_bytes()).hexdigest() for path in files}
        lines = "".join(f"{sums[path]}  {path.name}\n" for path in files)
        total = sums[files[0]] if kind == "horizons" else md5(lines.encode()).hexdigest()
        stanford_release.DIGESTS[kind] = total
    shutil.rmtree(tree)


def _loaded() -> list[np.ndarray]:
    with contextlib.redirect_stdout(io.StringIO()):
        data = load_stanford(size=(24, 32))
    parts = (data.train, data.validation, data.test)
    arrays = [array.numpy().copy() for part in parts for array in (part.images, part.labels)]
    return [*arrays, *(labels.copy() for part in parts for labels in part.full_labels)]


def _damage(path: Path, draw: random.Random, last: str) -> None:
    """A bit flipped, cut anywhere, emptied, doubled, replaced by zeros or noise, or gone."""
    content = bytearray(path.read_bytes())
    way = draw.choice(["flip", "flip", "cut", "cut", "empty", "double", "zeros", "noise", last])
    if way == "flip" and content:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    changed: dict[str, bytes] = {
        "cut": bytes(content[: draw.randrange(len(content) + 1)]),
        "empty": b"",
        "double": bytes(content) * 2,
        "zeros": bytes(len(content)),
        "noise": draw.randbytes(len(content)),
    }
    path.unlink()
    if way != "gone":
        path.write_bytes(changed.get(way, bytes(content)))


def _outcome(right: list[np.ndarray], path: Path) -> str:
    try:
        found = _loaded()
    except DataError as error:
        return "named" if path.name in str(error) else f"fault: not named: {error}"[:120]
    except Exception as error:  # what is looked for
        return f"fault: {type(error).__name__}: {str(error)[:60]}"
    same = len(found) == len(right) and all(map(np.array_equal, found, right))
    return "right" if same else "fault: other arrays"


# --- kills ------------------------------------------------------------------------------------


def soak_kills() -> bool:
    """Kill each kind of work at random moments, do it again, and compare; whether all went on."""
    torch.set_num_threads(1)  # a forked process has none but its own
    draw, lost = random.Random(0), 0
    print("| work | kills | goes on | lost |")
    with tempfile.TemporaryDirectory() as folder, DownloadServer(ARCHIVE) as server:
        _release(Path(folder))
        for work in (_download, _prepare, _train, _record):
            step = partial(work, server.address("ranges"), Path(folder, RELEASE.archive.name))
            begin = time.perf_counter()
            unbroken = step(Path(folder, f"{work.__name__}"))
            seconds, killed, right = time.perf_counter() - begin, 0, 0
            while killed < KILLS:
                place = Path(folder, f"{work.__name__}-{draw.random()}")
                process = get_context("fork").Process(target=step, args=(place,))
                process.start()
                time.sleep(draw.uniform(0, seconds))
                process.kill()
                process.join()
                if process.exitcode:  # else it was done before
                    killed += 1
                    right += step(place) == unbroken
            lost += killed - right
            print(f"| {work.__name__[1:]} | {killed} | {right} | {killed - right} |", flush=True)
    return not lost


def _download(address: str, _archive: Path, place: Path) -> object:
    with contextlib.redirect_stderr(io.StringIO()):
        remote = Remote("file.tar.gz", (address,), md5(ARCHIVE).hexdigest())
        return download(remote, place).read_bytes()


def _prepare(_address: str, archive: Path, place: Path) -> object:
    os.environ |= {"FUNNEL_PROFILE": "ci", "FUNNEL_DATA": str(place)}
    place.mkdir(exist_ok=True)
    if not (place / archive.name).exists():
        os.link(archive, place / archive.name)
    return [array.tobytes() for array in _loaded()]


def _train(_address: str, _archive: Path, place: Path) -> object:
    images = torch.randint(256, (64, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    part = Images(images.to(torch.uint8), torch.arange(64) % 10)
    model = initialise(LeNet("frelu"), 0)
    recipe = Recipe(12, 8, "adamw", 1e-3, schedule="one_cycle")
    history = fit(model, part, None, recipe, checkpoint=place / "run.pt", progress=False)
    return history.step_loss, fingerprint(model.state_dict().values())


def _record(_address: str, _archive: Path, place: Path) -> object:
    store = Store(place)
    for number in range(60):
        content = {"schema": SCHEMA, "grid": "kills", "name": str(number), "text": "x" * 5000}
        store.append(content)
    return store.path("kills").read_bytes()


# In this order: the most memory that faults take is the whole process's.
CAMPAIGNS = {"faults": soak_faults, "kills": soak_kills, "networks": soak_networks}


def main() -> None:
    """Run what is named, or everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaigns", nargs="*", choices=list(CAMPAIGNS))
    chosen = parser.parse_args().campaigns
    results = []
    for name in (name for name in CAMPAIGNS if name in chosen or not chosen):
        begin = time.perf_counter()
        results.append(CAMPAIGNS[name]())
        print(f"{name}: {(time.perf_counter() - begin) / 60:.1f} min", flush=True)
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
