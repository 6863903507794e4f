"""Reading the files of a .tar.gz in one pass, in bounded memory, without unpacking to disk."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hsal_bench.errors import UsageError

_STEP = 1 << 18
_MOST_EXTRA = 1 << 20
"""Largest data of a header itself (long names, pax records), which tarfile reads at once."""


def read_members(
    path: Path, most_bytes: Callable[[str], int | None]
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the files of a .tar.gz, in its order.

    `most_bytes(name)`: the size limit of a file, or None to skip it. At its end the generator has
    checked the checksum of the complete archive, and that only zeros follow the tar's end. A
    consumer that stops early skips these checks.

    Raises:
        UsageError: the archive is damaged, or a member has an invalid name or kind, or exceeds its
            size limit.
    """
    try:
        # gzip, not tarfile's own "r|gz", which checks no checksum and reads only one gzip member.
        with (
            gzip.open(path) as unpacked,
            tarfile.open(fileobj=unpacked, mode="r|", tarinfo=_Member) as tar,
        ):
            yield from _files(path, tar, most_bytes)
            _check_rest(tar.fileobj)
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot read {path} ({reason}): use the complete archive, or remove it"
        ) from error


class _Member(tarfile.TarInfo):
    """A header, checked: tarfile takes most broken headers for the archive's end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error}: the archive is damaged") from error

    # tarfile documents this hook for subclasses: it sees every header, also those of long names
    # and pax records, before the data are read.
    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0 or (self.size > _MOST_EXTRA and not self.isreg()):
            raise tarfile.ReadError(f"a header of kind {self.type!r} claims {self.size:,} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file")
        member: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return member


def _files(
    path: Path, tar: Any, most_bytes: Callable[[str], int | None]
) -> Iterator[tuple[str, bytes]]:
    while member := tar.next():
        tar.members.clear()  # tarfile keeps every header in memory
        _check_member(path, member)
        most = most_bytes(member.name) if member.isreg() else None
        if most is None:
            continue
        if member.size > most:
            raise UsageError(
                f"{path}: {member.name} has {member.size:,} bytes, more than {most:,}: "
                "use the published archive"
            )
        yield member.name, tar.extractfile(member).read()


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    name = member.name
    odd_name = name.startswith("/") or ".." in name.split("/") or "\\" in name or "\0" in name
    odd_kind = not (member.isreg() or member.isdir()) or member.issparse()
    if odd_name or odd_kind:
        fault = "is outside the archive's folder" if odd_name else "is neither a file nor a folder"
        raise UsageError(f"{path}: member {name!r} {fault}: use the published archive")
    if member.size < 0:  # a pax record may set it after the header was checked
        raise tarfile.ReadError(f"{name} has {member.size:,} bytes")


def _check_rest(stream: Any) -> None:
    while rest := stream.read(_STEP):
        if rest.strip(b"\0"):
            raise tarfile.ReadError("data after the archive's end")
