"""Opening a dataset file: what the system, HDF5 and the file's declarations say against it.

Everything is checked that does not need the arrays' content. A declared size is checked before
anything is allocated for it.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hsal_bench.data.names import missing_remedy, rebuild_remedy
from hsal_bench.data.schema import (
    MOST_IMAGES,
    MOST_OBJECTS,
    MOST_PIXELS,
    SCHEMA_VERSION,
    SPLITS,
    Header,
    Layout,
)
from hsal_bench.errors import UsageError

MOST_CHUNK_BYTES = 2**28
"""Chunks are decompressed whole. The chunks of `generate` have about 1 MiB."""
_MOST_RATIO = 1100
"""No compression of HDF5 is stronger: deflate, the strongest, reaches 1,032."""
_SMALL = 2**16
"""Arrays of fewer bytes are not checked against the bytes that the file stores for them."""


def open_hdf5(path: Path) -> h5py.File:
    """Return the HDF5 file `path`, opened for reading.

    It is read without HDF5's lock if there is none to have: on a file system without locks, or
    while another program has the file open for writing. What is read is checked by its hash.

    Raises:
        UsageError: missing, not a regular file, not readable, not HDF5, or truncated.
    """
    _check_regular(path)
    try:
        try:
            return h5py.File(path, "r")
        except OSError as error:
            if "unable to lock file" not in str(error):
                raise
            return h5py.File(path, "r", locking=False)
    except OSError as error:
        raise UsageError(f"{path} {_cause(str(error), rebuild_remedy(path))}") from error


def _check_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{path} is a folder: name the dataset file itself")
        if not stat.S_ISREG(mode):
            raise UsageError(f"{path} is a pipe or a device: name a regular file")
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise UsageError(f"no dataset file {path}: {missing_remedy(path)}") from error
    except PermissionError as error:
        raise UsageError(
            f"cannot read {path} (permission denied): ask its owner for access"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be opened ({reason}): name another file") from error


def _cause(reason: str, remedy: str) -> str:
    """Return the message for a file that HDF5 cannot open: the cause, HDF5's words, the remedy."""
    said = f"({_without_addresses(reason)})"
    if "truncated" in reason:
        return f"is truncated: {remedy} {said}"
    if "unable to lock" in reason:
        return (
            f"is locked {said}: close the program that has it open, or set "
            "HDF5_USE_FILE_LOCKING=FALSE"
        )
    if "already open for write" in reason:
        return (
            f"is open for writing in another program {said}: close it there; if no program has it "
            "open, run h5clear -s on the file"
        )
    if "signature not found" in reason:
        return f"cannot be read as HDF5 {said}: name a dataset file, or {remedy}"
    return f"cannot be read as HDF5 {said}: {remedy} if the file is damaged"


def _without_addresses(reason: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "...", reason).strip()


def read_header(file: h5py.File, path: Path) -> Header:
    """Return the header of a dataset file. Raises UsageError: it is not a dataset, or damaged."""
    try:
        version = _attribute(file, "schema_version")
        if version is None:
            raise UsageError(
                f"{path} is HDF5 but not an hsal-bench dataset: {rebuild_remedy(path)}"
            )
        if version != SCHEMA_VERSION:
            raise UsageError(
                f"{path} has schema version {version}, this hsal-bench reads {SCHEMA_VERSION}: "
                f"{rebuild_remedy(path)}"
            )
        names = (*Header.__dataclass_fields__, "num_classes")
        values = {name: _attribute(file, name) for name in names}
        return Header.from_attributes({k: v for k, v in values.items() if v is not None})
    except UsageError:
        raise
    except (KeyError, OSError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} has a damaged header ({error}): {rebuild_remedy(path)}"
        ) from error


def _attribute(file: h5py.File, name: str) -> Any:
    """Return an attribute; None: there is none. Raises ValueError: it is an array."""
    if name not in file.attrs:
        return None
    if file.attrs.get_id(name).shape != ():
        raise ValueError(f"{name} is not a single value")
    return file.attrs[name]


def read_layout(file: h5py.File, header: Header, path: Path) -> Layout:
    """Return the layout of a dataset file.

    Raises:
        UsageError: an array is missing, has another type or shape, lies outside the file, or
            declares a size that its stored bytes cannot have.
    """
    try:
        arrays = {split: group_of(file, split) for split in SPLITS}
        images, labels = (array_of(arrays["train"], name) for name in ("images", "labels"))
        sizes = {split: len(array_of(group, "labels")) for split, group in arrays.items()}
        layout = Layout(images.shape[1:], labels.shape[1], header.num_classes, sizes)
        _check_sizes(layout)
        for split, group in arrays.items():
            for name, (dtype, row_shape) in layout.arrays().items():
                _check_array(array_of(group, name), dtype, (sizes[split], *row_shape))
    except Refused as error:
        raise UsageError(f"{path}: {error}: {rebuild_remedy(path)}") from error
    except (AttributeError, KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"{path} lacks an array ({error}): {rebuild_remedy(path)}") from error
    return layout


class Refused(Exception):  # noqa: N818 - a reason, not an error of the program
    """What is wrong with an array."""


def group_of(file: h5py.File, name: str) -> h5py.Group:
    """Return a group that lies in the file itself. Raises Refused: it is a link."""
    _refuse_link(file, name)
    return file[name]


def array_of(group: h5py.Group, name: str) -> h5py.Dataset:
    """Return an array whose content lies in the file itself, in a bounded layout.

    Raises:
        Refused: it is linked, virtual or external, or a size that it declares is impossible.
        AttributeError, KeyError, TypeError: there is no such array.
    """
    _refuse_link(group, name)
    array = group[name]
    where = array.name[1:]
    if array.is_virtual or array.external:
        raise Refused(f"{where} is stored in other files, which is not allowed")
    item = array.dtype.itemsize
    if array.chunks and int(np.prod(array.chunks, dtype=object)) * item > MOST_CHUNK_BYTES:
        raise Refused(f"{where} has chunks of more than {MOST_CHUNK_BYTES >> 20} MiB")
    declared, stored = array.size * item, array.id.get_storage_size()
    if declared > max(_SMALL, _MOST_RATIO * stored):
        raise Refused(f"{where} declares {declared:,} bytes, but the file stores {stored:,} of it")
    return array


def _refuse_link(group: h5py.Group, name: str) -> None:
    if isinstance(group.get(name, getlink=True), (h5py.SoftLink, h5py.ExternalLink)):
        where = f"{group.name}/{name}".lstrip("/")
        raise Refused(f"{where} is a link to another place, which is not allowed")


def _check_sizes(layout: Layout) -> None:
    channels, height, width = layout.image_shape
    bounds = {
        "the number of channels": (channels, MOST_PIXELS),
        "the height of the images": (height, MOST_PIXELS),
        "the width of the images": (width, MOST_PIXELS),
        "the most objects of an image": (layout.max_objects, MOST_OBJECTS),
        "the number of images": (max(layout.sizes.values()), MOST_IMAGES),
    }
    for name, (value, most) in bounds.items():
        if value > most:
            raise Refused(f"{name} is {value:,}, more than {most:,}")


def _check_array(array: h5py.Dataset, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise Refused(f"{array.name[1:]} is {array.dtype} {array.shape}, expected {dtype} {shape}")
