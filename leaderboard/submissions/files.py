"""The files of a submission, read from a folder or a zip that nobody vouches for.

Nothing is written to disk, links are not followed, and no more is read than the limits below say:
they are held while reading, whatever sizes an archive's headers tell.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from hsal_bench.errors import UsageError
from hsal_bench.text import shown

STATEMENT, SINGLE = "submission.json", "predictions.jsonl"
MOST_SEEDS = 100
MOST_FILES = 1 + MOST_SEEDS
MOST_RATIO = 100
"""How many times its packed size a file may have; predictions have 5 to 20 times."""

LARGEST_ARCHIVE, LARGEST_TOTAL = 2**26, 2**28
LISTED = 20
"""Problems of one kind that are told one by one."""

_NAMES = re.compile(r"(?:submission\.json|predictions\.jsonl|seed-(0|[1-9][0-9]{0,9})\.jsonl)")
_HOLDS = f"a submission holds {STATEMENT} and {SINGLE}, or seed-0.jsonl, seed-1.jsonl, ..."
_OUTSIDE = {"", ".", ".."}
_STEP = 2**16
_UNTESTED = 2**20
"""Bytes up to which a file may have any ratio."""

_LARGEST_READ = 2**17
_LONGEST_TOLD = 80
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class Refused(Exception):  # noqa: N818 - an outcome of reading
    """Raised for files that are not taken; `problems` says why, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = listed(problems)
        super().__init__("; ".join(self.problems))


def listed(problems: Sequence[str]) -> tuple[str, ...]:
    """Return the problems as they are told, `LISTED` of them and how many more there are."""
    more = [f"and {len(problems) - LISTED:,} more"] if len(problems) > LISTED else []
    return (*problems[:LISTED], *more)


@dataclass
class Files:
    """The files to be read: the bytes each takes up by its name, and how one is opened.

    problems: what is wrong with files that are there beside, and are left unread.
    """

    packed: dict[str, int]
    problems: tuple[str, ...]
    _open: Callable[[str], IO[bytes]]
    _total: int = 0

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file of at most `limit` bytes.

        Raises:
            Refused: it is larger, all that was read is more than `LARGEST_TOTAL`, it is packed
                more than `MOST_RATIO` times, or it cannot be read.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            with self._open(name) as stream:
                while piece := stream.read(_STEP):
                    pieces.append(piece)
                    size += len(piece)
                    self._refuse_too_much(name, size, len(piece), limit)
        except _BROKEN as error:
            told = _shown(str(error)) or "it ends early"
            raise Refused([f"{name} cannot be read ({told}): pack it again"]) from error
        return b"".join(pieces)

    def _refuse_too_much(self, name: str, size: int, more: int, limit: int) -> None:
        self._total += more
        if size > limit:
            raise Refused([f"{name} holds more than {limit:,} bytes: no such file needs them"])
        if self._total > LARGEST_TOTAL:
            raise Refused(
                [f"the files hold more than {LARGEST_TOTAL:,} bytes: hand in fewer seeds"]
            )
        if size > max(_UNTESTED, MOST_RATIO * self.packed[name]):
            raise Refused([f"{name} is packed more than {MOST_RATIO} times: predictions are not"])


@contextmanager
def opened(path: Path) -> Iterator[Files]:
    """Yield the files of the submission `path`, a folder or a zip.

    Raises:
        UsageError: it is neither.
        Refused: not a zip, too large, or with very many files in it.
    """
    if path.is_dir():
        yield _in_folder(path)
        return
    if not path.is_file():
        raise UsageError(f"no submission {path}: name a folder or a zip, with {STATEMENT} in it")
    if path.stat().st_size > LARGEST_ARCHIVE:
        raise Refused(
            [f"the file has more than {LARGEST_ARCHIVE:,} bytes: no submission needs them"]
        )
    with _Bounded(io.FileIO(path)) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _BROKEN as error:
            told = f"it is not a zip that can be read ({_shown(str(error))})"
            raise Refused([f"{told}: name a zip, or the folder of {STATEMENT}"]) from error
        yield _in_archive(archive)


def _shown(text: str) -> str:
    return shown(text, _LONGEST_TOLD)


class _Bounded(io.BufferedReader):
    """A file that gives little at once: zipfile reads the whole list of members in one go."""

    def read(self, size: int | None = -1, /) -> bytes:
        whole = size is None or size < 0
        data = super().read(_LARGEST_READ + 1 if whole else min(size or 0, _LARGEST_READ + 1))
        if len(data) > _LARGEST_READ:
            raise zipfile.BadZipFile(f"it lists far more than {MOST_FILES} files")
        return data


def _in_folder(folder: Path) -> Files:
    with os.scandir(folder) as entries:
        found = list(islice(entries, MOST_FILES + 1))
    _refuse_many(len(found))
    wrong = {entry: _wrong_name(entry.name) or _wrong_entry(entry) for entry in found}
    sizes = {
        entry.name: entry.stat(follow_symlinks=False).st_size
        for entry, problem in wrong.items()
        if not problem
    }
    problems = tuple(filter(None, wrong.values()))
    return Files(sizes, problems, lambda name: _open_file(folder / name))


def _wrong_entry(entry: os.DirEntry[str]) -> str:
    if entry.is_file(follow_symlinks=False):
        return ""
    return f"{_shown(entry.name)} is a link, a folder or a device, not a file"


def _open_file(path: Path) -> IO[bytes]:
    # It may have become a link or a pipe since it was looked at.
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError("it is not a file")
    return os.fdopen(file, "rb")


def _in_archive(archive: zipfile.ZipFile) -> Files:
    members = archive.infolist()
    # zipfile cuts a name at a NUL; this is the name as it is listed.
    names = [member.orig_filename for member in members]
    _refuse_many(len(members))
    _refuse_in_folder(names)
    wrong = [
        _wrong_name(name) or _wrong_member(member) or _wrong_number(name, names.count(name))
        for name, member in zip(names, members, strict=True)
    ]
    packed = {
        member.filename: member.compress_size
        for member, problem in zip(members, wrong, strict=True)
        if not problem
    }
    problems = tuple(dict.fromkeys(filter(None, wrong)))
    return Files(packed, problems, archive.open)


def _refuse_in_folder(names: Sequence[str]) -> None:
    """Refuse an archive of a folder in one line, whatever is in it."""
    folders = {name.partition("/")[0] for name in names if "/" in name}
    if len(folders) == 1 and all("/" in name for name in names) and folders.isdisjoint(_OUTSIDE):
        folder = _shown(folders.pop())
        raise Refused([f"all lie in the folder {folder}: pack the files, not what holds them"])


def _wrong_number(name: str, number: int) -> str:
    return f"{_shown(name)} is in it {number} times" if number > 1 else ""


def _wrong_member(member: zipfile.ZipInfo) -> str:
    """Return what is wrong with a member of an archive beside its name; "" if nothing is."""
    name = _shown(member.orig_filename)
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        return f"{name} is a link, a folder or a device, not a file"
    if member.flag_bits & 0x1:
        return f"{name} is encrypted: pack it without a password"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"{name} is packed with method {member.compress_type}: use deflate, the usual one"
    return ""


def _wrong_name(name: str) -> str:
    if _NAMES.fullmatch(name):
        return ""
    if re.fullmatch(rf"[^./][^/]*/{_NAMES.pattern}", name):
        return f"{_shown(name)} lies in a folder: pack the files, not the folder that holds them"
    return f"{_shown(name)} does not belong there: {_HOLDS}"


def _refuse_many(number: int) -> None:
    if number > MOST_FILES:
        raise Refused([f"it holds more than {MOST_FILES} files: {_HOLDS}"])
