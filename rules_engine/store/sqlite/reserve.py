"""Disk space kept for hard times: freed when the disk is full, so that there is room to clean up (R37)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Twice what the write-ahead log is let to grow to, so that a checkpoint and a slice of pruning fit.
RESERVE_BYTES: Final = 16 * 1024 * 1024


class Reserve:
    """A file that is in the way on purpose."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def make(self) -> bool:
        """Take the space if it is not taken and twice as much is free; whether it is there."""
        try:
            if self._path.exists() and self._path.stat().st_size >= RESERVE_BYTES:
                return True
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < 2 * RESERVE_BYTES:
                return False
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(file, 0, RESERVE_BYTES)
            finally:
                os.close(file)
        except OSError:
            self.free()
            return False
        return True

    def free(self) -> None:
        """Give the space back."""
        with suppress(OSError):
            self._path.unlink()
