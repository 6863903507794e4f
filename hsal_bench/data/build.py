"""Building a dataset file from a recipe: parallel, resumable and atomic.

The work is split into jobs of about two thousand examples. A job generates, hashes and compresses
its examples and saves them next to the target, so that an interrupted build resumes. At the end the
main process joins the saved jobs into the HDF5 file. Nothing else travels between processes, so
memory does not grow with the number of examples.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np

from hsal_bench.data.deflate import compressed
from hsal_bench.data.generator import Maker, Recipe, Rows
from hsal_bench.data.manifest import (
    check_replaceable,
    mark_as_shard,
    shard_path,
    write_manifest,
)
from hsal_bench.data.schema import (
    HASH_ROWS,
    PAD,
    SPLITS,
    Header,
    Layout,
    content_sha256,
    run_digests,
)
from hsal_bench.data.writer import Part, Parts, file_writer
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.files import writable_folder

JOB_ROWS = 4 * HASH_ROWS

Run = Callable[[Recipe, Parts, Sequence[Rows]], Generator[Rows, None, None]]
"""Runs jobs somewhere; yields each once its part is saved."""


def build_file(
    recipe: Recipe,
    path: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    is_done: Callable[[], bool] = lambda: False,
    run: Run | None = None,
    shards: int | None = None,
) -> Path:
    """Build the dataset `path` from `recipe` and return its path.

    Waits for another process that builds `path`. If `is_done`, called afterwards, returns True,
    nothing is left to build. `run`: where jobs run; by default in `workers` processes of this
    machine. `shards`: make `path` a folder with that many files; by default it is one file.

    The content does not depend on where jobs run. `progress` is called with (examples
    finished, examples in total), first with those of an earlier build. An existing file stays
    until the new one is complete; after an error the same call resumes.

    Raises:
        UsageError: the folder cannot be written to, the header is one that no reader accepts,
            there are too few images for the shards, or `path` is a folder with other files.
        BusyError: another process is building this file, and this one may not wait.
        HsalBenchError: the recipe fails.
        OSError: the system's own error (ENOSPC: the disk is full).
    """
    _check(recipe, path, shards)
    writable_folder(path.parent)
    run = run or on_this_machine(workers)
    jobs = split_jobs(recipe.layout)
    total = sum(recipe.layout.sizes.values())
    with Parts.open(recipe, path) as parts:
        if is_done():
            parts.remove()
            return path
        present = parts.intact()
        pending = [job for job in jobs if job.name not in present]
        done = total - sum(map(len, pending))
        report = progress or (lambda done, total: None)
        report(done, total)
        with closing(run(recipe, parts, pending)) as finished:
            for job in finished:
                done += len(job)
                report(done, total)
        if done < total:
            raise HsalBenchError(
                f"{path}: the recipe stopped after {done} of {total} examples (kept): run the same "
                "command to resume"
            )
        _join(recipe, jobs, parts, shards)
        parts.publish(path)
        parts.remove()
    return path


def _check(recipe: Recipe, path: Path, shards: int | None) -> None:
    try:
        Header.from_attributes({**recipe.header.attributes(), "content_sha256": "0" * 64})
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path} cannot be built: {error}") from error
    check_replaceable(path)
    train = recipe.layout.sizes["train"]
    most = max(1, train // JOB_ROWS)
    if shards is not None and shards > most:
        raise UsageError(
            f"--shards {shards}: a shard of {path.stem} holds at least {JOB_ROWS:,} images of its "
            f"{train:,} for training, so use at most {most}"
        )


def split_jobs(layout: Layout) -> list[Rows]:
    """Return the jobs of a dataset, in the order of the file."""
    return [
        Rows(split, start, min(start + JOB_ROWS, layout.sizes[split]))
        for split in SPLITS
        for start in range(0, layout.sizes[split], JOB_ROWS)
    ]


def make_part(layout: Layout, maker: Maker, job: Rows) -> Part:
    """Return the part of the file that a job generates. This runs in a worker process.

    `chunks`: the compressed chunks of images, concatenated (uint8); `chunk_bytes`: their lengths.
    `sha256-NAME`: the digests of each array's runs, uint8 [runs, 32]. The arrays other than images
    are uncompressed, by their names.
    """
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in layout.arrays()}
    digests: dict[str, list[bytes]] = {name: [] for name in layout.arrays()}
    chunks: list[bytes] = []
    for start in range(job.start, job.stop, HASH_ROWS):
        run = maker.make(job.split, start, min(start + HASH_ROWS, job.stop))
        for name, array in run.items():
            digests[name] += run_digests(array)
            arrays[name].append(array)
        # HDF5 allows no chunk larger than its array.
        chunk_rows = min(layout.chunk_rows, layout.sizes[job.split])
        chunks += _deflate(arrays["images"].pop(), chunk_rows)
    part = {name: np.concatenate(runs) for name, runs in arrays.items() if runs}
    part["chunks"] = np.frombuffer(b"".join(chunks), np.uint8)
    part["chunk_bytes"] = np.array([len(chunk) for chunk in chunks])
    for name, runs in digests.items():
        part[f"sha256-{name}"] = np.frombuffer(b"".join(runs), np.uint8).reshape(-1, 32)
    return part


def _deflate(images: np.ndarray, rows: int) -> Iterator[bytes]:
    for start in range(0, len(images), rows):
        chunk = np.ascontiguousarray(images[start : start + rows])
        missing = (rows - len(chunk)) * images[0].nbytes
        yield compressed([chunk.data, bytes(missing)])


def on_this_machine(workers: int) -> Run:
    """Return how to run jobs in processes of this machine, which start only for several jobs."""

    def run(recipe: Recipe, parts: Parts, jobs: Sequence[Rows]) -> Generator[Rows, None, None]:
        number = min(workers, len(jobs))
        if number <= 1:
            for job, maker in recipe.makers(jobs):
                yield _save(recipe.layout, maker, job, parts)
            return
        from concurrent.futures.process import BrokenProcessPool

        from joblib import Parallel, delayed

        from hsal_bench.data.workers import worker_processes

        # joblib passes large arrays to workers as shared memory maps, gives each worker its share
        # of the cores for BLAS, and requests only as many makers as keep the workers busy.
        with worker_processes(number):
            parallel = Parallel(return_as="generator")
        try:
            yield from parallel(
                delayed(_save)(recipe.layout, maker, job, parts)
                for job, maker in recipe.makers(jobs)
            )
        except BrokenProcessPool as error:
            raise HsalBenchError(
                "a worker process was killed, perhaps because memory ran out: run the same command "
                "to resume, with fewer workers if it happens again"
            ) from error

    return run


def _save(layout: Layout, maker: Maker, job: Rows, parts: Parts) -> Rows:
    parts.save(job.name, make_part(layout, maker, job))
    return job


def _join(recipe: Recipe, jobs: Sequence[Rows], parts: Parts, shards: int | None) -> None:
    """Join the parts into `parts.joined`: a file, or a folder of shards with their manifest."""
    # Imported here: worker processes import this module and do not need HDF5.
    from hsal_bench.data.fingerprints import write_fingerprints

    used: set[int] = set()
    digests: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    hashes: list[str] = []
    if shards is not None:
        parts.joined.mkdir()
    for number, group in enumerate(divide(jobs, shards or 1), 1):
        path = parts.joined if shards is None else shard_path(parts.joined, len(hashes))
        sizes = {split: sum(len(job) for job in group if job.split == split) for split in SPLITS}
        layout = dataclasses.replace(recipe.layout, sizes=sizes)
        with file_writer(layout, path, JOB_ROWS) as writer:
            for job in group:
                writer.add(job.split, parts.load(job.name))
            for name, more in writer.digests.items():
                digests[name] += more
            used |= writer.used
            if number == (shards or 1) and hasattr(recipe, "fingerprints"):
                index = np.array(sorted(used - {PAD}), np.int32)
                write_fingerprints(writer.file, recipe.fingerprints(index))
            hashes.append(writer.content_sha256())
            if shards is not None:
                mark_as_shard(writer.file, f"{number} of {shards}")
            writer.finish(dataclasses.replace(recipe.header, content_sha256=hashes[-1]))
    if shards is not None:
        content = content_sha256(recipe.layout, digests)
        header = dataclasses.replace(recipe.header, content_sha256=content)
        write_manifest(parts.joined, header, hashes)


def divide(jobs: Sequence[Rows], shards: int) -> list[list[Rows]]:
    """Return the jobs of each shard: about the same number of each split, in their order.

    A job that is not full joins the last shard after a full one, if there is one: chunks then have
    the rows that they have in one file.
    """
    groups: list[list[Rows]] = [[] for _ in range(shards)]
    for split in SPLITS:
        own = [job for job in jobs if job.split == split]
        full = sum(len(job) == JOB_ROWS for job in own)
        ends = [full * number // shards for number in range(shards)] + [len(own)]
        for group, (start, stop) in zip(groups, pairwise(ends), strict=True):
            group += own[start:stop]
    return groups
