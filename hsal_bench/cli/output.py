"""The file that a command writes with -o, checked before the work: no other file is lost."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from hsal_bench.errors import UsageError

TEXT, PAGE = "text", "a leaderboard page"
CROISSANT, SCORES, RECORD = "Croissant metadata", "scores", "a record"
"""Kinds of content; those of pictures are the names of Pillow's formats, such as "PNG"."""
OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)
_STANDARD_OUTPUT = ("-", "/dev/stdout")
_HEAD = 1024  # bytes that show the kind of content
_SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"PK\x03\x04": "a zip or PyTorch file",
    b"%PDF-": "PDF",
}
_FIRST_KEYS = {"@context": CROISSANT, "predictions": SCORES, "status": RECORD}
_PAGE_MARK = '<meta name="generator" content="hsal-bench'

force_option = click.option(
    "--force", is_flag=True, help="Replace an existing file of another kind, such as a dataset."
)


def unless_standard(path: Path | None) -> Path | None:
    """Return the path; None, which prints, for "-" and "/dev/stdout"."""
    return None if str(path) in _STANDARD_OUTPUT else path


def output_file(
    path: Path, kinds: Mapping[str, str], inputs: Iterable[Path] = (), *, force: bool = False
) -> Path:
    """Return the file to write for the output `path`: links are followed, folders are created.

    kinds: the kind of content by suffix (in lower case) that the command can write. inputs: the
    files that it reads. force: replace an existing file even if it is of another kind.

    Raises:
        UsageError: the suffix is none of these; or the file is an input, not a regular file, of
            another kind, or not writable.
    """
    from hsal_bench.files import writable_folder

    if path.suffix.lower() not in kinds:
        raise UsageError(f"{path}: unknown suffix; use {_either(list(kinds))}")
    try:
        file = path.resolve()
        exists = file.exists()
        if file.is_symlink():  # Python 3.13 and newer return the loop
            raise RuntimeError("it is a loop of links")
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop, in Python 3.11 and 3.12
        raise UsageError(f"cannot write to {path} ({error}): use another file") from error
    if exists:
        _refuse_unlike(path, file, inputs)
        content, kind = _content(file), kinds[path.suffix.lower()]
        if content not in ("", kind) and not force:
            raise UsageError(
                f"{path} exists and is {content}, not {kind}: use another file, or --force to "
                "replace it"
            )
    writable_folder(path.parent)
    writable_folder(file.parent)
    return file


def _refuse_unlike(path: Path, file: Path, inputs: Iterable[Path]) -> None:
    """Refuse an existing file that must not be replaced, even with --force."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise UsageError(f"{path} is not a regular file: use another file")
    if any(source.exists() and source.samefile(file) for source in inputs):
        raise UsageError(f"{path} is an input of this command: use another file")
    if not os.access(file, os.W_OK):
        raise UsageError(f"{path} is read-only: use another file")


def _content(file: Path) -> str:
    """Return the kind of a file's content by its first bytes; "" for an empty file."""
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    if not head:
        return ""
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    text = head.decode("utf-8", "ignore")
    # "ignore" drops a character that is cut at the end, and all that is not text.
    if "\0" in text or len(head) - len(text.encode()) > 3:
        return _picture(file) or "binary"
    if re.match(r"\s*<(!doctype html|html)", text, re.IGNORECASE):
        return PAGE if _PAGE_MARK in text else "an HTML page"
    if re.match(r"\s*[{\[]", text):
        key = re.match(r'\s*\{\s*"([^"]*)"', text)
        return _FIRST_KEYS.get(key[1] if key else "", "JSON")
    return TEXT


def _picture(file: Path) -> str:
    """Return the name of a picture's format; "" if it is not a picture."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            return image.format or ""
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return ""


def _either(suffixes: list[str]) -> str:
    *first, last = suffixes
    return f"{', '.join(first)} or {last}" if first else last
