"""Downloads: a file from several addresses, in bounded time, resumed and checked."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from ..files import display_path, naming_full_disk
from .prepared import CutOffError, DataError

if TYPE_CHECKING:
    import requests

GZIP = b"\x1f\x8b"  # how every archive here begins; a login page does not
CHUNK = 1 << 16  # bytes; one chunk per `Limits.stall` is the slowest transfer that goes on


class DownloadError(Exception):
    """A file could not be downloaded; the message names it, each address, why, and what to do."""


class _TransferCutError(DownloadError):
    """The transfer began and ended too early: worth another attempt."""


@dataclass(frozen=True)
class Limits:
    """How long to wait, in seconds."""

    answer: float = 9.0  # for all addresses together, until they answer
    least_answer: float = 2.0  # for each, however many there are
    stall: float = 30.0  # for the next CHUNK of a transfer that runs


@dataclass(frozen=True)
class Remote:
    """A file in the network: its name, its official addresses and how its content is checked.

    `contents(path)` raises DataError when the file is not what it should be, CutOffError when it
    only ends too early.
    """

    name: str
    addresses: tuple[str, ...]
    md5: str | None = None
    contents: Callable[[Path], None] | None = None


def mirrors(name: str) -> tuple[str, ...]:
    """The addresses of a file under the base addresses that `FUNNEL_MIRROR` names."""
    bases = re.split(r"[,\s]+", os.environ.get("FUNNEL_MIRROR", ""))
    return tuple(f"{base.rstrip('/')}/{name}" for base in bases if base)


def download(remote: Remote, directory: Path, limits: Limits = Limits()) -> Path:
    """Fetch `remote` into `directory`: the official addresses first, then `FUNNEL_MIRROR`'s.

    A transfer that was cut off is kept as `NAME.part` and resumed, now or next time; a file that
    fails its check is deleted. Raises DownloadError when no address had the file, within
    `limits.answer` seconds when there is no network. Introduced in notebook 03.
    """
    directory.mkdir(parents=True, exist_ok=True)
    addresses = remote.addresses + mirrors(remote.name)
    patience = max(limits.least_answer, limits.answer / len(addresses))
    failures = []
    for address in addresses:
        try:
            return _retrieve(remote, address, directory, Limits(patience, stall=limits.stall))
        except (DownloadError, OSError) as error:  # OSError: a full disk
            failures.append(f"  {address}: {error}")
    raise DownloadError(_report(remote.name, failures, directory))


_failed: set[tuple[str, Path, tuple[str, ...]]] = set()


def try_download(remote: Remote, directory: Path) -> bool:
    """Whether `download` succeeded; prints why not.

    What failed is not tried again by this process: without a network a reader waits only once.
    """
    attempt = (remote.name, directory, mirrors(remote.name))
    if attempt in _failed:
        return False
    try:
        download(remote, directory)
    except DownloadError as error:
        _failed.add(attempt)
        print(error)
        return False
    return True


def _retrieve(remote: Remote, address: str, directory: Path, limits: Limits) -> Path:
    """Pooch names and moves the file; `fetch` is what it calls for the transfer.

    Pooch's own downloader neither resumes nor bounds its waiting, and it unpacks a .tar.gz that a
    server calls "Content-Encoding: gzip".
    """
    import pooch  # slow to import, and needed only here

    def fetch(url: str, output_file: str, _: Any) -> None:
        part = directory / f"{remote.name}.part"
        Path(output_file).unlink()  # still empty; a kill would leave it behind
        try:
            with FileLock(directory / f".{remote.name}.lock", timeout=0):
                _fetch_verified(remote, url, part, limits)
                part.replace(output_file)
        except Timeout as error:
            raise DownloadError("another process is downloading it; let it finish") from error

    pooch.get_logger().setLevel(logging.WARNING)  # the bar and the errors are ours
    known = f"md5:{remote.md5}" if remote.md5 else None
    return Path(pooch.retrieve(address, known, remote.name, directory, downloader=fetch))


def _fetch_verified(remote: Remote, url: str, part: Path, limits: Limits) -> None:
    """Complete `part` and check it, or raise DownloadError."""
    resumed = _size(part) > 0
    _transfer_all(url, part, remote.name, limits)
    try:
        _verify(remote, part)
    except CutOffError as error:
        raise _TransferCutError(f"what it sent ends too early ({error})") from error
    except DataError as error:
        part.unlink()
        if not resumed:
            raise DownloadError(f"what it sent is not the file: {error}; it was deleted") from error
        # What was kept may have come from another version of the file: once more, from the start.
        _fetch_verified(remote, url, part, limits)


def _verify(remote: Remote, path: Path) -> None:
    if remote.md5 and (found := md5_of(path)) != remote.md5:
        raise DataError(f"its md5 is {found} instead of {remote.md5}")
    if remote.contents:
        remote.contents(path)


def md5_of(path: Path) -> str:
    """The md5 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _transfer_all(url: str, part: Path, name: str, limits: Limits) -> None:
    """Transfer, and resume after each cut as long as the file grows."""
    before = -1
    while True:
        try:
            return _transfer(url, part, name, limits)
        except _TransferCutError:
            if _size(part) <= before:
                raise
            before = _size(part)


def _transfer(url: str, part: Path, name: str, limits: Limits) -> None:
    """One request: the rest of the file where the server sends ranges, else all of it.

    Bytes that are there are overwritten, not cut away first: a transfer that fails loses nothing.
    """
    answer = _answer(url, _size(part), limits)
    begin, total = _placement(_next(answer, limits.answer, "no answer"), _size(part))
    with (
        naming_full_disk(part, (total or 0) - _size(part)),
        part.open("r+b" if part.exists() else "xb") as file,
        tqdm(total=total, initial=begin, desc=name, unit="B", unit_scale=True) as bar,
    ):
        file.seek(begin)
        while begin != total and (chunk := _next(answer, limits.stall)):
            if file.tell() == 0 and not chunk.startswith(GZIP):
                raise DownloadError(f"sent no archive: it begins with {chunk[:40]!r}")
            file.write(chunk)
            bar.update(len(chunk))
        reached = file.tell()
        if total is not None and reached < total:
            raise _TransferCutError(
                f"the transfer ended after {_megabytes(reached)} of {_megabytes(total)}"
            )
        file.truncate(reached)


def _answer(url: str, have: int, limits: Limits) -> Iterator[Any]:
    """The response to a request for what follows `have` bytes, then its body in chunks."""
    import requests

    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    # Longer than `_next` waits, whose message is the better one; they end its thread.
    waits = (limits.answer + 1, limits.answer + limits.stall + 1)
    with requests.get(url, headers=headers, stream=True, timeout=waits) as response:
        yield response
        # Not decoded: some servers call a .tar.gz "Content-Encoding: gzip".
        yield from response.raw.stream(CHUNK, decode_content=False)


def _next(answer: Iterator[Any], seconds: float, complaint: str = "") -> Any:
    """The next item, None at the end.

    No time-out of a socket covers a silent name server or a server that sends a byte now and then;
    waiting for a thread does. Raises _TransferCutError for an error or too slow a transfer, plain
    DownloadError while there is no answer (`complaint`).
    """
    arrived: SimpleQueue[Any] = SimpleQueue()

    def fetch() -> None:
        try:
            arrived.put(next(answer, None))
        except Exception as error:  # handed over to the thread that waits
            arrived.put(error)

    kind = DownloadError if complaint else _TransferCutError
    Thread(target=fetch, daemon=True).start()
    try:
        item = arrived.get(timeout=seconds)
    except Empty:
        slow = f"less than {CHUNK // 1024} kB in {seconds:.3g} s"
        raise kind(f"{complaint} within {seconds:.3g} s" if complaint else slow) from None
    if isinstance(item, Exception):
        raise kind(_cause(item)) from item
    return item


def _placement(response: requests.Response, have: int) -> tuple[int, int | None]:
    """Where an answer's bytes belong, and the file's full length where the server tells it."""
    status, fields = response.status_code, response.headers
    if status in (206, 416):
        found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", fields.get("Content-Range", ""))
        total = int(found[2]) if found and found[2] != "*" else None
        if status == 416 and total is not None and total <= have:
            return total, total  # all of it is here already; the check will tell
        if status == 206 and found and found[1] and int(found[1]) <= have:
            return int(found[1]), total
        raise DownloadError(f"its answer {status} to a request for the rest makes no sense")
    if status != 200:
        raise DownloadError(f"answered {status} ({response.reason})")
    length = fields.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


CAUSES = {
    "NameResolution": "its host is not known (is there a network?)",
    "refused": "its host refused the connection",
    "Timeout": "it does not answer",
    "IncompleteRead": "the transfer was cut off",
    "ConnectionReset": "the transfer was cut off",
}


def _cause(error: Exception) -> str:
    """What was wrong, in a few words; the errors of requests hold their causes in their text."""
    known = (text for sign, text in CAUSES.items() if sign in repr(error))
    return next(known, f"{type(error).__name__}: {error}")


def _report(name: str, failures: list[str], directory: Path) -> str:
    lines = [f"{name} could not be downloaded.", *failures]
    if kept := _size(directory / f"{name}.part"):
        lines.append(f"{_megabytes(kept)} are kept as {name}.part; the next attempt goes on there.")
    lines.append(
        f"Put {name} into {display_path(directory)} by hand, or name a mirror in FUNNEL_MIRROR."
    )
    return "\n".join(lines)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
