"""Checking a data set file: is it whole, leak-free and as its config says?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from hsal_bench.checking import FAILED, PASSED, SKIPPED, Check, Failed, Skipped
from hsal_bench.data import fingerprints
from hsal_bench.data.array_checks import CHECKS, RUN_ROWS
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.data.generator import Recipe, Rows, load_generator
from hsal_bench.data.schema import SPLITS, Examples, content_sha256, run_digests
from hsal_bench.errors import HsalBenchError, SourceUnavailable, UsageError
from hsal_bench.options import from_json


def verify(path: Path, *, remake: int = 0, data_dir: Path, seed: int = 0) -> list[Check]:
    """Check the data set file `path` and return what was seen, check by check.

    `remake` examples, chosen with `seed` over all splits, are made again from the file's config
    (the glyph source is read from, or downloaded into, `data_dir`) and compared bit for bit. Where
    that source is not to be had, this is skipped. With 0 no generator is asked.

    Raises:
        UsageError: there is no such file.
    """
    try:
        with open_data(path) as data:
            checks = [_outcome(name, check, data) for name, check in _CHECKS.items()]
            if remake:
                checks += _remade_checks(data, remake, data_dir, seed)
            return checks
    except UsageError as error:
        if not path.exists():
            raise
        return [Check("format", FAILED, str(error))]


def content_hash(data: DataFile) -> str:
    """Return the hash of the file's decoded arrays, with one run of rows in memory at a time.

    Raises:
        UsageError: what is stored cannot be decoded.
    """
    digests = {
        (split, name): _digests(data, split, name)
        for split in SPLITS
        for name in data.layout.arrays()
    }
    return content_sha256(data.layout, digests)


def require_whole(data: DataFile) -> None:
    """Check the content of a data set that is about to be used.

    Raises:
        UsageError: it does not hash to what the header says, or cannot be decoded.
    """
    stated, found = data.header.content_sha256, content_hash(data)
    if stated != found:
        raise UsageError(
            f"{data.path}: its content hashes to {found[:12]}, its header says {stated[:12]}: "
            "the file is damaged; make it again with `hsal-bench generate --force`"
        )


def _digests(data: DataFile, split: str, name: str) -> Iterator[bytes]:
    for _, run in data.runs(split, name, RUN_ROWS):
        yield from run_digests(run)


def check_format(data: DataFile) -> str:
    """The header is whole and every array of its type and shape: `open_data` has seen to it."""
    return f"schema version {data.header.schema_version}, every array of its type and shape"


def check_content(data: DataFile) -> str:
    """The decoded arrays are those that the header's hash was taken of."""
    found, stated = content_hash(data), data.header.content_sha256
    if found != stated:
        raise Failed(f"the arrays hash to {found}, the header says {stated or 'nothing'}")
    return found


_CHECKS: dict[str, Callable[[DataFile], str]] = {
    "format": check_format,
    "content hash": check_content,
    **CHECKS,
}


def _outcome(name: str, check: Callable[[DataFile], str], data: DataFile) -> Check:
    try:
        return Check(name, PASSED, check(data))
    except Skipped as reason:
        return Check(name, SKIPPED, str(reason))
    except (Failed, HsalBenchError) as failure:
        return Check(name, FAILED, str(failure))


def _remade_checks(data: DataFile, number: int, data_dir: Path, seed: int) -> list[Check]:
    try:
        recipe = _recipe(data, data_dir)
    except SourceUnavailable as error:
        return [
            Check("recipe", SKIPPED, error.reason),
            Check("made again", SKIPPED, "no recipe without the source"),
        ]
    except HsalBenchError as error:
        return [Check("recipe", FAILED, f"{error} (--remake 0 leaves this out)")]
    return [
        _outcome("recipe", lambda data: _check_recipe(data, recipe), data),
        _outcome("made again", lambda data: _check_remade(data, recipe, number, seed), data),
    ]


def _recipe(data: DataFile, data_dir: Path) -> Recipe:
    fields = dict(data.header.config)
    name = fields.pop("generator", None)
    if name is None:
        raise HsalBenchError("the config names no generator")
    generator = load_generator(name)
    return generator.recipe(from_json(type(generator.defaults), fields, name), data_dir)


def _check_recipe(data: DataFile, recipe: Recipe) -> str:
    stated, again = data.header, recipe.header
    for name in ("source", "source_sha256", "name", "class_names", "seed", "config"):
        if getattr(stated, name) != getattr(again, name):
            raise Failed(
                f"{name} is {getattr(stated, name)!r} in the file and "
                f"{getattr(again, name)!r} when the config is followed"
            )
    if (data.layout.image_shape, data.layout.sizes) != (
        recipe.layout.image_shape,
        dict(recipe.layout.sizes),
    ):
        raise Failed(f"the layout is {data.layout}, by the config it should be {recipe.layout}")
    hashes = _check_fingerprints(data, recipe)
    return (
        f"the config{hashes} and the source {again.source} "
        f"(sha256 {again.source_sha256[:12]}...) agree"
    )


def _check_fingerprints(data: DataFile, recipe: Recipe) -> str:
    """Return how many hashes of glyphs the file has. Raises Failed: one is not the source's."""
    stored = fingerprints.read(data)
    if stored is None or not hasattr(recipe, "fingerprints"):
        return ""
    try:
        again = recipe.fingerprints(stored.index)
    except IndexError:
        raise Failed("the file has hashes of glyphs that are not in the source") from None
    if stored.digest != again.digest:
        raise Failed("the hashes of the glyphs in the file are not those of the source's glyphs")
    return f", the hashes of {len(stored.index):,} glyphs"


def _check_remade(data: DataFile, recipe: Recipe, number: int, seed: int) -> str:
    sizes = [data.layout.sizes[split] for split in SPLITS]
    number = min(number, sum(sizes))
    chosen = np.sort(np.random.default_rng(seed).choice(sum(sizes), number, replace=False))
    ends = np.cumsum(sizes)
    wanted = [
        Rows(split, row, row + 1)
        for split, end, size in zip(SPLITS, ends, sizes, strict=True)
        for row in (chosen[(chosen >= end - size) & (chosen < end)] - (end - size)).tolist()
    ]
    made = 0
    for rows, maker in recipe.makers(wanted):
        _compare(data, rows, maker.make(rows.split, rows.start, rows.stop))
        made += 1
    if made < number:
        raise Failed(f"the recipe made {made} of {number} examples")
    return f"{number} examples, equal bit for bit"


def _compare(data: DataFile, rows: Rows, again: Examples) -> None:
    for name, stored in data.examples(rows.split, np.array([rows.start])).items():
        if stored.dtype != again[name].dtype or not np.array_equal(stored, again[name]):
            difference = _difference(stored, again[name])
            raise Failed(f"{rows.split} row {rows.start}: {name} differs{difference}")


def _difference(stored: np.ndarray, again: np.ndarray) -> str:
    if stored.shape != again.shape:
        return f": {stored.shape} in the file, {again.shape} made again"
    first = tuple(int(i) for i in np.argwhere(stored != again)[0][1:])
    number = np.count_nonzero(stored != again)
    at = (0, *first)
    return (
        f" in {number} places, first at {first}: {stored[at]} in the file, {again[at]} made again"
    )
