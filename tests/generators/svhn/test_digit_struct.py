import io
from collections.abc import Callable

import h5py
import numpy as np
import pytest

from hsal_bench.errors import UsageError
from hsal_bench.generators.svhn.digit_struct import read_digit_struct

Digits = list[tuple[float, ...]]
"""(label, left, top, width, height) of each digit."""

TWO: list[tuple[str, Digits]] = [
    ("2.png", [(10, -1, 4, 17.5, 22)]),
    ("1.png", [(1, 122, 37, 11, 23), (9, 135, 36, 12, 24)]),
]


def write(
    entries: list[tuple[str, Digits]],
    change: Callable[[h5py.File], None] | None = None,
    **layout: str,
) -> bytes:
    """Return a digitStruct.mat as MATLAB writes it: 512 bytes of text, then HDF5."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512, **layout) as file:
        refs, struct = file.create_group("#refs#"), file.create_group("digitStruct")
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        for column in ("name", "bbox"):
            struct.create_dataset(column, (len(entries), 1), h5py.ref_dtype)
        for entry, (name, digits) in enumerate(entries):
            text = np.frombuffer(name.encode("utf-16-le"), "<u2").reshape(-1, 1)
            struct["name"][entry, 0] = add(refs, f"n{entry}", text, "char").ref
            box = refs.create_group(f"b{entry}")
            box.attrs["MATLAB_class"] = np.bytes_("struct")
            for index, field in enumerate(("label", "left", "top", "width", "height")):
                add_field(refs, box, f"{entry}{field}", [digit[index] for digit in digits])
            struct["bbox"][entry, 0] = box.ref
        if change:
            change(file)
    return b"MATLAB 7.3 MAT-file".ljust(512) + buffer.getvalue()[512:]


def add(group: h5py.Group, name: str, values: np.ndarray, kind: str) -> h5py.Dataset:
    dataset = group.create_dataset(name, data=values)
    dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    dataset.attrs["H5PATH"] = np.bytes_("/#refs#")  # a second attribute splits the header
    return dataset


def add_field(refs: h5py.Group, box: h5py.Group, name: str, values: list[float]) -> None:
    field = name.lstrip("0123456789")
    if len(values) == 1:
        add(box, field, np.array([values], np.float64), "double")
        return
    numbers = [
        add(refs, f"{name}{i}", np.array([[v]], np.float64), "double") for i, v in enumerate(values)
    ]
    box.create_dataset(field, (len(values), 1), h5py.ref_dtype)
    for index, number in enumerate(numbers):
        box[field][index, 0] = number.ref


def test_a_picture_without_digits_is_kept_empty() -> None:
    def empty(file: h5py.File) -> None:
        marked = file["#refs#"].create_dataset("none", data=np.zeros(2, np.uint64))
        marked.attrs["MATLAB_empty"] = np.uint8(1)
        file["digitStruct/bbox"][0, 0] = marked.ref

    numbers = read_digit_struct(write([("3.png", [(1, 2, 3, 4, 5)]), *TWO], empty), "x")
    assert numbers.number.tolist() == [3, 2, 1]
    assert numbers.first.tolist() == [0, 0, 1, 3]
    assert read_digit_struct(write([("4.png", []), *TWO]), "x").first.tolist() == [0, 0, 1, 3]


def test_one_digit_and_two() -> None:
    numbers = read_digit_struct(write(TWO), "x")
    assert numbers.number.tolist() == [2, 1]
    assert numbers.first.tolist() == [0, 1, 3]
    assert numbers.labels.tolist() == [0, 1, 9]
    assert numbers.boxes.tolist() == [[-1, 4, 17.5, 22], [122, 37, 11, 23], [135, 36, 12, 24]]
    assert [array.dtype.str for array in vars(numbers).values()] == ["<i4", "<i8", "|i1", "<f8"]


def many(number: int) -> list[tuple[str, Digits]]:
    rng = np.random.default_rng(0)
    return [
        (f"{index + 1}.png", [(rng.integers(1, 11), *rng.normal(size=4)) for _ in range(digits)])
        for index, digits in enumerate(rng.integers(1, 7, number))
    ]


@pytest.mark.parametrize("layout", [{}, {"libver": "latest"}])
def test_what_was_written_is_read(layout: dict[str, str]) -> None:
    entries = many(30)
    numbers = read_digit_struct(write(entries, **layout), "x")
    digits = [digit for _, of_picture in entries for digit in of_picture]
    assert numbers.number.tolist() == list(range(1, 31))
    assert np.diff(numbers.first).tolist() == [len(of_picture) for _, of_picture in entries]
    assert numbers.labels.tolist() == [digit[0] % 10 for digit in digits]
    assert numbers.boxes.tolist() == [list(digit[1:]) for digit in digits]


def replace(path: str, values: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[path]
        file[path] = values

    return change


def huge(path: str, kind: object, size: int = 10**12) -> Callable[[h5py.File], None]:
    """Claim many numbers, of which none is kept; references to what was there lead to them."""

    def change(file: h5py.File) -> None:
        del file[path]
        large = file.create_dataset(path, (size,), kind, chunks=(1,))
        if path == "#refs#/1label1":
            file["#refs#/b1/label"][1, 0] = large.ref

    return change


def refer_to_a_number(file: h5py.File) -> None:
    number = file["#refs#"].create_dataset("three", data=[[3.0]])
    file["digitStruct/bbox"][0, 0] = number.ref


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            replace("#refs#/b0/label", [[0.0]]),
            "has the label 0, not one of 1 to 10 .*: write 10 for",
        ),
        (
            replace("#refs#/b0/label", [[11.0]]),
            r"entry 1 \('2.png'\) has the label 11, not one .*use",
        ),
        (replace("#refs#/1label1", [[1.5]]), r"entry 2 \('1.png'\) has the label 1.5, not one"),
        (replace("#refs#/b0/label", [[np.nan]]), "has the label nan, not one of 1 to 10"),
        (replace("#refs#/b0/top", [[np.nan]]), r"entry 1 \('2.png'\) has a box that is not finite"),
        (
            replace("#refs#/b0/top", [[1.0, 2.0]]),
            "entry 1 .* has a different number of top and label",
        ),
        (replace("#refs#/b0/width", [["a"]]), "not a digitStruct.mat .*entry 1"),
        (lambda file: file["digitStruct"].pop("bbox"), "not a digitStruct.mat"),
        (lambda file: file.pop("digitStruct"), "not a digitStruct.mat"),
        (lambda file: file["#refs#/b1"].pop("left"), "not a digitStruct.mat .*entry 2"),
        (replace("digitStruct/bbox", [[1.0], [2.0]]), "has no references"),
        (refer_to_a_number, r"entry 1: bbox is an array of shape \(1, 1\), not a struct"),
        (huge("#refs#/b0/top", "<f8"), "entry 1: 1,000,000,000,000 numbers .*, more than 1,000"),
        (huge("#refs#/1label1", "<f8"), "entry 2: 1,000,000,000,000 numbers .*, more than 1\\)"),
        (huge("#refs#/1label1", "S2000000000", 1), "entry 2: 1 numbers .*S2000000000"),
        (huge("#refs#/b0/top", h5py.ref_dtype), "entry 1: 1,000,000,000,000 numbers"),
        (huge("digitStruct/bbox", h5py.ref_dtype), "numbers .*, more than 10,000,000"),
        (huge("digitStruct/name", h5py.ref_dtype), "numbers .*, more than 10,000,000"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[h5py.File], None], message: str) -> None:
    with pytest.raises(UsageError, match=f"(?s)FILE.*{message}"):
        read_digit_struct(write(TWO, change), "FILE")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([TWO[0], ("2.png", TWO[1][1])], r"entry 2 \('2.png'\) occurs twice"),
        ([("2.jpg", TWO[0][1])], r"entry 1 \('2.jpg'\) is not named NUMBER.png"),
        ([("../2.png", TWO[0][1])], "is not named NUMBER.png"),
        ([], "has no pictures"),
    ],
)
def test_odd_entries_are_named(entries: list[tuple[str, Digits]], message: str) -> None:
    with pytest.raises(UsageError, match=f"FILE.*{message}"):
        read_digit_struct(write(entries), "FILE")


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file" * 100, write(TWO)[:3000]])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"FILE is not a digitStruct.mat of SVHN's full numbers"):
        read_digit_struct(content, "FILE")
