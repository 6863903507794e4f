"""Reading the files of a .tar.gz in one pass, in bounded memory, with nothing put onto disk."""

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
"""Bytes of a header's own data (long names, pax records), which tarfile reads at once."""


def read_members(
    path: Path, most_bytes: Callable[[str], int | None]
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the files of a .tar.gz, in its order.

    `most_bytes(name)`: how large a file may be, or None to pass it by. When the generator is run to
    its end, the checksum of the whole archive has been checked, and that nothing follows the end of
    the tar but zeros; a consumer that stops early has read no further.

    Raises:
        UsageError: the archive is not whole, a member has a name or a kind that none should have,
            or is larger than it may be.
    """
    try:
        # gzip, not tarfile's own "r|gz": that one checks no checksum and reads only one member.
        with (
            gzip.open(path) as unpacked,
            tarfile.open(fileobj=unpacked, mode="r|", tarinfo=_Member) as tar,
        ):
            yield from _files(path, tar, most_bytes)
            _check_rest(tar.fileobj)
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot read {path} ({reason}): give the whole archive, or remove it"
        ) from error


class _Member(tarfile.TarInfo):
    """A header that is as it should be: tarfile takes most broken ones for the archive's end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error}: it was cut or changed") from error

    # The hook that tarfile documents for subclasses: every header passes here before its data are
    # read, those of long names and pax records too.
    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0 or (self.size > _MOST_EXTRA and not self.isreg()):
            raise tarfile.ReadError(f"a header of kind {self.type!r} tells of {self.size:,} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file")
        member: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return member


def _files(
    path: Path, tar: Any, most_bytes: Callable[[str], int | None]
) -> Iterator[tuple[str, bytes]]:
    while member := tar.next():
        tar.members.clear()  # tarfile keeps every header it has seen
        _check_member(path, member)
        most = most_bytes(member.name) if member.isreg() else None
        if most is None:
            continue
        if member.size > most:
            raise UsageError(
                f"{path}: {member.name} has {member.size:,} bytes, more than {most:,}: "
                "give the published archive"
            )
        yield member.name, tar.extractfile(member).read()


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    name = member.name
    odd_name = name.startswith("/") or ".." in name.split("/") or "\\" in name or "\0" in name
    odd_kind = not (member.isreg() or member.isdir()) or member.issparse()
    if odd_name or odd_kind:
        what = "a name outside the archive's folder" if odd_name else "neither a file nor a folder"
        raise UsageError(f"{path}: member {name!r} is {what}: give the published archive")
    if member.size < 0:  # a pax record may say so after the header was checked
        raise tarfile.ReadError(f"{name} has {member.size:,} bytes")


def _check_rest(stream: Any) -> None:
    while rest := stream.read(_STEP):
        if rest.strip(b"\0"):
            raise tarfile.ReadError("something follows the archive's end")
