"""Whether an entry's predictions are somebody else's, as far as records tell.

Equal hashes of what was predicted prove it. A record from before there were hashes says which
images it has right: where the entry has others right, its predictions are others; where it has the
same right, they may be the same or not, and nothing can be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hsal_bench.record import Record


def comparable(entry: Sequence[Record], known: Mapping[str, Record]) -> dict[str, Record]:
    """Return the known records that hold predictions of the same images, but for the entry's own.

    They are by their files' names. An entry that is checked again may be among the known.
    """
    contents = {record.data_set.content_sha256 for record in entry}
    own = {(record.method, record.seed) for record in entry}
    return {
        file: record
        for file, record in known.items()
        if record.status == "ok"
        and record.data_set.content_sha256 in contents
        and not (record.stated and (record.method, record.seed) in own)
    }


def twins(entry: Sequence[Record]) -> Iterator[str]:
    """Yield which seeds of an entry predict what another of its seeds does."""
    first: dict[str | None, int] = {}
    for record in entry:
        other = first.setdefault(record.predictions_sha256, record.seed)
        if other != record.seed:
            yield (
                f"seed {record.seed} predicts what seed {other} does, everywhere: hand in one of "
                "them"
            )


def copies(entry: Sequence[Record], others: Mapping[str, Record]) -> Iterator[str]:
    """Yield which seeds of an entry predict what another record's method does."""
    for file, other in others.items():
        for record in entry:
            if record.predictions_sha256 == other.predictions_sha256:
                yield (
                    f"seed {record.seed} predicts what {other.method} seed {other.seed} ({file}) "
                    "does, everywhere: an entry has predictions of its own"
                )


def untold(entry: Sequence[Record], others: Mapping[str, Record]) -> list[str]:
    """Return the files of records of which it cannot be told if the entry is a copy of them."""
    right = [record.correct for record in entry]
    return [
        file
        for file, other in others.items()
        if other.predictions_sha256 is None and other.correct in right
    ]
