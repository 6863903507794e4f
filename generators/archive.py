"""Reading the files of a .tar.gz in one pass, in bounded memory, with nothing put onto disk."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from hsal_bench.errors import UsageError

_BLOCK = 512
_STEP = 1 << 18
_GZIP = b"\x1f\x8b"


def read_members(
    path: Path, most_bytes: Callable[[str], int | None]
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the files of a .tar.gz, in its order.

    `most_bytes(name)`: how large a file may be, or None to pass it by. When the generator is run to
    its end, the checksum of the whole archive has been checked.

    Raises:
        UsageError: the archive is not whole, a member has a name or a kind that none should have,
            or is larger than it may be.
    """
    try:
        with closing(_unpacked(path)) as chunks:
            stream = _Stream(chunks)
            # Typed as a file, of which it has what is called while members are read in order.
            with tarfile.TarFile(fileobj=cast(Any, stream)) as tar:
                yield from _files(path, tar, stream, most_bytes)
            stream.skip_all()
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot read {path} ({reason}): give the whole archive, or remove it"
        ) from error


def _files(
    path: Path, tar: Any, stream: _Stream, most_bytes: Callable[[str], int | None]
) -> Iterator[tuple[str, bytes]]:
    member = tar.next()
    while member:
        _check_member(path, member)
        most = most_bytes(member.name) if member.isreg() else None
        if most is not None:
            if member.size > most:
                raise UsageError(
                    f"{path}: {member.name} has {member.size:,} bytes, more than {most:,}: "
                    "give the published archive"
                )
            yield member.name, stream.read_whole(member.size)
        # tarfile reads on at the next header when it is already there, and never goes back.
        stream.skip_to(member.offset_data + -(-member.size // _BLOCK) * _BLOCK)
        tar.members.clear()  # tarfile keeps every header it has seen
        member = tar.next()


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    name = member.name
    odd_name = name.startswith("/") or ".." in name.split("/") or "\\" in name or "\0" in name
    odd_kind = not (member.isreg() or member.isdir()) or member.issparse()
    if odd_name or odd_kind:
        what = "a name outside the archive's folder" if odd_name else "neither a file nor a folder"
        raise UsageError(f"{path}: member {name!r} is {what}: give the published archive")


def _unpacked(path: Path) -> Generator[bytes, None, None]:
    """Yield what a .gz file holds, in pieces of bounded size, none of them empty."""
    unpack = zlib.decompressobj(wbits=31)
    with path.open("rb") as file:
        packed = file.read(_STEP)
        while packed:
            piece = unpack.decompress(packed, 4 * _STEP)
            if piece:
                yield piece
            packed = unpack.unconsumed_tail or (unpack.unused_data + file.read(_STEP))
            if unpack.eof:
                if not packed.startswith(_GZIP):  # zeros may fill up the last block of a tape
                    return
                unpack = zlib.decompressobj(wbits=31)
    if not unpack.eof:
        raise EOFError("it ends too early")


class _Stream:
    """The part of a file's methods that `tarfile` calls; positions only grow."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks, self.chunk, self.at, self.position = chunks, b"", 0, 0

    def tell(self) -> int:
        return self.position

    def read(self, size: int) -> bytes:
        end = self.at + size
        if end <= len(self.chunk):
            piece = self.chunk[self.at : end]
            self.at = end
            self.position += size
            return piece
        return b"".join(self._pieces(size))

    def read_whole(self, size: int) -> bytes:
        content = self.read(size)
        if len(content) < size:
            raise EOFError("it ends too early")
        return content

    def skip_to(self, position: int) -> None:
        size = position - self.position
        if self.at + size <= len(self.chunk):
            self.at += size
            self.position = position
        elif sum(len(piece) for piece in self._pieces(size)) < size:
            raise EOFError("it ends too early")

    def skip_all(self) -> None:
        for _ in self.chunks:
            pass

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self.chunk[self.at : self.at + size]
            if not piece:
                self.chunk, self.at = next(self.chunks, b""), 0
                if not self.chunk:
                    return
            self.at += len(piece)
            self.position += len(piece)
            size -= len(piece)
            yield piece
