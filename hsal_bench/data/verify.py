"""Checking a dataset file: is it intact, leak-free and consistent with its config?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hsal_bench.checking import FAILED, PASSED, SKIPPED, Check, Failed, Skipped
from hsal_bench.data.array_checks import CHECKS
from hsal_bench.data.content import content_hash
from hsal_bench.data.content import require_intact as require_intact
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.data.fingerprints import read_fingerprints
from hsal_bench.data.generator import Recipe, Rows, recipe_of
from hsal_bench.data.schema import SPLITS, Examples
from hsal_bench.errors import HsalBenchError, SourceUnavailable, UsageError


def verify(path: Path, *, remake: int = 0, data_dir: Path, seed: int = 0) -> list[Check]:
    """Check the dataset file `path` and return all checks with their results.

    `remake` examples, chosen with `seed` over all splits, are generated again from the file's
    config and compared bit for bit. The glyph source is read from, or downloaded into, `data_dir`;
    if it is not available, these checks are skipped. With 0 no generator is used.

    Raises:
        UsageError: the file does not exist.
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


def check_format(data: DataFile) -> str:
    """The header is complete and every array has its type and shape: `open_data` checked that."""
    return f"schema version {data.header.schema_version}, all arrays have their types and shapes"


def check_content(data: DataFile) -> str:
    """The decoded arrays have the hash in the header."""
    actual, stored = content_hash(data), data.header.content_sha256
    if actual != stored:
        damaged = [s.path.name for s in data.shards if content_hash(s) != s.header.content_sha256]
        where = f" (damaged: {', '.join(damaged)})" if damaged else ""
        raise Failed(
            f"the arrays have the hash {actual}, the header says {stored or 'nothing'}{where}"
        )
    return actual


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
    if "generator" not in data.header.config:
        return [Check("recipe", SKIPPED, "the config names no generator")]
    try:
        recipe = recipe_of(data.header.config, data_dir)
    except SourceUnavailable as error:
        return [
            Check("recipe", SKIPPED, error.reason),
            Check("remade", SKIPPED, "the source is missing"),
        ]
    except HsalBenchError as error:
        return [Check("recipe", FAILED, f"{error} (--remake 0 skips this check)")]
    return [
        _outcome("recipe", lambda data: _check_recipe(data, recipe), data),
        _outcome("remade", lambda data: _check_remade(data, recipe, number, seed), data),
    ]


def _check_recipe(data: DataFile, recipe: Recipe) -> str:
    stored, again = data.header, recipe.header
    for name in ("source", "source_sha256", "name", "class_names", "seed", "config"):
        if getattr(stored, name) != getattr(again, name):
            raise Failed(
                f"{name} is {getattr(stored, name)!r} in the file, but its config gives "
                f"{getattr(again, name)!r}"
            )
    if (data.layout.image_shape, data.layout.sizes) != (
        recipe.layout.image_shape,
        dict(recipe.layout.sizes),
    ):
        raise Failed(f"the layout is {data.layout}, but the config gives {recipe.layout}")
    hashes = _check_fingerprints(data, recipe)
    return (
        f"the config{hashes} and the source {again.source} "
        f"(SHA-256 {again.source_sha256[:12]}...) match"
    )


def _check_fingerprints(data: DataFile, recipe: Recipe) -> str:
    """Return the number of glyph hashes as text. Raises Failed: one differs from the source's."""
    stored = read_fingerprints(data)
    if stored is None or not hasattr(recipe, "fingerprints"):
        return ""
    try:
        again = recipe.fingerprints(stored.index)
    except IndexError:
        raise Failed("the file has hashes of glyphs that the source does not have") from None
    if stored.digest != again.digest:
        raise Failed("the glyph hashes in the file differ from those of the source's glyphs")
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
    remade = 0
    for rows, maker in recipe.makers(wanted):
        _compare(data, rows, maker.make(rows.split, rows.start, rows.stop))
        remade += 1
    if remade < number:
        raise Failed(f"the recipe gave {remade} of {number} examples")
    return f"{number} examples, equal bit for bit"


def _compare(data: DataFile, rows: Rows, again: Examples) -> None:
    for name, stored in data.examples(rows.split, np.array([rows.start])).items():
        if stored.dtype != again[name].dtype or not np.array_equal(stored, again[name]):
            difference = _difference(stored, again[name])
            raise Failed(f"{rows.split} row {rows.start}: {name} differs{difference}")


def _difference(stored: np.ndarray, again: np.ndarray) -> str:
    if stored.shape != again.shape:
        return f": {stored.shape} in the file, {again.shape} remade"
    first = tuple(int(i) for i in np.argwhere(stored != again)[0][1:])
    number = np.count_nonzero(stored != again)
    at = (0, *first)
    return f" in {number} places, first at {first}: {stored[at]} in the file, {again[at]} remade"
