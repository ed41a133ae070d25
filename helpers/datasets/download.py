"""The way to the network: a file from several addresses, in bounded time, resumed and checked."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import IncompleteRead
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, BinaryIO

from tqdm import tqdm

from ..files import display_path
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
        except DownloadError as error:
            failures.append(f"  {address}: {error}")
    raise DownloadError(_report(remote.name, failures, directory))


_failed: set[tuple[str, Path, tuple[str, ...]]] = set()


def try_download(remote: Remote, directory: Path) -> bool:
    """Whether `download` succeeded; says why not.

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
    """Pooch names, checks and moves the file; `fetch` is what it calls for the transfer itself."""
    import pooch  # slow to import, and needed only here

    def fetch(url: str, output_file: str, _: Any) -> None:
        part = directory / f"{remote.name}.part"
        Path(output_file).unlink()  # still empty; a kill would leave it behind
        _fetch_verified(remote, url, part, limits)
        part.replace(output_file)

    pooch.get_logger().setLevel(logging.WARNING)  # we report ourselves
    known = f"md5:{remote.md5}" if remote.md5 else None
    return Path(pooch.retrieve(address, known, remote.name, directory, downloader=fetch))


def _fetch_verified(remote: Remote, url: str, part: Path, limits: Limits) -> None:
    """Bring `part` to the whole, checked file, or raise DownloadError."""
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
    if remote.md5:
        from pooch import file_hash

        found = file_hash(str(path), alg="md5")
        if found != remote.md5:
            raise DataError(f"its md5 is {found} instead of {remote.md5}")
    if remote.contents:
        remote.contents(path)


def _transfer_all(url: str, part: Path, name: str, limits: Limits) -> None:
    """Transfer, and resume after each cut as long as that brings the file forward."""
    before = -1
    while True:
        try:
            return _transfer(url, part, name, limits)
        except _TransferCutError:
            if _size(part) <= before:
                raise
            before = _size(part)


def _transfer(url: str, part: Path, name: str, limits: Limits) -> None:
    """One request: the rest of the file where the server sends ranges, else the whole of it.

    Bytes that are there are overwritten, not cut away first: a transfer that fails loses nothing.
    """
    with _alone(part) as file:
        have = _size(part)
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        with _Transfer(url, headers, limits) as transfer:
            begin, total = _placement(transfer.response, have)
            if begin != total:
                _write(file, transfer, begin, total, name)
            file.truncate(total if total is not None else file.tell())


def _placement(response: requests.Response, have: int) -> tuple[int, int | None]:
    """Where an answer's bytes belong, and the whole file's length where the server tells it."""
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


def _write(file: BinaryIO, transfer: _Transfer, begin: int, total: int | None, name: str) -> None:
    """Write what arrives, with a bar; what is no archive is refused before it does harm."""
    file.seek(begin)
    with tqdm(total=total, initial=begin, desc=name, unit="B", unit_scale=True) as bar:
        for chunk in transfer.chunks():
            if file.tell() == 0 and not chunk.startswith(GZIP):
                raise DownloadError(f"sent no archive: it begins with {chunk[:40]!r}")
            file.write(chunk)
            bar.update(len(chunk))
    if total is not None and file.tell() < total:
        raise _TransferCutError(
            f"the transfer ended after {_megabytes(file.tell())} of {_megabytes(total)}"
        )


class _Transfer:
    """An answer whose bytes a thread of its own fetches.

    No time-out of a socket covers a name server that is silent or a server that sends a byte now
    and then; waiting for a thread does.
    """

    def __init__(self, url: str, headers: dict[str, str], limits: Limits) -> None:
        self.url, self.limits = url, limits
        self._arrived: Queue[Any] = Queue(maxsize=64)
        self._stop = Event()
        Thread(target=self._run, args=(url, headers), daemon=True).start()

    def __enter__(self) -> _Transfer:
        try:
            patience = self.limits.answer
            self.response = self._next(patience, f"no answer within {patience:.3g} s")
        except BaseException:
            self._stop.set()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they arrive. Raises _TransferCutError when they stop or become too few."""
        stall = self.limits.stall
        while True:
            chunk = self._next(
                stall, f"less than {CHUNK // 1024} kB in {stall:.3g} s", _TransferCutError
            )
            if chunk is None:
                return
            yield chunk

    def _next(
        self, patience: float, complaint: str, kind: type[DownloadError] = DownloadError
    ) -> Any:
        try:
            item = self._arrived.get(timeout=patience)
        except Empty:
            raise kind(complaint) from None
        if isinstance(item, Exception):
            raise kind(_cause(item)) from item
        return item

    def _run(self, url: str, headers: dict[str, str]) -> None:
        """In the thread: the answer, its bytes, then None; or an error, wherever it occurs."""
        import requests

        try:
            # Longer than the one who waits has patience, whose message is the better one.
            waits = (self.limits.answer + 1, self.limits.answer + self.limits.stall + 1)
            with requests.get(url, headers=headers, stream=True, timeout=waits) as response:
                self._put(response)
                # Not decoded: some servers call a .tar.gz "Content-Encoding: gzip".
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    self._put(chunk)
                    if self._stop.is_set():
                        return
            self._put(None)
        except Exception as error:  # handed over to the thread that waits
            self._put(error)

    def _put(self, item: Any) -> None:
        while not self._stop.is_set():
            try:
                self._arrived.put(item, timeout=0.2)
                return
            except Full:
                continue


def _cause(error: BaseException) -> str:
    """What was wrong, in a few words: the innermost cause is the one that says it."""
    chain, inner = [error], error
    while inner := getattr(inner, "reason", None) or inner.__cause__ or inner.__context__:
        if not isinstance(inner, BaseException) or inner in chain:
            break
        chain.append(inner)
    for found in chain:
        if isinstance(found, socket.gaierror):
            return "its host is not known (is there a network?)"
        if isinstance(found, ConnectionRefusedError):
            return "its host refused the connection"
        if isinstance(found, TimeoutError):
            return "it does not answer"
        if isinstance(found, IncompleteRead | ConnectionResetError):
            return "the transfer was cut off"
    return f"{type(error).__name__}: {error}"


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """`part` open for writing by this process only. Raises DownloadError when another has it."""
    with part.open("r+b" if part.exists() else "w+b") as file:
        try:
            _lock(file)
        except OSError as error:
            raise DownloadError("another process is downloading it; let it finish") from error
        yield file


def _lock(file: BinaryIO) -> None:
    """The operating system's lock, which ends with the process however that ends."""
    try:
        import fcntl
    except ImportError:
        import msvcrt  # Windows

        file.seek(1 << 40)  # a byte that no file here has: a lock there disturbs no reader
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _report(name: str, failures: list[str], directory: Path) -> str:
    kept = _size(directory / f"{name}.part")
    lines = [f"{name} could not be downloaded.", *failures]
    if kept:
        lines.append(f"{_megabytes(kept)} are kept as {name}.part; the next attempt goes on there.")
    lines.append(
        f"Put {name} into {display_path(directory)} by hand, or name a mirror in FUNNEL_MIRROR."
    )
    return "\n".join(lines)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
