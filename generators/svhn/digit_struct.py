"""Reading digitStruct.mat, the labels and boxes of SVHN's full numbers, into flat arrays.

The file is a MATLAB 7.3 file, that is HDF5. `digitStruct/name` and `digitStruct/bbox` hold a
reference per picture: to its name, and to a group with a dataset for each field of its digits. The
field of a picture with one digit is that number; with several digits it holds references to them
(http://ufldl.stanford.edu/housenumbers/, "Full Numbers").
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from hsal_bench.errors import UsageError
from hsal_bench.progress import progress

FIELDS = ("height", "label", "left", "top", "width")
"""The published fields of a digit."""

_NAME = re.compile(r"([1-9][0-9]{0,8})\.png")
_LONGEST_NAME = 64
_MOST_DIGITS = 1_000
"""Most digits of a picture: each is read on its own."""
_MOST_PICTURES = 10_000_000
_LARGEST_NUMBER = 8
_EMPTY = "MATLAB_empty"
_PUBLISHED = "use the published file"
_TEN = 10
"""The label of the digit 0."""


@dataclass(frozen=True)
class Numbers:
    """The house numbers of one split, in the order of the file.

    number: int32 [N], picture `number`.png, no number twice. first: int64 [N + 1]; the digits of
    picture i are first[i]..first[i + 1] - 1. labels: int8 [M], the digits 0..9. boxes: float64
    [M, 4], left, top, width and height in pixels as published: finite numbers; some boxes reach
    outside the picture, and the publishers do not say whether its first pixel is 0 or 1.
    """

    number: np.ndarray
    first: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray


_Fields = dict[str, list[np.ndarray]]
"""For each field, one array float64 [digits] per picture."""


def read_digit_struct(content: bytes, origin: str) -> Numbers:
    """Return the numbers of a digitStruct.mat; `origin` names it in errors.

    Raises:
        UsageError: it is not such a file, or a digit in it is invalid.
    """
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            names, fields = _read_pictures(file, origin)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise UsageError(
            f"{origin} is not a digitStruct.mat of SVHN's full numbers ({error}): "
            "use the published file"
        ) from error
    return _numbers(names, fields, origin)


def _read_pictures(file: Any, origin: str) -> tuple[list[str], _Fields]:
    """Read one object at a time (about 0.1 ms each; the published files have 820,000)."""
    names, boxes = (_references(file[f"digitStruct/{column}"]) for column in ("name", "bbox"))
    if len(names) != len(boxes):
        raise ValueError(f"{len(names)} names, {len(boxes)} bbox entries")
    texts: list[str] = []
    fields: _Fields = {field: [] for field in FIELDS}
    with progress(f"reading {origin}", len(names)) as advance:
        for entry, (name, box) in enumerate(zip(names, boxes, strict=True)):
            try:
                text = _array(file[name], _LONGEST_NAME).astype("<u2")
                texts.append(text.tobytes().decode("utf-16-le", "replace"))
                for field in FIELDS:
                    fields[field].append(_one_field(file, file[box], field))
            except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
                raise ValueError(f"entry {entry + 1}: {error}") from error
            advance(entry + 1)
    return texts, fields


def _references(dataset: Any) -> np.ndarray:
    import h5py

    if h5py.check_ref_dtype(dataset.dtype) is not h5py.Reference:
        raise TypeError(f"{dataset.name} has no references")
    return _array(dataset, _MOST_PICTURES).ravel()


def _one_field(file: Any, box: Any, name: str) -> np.ndarray:
    import h5py

    # MATLAB stores an empty array as its dimensions, marked as empty.
    if isinstance(box, h5py.Dataset):
        if _EMPTY not in box.attrs:
            raise ValueError(f"bbox is an array of shape {box.shape}, not a struct")
        return np.empty(0)
    dataset = box[name]
    if _EMPTY in dataset.attrs or dataset.shape is None:
        return np.empty(0)
    values = _array(dataset, _MOST_DIGITS).ravel()
    if h5py.check_ref_dtype(dataset.dtype) is None:
        return values.astype(np.float64)
    return np.array([_array(file[reference], 1).item() for reference in values], np.float64)


def _array(dataset: Any, most: int) -> np.ndarray:
    """Return the numbers of an HDF5 array.

    Raises:
        ValueError: its header claims more than `most` numbers; h5py would allocate them all.
    """
    if dataset.size > most or dataset.dtype.itemsize > _LARGEST_NUMBER:
        raise ValueError(f"{dataset.size:,} numbers ({dataset.dtype}), more than {most:,}")
    values: np.ndarray = dataset[()]
    return values


def _numbers(names: list[str], fields: _Fields, origin: str) -> Numbers:
    """Return the checked fields as flat arrays."""
    if not names:
        raise UsageError(f"{origin} has no pictures: use the published file")
    blame = _Blame(names, origin)
    number = _picture_numbers(names, blame)
    sizes = np.array([len(labels) for labels in fields["label"]])
    for field, column in fields.items():
        wrong = np.array([len(values) for values in column]) != sizes
        blame.entries(wrong, f"has a different number of {field} and label values")
    values = {field: np.concatenate(column) for field, column in fields.items()}
    labels, owner = values["label"], np.repeat(np.arange(len(names)), sizes)
    wrong = ~np.isin(labels, np.arange(1, _TEN + 1))
    if wrong.any():
        label = labels[wrong][0]
        fault = f"has the label {label:g}, not one of 1 to 10 (10 is the digit 0)"
        remedy = "write 10 for 0, as the published files do" if label == 0 else _PUBLISHED
        blame.entries(_marked(owner[wrong], names), fault, remedy)
    boxes = np.stack([values[field] for field in ("left", "top", "width", "height")], 1)
    wrong = ~np.isfinite(boxes).all(1)
    blame.entries(_marked(owner[wrong], names), "has a box that is not finite")
    first = np.concatenate([[0], sizes.cumsum()])
    return Numbers(number, first, (labels % _TEN).astype(np.int8), boxes)


def _picture_numbers(names: list[str], blame: _Blame) -> np.ndarray:
    matches = [_NAME.fullmatch(name) for name in names]
    blame.entries(np.array([not match for match in matches], bool), "is not named NUMBER.png")
    number = np.array([int(match[1]) for match in matches if match], np.int32)
    again = np.ones(len(number), bool)
    again[np.unique(number, return_index=True)[1]] = False
    blame.entries(again, "occurs twice")
    return number


def _marked(entries: np.ndarray, names: list[str]) -> np.ndarray:
    marks = np.zeros(len(names), bool)
    marks[entries] = True
    return marks


@dataclass(frozen=True)
class _Blame:
    names: list[str]
    origin: str

    def entries(self, wrong: np.ndarray, fault: str, remedy: str = _PUBLISHED) -> None:
        """Raise a UsageError that names the first entry that is `wrong`, bool [N], if any."""
        if wrong.any():
            entry = int(wrong.argmax())
            name = self.names[entry][:_LONGEST_NAME]
            raise UsageError(f"{self.origin}: entry {entry + 1} ({name!r}) {fault}: {remedy}")
