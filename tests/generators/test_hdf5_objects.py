"""Object headers made by hand, as the HDF5 File Format Specification lays them out."""

import struct

import numpy as np
import pytest

from hsal_bench.generators.hdf5_objects import (
    DOUBLE,
    OTHER,
    REFERENCE,
    UINT16,
    Datasets,
    Objects,
    UnfamiliarError,
)

DATATYPES = {
    DOUBLE: bytes.fromhex("11203f0008000000 00004000340b0034ff030000"),
    REFERENCE: bytes.fromhex("1700000008000000"),
    UINT16: bytes.fromhex("1000000002000000 00001000"),
}
SPACE, TYPE, LAYOUT, MORE = 1, 3, 8, 16


def message(kind: int, content: bytes) -> bytes:
    content += bytes(-len(content) % 8)
    return struct.pack("<HHB3x", kind, len(content), 0) + content


def space(*sides: int) -> bytes:
    return message(SPACE, struct.pack(f"<BB6x{len(sides)}Q", 1, len(sides), *sides))


def layout(address: int) -> bytes:
    return message(LAYOUT, struct.pack("<BBQQ", 3, 1, address, 0))


def header(*messages: bytes, cut: int = 0) -> bytes:
    """Return an object header; `cut`: by how many bytes it says to be shorter than it is."""
    block = b"".join(messages)
    return struct.pack("<BxHIII", 1, len(messages), 1, len(block) - cut, 0) + block


def datasets(content: bytes, size: int = 4096) -> Datasets:
    return Objects(content.ljust(size, b"\0"), 0).datasets(np.array([0]))


@pytest.mark.parametrize("kind", DATATYPES)
def test_a_dataset_is_read_from_its_header(kind: int) -> None:
    found = datasets(header(layout(300), message(TYPE, DATATYPES[kind]), space(2, 3)))
    assert [array.tolist() for array in vars(found).values()] == [[kind], [6], [300]]


def test_a_header_goes_on_in_another_block() -> None:
    rest = space(5) + layout(300)
    more = message(MORE, struct.pack("<QQ", 200, len(rest)))
    first = header(message(TYPE, DATATYPES[DOUBLE]), more).ljust(200, b"\0")
    assert datasets(first + rest).sizes.tolist() == [5]
    for cut in (1, len(layout(0)) - 8):
        more = message(MORE, struct.pack("<QQ", 200, len(rest) - cut))
        first = header(message(TYPE, DATATYPES[DOUBLE]), more).ljust(200, b"\0")
        with pytest.raises(UnfamiliarError, match="a message that ends beyond its block"):
            datasets(first + rest)


def test_every_byte_of_a_datatype_counts() -> None:
    for kind, known in DATATYPES.items():
        for at in range(len(known)):
            changed = bytearray(known)
            changed[at] ^= 1
            found = datasets(header(space(1), message(TYPE, bytes(changed)), layout(300)))
            assert found.types.tolist() == [OTHER], (kind, at)


@pytest.mark.parametrize(
    "sides",
    [(2**32, 2**32), (2**22, 2**22, 2**22), (2**20,) * 4, (2**63,), (2**64 - 1,) * 2, (2**30, 0)],
)
def test_sides_whose_product_does_not_fit_are_refused(sides: tuple[int, ...]) -> None:
    content = header(space(*sides), message(TYPE, DATATYPES[DOUBLE]), layout(300))
    with pytest.raises(UnfamiliarError, match="a dataset larger than the file"):
        datasets(content, size=1 << 23)


def test_a_block_that_ends_within_a_message_is_refused() -> None:
    messages = message(TYPE, DATATYPES[DOUBLE]), layout(300), space(2)
    for cut in range(1, 8 + 1):
        with pytest.raises(UnfamiliarError, match="a message that ends beyond its block"):
            datasets(header(*messages, cut=cut))
    # Where not even the message's start is left there is none.
    for cut in range(len(space(2)) - 7, len(space(2)) + 1):
        with pytest.raises(UnfamiliarError, match="without the messages of its kind"):
            datasets(header(*messages, cut=cut))


@pytest.mark.parametrize("address", [-1, 4096, 2**63 - 1, 4096 - 7])
def test_an_address_outside_the_file_is_refused(address: int) -> None:
    with pytest.raises(UnfamiliarError, match="an address outside the file"):
        Objects(bytes(4096), 0).addresses(np.array([0, address]))
