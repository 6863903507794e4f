"""Pairwise comparison of two records or predictions files on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from hsal_bench.comparison.grouping import conditions, inequality
from hsal_bench.comparison.paired_test import PairedResult, compare, verdict
from hsal_bench.comparison.sources import Source, read_sources
from hsal_bench.data.content import open_intact
from hsal_bench.data.file import DataFile, open_data
from hsal_bench.errors import UsageError
from hsal_bench.metrics.scores import Counts, correct
from hsal_bench.record.correct import unpack_correct
from hsal_bench.record.find import stated_datasets
from hsal_bench.record.other_split import refuse_other_split
from hsal_bench.record.predictions import BadPredictions, counts_sha256, read_predictions
from hsal_bench.record.record import Record
from hsal_bench.text import shell_command

SPLIT = "test"
"""The split that records are scored on."""


@dataclass(frozen=True)
class SourceOutcome:
    """The images that a source has right, and the predicted counts if available."""

    right: Bool[np.ndarray, " images"]
    counts: Counts | None


@dataclass(frozen=True)
class Comparison:
    """Two sources, the images they have right, and the result of comparing these.

    file: of the dataset, None if it is not available. cautions: caveats, one line each.
    """

    sources: tuple[Source, Source]
    outcomes: tuple[SourceOutcome, SourceOutcome]
    data_set: str
    content: str
    split: str
    file: Path | None
    result: PairedResult
    cautions: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The result in plain words, and its scope: two predictions, not two methods."""
        a, b = self.sources
        text = verdict(self.result, a.name, b.name)
        if all(source.record and source.record.stated is None for source in self.sources):
            return (
                f"For these two trained models, {text}. To compare the methods, train several "
                f"seeds of each and use {self._table}."
            )
        return f"For these two predictions, {text}. This does not compare the methods."

    @property
    def _table(self) -> str:
        """The command for the table of all seeds of the two runs."""
        folders = (
            source.path if source.path.is_dir() else source.path.parent for source in self.sources
        )
        # A run's own folder lies next to those of its other seeds.
        parents = (
            folder.parent if (folder / "record.json").exists() else folder for folder in folders
        )
        return shell_command("hsal-bench", "table", *dict.fromkeys(map(str, parents)))


def compare_sources(
    a: Path, b: Path, named: Path | None, folder: Path, split: str = SPLIT
) -> Comparison:
    """Compare two paths; the dataset file is `named`, or searched for in `folder`.

    Raises:
        UsageError: as `read_sources`, `data_file` and `outcome`.
    """
    two = read_sources(a, b)
    file = data_file(two, named, folder)
    with open_intact(file) if file else nullcontext() as data:
        outcomes = outcome(two[0], data, split), outcome(two[1], data, split)
        truth = data.read(split, "counts") if data else None
        header = data.header if data else None
    of_a, of_b = outcomes
    counts = None if of_a.counts is None or of_b.counts is None else (of_a.counts, of_b.counts)
    records = [source.record.data_set for source in two if source.record]
    return Comparison(
        two,
        outcomes,
        header.name if header else records[0].name,
        header.content_sha256 if header else records[0].content_sha256,
        split,
        file,
        compare(of_a.right, of_b.right, truth, counts),
        (*filter(None, [_left_out(two, outcomes, file)]), *_cautions(two)),
    )


def data_file(two: tuple[Source, Source], named: Path | None, folder: Path) -> Path | None:
    """Return the dataset file of two sources: `named`, else the file in `folder` they need.

    None if no file in `folder` has the content hash of the records: two records can be compared
    without it.

    Raises:
        UsageError: a predictions file needs the dataset and none is named or found; the named
            file does not exist, or its content differs from that of a record.
    """
    records = [source.record for source in two if source.record]
    if named is None:
        return _search(two, records, folder)
    with open_data(named) as data:
        content = data.header.content_sha256
    for record in records:
        if record.data_set.content_sha256 != content:
            raise UsageError(
                f"{named} has the content {content[:8]}, but {record.method} was tested on "
                f"{record.data_set.name} with the content {record.data_set.content_sha256[:8]}: "
                "name that dataset"
            )
    return named


def outcome(source: Source, data: DataFile | None, split: str) -> SourceOutcome:
    """Return which images a source has right.

    Raises:
        UsageError: predictions are incomplete (`BadPredictions`), or differ from the record next
            to them; a record, which is of the test split, with a different `split`.
    """
    record, predictions = source.record, source.predictions
    if record is not None and split != SPLIT:
        raise UsageError(
            f"{source.path} is a record of the {SPLIT} split, not of {split}: "
            f"leave out --split {split}"
        )
    scored = _scored(predictions, data, split) if predictions and data else None
    recorded = None
    if record and record.correct:
        recorded = SourceOutcome(unpack_correct(record.correct), None)
    if record and scored and recorded and not _agree(record, recorded, scored):
        raise UsageError(
            f"{predictions} does not match {source.path}: run the method again, or remove one of "
            "the two files"
        )
    result = scored or recorded
    if result is None:
        raise ValueError(f"{source.path} needs its dataset to be scored")
    return result


def _left_out(
    two: tuple[Source, Source], outcomes: tuple[SourceOutcome, SourceOutcome], file: Path | None
) -> str:
    """Return a line on what is missing from the comparison and its remedy; "" if nothing."""
    record = next((source.record for source in two if source.record), None)
    if record and file is None:
        content = record.data_set.content_sha256[:8]
        return (
            "Left out: macro F1 and kinds of images. They need the dataset file with the content "
            f"{content} ({record.data_set.name}): name it with --dataset, or its folder with "
            "--datasets."
        )
    pairs = zip(two, outcomes, strict=True)
    lacking = [str(source.path) for source, outcome in pairs if outcome.counts is None]
    where = " or ".join(lacking)
    return f"Left out: macro F1. There is no predictions.jsonl next to {where}." if lacking else ""


def _cautions(two: tuple[Source, Source]) -> list[str]:
    """Return lines on different training data and unequal conditions."""
    a, b = (source.record for source in two)
    if a is None or b is None:
        return []
    cautions = []
    trained = [run.trained_on or run.data_set for run in (a, b)]
    if trained[0].content_sha256 != trained[1].content_sha256:
        pair = zip(two, trained, strict=True)
        on = " against ".join(f"{on.name} ({source.name})" for source, on in pair)
        cautions.append(f"Not trained on the same data: {on}")
    given = {
        source.name: conditions(source.record)
        for source in two
        if source.record and source.record.stated is None
    }
    return [*cautions, *filter(None, [inequality(given)])]


def _search(two: tuple[Source, Source], records: Sequence[Record], folder: Path) -> Path | None:
    """Return the dataset file in `folder` of the records; refuse predictions alone without one."""
    if not records:
        raise UsageError(f"{two[0].path} does not name its dataset: give it with --dataset")
    stated = stated_datasets(records[0])
    file = _with_content(records[0], folder) or (stated and _with_content(records[0], stated))
    alone = [source.path for source in two if source.record is None]
    if alone and file is None:
        of = records[0].data_set
        raise UsageError(
            f"{alone[0]} needs its dataset, and no file in {folder} has the content "
            f"{of.content_sha256[:8]} of {of.name}: name it with --dataset, or its folder with "
            "--datasets"
        )
    return file


def _with_content(record: Record, folder: Path) -> Path | None:
    wanted = record.data_set
    likely = folder / wanted.file
    others = sorted(folder.glob("*.h5")) if folder.is_dir() else []
    for path in [likely, *(path for path in others if path != likely)]:
        if path.exists() and _content(path) == wanted.content_sha256:
            return path
    return None


def _content(path: Path) -> str:
    """Return the content hash in a file's header; "" if it is not a dataset."""
    try:
        with open_data(path) as data:
            return data.header.content_sha256
    except UsageError:
        return ""


def _scored(path: Path, data: DataFile, split: str) -> SourceOutcome:
    sizes = data.layout.sizes
    try:
        counts, _ = read_predictions(path, sizes[split], data.layout.num_classes)
    except BadPredictions as error:
        refuse_other_split(error, sizes, split)
        raise
    return SourceOutcome(correct(data.read(split, "counts"), counts), counts)


def _agree(record: Record, recorded: SourceOutcome, scored: SourceOutcome) -> bool:
    if record.predictions_sha256 is not None and scored.counts is not None:
        return record.predictions_sha256 == counts_sha256(scored.counts)
    return np.array_equal(recorded.right, scored.right)
