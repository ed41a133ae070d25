"""CIFAR-10: sixty thousand pictures of 32 x 32 pixels in ten classes (Krizhevsky 2009)."""

from __future__ import annotations

import io
import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..session import current_profile, data_directory
from . import standin_cifar10
from .download import Remote, md5_of
from .prepared import DataError, complete, faulty, read_array, save_array
from .sources import STANDIN, Release, Sourced

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PREPARED = Path("prepared", "cifar10-v1")
RELEASE = Release(
    name="CIFAR-10",
    archive=Remote(
        name="cifar-10-python.tar.gz",
        addresses=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
        md5="c58f30108f718f92721af3b95e74349a",
    ),
    alternative="cifar10.npz",  # Keras' layout
    prepared=PREPARED,
)
TRAIN_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
LARGEST = 1 << 28  # bytes of one array or pickle; the real ones have at most 154 MB


@dataclass(frozen=True)
class Images:
    """Labelled pictures. Introduced in notebook 03.

    images: (N, 3, 32, 32) uint8; labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"<{len(self)} pictures, images {tuple(self.images.shape)}>"

    def first(self, count: int | None) -> Images:
        """The first `count` pictures; all of them for None."""
        return Images(self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Cifar10(Sourced):
    """The two parts of CIFAR-10 and where they are from ("CIFAR-10" or "stand-in data").

    Introduced in notebook 03.
    """

    train: Images
    test: Images
    classes: tuple[str, ...]
    source: str


def load_cifar10() -> Cifar10:
    """CIFAR-10 from `data_directory()`: prepared, downloaded, from the network, or stand-in data.

    Says in one line which data it is. In a profile that may not download, the network is left out.
    Raises DataError when a file that is there is damaged. Introduced in notebook 03.
    """
    real = RELEASE.is_available()
    root = data_directory() if real else _standin(data_directory())
    source, classes = (RELEASE.name, CLASSES) if real else (STANDIN, standin_cifar10.CLASSES)
    complete(root / PREPARED, lambda place: _prepare(root, place))
    train, test = (_read_part(root / PREPARED, part) for part in ("train", "test"))
    data = Cifar10(train, test, classes, source)
    name = "generated pictures in place of CIFAR-10 (stand-in data)" if data.is_standin else source
    print(f"Data: {name}, {len(data.train):,} to train on and {len(data.test):,} to test on.")
    return data


def _standin(root: Path) -> Path:
    """The stand-in's own data directory, generated if it is not there."""
    train, test = current_profile().standin_cifar
    place = root / "stand-in" / f"cifar10-v{standin_cifar10.VERSION}-{train}-{test}"
    return complete(
        place, lambda part: standin_cifar10.write(part / RELEASE.alternative, train, test)
    )


def _prepare(root: Path, place: Path) -> None:
    path = RELEASE.needed_file(root)
    read = read_npz if path.suffix == ".npz" else read_archive
    for name, array in read(path).items():
        save_array(place / f"{name}.npy", array)


def _read_part(prepared: Path, part: str) -> Images:
    images = torch.from_numpy(read_array(prepared / f"x_{part}.npy", mapped=True))
    return Images(images, torch.from_numpy(read_array(prepared / f"y_{part}.npy")).long())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `cifar10.npz` as Keras lays it out, pictures as (N, 3, 32, 32).

    Raises DataError for a damaged file, other names, shapes or types, and labels outside 0..9.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if max(entry.file_size for entry in file.zip.infolist()) > LARGEST:
                raise ValueError("its arrays are too large")
            arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    except PermissionError:
        raise  # it names the file, which is another user's and need not be damaged
    except Exception as error:  # NumPy's and zipfile's kinds for damage are many
        raise faulty(path, f"is not CIFAR-10 as Keras lays it out: {error}") from error
    result = {}
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)
        if images.shape[1:] != (32, 32, 3) or images.dtype != np.uint8:
            raise faulty(path, f"is not CIFAR-10: x_{part} is {images.dtype}{images.shape}")
        if not len(images):
            raise faulty(path, f"is not CIFAR-10: x_{part} has no pictures")
        result[f"x_{part}"] = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        result[f"y_{part}"] = _checked_labels(labels, len(images), path, f"y_{part}")
    return result


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """The arrays of the official archive. Nothing is unpickled before its md5 holds.

    Raises DataError for another md5 and for a batch that is not laid out as it should be.
    """
    if (found := md5_of(path)) != RELEASE.archive.md5:
        raise faulty(path, f"is damaged: its md5 is {found} instead of {RELEASE.archive.md5}")
    batches = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            if name in (*TRAIN_BATCHES, "test_batch") and (file := archive.extractfile(member)):
                batches[name] = _batch(restricted_load(file.read()), path, name)
    if missing := {*TRAIN_BATCHES, "test_batch"} - set(batches):
        raise faulty(path, f"has no {', '.join(sorted(missing))}")
    train = [batches[name] for name in TRAIN_BATCHES]
    x_test, y_test = batches["test_batch"]
    x_train, y_train = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _batch(content: dict[bytes, Any], path: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    data = content[b"data"]
    if data.dtype != np.uint8 or data.shape[1:] != (3072,):
        raise faulty(path, f"is not CIFAR-10: {name} has data {data.dtype}{data.shape}")
    labels = _checked_labels(np.asarray(content[b"labels"]), len(data), path, name)
    return data.reshape(-1, 3, 32, 32), labels


def _checked_labels(labels: np.ndarray, count: int, path: Path, name: str) -> np.ndarray:
    if len(labels) != count:
        raise faulty(path, f"is not CIFAR-10: {name} has {len(labels)} labels for {count} pictures")
    if wrong := sorted(set(np.unique(labels).tolist()) - set(range(10))):
        raise faulty(path, f"is not CIFAR-10: {name} has label {wrong[0]}, not in 0..9")
    return labels.astype(np.uint8)


class _ArraysOnly(pickle.Unpickler):
    """Admits what the official batches hold: arrays, lists, dicts and text; nothing that runs."""

    ALLOWED: ClassVar = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        """The four names that an array needs. Raises DataError for any other."""
        if (module, name) not in self.ALLOWED:
            raise DataError(f"The pickle imports {module}.{name}, which no batch needs.")
        return self.ALLOWED[module, name]


def restricted_load(content: bytes) -> Any:
    """Unpickle arrays, lists, dicts, text (as bytes). Raises DataError for anything else."""
    return _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
