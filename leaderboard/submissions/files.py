"""The files of a submission, read from an untrusted folder or zip.

Nothing is written to disk, and links are not followed. The limits below hold while reading,
whatever sizes the headers of an archive state.
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

from hsal_bench.checking import listed
from hsal_bench.errors import UsageError, near_path
from hsal_bench.text import shown

STATEMENT, SINGLE = "submission.json", "predictions.jsonl"
MOST_SEEDS = 100
MOST_FILES = 1 + MOST_SEEDS
MOST_RATIO = 100
"""Highest ratio of unpacked to packed size of a file; that of predictions is 5 to 20."""

LARGEST_ARCHIVE, LARGEST_TOTAL = 2**26, 2**28

_NAMES = re.compile(r"(?:submission\.json|predictions\.jsonl|seed-(0|[1-9][0-9]{0,9})\.jsonl)")
_CONTENT = f"a submission contains {STATEMENT} and {SINGLE}, or seed-0.jsonl, seed-1.jsonl, ..."
_OUTSIDE = {"", ".", ".."}
_STEP = 2**16
_UNTESTED = 2**20
"""Bytes up to which any ratio is allowed."""

_LARGEST_READ = 2**17
_LONGEST_SHOWN = 80
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
    """Raised for files that are refused; `problems` are as `listed` returns them."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = listed(problems)
        super().__init__("; ".join(self.problems))


def files_of(seeds: Sequence[int]) -> dict[int, str]:
    """Return the predictions file of each seed."""
    if len(seeds) == 1:
        return {seeds[0]: SINGLE}
    return {seed: f"seed-{seed}.jsonl" for seed in seeds}


@dataclass
class Files:
    """The files of a submission: the packed size of each by name, and how to open one.

    problems: those of the files that are not read.
    """

    packed: dict[str, int]
    problems: tuple[str, ...]
    _open: Callable[[str], IO[bytes]]
    _total: int = 0

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file of at most `limit` bytes.

        Raises:
            Refused: it is larger, all files together exceed `LARGEST_TOTAL`, its ratio exceeds
                `MOST_RATIO`, or it cannot be read.
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
            reason = _shown(str(error)) or "it ends early"
            raise Refused([f"{name} cannot be read ({reason}): pack it again"]) from error
        return b"".join(pieces)

    def _refuse_too_much(self, name: str, size: int, more: int, limit: int) -> None:
        self._total += more
        if size > limit:
            raise Refused([f"{name} is too large: the limit is {limit:,} bytes"])
        if self._total > LARGEST_TOTAL:
            raise Refused([f"the files have more than {LARGEST_TOTAL:,} bytes: submit fewer seeds"])
        if size > max(_UNTESTED, MOST_RATIO * self.packed[name]):
            raise Refused([f"{name} has a compression ratio above {MOST_RATIO}: not accepted"])


@contextmanager
def open_submission(path: Path) -> Iterator[Files]:
    """Yield the files of the submission `path`, a folder or a zip.

    Raises:
        UsageError: it is neither.
        Refused: it is not a zip, is too large, or contains too many files.
    """
    if path.is_dir():
        yield _in_folder(path)
        return
    if not path.is_file():
        remedy = near_path(path) or f"give a folder or zip that contains {STATEMENT}"
        raise UsageError(f"no submission {path}: {remedy}")
    if path.stat().st_size > LARGEST_ARCHIVE:
        raise Refused([f"the file is too large: the limit is {LARGEST_ARCHIVE:,} bytes"])
    with _Bounded(io.FileIO(path)) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _BROKEN as error:
            problem = f"the file is not a readable zip ({_shown(str(error))})"
            raise Refused([f"{problem}: name a zip, or the folder of {STATEMENT}"]) from error
        yield _in_archive(archive)


def _shown(text: str) -> str:
    return shown(text, _LONGEST_SHOWN)


class _Bounded(io.BufferedReader):
    """A file that returns little per read: zipfile reads the whole list of members at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        whole = size is None or size < 0
        data = super().read(_LARGEST_READ + 1 if whole else min(size or 0, _LARGEST_READ + 1))
        if len(data) > _LARGEST_READ:
            raise zipfile.BadZipFile(f"it lists far more than {MOST_FILES} files")
        return data


def _in_folder(folder: Path) -> Files:
    with os.scandir(folder) as entries:
        files = list(islice(entries, MOST_FILES + 1))
    _refuse_many(len(files))
    wrong = {entry: _wrong_name(entry.name) or _wrong_entry(entry) for entry in files}
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
    # It may have become a link or a pipe since it was checked.
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError("it is not a file")
    return os.fdopen(file, "rb")


def _in_archive(archive: zipfile.ZipFile) -> Files:
    members = archive.infolist()
    # zipfile cuts a name at a NUL; this is the complete name.
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
    """Refuse an archive of a folder in one line, whatever it contains."""
    folders = {name.partition("/")[0] for name in names if "/" in name}
    if len(folders) == 1 and all("/" in name for name in names) and folders.isdisjoint(_OUTSIDE):
        folder = _shown(folders.pop())
        raise Refused(
            [f"all files are in the folder {folder}: pack the files without their folder"]
        )


def _wrong_number(name: str, number: int) -> str:
    return f"{_shown(name)} occurs {number} times" if number > 1 else ""


def _wrong_member(member: zipfile.ZipInfo) -> str:
    """Return the problem of an archive's member, its name aside; "" if there is none."""
    name = _shown(member.orig_filename)
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        return f"{name} is a link, a folder or a device, not a file"
    if member.flag_bits & 0x1:
        return f"{name} is encrypted: pack it without a password"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"{name} is compressed with method {member.compress_type}: use deflate, the default"
    return ""


def _wrong_name(name: str) -> str:
    if _NAMES.fullmatch(name):
        return ""
    if re.fullmatch(rf"[^./][^/]*/{_NAMES.pattern}", name):
        return f"{_shown(name)} is in a folder: pack the files without their folder"
    return f"{_shown(name)} is not allowed: {_CONTENT}"


def _refuse_many(number: int) -> None:
    if number > MOST_FILES:
        raise Refused([f"more than {MOST_FILES} files: {_CONTENT}"])
