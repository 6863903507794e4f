"""Hashes of the glyphs or photographs of a dataset's objects, stored in its file.

The group `sources` has one row per glyph in use. It is not part of `content_sha256`, so a dataset
has the same hash with and without it; an attribute holds the hash of the group.
"""

from __future__ import annotations

import h5py

from hsal_bench.data.file import DataFile
from hsal_bench.data.names import rebuild_remedy
from hsal_bench.data.opening import Refused, array_of, group_of
from hsal_bench.data.schema import Fingerprints
from hsal_bench.errors import UsageError

GROUP = "sources"
COLUMNS = {
    "index": "the number of the glyph or photograph, as in source_index; ascending",
    "sha256": "hash of the glyph's ink, cropped to its bounding box, or of the photograph's file",
    "corner": "top and left of the glyph's ink, pixels",
}
"""The arrays of the group, one row per glyph. Photographs have no `corner`."""


def write_fingerprints(file: h5py.File, fingerprints: Fingerprints) -> None:
    """Add the fingerprints to a file."""
    group = file.create_group(GROUP)
    for name, array in fingerprints.columns().items():
        # Hashes do not compress.
        packed = {} if name == "sha256" or not len(array) else {"compression": 1, "shuffle": True}
        group.create_dataset(name, data=array, **packed)
    group.attrs["sha256"] = fingerprints.digest


def read_fingerprints(data: DataFile) -> Fingerprints | None:
    """Return the fingerprints in a file; None: it has none.

    Raises:
        UsageError: they are damaged.
    """
    if data.file.get(GROUP, getlink=True) is None:  # a link that leads nowhere is not absent
        return None
    try:
        group = group_of(data.file, GROUP)
        fingerprints = Fingerprints(**{name: array_of(group, name)[()] for name in group})
        stated = group.attrs["sha256"]
        intact = fingerprints.well_formed and fingerprints.digest == stated
    except Refused as error:
        raise UsageError(f"{data.path}: {error}: {rebuild_remedy(data.path)}") from error
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"{data.path}: {GROUP} cannot be read ({error})") from error
    if not intact:
        raise UsageError(f"{data.path}: {GROUP} is damaged: its hash does not match")
    return fingerprints
