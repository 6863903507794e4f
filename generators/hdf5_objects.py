"""Many small HDF5 objects at once: their headers read as arrays, straight from the file's bytes.

The HDF5 library opens one object at a time, in some 0.1 ms; a MATLAB 7.3 file of structs has an
object for every number in it. The layouts are those of the HDF5 File Format Specification (III.A.1
version 1 B-trees, III.B symbol table nodes, III.D local heaps, IV.A object headers) that files
written for the oldest readers have, as MATLAB writes them. Anything else is an `UnfamiliarError`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DOUBLE, REFERENCE, UINT16, OTHER = range(4)
"""The datatypes that are told apart: little-endian IEEE doubles, references to objects, i.e. the
addresses of their headers, little-endian unsigned 16-bit numbers, and any other."""

_HEAD = 8
_DATATYPES = {
    # Class and version, bit field, size; then the properties, of a double: bit offset, precision,
    # exponent's place and size, mantissa's place and size, bias (Specification IV.A.2.d).
    DOUBLE: b"\x11\x20\x3f\x00\x08\x00\x00\x00\x00\x00\x40\x00\x34\x0b\x00\x34\xff\x03\x00\x00",
    REFERENCE: b"\x17\x00\x00\x00\x08\x00\x00\x00",
    UINT16: b"\x10\x00\x00\x00\x02\x00\x00\x00\x00\x00\x10\x00",
}
"""The whole datatype messages."""
_DATASPACE, _DATATYPE, _LAYOUT, _CONTINUATION, _SYMBOL_TABLE = 0x1, 0x3, 0x8, 0x10, 0x11
_SHARED = 0x2
_NULL = 2
_PREFIX = 8
"""Bytes of a message's kind, size and flags, before its data."""
_MOST_AXES = 4
_MOST_BLOCKS = 16


class UnfamiliarError(Exception):
    """An object has a layout that is not read here; the HDF5 library may know it."""


@dataclass(frozen=True)
class Datasets:
    """Datasets of at most four axes, one after another in memory.

    types: int8 [n], `DOUBLE`, `REFERENCE`, `UINT16` or `OTHER`. sizes: int64 [n], numbers of
    elements. data: int64 [n], where the elements start.
    """

    types: np.ndarray
    sizes: np.ndarray
    data: np.ndarray


class Objects:
    """The objects of an HDF5 file in memory, many at a time; addresses are int64 [n].

    Every method raises `UnfamiliarError` for an address outside the file or another layout.
    """

    def __init__(self, content: bytes, base: int) -> None:
        """`base`: where the HDF5 file starts in `content` (MATLAB puts 512 bytes of text first)."""
        self.content = np.frombuffer(content, "u1", offset=base)

    def raw(self, at: np.ndarray, size: int) -> np.ndarray:
        """Return the `size` bytes from each address on, uint8 [n, size]."""
        if len(at) and (at.min() < 0 or at.max() > len(self.content) - size):
            raise UnfamiliarError("an address outside the file")
        return self.content[at[:, None] + np.arange(size)]

    def numbers(self, at: np.ndarray, kind: str) -> np.ndarray:
        """Return the numbers of NumPy type `kind` at the addresses, [n]."""
        return self.raw(at, np.dtype(kind).itemsize).view(kind)[:, 0]

    def addresses(self, at: np.ndarray) -> np.ndarray:
        """Return the addresses that are kept at the addresses, [n]."""
        return self.numbers(at, "<u8").astype(np.int64)

    def datasets(self, at: np.ndarray) -> Datasets:
        """Return what the datasets with headers at the addresses are."""
        space, kind, layout = self._messages(at, (_DATASPACE, _DATATYPE, _LAYOUT))
        return Datasets(self._types(kind), self._sizes(space), self._data(layout))

    def links(self, at: np.ndarray, names: tuple[str, ...]) -> list[np.ndarray]:
        """Return where the members `names` of groups lie, addresses [n] for each name.

        `names` are sorted; a group has these members and no others.
        """
        (table,) = self._messages(at, (_SYMBOL_TABLE,))
        tree, heap = self.addresses(table), self.addresses(table + 8)
        self._expect(tree, b"TREE\x00\x00\x01\x00")  # a tree of groups, a leaf, one child
        self._expect(heap, b"HEAP")
        node, text = self.addresses(tree + 32), self.addresses(heap + 24)
        self._expect(node, b"SNOD\x01\x00" + len(names).to_bytes(2, "little"))
        entries = [node + 8 + 40 * index for index in range(len(names))]
        for name, entry in zip(names, entries, strict=True):
            self._expect(text + self.addresses(entry), name.encode() + b"\0")
        return [self.addresses(entry + 8) for entry in entries]

    def _expect(self, at: np.ndarray, expected: bytes) -> None:
        if (self.raw(at, len(expected)) != np.frombuffer(expected, "u1")).any():
            raise UnfamiliarError(f"not {expected!r}")

    def _types(self, kind: np.ndarray) -> np.ndarray:
        types, heads = np.full(len(kind), OTHER, np.int8), self.raw(kind, _HEAD)
        for code, message in _DATATYPES.items():
            expected = np.frombuffer(message, "u1")
            (alike,) = np.nonzero((heads == expected[:_HEAD]).all(1))
            same = (self.raw(kind[alike], len(expected)) == expected).all(1)
            types[alike[same]] = code
        return types

    def _sizes(self, space: np.ndarray) -> np.ndarray:
        version, rank = self.numbers(space, "u1"), self.numbers(space + 1, "u1")
        null = (version == 2) & (self.numbers(space + 3, "u1") == _NULL)
        if null.any() or not (np.isin(version, (1, 2)) & (rank <= _MOST_AXES)).all():
            raise UnfamiliarError("a dataset without elements or of many axes")
        dimensions = space + np.where(version == 1, 8, 4)
        sizes = np.ones(len(space), np.int64)
        for axis in range(_MOST_AXES):
            has = rank > axis
            sides = self.addresses(dimensions[has] + 8 * axis)
            # Side by side, before and after: a product of larger ones would not fit in 64 bits.
            self._check_sizes(sides)
            sizes[has] *= sides
            self._check_sizes(sizes)
        return sizes

    def _check_sizes(self, sizes: np.ndarray) -> None:
        if len(sizes) and not 0 <= sizes.min() <= sizes.max() <= len(self.content):
            raise UnfamiliarError("a dataset larger than the file")

    def _data(self, layout: np.ndarray) -> np.ndarray:
        version, kind = self.numbers(layout, "u1"), self.numbers(layout + 1, "u1")
        if (version != 3).any() or (kind > 1).any():
            raise UnfamiliarError("a dataset in chunks")
        return np.where(kind == 0, layout + 4, self.addresses(layout + 2))

    def _messages(self, at: np.ndarray, kinds: tuple[int, ...]) -> np.ndarray:
        """Return where the data of the messages of `kinds` start, [len(kinds), n].

        A header is a chain of blocks: all headers are walked together, message by message.
        """
        self._expect(at, b"\x01")
        found = np.full((len(kinds), len(at)), -1)
        owner, start = np.arange(len(at)), at + 16
        end = start + self.numbers(at + 8, "<u4")
        for _ in range(_MOST_BLOCKS):
            owner, start, end = self._walk(owner, start, end, kinds, found)
            if not len(owner):
                break
        if (found < 0).any():
            raise UnfamiliarError("a header without the messages of its kind")
        return found

    def _walk(
        self,
        owner: np.ndarray,
        at: np.ndarray,
        end: np.ndarray,
        kinds: tuple[int, ...],
        found: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Note the messages of one block of each header; return the blocks they go on in."""
        more: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        while (inside := at + _PREFIX <= end).any():
            owner, at, end = owner[inside], at[inside], end[inside]
            kind, size = self.numbers(at, "<u2"), self.numbers(at + 2, "<u2")
            if (at + _PREFIX + size > end).any():
                raise UnfamiliarError("a message that ends beyond its block")
            own = (self.numbers(at + 4, "u1") & _SHARED) == 0
            for row, wanted in enumerate(kinds):
                hit = (kind == wanted) & own
                found[row, owner[hit]] = at[hit] + _PREFIX
            on = kind == _CONTINUATION
            block = self.addresses(at[on] + _PREFIX)
            more.append((owner[on], block, block + self.addresses(at[on] + _PREFIX + 8)))
            at = at + _PREFIX + size
        if not more:
            return owner[:0], at[:0], end[:0]
        owners, starts, ends = (np.concatenate(parts) for parts in zip(*more, strict=True))
        if len(owners) > found.shape[1]:
            raise UnfamiliarError("a header that goes on in several blocks at once")
        return owners, starts, ends
