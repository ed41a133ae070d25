"""Where a data set comes from: files in the data directory, the network, or stand-in data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..session import current_profile, data_directory
from .download import Remote, try_download
from .prepared import DataError

STANDIN = "stand-in data"


@dataclass(frozen=True)
class Release:
    """A published data set: its name, its archive and the path of its prepared arrays.

    alternative: the name of another file or folder with the same content.
    """

    name: str
    archive: Remote
    alternative: str
    prepared: Path

    def file(self, root: Path) -> Path | None:
        """What is in `root`, downloaded or put there by hand."""
        candidates = (root / self.archive.name, root / self.alternative)
        return next((path for path in candidates if path.exists()), None)

    def needed_file(self, root: Path) -> Path:
        """The file in `root`. Raises DataError when it is not there."""
        if found := self.file(root):
            return found
        raise DataError(
            f"{self.archive.name} is gone; put it back or delete {self.prepared} and load again."
        )

    def is_available(self, *parts: str) -> bool:
        """Whether the data directory has the real data; a profile that may download fetches it.

        Without its files, all of `parts` must be prepared.
        """
        root = data_directory()
        prepared = all((root / self.prepared / part).is_dir() for part in ("", *parts))
        if prepared or self.file(root):
            return True
        return current_profile().may_download and try_download(self.archive, root)


class Sourced:
    """A loaded data set knows its `source`: its official name or "stand-in data"."""

    source: str

    @property
    def is_standin(self) -> bool:
        """Whether these pictures were generated."""
        return self.source == STANDIN

    def title(self, text: str) -> str:
        """A figure's title, which says so when the data is stand-in data."""
        return f"{text} - {self.source}" if self.is_standin else text
