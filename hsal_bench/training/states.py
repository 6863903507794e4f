"""State files: what `torch.save` writes, followed by a SHA-256 of it that is checked on reading.

`torch.load` ignores the hash and reads such a file as any other. It does not notice changed
numbers itself: it checks no checksum.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hsal_bench.errors import UsageError
from hsal_bench.files import read_bytes, replacing
from hsal_bench.text import one_line

_MARK = b"hsal-bench sha256\n"
_SEALED = "sealed"
"""An entry of states that must have a hash: one that was loaded and saved again has lost it."""
_DIGEST = hashlib.sha256().digest_size


class DamagedState(UsageError):  # noqa: N818 - it names the state of the file
    """A state file is missing, damaged, or does not belong to the files next to it."""


def write(path: Path, state: Mapping[str, Any], *, sealed: bool = True) -> str:
    """Write `state` to `path`, completely or not at all; return its SHA-256.

    sealed: refuse the file later if it has lost its hash. Not for the state of a bare network,
    which has no place for the entry that says so.

    Goes through memory, because the error of torch's own writer on a full disk is unrecognisable.
    """
    buffer = io.BytesIO()
    torch.save({**state, _SEALED: True} if sealed else dict(state), buffer)
    digest = hashlib.sha256(buffer.getbuffer())
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(buffer.getbuffer())
        file.write(_MARK + digest.digest())
    return digest.hexdigest()


def is_plain(value: object) -> bool:
    """Return whether a value in a state can be read back."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    try:
        torch.load(buffer, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return False
    return True


def glance(path: Path) -> Any:
    """Return the state in a file unchecked, its tensors not read from disk until they are used.

    Raises:
        Exception: of any kind, as `torch.load` has no error of its own.
    """
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def read(path: Path) -> tuple[Any, str]:
    """Return the state in a file, its tensors on the CPU, and its SHA-256.

    A file without a hash is of an older version, and is read unchecked.

    Raises:
        DamagedState: it is missing or damaged, or holds more than tensors and plain values.
    """
    try:
        content = memoryview(read_bytes(path))
    except OSError as error:
        raise DamagedState(f"{path} cannot be read ({error.strerror})") from error
    end = len(content) - len(_MARK) - _DIGEST
    marked = end >= 0 and content[end : end + len(_MARK)] == _MARK
    body = content[:end] if marked else content
    digest = hashlib.sha256(body)
    cut = not marked and _MARK in bytes(content[max(end, 0) :])
    if cut or (marked and digest.digest() != content[-_DIGEST:]):
        raise DamagedState(f"{path} is damaged: its content does not match its hash")
    try:
        state = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DamagedState(
            f"{path} is not a torch file, or holds more than tensors and plain values"
        ) from error
    except Exception as error:  # torch.load has no specific error for a damaged file
        reason = one_line(str(error)).partition(". ")[0] or type(error).__name__
        raise DamagedState(f"{path} is an incomplete torch file ({reason})") from error
    sealed = isinstance(state, dict) and state.pop(_SEALED, False)
    if sealed and not marked:
        raise DamagedState(f"{path} was changed: its hash is missing")
    return state, digest.hexdigest()
