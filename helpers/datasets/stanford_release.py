"""The 2009 release of Stanford Background as its authors packed it: read, checked, never unpacked.

Source of the format: README in iccv09Data.tar.gz (Gould, Fulton, Koller, ICCV 2009).
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import md5
from pathlib import Path

import numpy as np

from .prepared import CutOffError, DataError, faulty

KINDS = ("regions", "surfaces", "layers")
HIGHEST = {"regions": 7, "surfaces": 2, "layers": 32767}  # the lowest is always -1, unknown
LARGEST = 1 << 24  # bytes of one file; the real ones have at most 0.3 MB
MOST_BYTES = 1 << 29  # of all files together, unpacked; the real ones have 346 MB
MOST_FILES = 20_000  # the release has 2,865

# Of each kind the md5 of what `md5sum *` prints in name order, of horizons.txt its own: the
# contents are the same in every copy, the archive around them is not.
DIGESTS = {
    "images": "17df99a4e52f74fb48285a037a07c651",
    "regions": "2fb39cd0491c3a3ff69252e21e805851",
    "surfaces": "33656d6ed5e0ae01030d0019b98eba65",
    "layers": "1d424b9d1a412166c460053fe769cca9",
    "horizons": "125cdba92d8b88e41aa104633542137e",
}
_ENDINGS = {"images": ".jpg", "horizons": ".txt", **{kind: f".{kind}.txt" for kind in KINDS}}
_PATTERNS = {
    "images": re.compile(r"images/(\w+)\.jpg$"),
    "horizons": re.compile(r"iccv09Data/(horizons)\.txt$"),
    **{kind: re.compile(rf"labels/(\w+)\.{kind}\.txt$") for kind in KINDS},
}


def files(release: Path, kinds: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """Kind ("images", "horizons" or one of KINDS), id and content of the files in a release.

    Nothing is written, so a name in an archive that points elsewhere does no harm. Raises
    CutOffError when an archive ends too early, DataError when it is damaged otherwise or holds
    more than MOST_FILES or MOST_BYTES.
    """
    total = 0
    try:
        for name, size, content in _unpacked(release) if release.is_dir() else _packed(release):
            for kind in kinds:
                if size <= LARGEST and (match := _PATTERNS[kind].search(name)):
                    total += size
                    _bound(total, MOST_BYTES, "bytes")
                    yield kind, match[1], content()
    except PermissionError:
        raise  # it names the file, which is not damaged
    except (EOFError, tarfile.ReadError, zlib.error, OSError) as error:
        early = isinstance(error, EOFError) or "unexpected end" in str(error)
        failure = CutOffError if early else DataError
        raise faulty(release, f"is damaged ({error})", failure) from error


def _bound(count: int, most: int, what: str) -> None:
    if count > most:
        raise tarfile.ReadError(f"no release has more than {most} {what}")


class _Bounded(gzip.GzipFile):
    """Refuses, before it unpacks them, a header and a whole that are larger than any release's."""

    def read(self, size: int | None = -1) -> bytes:
        """As GzipFile's. Raises ReadError for more than LARGEST at once."""
        _bound(size or 0, LARGEST, "bytes in one piece")
        return super().read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As GzipFile's. Raises ReadError beyond MOST_BYTES."""
        _bound(offset, MOST_BYTES, "bytes")
        return super().seek(offset, whence)


_Members = Iterator[tuple[str, int, Callable[[], bytes]]]  # name, size in bytes, content


def _packed(archive: Path) -> _Members:
    with _Bounded(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as file:
        for count, member in enumerate(file):
            _bound(count, MOST_FILES, "files")
            if member.isfile():
                yield member.name, member.size, file.extractfile(member).read  # type: ignore[union-attr]  # a file


def _unpacked(tree: Path) -> _Members:
    for count, path in enumerate(tree.rglob("*.*")):
        _bound(count, MOST_FILES, "files")
        name = f"{tree.name}/{path.relative_to(tree).as_posix()}"
        yield name, path.stat().st_size, path.read_bytes


def _compare(release: Path, kind: str, sums: Mapping[str, str]) -> None:
    """Raise DataError unless the files of one kind, given by id and md5, are the release's."""
    if not sums:
        raise faulty(release, f"has no {kind}")
    lines = (f"{sums[name]}  {name}{_ENDINGS[kind]}\n" for name in sorted(sums))
    digest = md5("".join(lines).encode()).hexdigest()
    if (sums["horizons"] if kind == "horizons" else digest) != DIGESTS[kind]:
        raise faulty(release, f"has {len(sums)} {kind} files that are not the release's")


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

    Raises DataError naming the file for anything but whole numbers, for rows of unequal length,
    and for a value outside the range of its `kind`.
    """
    try:
        if not text.strip():
            raise ValueError("it is empty")
        values = np.loadtxt(io.BytesIO(text), np.int32, comments=None, ndmin=2, encoding="ascii")
    except ValueError as error:
        raise DataError(f"{name}: {str(error).partition(';')[0]}") from error
    if wrong := values[(values < -1) | (values > HIGHEST[kind])].tolist():
        raise DataError(f"{name}: value {wrong[0]} is not in -1..{HIGHEST[kind]}")
    return values.astype(np.int16)


def read_labels(release: Path, kind: str, checked: bool) -> dict[str, np.ndarray]:
    """The label maps of one kind by id, each (h, w) int16, -1 for unknown; see `read`."""
    texts = read(release, kind, checked)
    return {name: parse_matrix(texts[name], kind, f"{name}.{kind}.txt") for name in texts}
