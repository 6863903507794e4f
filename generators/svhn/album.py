"""The pictures of one split of SVHN's full numbers, from the archive or its unpacked folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hsal_bench.errors import UsageError

from .archive import read_members
from .photographs import measure

MOST_PICTURE_BYTES = 64 << 20
_MOST_STRUCT_BYTES = 1 << 30
_STRUCT = "digitStruct.mat"
_BATCH = 128
_PICTURE = re.compile(r"([1-9][0-9]{0,8})\.png")


Picture = tuple[int, tuple[int, int, str], bytes]
"""A picture's number, width, height and fault ("": none), and SHA-256."""


@dataclass(frozen=True)
class Index:
    """The result of one pass over an album, pictures in the order of their numbers.

    digit_struct: content of digitStruct.mat. number: int32 [N]. size: int32 [N, 2], width and
    height in pixels, 0 for an unreadable picture. sha256: uint8 [N, 32], of the file's bytes.
    fault: str [N], why a picture is unreadable, "" for others.
    """

    digit_struct: bytes
    number: np.ndarray
    size: np.ndarray
    sha256: np.ndarray
    fault: np.ndarray


@dataclass(frozen=True)
class Album:
    """`path` is the archive SPLIT.tar.gz, or the folder SPLIT; pictures are SPLIT/NUMBER.png."""

    path: Path
    split: str

    @classmethod
    def find(cls, folder: Path, split: str) -> Album | None:
        """Return the album of `split` in `folder`, an archive before a folder, or None."""
        archive = folder / f"{split}.tar.gz"
        if archive.is_file():
            return cls(archive, split)
        unpacked = folder / split
        return cls(unpacked, split) if (unpacked / _STRUCT).is_file() else None

    def index(self) -> Index:
        """Return the album's index, with a few hundred pictures in memory at a time.

        Pictures are decoded by as many processes as joblib is configured to use (default: one).

        Raises:
            UsageError: the album is incomplete or invalid, a number occurs twice, or a picture is
                too large.
        """
        from joblib import Parallel, delayed

        digit_struct: list[bytes] = []
        pictures: dict[int, Picture] = {}
        parallel = Parallel(return_as="generator")
        for batch in parallel(delayed(_measured)(*batch) for batch in self._batches(digit_struct)):
            for picture in batch:
                number = picture[0]
                if number in pictures:
                    raise UsageError(
                        f"{self.path} has {number}.png twice: use the published pictures"
                    )
                pictures[number] = picture
        if not digit_struct or not pictures:
            missing = "NUMBER.png" if digit_struct else _STRUCT
            raise UsageError(
                f"{self.path} has no {self.split}/{missing}: use the published pictures"
            )
        return _index(digit_struct[0], pictures)

    def _batches(self, digit_struct: list[bytes]) -> Iterator[tuple[Path, list[tuple[int, bytes]]]]:
        """Yield the pictures in batches; append the content of digitStruct.mat to the list."""
        batch: list[tuple[int, bytes]] = []
        for name, content in self._files(_limit):
            if name == _STRUCT:
                digit_struct.append(content)
                continue
            batch.append((_number(name), content))
            if len(batch) == _BATCH:
                yield self.path, batch
                batch = []
        yield self.path, batch

    def pictures(self, wanted: Collection[int]) -> Iterator[tuple[int, bytes]]:
        """Yield (number, bytes of the PNG) of the `wanted` pictures, and stop after the last.

        The order is that of the archive, or of the numbers in a folder.

        Raises:
            UsageError: the album is damaged before that, or has no such picture.
        """
        missing = set(wanted)

        def limit(name: str) -> int | None:
            return _limit(name) if name != _STRUCT and _number(name) in missing else None

        if not missing:
            return
        for name, content in self._files(limit):
            missing.remove(_number(name))
            yield _number(name), content
            if not missing:
                return
        raise UsageError(
            f"{self.path} has no {self.split}/{min(missing)}.png: use the published pictures"
        )

    def _files(self, limit: Callable[[str], int | None]) -> Iterator[tuple[str, bytes]]:
        """Yield (name without folder, content) of the files that have a size limit."""
        if self.path.is_dir():
            yield from _folder_files(self.path, limit)
            return
        prefix = f"{self.split}/"

        def limit_of_member(name: str) -> int | None:
            own = name.removeprefix("./")
            bare = own.removeprefix(prefix)
            return limit(bare) if own != bare and _is_own(bare) else None

        for name, content in read_members(self.path, limit_of_member):
            yield name.removeprefix("./").removeprefix(prefix), content


def _measured(path: Path, pictures: list[tuple[int, bytes]]) -> list[Picture]:
    return [
        (number, measure(content, f"{path}: {number}.png"), hashlib.sha256(content).digest())
        for number, content in pictures
    ]


def _is_own(name: str) -> bool:
    return name == _STRUCT or _PICTURE.fullmatch(name) is not None


def _number(name: str) -> int:
    return int(name.removesuffix(".png"))


def _limit(name: str) -> int:
    return _MOST_STRUCT_BYTES if name == _STRUCT else MOST_PICTURE_BYTES


def _folder_files(folder: Path, limit: Callable[[str], int | None]) -> Iterator[tuple[str, bytes]]:
    names = [path.name for path in folder.iterdir() if _is_own(path.name)]
    for name in sorted(names, key=lambda name: 0 if name == _STRUCT else _number(name)):
        most = limit(name)
        if most is None:
            continue
        path = folder / name
        try:
            if not path.is_file():
                raise UsageError(f"{path} is not a regular file: use the published file")
            size = path.stat().st_size
            content = path.read_bytes() if size <= most else b""
        except OSError as error:
            raise UsageError(
                f"cannot read {path} ({error.strerror}): use the published file"
            ) from error
        if size > most:
            raise UsageError(
                f"{path} has {size:,} bytes, more than {most:,}: use the published pictures"
            )
        yield name, content


def _index(digit_struct: bytes, pictures: dict[int, Picture]) -> Index:
    numbers = sorted(pictures)
    _, measured, digests = zip(*(pictures[number] for number in numbers), strict=True)
    return Index(
        digit_struct,
        np.array(numbers, np.int32),
        np.array([(width, height) for width, height, _ in measured], np.int32),
        np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
        np.array([fault for *_, fault in measured]),
    )
