"""The slow campaigns: `python tools/soak.py [networks] [faults]`, all of them without a word.

networks: swaps FReLU into networks of torchvision and, where it is installed, timm, one of each
family: does the report account for every activation, does the network still answer as before in
shape, and does every funnel get a gradient? faults: damages the small Stanford release and its
prepared arrays in many ways: each must load to the right arrays or give one error that names it.
Prints a table; ends with 1 when something was lost. `make test` has a sample of each.
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
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers.datasets import DataError, load_stanford  # noqa: E402
from helpers.nn.activations import FReLU  # noqa: E402
from helpers.swap import swap_activation  # noqa: E402
from helpers.swap.recognition import SWAPPABLE  # noqa: E402
from helpers.swap.torchvision import import_torchvision  # noqa: E402

SMALL = re.compile("atto|femto|pico|nano|tiny|xxs|xs|small|mini|lite|_s0|b0|a0|18|10|050|064")
OUTCOMES = ("fully", "partly", "nothing", "refused", "raised", "wrong")
ROWS = 400  # networks for larger images take minutes each, and are left out
FAULTS = 1000
SECONDS, GIGABYTES = 10, 1  # the most that one damaged file may cost


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
    os.environ["FUNNEL_PROFILE"] = "ci"
    draw, words = random.Random(0), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FUNNEL_DATA"] = folder
        right = _loaded()
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        prepared = [path for path in files if "prepared" in path.parts]
        kept = Path(folder).with_suffix(".kept")
        shutil.copytree(folder, kept)
        for number in range(FAULTS):
            path = draw.choice(prepared if number % 2 else files)
            _damage(path, draw)
            begin = time.perf_counter()
            words[_outcome(right)] += 1
            if time.perf_counter() - begin > SECONDS:
                words["fault: slow"] += 1
            shutil.rmtree(folder)
            shutil.copytree(kept, folder)
        shutil.rmtree(kept)
    print(f"{FAULTS} faults in data files: {dict(words.most_common())}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"at most {peak:.1f} GB of memory")
    return not any(word.startswith("fault") for word in words)


def _loaded() -> list[np.ndarray]:
    with contextlib.redirect_stdout(io.StringIO()):
        data = load_stanford(size=(24, 32))
    parts = (data.train, data.validation, data.test)
    arrays = [array.numpy().copy() for part in parts for array in (part.images, part.labels)]
    return [*arrays, *(labels.copy() for part in parts for labels in part.full_labels)]


def _damage(path: Path, draw: random.Random) -> None:
    """A bit flipped, cut anywhere, emptied, doubled, replaced by zeros or noise, or gone."""
    content = bytearray(path.read_bytes())
    way = draw.choice(["flip", "flip", "cut", "cut", "empty", "double", "zeros", "noise", "gone"])
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


def _outcome(right: list[np.ndarray]) -> str:
    try:
        found = _loaded()
    except DataError:
        return "named"
    except Exception as error:  # what is looked for
        return f"fault: {type(error).__name__}: {str(error)[:60]}"
    same = len(found) == len(right) and all(map(np.array_equal, found, right))
    return "right" if same else "fault: other arrays"


CAMPAIGNS = {"networks": soak_networks, "faults": soak_faults}


def main() -> None:
    """Run what is named, or everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaigns", nargs="*", choices=list(CAMPAIGNS))
    chosen = parser.parse_args().campaigns or list(CAMPAIGNS)
    results = []
    for name in chosen:
        begin = time.perf_counter()
        results.append(CAMPAIGNS[name]())
        print(f"{name}: {(time.perf_counter() - begin) / 60:.1f} min", flush=True)
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
