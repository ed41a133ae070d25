"""Stanford Background: 715 scenes with a class for every pixel (Gould, Fulton, Koller 2009)."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..session import current_profile, data_directory
from . import resize, standin_stanford, stanford_release
from .classes import REGIONS, SURFACES
from .download import Remote
from .prepared import DataError, complete, prepared_array, read_array, read_json, save_array
from .sources import STANDIN, Release, Sourced

CLASSES = {
    "regions": REGIONS,
    "surfaces": SURFACES,
    "layers": (),  # numbers of regions within one picture, for display
}
PREPARED = Path("prepared", "stanford-v1")
RELEASE = Release(
    name="Stanford Background",
    archive=Remote(
        name="iccv09Data.tar.gz",
        addresses=("http://dags.stanford.edu/data/iccv09Data.tar.gz",),
        contents=stanford_release.check,
    ),
    alternative="iccv09Data",  # the archive, unpacked
    prepared=PREPARED,
)
RESIZERS = {"nearest": resize.resize_nearest, "bilinear": resize.resize_bilinear}
SPLIT_SEED = 0  # fixed before the first run, for every run


@dataclass(frozen=True)
class Scenes:
    """A part of the set. Introduced in notebook 04.

    images: (N, 3, H, W) uint8; labels: (N, H, W) int8 (layers: int16), -1 unknown; ids: N file
    names; full_labels: N maps (h, w), each at its picture's own size, for scoring; jpegs: N
    files' bytes.
    """

    images: Tensor
    labels: Tensor
    ids: tuple[str, ...]
    full_labels: list[np.ndarray]
    jpegs: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<{len(self)} scenes, images {tuple(self.images.shape)}>"

    @property
    def sources(self) -> tuple[int, ...]:
        """Where each picture is from: the first digit of its name."""
        return tuple(int(name[0]) for name in self.ids)

    def full_image(self, index: int) -> np.ndarray:
        """Picture `index` at its own size, (h, w, 3) uint8."""
        return np.array(Image.open(io.BytesIO(self.jpegs[index].tobytes())).convert("RGB"))

    def first(self, count: int | None) -> Scenes:
        """The first `count` scenes (None: all); in the shuffled split they mix the sources."""
        return Scenes(
            self.images[:count],
            self.labels[:count],
            self.ids[:count],
            self.full_labels[:count],
            self.jpegs[:count],
        )


@dataclass(frozen=True)
class Stanford(Sourced):
    """Three parts of the set and where they are from ("Stanford Background" or "stand-in data").

    Introduced in notebook 04.
    """

    train: Scenes
    validation: Scenes
    test: Scenes
    classes: tuple[str, ...]
    task: str
    split: str
    source: str


def load_stanford(
    task: str = "regions",
    size: tuple[int, int] | None = None,
    split: str = "shuffled",
    label_resize: str = "nearest",
) -> Stanford:
    """Stanford Background: prepared, downloaded, from the network, or stand-in data.

    task: "regions" (8 classes), "surfaces" (3) or "layers"; size: (height, width) in pixels, the
    profile's for None; split: "shuffled" (stratified by source) or "article" (by sorted names),
    both 6:2:2; label_resize: "nearest", or "bilinear" as article B did. Says in one line which
    data it is. Raises ValueError for another word and for what is no size, DataError when a
    file that is there is damaged. Introduced in notebook 04.
    """
    _known(task=(task, CLASSES), split=(split, SPLITS), label_resize=(label_resize, RESIZERS))
    size = resize.check_size(current_profile().unet_size if size is None else size)
    real = RELEASE.is_available("images", task)
    prepared = _Prepared(data_directory() if real else _standin(data_directory()), real)
    images, labels = prepared.images(size), prepared.labels(task, size, label_resize)
    ids, jpegs, maps = prepared.index()["ids"], prepared.jpegs(), prepared.full_labels(task)
    train, validation, test = (
        Scenes(
            images=torch.from_numpy(np.asarray(images[index])),
            labels=torch.from_numpy(np.asarray(labels[index])),
            ids=tuple(ids[i] for i in index),
            full_labels=[maps[i] for i in index],
            jpegs=[jpegs[i] for i in index],
        )
        for index in SPLITS[split](ids)
    )
    source = RELEASE.name if real else STANDIN
    data = Stanford(train, validation, test, CLASSES[task], task, split, source)
    print(_line(data, size))
    return data


def _known(**choices: tuple[str, Mapping[str, object]]) -> None:
    for option, (word, known) in choices.items():
        if word not in known:
            raise ValueError(f"{option} is '{word}'; choose one of {', '.join(known)}")


def _line(data: Stanford, size: tuple[int, int]) -> str:
    counts = [len(part) for part in (data.train, data.validation, data.test)]
    what = "scenes of Stanford Background"
    if data.is_standin:
        what = "generated scenes in place of Stanford Background (stand-in data)"
    return (
        f"Data: {sum(counts)} {what} at {size[0]}x{size[1]}, {data.task}; "
        f"split '{data.split}': {counts[0]} / {counts[1]} / {counts[2]}."
    )


def split_article(ids: Sequence[str]) -> list[list[int]]:
    """Article B's: the sorted names, cut 6:2:2. It measures how a net transfers to new sources."""
    return _cut(sorted(range(len(ids)), key=lambda i: ids[i]))


def split_shuffled(ids: Sequence[str]) -> list[list[int]]:
    """6:2:2 with every source in each part in proportion.

    Within a source the order is by a hash of seed and name: it depends on no generator's version.
    Each scene's rank within its source, from 0 to 1, then orders them all.
    """
    ranks: dict[int, float] = {}
    for source in sorted({name[0] for name in ids}):
        members = [i for i, name in enumerate(ids) if name[0] == source]
        members.sort(key=lambda i: _hash(ids[i]))
        ranks.update({i: (k + 0.5) / len(members) for k, i in enumerate(members)})
    return _cut(sorted(ranks, key=lambda i: (ranks[i], _hash(ids[i]))))


SPLITS = {"shuffled": split_shuffled, "article": split_article}


def _hash(name: str) -> str:
    return sha256(f"{SPLIT_SEED}/{name}".encode()).hexdigest()


def _cut(order: list[int]) -> list[list[int]]:
    """429 / 143 / 143 of 715; in proportion, and at least one each, of fewer."""
    held = max(1, len(order) // 5)
    train = len(order) - 2 * held
    return [order[:train], order[train : train + held], order[train + held :]]


def _standin(root: Path) -> Path:
    """The stand-in's own data directory, generated if it is not there."""
    count = current_profile().standin_stanford
    place = root / "stand-in" / f"stanford-v{standin_stanford.VERSION}-{count}"
    return complete(place, lambda part: standin_stanford.write(part / RELEASE.alternative, count))


@dataclass(frozen=True)
class _Prepared:
    """The prepared arrays below a root; each directory is made when it is first needed."""

    root: Path
    real: bool

    def _path(self, *names: str) -> Path:
        return self.root.joinpath(PREPARED, *names)

    def _originals(self) -> Path:
        """The pictures' files, one after the other, and an index of their names and sizes."""
        return complete(self._path("images"), self._write_originals)

    def _write_originals(self, place: Path) -> None:
        jpegs = stanford_release.read(RELEASE.needed_file(self.root), "images", self.real)
        index = {
            "ids": list(jpegs),
            "bytes": [len(jpeg) for jpeg in jpegs.values()],
            "sizes": [resize.picture_size(jpeg, f"{name}.jpg") for name, jpeg in jpegs.items()],
        }
        save_array(place / "jpegs.npy", np.frombuffer(b"".join(jpegs.values()), np.uint8))
        (place / "index.json").write_text(json.dumps(index))

    def index(self) -> dict[str, list]:
        """Of each picture, in the order of the arrays: "ids", "bytes" and "sizes" (h, w)."""
        return read_json(self._originals() / "index.json")

    def jpegs(self) -> list[np.ndarray]:
        """Each picture's file, read from the disk as it is used."""
        joined = read_array(self._originals() / "jpegs.npy", mapped=True)
        return np.split(joined, np.cumsum(self.index()["bytes"])[:-1])

    def full_labels(self, task: str) -> list[np.ndarray]:
        """Each label map at its own size, read from the disk as it is used."""
        path = self._path(task, "labels.npy")
        joined = prepared_array(path, lambda: self._joined_labels(task))
        sizes = self.index()["sizes"]
        ends = np.cumsum([height * width for height, width in sizes])[:-1]
        pairs = zip(np.split(joined, ends), sizes, strict=True)
        return [flat.reshape(size) for flat, size in pairs]

    def _joined_labels(self, task: str) -> np.ndarray:
        index = self.index()
        maps = stanford_release.read_labels(RELEASE.needed_file(self.root), task, self.real)
        if alone := sorted(set(index["ids"]) ^ set(maps)):
            raise DataError(f"{alone[0]} has either no picture or no {task}.txt")
        for name, (height, width) in zip(index["ids"], index["sizes"], strict=True):
            if maps[name].shape != (height, width):
                shape = "x".join(map(str, maps[name].shape))
                raise DataError(f"{name}.{task}.txt is {shape}, its picture {height}x{width}")
        joined = np.concatenate([maps[name].ravel() for name in index["ids"]])
        return joined.astype(np.int16 if task == "layers" else np.int8)

    def images(self, size: tuple[int, int]) -> np.ndarray:
        """The pictures at one size, (N, 3, *size)."""
        path = self._path(f"images-{size[0]}x{size[1]}", "images.npy")
        return prepared_array(path, lambda: self._resized_images(size))

    def _resized_images(self, size: tuple[int, int]) -> np.ndarray:
        pixels = np.empty((len(self.jpegs()), 3, *size), np.uint8)
        for row, name, jpeg in zip(pixels, self.index()["ids"], self.jpegs(), strict=True):
            row[:] = resize.resize_picture(jpeg.tobytes(), size, f"{name}.jpg")
        return pixels

    def labels(self, task: str, size: tuple[int, int], how: str) -> np.ndarray:
        """The label maps at one size, (N, *size)."""
        path = self._path(f"{task}-{size[0]}x{size[1]}-{how}", "labels.npy")
        resizer = RESIZERS[how]
        return prepared_array(
            path, lambda: np.stack([resizer(labels, size) for labels in self.full_labels(task)])
        )
