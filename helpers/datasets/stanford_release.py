"""The 2009 release of Stanford Background as its authors packed it: read, checked, never unpacked.

Source of the format: README in iccv09Data.tar.gz (Gould, Fulton, Koller, ICCV 2009).
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import md5
from pathlib import Path

import numpy as np
from PIL import Image

from ..files import display_path
from .prepared import CutOffError, DataError

KINDS = ("regions", "surfaces", "layers")
HIGHEST = {"regions": 7, "surfaces": 2, "layers": 32767}  # the lowest is always -1, unknown

# Of each kind the md5 of what `md5sum *` prints in name order, of horizons.txt its own: the
# contents are the same in every copy, the archive around them is not.
DIGESTS = {
    "images": "17df99a4e52f74fb48285a037a07c651",
    "regions": "2fb39cd0491c3a3ff69252e21e805851",
    "surfaces": "33656d6ed5e0ae01030d0019b98eba65",
    "layers": "1d424b9d1a412166c460053fe769cca9",
    "horizons": "125cdba92d8b88e41aa104633542137e",
}
_PATTERNS = {
    "images": re.compile(r"images/(\w+)\.jpg$"),
    "horizons": re.compile(r"iccv09Data/(horizons)\.txt$"),
    **{kind: re.compile(rf"labels/(\w+)\.{kind}\.txt$") for kind in KINDS},
}
_ENDINGS = {"images": ".jpg", "horizons": ".txt", **{kind: f".{kind}.txt" for kind in KINDS}}


def files(release: Path, kinds: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """Kind ("images", "horizons" or one of KINDS), id and content of the files in a release.

    Nothing is written, so a name in an archive that points elsewhere does no harm. Raises
    CutOffError when an archive ends too early, DataError when it is damaged otherwise.
    """
    try:
        for name, content in _unpacked(release) if release.is_dir() else _packed(release):
            for kind in kinds:
                if match := _PATTERNS[kind].search(name):
                    yield kind, match[1], content()
    except (EOFError, tarfile.ReadError, zlib.error, OSError) as error:
        early = isinstance(error, EOFError) or "unexpected end" in str(error)
        message = f"{display_path(release)} is damaged ({error}). {_advice(release)}"
        raise (CutOffError if early else DataError)(message) from error


def _packed(archive: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with tarfile.open(archive, "r:gz") as file:
        for member in file:
            if member.isfile():
                yield member.name, file.extractfile(member).read  # type: ignore[union-attr]


def _unpacked(tree: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for path in tree.rglob("*.*"):
        yield f"{tree.name}/{path.relative_to(tree).as_posix()}", path.read_bytes


def digest(sums: Mapping[str, str], kind: str) -> str:
    """The digest of one kind's files, given each one's md5 by id (see DIGESTS)."""
    if kind == "horizons":
        return sums["horizons"]
    lines = (f"{sums[name]}  {name}{_ENDINGS[kind]}\n" for name in sorted(sums))
    return md5("".join(lines).encode()).hexdigest()


def _compare(release: Path, kind: str, sums: Mapping[str, str]) -> None:
    """Raise DataError unless the files of one kind are the release's."""
    if not sums:
        raise DataError(f"{display_path(release)} has no {kind}. {_advice(release)}")
    if digest(sums, kind) != DIGESTS[kind]:
        raise DataError(
            f"{display_path(release)}: its {len(sums)} {kind} files are not the release's. "
            f"{_advice(release)}"
        )


def check(release: Path) -> None:
    """Raise DataError unless all contents are those of the release."""
    sums: dict[str, dict[str, str]] = {kind: {} for kind in DIGESTS}
    for kind, name, content in files(release, list(DIGESTS)):
        sums[kind][name] = md5(content).hexdigest()
    for kind in DIGESTS:
        _compare(release, kind, sums[kind])


def read(release: Path, kind: str, checked: bool) -> dict[str, bytes]:
    """The files of one kind by id, sorted; `checked`: DataError unless they are the release's."""
    found = {name: content for _, name, content in files(release, [kind])}
    if checked:
        _compare(release, kind, {name: md5(found[name]).hexdigest() for name in found})
    return dict(sorted(found.items()))


def parse_matrix(text: bytes, kind: str, name: str) -> np.ndarray:
    """A text matrix of whole numbers, one row a line, as (h, w) int16.

    Vectorised over the bytes: 1 ms for 320x240. Raises DataError naming the file for any other
    character, for rows of unequal length, and for a value outside the range of its `kind`.
    """
    symbols = np.frombuffer(b"\n" + text.replace(b"\r\n", b"\n") + b"\n", np.uint8)
    blank = (symbols == ord(" ")) | (symbols == ord("\n"))
    edges = np.flatnonzero(blank[1:] != blank[:-1])
    starts, ends = edges[0::2] + 1, edges[1::2]  # first and last byte of each number
    values = _numbers(symbols, starts, ends, name)
    if wrong := values[(values < -1) | (values > HIGHEST[kind])].tolist():
        raise DataError(f"{name}: value {wrong[0]} is not in -1..{HIGHEST[kind]}")
    lines = np.flatnonzero(symbols == ord("\n"))
    counts = np.diff(np.searchsorted(starts, lines))
    counts = np.trim_zeros(counts, "b")
    if len(counts) == 0 or (counts != counts[0]).any():
        raise DataError(
            f"{name}: its lines hold {sorted(set(counts.tolist()))} numbers, not equally many"
        )
    return values.astype(np.int16).reshape(len(counts), counts[0])


def _numbers(symbols: np.ndarray, starts: np.ndarray, ends: np.ndarray, name: str) -> np.ndarray:
    """The values of numbers with at most five digits and perhaps a minus, given by their bytes."""
    negative = symbols[starts] == ord("-")
    digits = ends - starts + 1 - negative
    weight = symbols.astype(np.int32) - ord("0")
    values = np.zeros(len(starts), np.int32)
    valid = negative.sum()
    for place in range(min(5, int(digits.max(initial=0)))):
        here = digits > place
        digit = weight[(ends - place)[here]]
        values[here] += 10**place * digit
        valid += ((digit >= 0) & (digit <= 9)).sum()
    if (digits < 1).any() or valid != (ends - starts + 1).sum():
        raise DataError(f"{name}: it holds something else than whole numbers")
    return np.where(negative, -values, values)


def read_labels(release: Path, kind: str, checked: bool) -> dict[str, np.ndarray]:
    """The label maps of one kind by id, each (h, w) int16, -1 for unknown; see `read`."""
    texts = read(release, kind, checked)
    return {name: parse_matrix(texts[name], kind, f"{name}.{kind}.txt") for name in texts}


def image_size(jpeg: bytes, name: str) -> tuple[int, int]:
    """(height, width) of a picture. Raises DataError when it can't be read."""
    try:
        width, height = Image.open(io.BytesIO(jpeg)).size
    except OSError as error:
        raise DataError(f"{name}.jpg can't be read: {error}") from error
    return height, width


def _advice(release: Path) -> str:
    return f"Delete {display_path(release)} and load again, or put a good copy in its place."
