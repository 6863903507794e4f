"""Hashes of the glyphs or photographs behind a dataset's objects, stored in its file.

The group `sources` has one row per glyph that made an object. It is not part of `content_sha256`,
so a dataset has the same hash with and without it; an attribute holds a hash of its own.
"""

from __future__ import annotations

import h5py

from hsal_bench.data.file import DataFile
from hsal_bench.data.schema import Fingerprints
from hsal_bench.errors import UsageError

GROUP = "sources"
COLUMNS = {
    "index": "the glyph's number, as in source_index; ascending",
    "sha256": "hash of its content: of a glyph its ink cropped to the box around it, of a "
    "photograph the bytes of its file",
    "corner": "top and left of a glyph's ink in pixels",
}
"""The arrays of the group, one row per glyph. Photographs have no `corner`."""


def write(file: h5py.File, fingerprints: Fingerprints) -> None:
    """Add the fingerprints to a file."""
    group = file.create_group(GROUP)
    for name, array in fingerprints.columns().items():
        # Hashes do not compress.
        packed = {} if name == "sha256" or not len(array) else {"compression": 1, "shuffle": True}
        group.create_dataset(name, data=array, **packed)
    group.attrs["sha256"] = fingerprints.digest


def read(data: DataFile) -> Fingerprints | None:
    """Return the fingerprints in a file; None: it was written without.

    Raises:
        UsageError: they are damaged.
    """
    if GROUP not in data.file:
        return None
    try:
        group = data.file[GROUP]
        fingerprints = Fingerprints(**{name: group[name][()] for name in group})
        stated = group.attrs["sha256"]
        intact = fingerprints.well_formed and fingerprints.digest == stated
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"{data.path}: {GROUP} cannot be read ({error})") from error
    if not intact:
        raise UsageError(f"{data.path}: {GROUP} is damaged: its hash is not the stated one")
    return fingerprints
