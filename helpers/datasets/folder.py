"""A reader's own pictures: a folder of pictures and masks, or a folder for each class."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from ..session import current_profile
from .cifar10 import Cifar10, Images
from .classes import CLASS_COLOURS
from .prepared import DataError
from .resize import check_size, resize_nearest
from .stanford import Scenes, Stanford, split_shuffled

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
UNKNOWN = "unknown"
SPARE = ("#332288", "#117733", "#999933", "#AA4499", "#661100", "#6699CC", "#44AA99", "#888888")
"""Colours of classes that the series doesn't know, in this order (Paul Tol's muted scheme)."""
FEWEST = 5  # pictures, for three parts of 6:2:2

Colour = tuple[int, int, int]


def load_folder(
    images: Path | str,
    masks: Path | str,
    classes: Sequence[str] | Mapping[str, Colour],
    size: tuple[int, int] | None = None,
) -> Stanford:
    """Your own pictures and masks as a data set like Stanford Background, split 6:2:2.

    images, masks: folders whose files pair by name, but for the ending. classes: names in the order
    of the masks' numbers (grey or palette PNG), or name -> (red, green, blue) of coloured masks; a
    class called "unknown" is left out of loss and score. size: (height, width) of the training
    pictures, the profile's for None; scores are taken at each picture's own size.

    Pictures are turned as their EXIF data says, grey ones become RGB, 16 bits become 8, and what is
    transparent in a mask is unknown. Raises DataError, with the file's name, for a file that can't
    be read or has no partner, a mask of another size than its picture, a number or colour that no
    class has, and for fewer than five pictures; ValueError for what is no size. Introduced in
    notebook 04.
    """
    pairs = _paired(Path(images), Path(masks))
    names = tuple(name for name in classes if name != UNKNOWN)
    _give_colours(names)
    size = check_size(current_profile().unet_size if size is None else size)
    pictures, maps = [], []
    for picture_path, mask_path in pairs.values():
        picture, labels = _picture(picture_path), _labels(mask_path, classes, names)
        if labels.shape != picture.size[::-1]:
            sizes = f"{labels.shape[1]}x{labels.shape[0]}, its picture {picture.size}"
            raise DataError(f"{mask_path.name} is {sizes}: a mask needs its picture's size.")
        pictures.append(picture)
        maps.append(labels)
    train, validation, test = (
        Scenes(
            images=torch.stack([_resized(pictures[i], size) for i in index]),
            labels=torch.from_numpy(np.stack([resize_nearest(maps[i], size) for i in index])),
            ids=tuple(list(pairs)[i] for i in index),
            full_labels=[maps[i] for i in index],
            jpegs=[_encoded(pictures[i]) for i in index],
        )
        for index in split_shuffled(list(pairs))
    )
    source = f"pictures of {Path(images).name}"
    return Stanford(train, validation, test, names, "your own", "shuffled", source)


def load_classes(folder: Path | str, size: tuple[int, int] = (32, 32)) -> Cifar10:
    """Your own pictures in a folder for each class, as a data set like CIFAR-10: 80 % to train on.

    size: (height, width); article A's LeNet needs 32x32. Raises DataError, with the name, for a
    file that can't be read, and for fewer than two classes or five pictures in one of them;
    ValueError for what is no size. Introduced in notebook 03.
    """
    size = check_size(size)
    if not Path(folder).is_dir():
        raise DataError(f"{folder} is no folder.")
    places = sorted(place for place in Path(folder).iterdir() if place.is_dir())
    if len(places) < 2:
        raise DataError(
            f"{folder} holds {len(places)} folders: give each class a folder, two or more."
        )
    held: list[tuple[torch.Tensor, int]] = []
    learnt: list[tuple[torch.Tensor, int]] = []
    for number, place in enumerate(places):
        files = _files(place)
        for count, path in enumerate(files.values()):
            part = held if count % FEWEST == 0 else learnt
            part.append((_resized(_picture(path), size), number))
    train, test = (
        Images(torch.stack([image for image, _ in part]), torch.tensor([k for _, k in part]))
        for part in (learnt, held)
    )
    names = tuple(place.name for place in places)
    return Cifar10(train, test, names, f"pictures of {Path(folder).name}")


def _files(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their names without ending, sorted."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    twice = [name for name, count in Counter(path.stem for path in paths).items() if count > 1]
    if twice:
        raise DataError(f"{folder} has {twice[0]} with two endings: keep one of them.")
    if len(paths) < FEWEST:
        raise DataError(f"{folder} has {len(paths)} pictures: it takes {FEWEST} for all parts.")
    return {path.stem: path for path in paths}


def _paired(images: Path, masks: Path) -> dict[str, tuple[Path, Path]]:
    pictures, maps = _files(images), _files(masks)
    if alone := sorted(set(pictures) ^ set(maps)):
        missing = "mask" if alone[0] in pictures else "picture"
        raise DataError(f"{alone[0]} has no {missing} ({len(alone)} names have no partner).")
    return {name: (pictures[name], maps[name]) for name in pictures}


def _opened(path: Path) -> Image.Image:
    try:
        picture = Image.open(path)
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path.name} can't be read: {error}") from error
    return picture


def _picture(path: Path) -> Image.Image:
    """As RGB, upright; 16 bits become 8."""
    picture = ImageOps.exif_transpose(_opened(path))
    if picture.mode.startswith("I"):
        picture = Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8))
    return picture.convert("RGB")


def _labels(path: Path, classes: Sequence[str] | Mapping, names: tuple[str, ...]) -> np.ndarray:
    """A mask (h, w) int16, -1 where it is unknown or transparent."""
    mask = _opened(path)
    seen = np.asarray(mask.convert("RGBA"))[..., 3] > 0
    numbers = {name: names.index(name) if name in names else -1 for name in classes}
    if isinstance(classes, Mapping):
        labels = _by_colour(path, np.asarray(mask.convert("RGB")), seen, classes, numbers)
    else:
        if mask.mode not in ("L", "P", "1") and not mask.mode.startswith("I"):
            raise DataError(f"{path.name} has colours: pass classes as name -> (red, green, blue).")
        values = np.asarray(mask).astype(np.int64)
        if (wrong := values[seen & (values >= len(classes))]).size:
            raise DataError(f"{path.name} has number {wrong[0]}; there are {len(classes)} classes.")
        labels = np.array([numbers[name] for name in classes])[np.where(seen, values, 0)]
    return np.where(seen, labels, -1).astype(np.int16)


def _by_colour(
    path: Path, colours: np.ndarray, seen: np.ndarray, classes: Mapping, numbers: dict[str, int]
) -> np.ndarray:
    labels = np.full(colours.shape[:2], -2)
    for name, colour in classes.items():
        labels[(colours == colour).all(-1)] = numbers[name]
    if (labels[seen] == -2).any():
        wrong = tuple(int(level) for level in colours[seen & (labels == -2)][0])
        raise DataError(f"{path.name} has colour {wrong}, which no class has.")
    return labels


def _resized(picture: Image.Image, size: tuple[int, int]) -> torch.Tensor:
    small = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(small).transpose(2, 0, 1).copy())


def _encoded(picture: Image.Image) -> np.ndarray:
    file = io.BytesIO()
    picture.save(file, "png")
    return np.frombuffer(file.getvalue(), np.uint8)


def _give_colours(names: Sequence[str]) -> None:
    """Colours for the classes that have none, so that the figures can draw them."""
    unknown = [name for name in names if name not in CLASS_COLOURS]
    for number, name in enumerate(unknown):
        CLASS_COLOURS[name] = SPARE[number % len(SPARE)]
