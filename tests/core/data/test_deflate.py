"""Deflate streams: ISA-L's and zlib's are the same format, and damage is noticed by both."""

import zlib

import pytest

from hsal_bench.data import deflate

CONTENT = bytes(range(256)) * 50 + bytes(10_000)


@pytest.fixture(params=["isal", "zlib"])
def library(request, monkeypatch):
    """Both ways of packing and unpacking."""
    if request.param == "zlib":
        monkeypatch.setattr(deflate, "isal_zlib", None)
    else:
        pytest.importorskip("isal")


@pytest.mark.usefixtures("library")
def test_what_was_packed_is_unpacked_by_any_zlib():
    stream = deflate.compressed([CONTENT[:7_000], memoryview(CONTENT)[7_000:]])
    assert len(stream) < len(CONTENT)
    assert deflate.decompressed(stream, len(CONTENT)) == zlib.decompress(stream) == CONTENT
    assert deflate.decompressed(zlib.compress(CONTENT), len(CONTENT)) == CONTENT


@pytest.mark.usefixtures("library")
def test_damage_is_noticed():
    stream = deflate.compressed([CONTENT])
    for damaged in (stream[:-1] + bytes([stream[-1] ^ 1]), stream[:-9], b"", b"x" + stream):
        with pytest.raises(ValueError, match="damaged deflate stream"):
            deflate.decompressed(damaged, len(CONTENT))
