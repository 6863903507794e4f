"""Whether an entry's predictions are somebody else's, as far as records tell.

Equal hashes of what was predicted prove it. A record from before there were hashes says which
images it has right: where the entry has others right, its predictions are others; where it has the
same right, they may be the same or not, and nothing can be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hsal_bench.records.record import Record, pack_correct

from .scores import Scored

Seeds = Mapping[int, Scored]
"""What the predictions of an entry come to, by seed."""


def comparable(
    method: str, seeds: Seeds, content: str, known: Mapping[str, Record]
) -> dict[str, Record]:
    """Return the known records that hold predictions of the same images, but for the entry's own.

    They are by their files' names. An entry that is checked again may be among the known.
    """
    return {
        file: record
        for file, record in known.items()
        if record.status == "ok"
        and record.data_set.content_sha256 == content
        and not (record.stated and record.method == method and record.seed in seeds)
    }


def twins(seeds: Seeds) -> Iterator[str]:
    """Yield which seeds of an entry predict what another of its seeds does."""
    first: dict[str, int] = {}
    for seed, scored in seeds.items():
        other = first.setdefault(scored.sha256, seed)
        if other != seed:
            yield f"seed {seed} predicts what seed {other} does, everywhere: hand in one of them"


def copies(seeds: Seeds, others: Mapping[str, Record]) -> Iterator[str]:
    """Yield which seeds of an entry predict what another record's method does."""
    for file, other in others.items():
        for seed, scored in seeds.items():
            if scored.sha256 == other.predictions_sha256:
                yield (
                    f"seed {seed} predicts what {other.method} seed {other.seed} ({file}) "
                    "does, everywhere: an entry has predictions of its own"
                )


def untold(seeds: Seeds, others: Mapping[str, Record]) -> list[str]:
    """Return the files of records of which it cannot be told if the entry is a copy of them."""
    right = [pack_correct(scored.correct) for scored in seeds.values()]
    return [
        file
        for file, other in others.items()
        if other.predictions_sha256 is None and other.correct in right
    ]
