"""`hsal-bench generate --on`: blocks of images as jobs of Slurm or Dask.

A job generates a block and saves it in the folder of the unfinished dataset, where a build on one
machine saves its own. The caller writes the dataset file from there.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hsal_bench.cluster import places
from hsal_bench.cluster.jobs import Job, ended
from hsal_bench.data.build import Run, make_part, split_jobs
from hsal_bench.data.generator import Recipe, Rows, recipe_of
from hsal_bench.data.writer import Parts, identity
from hsal_bench.errors import HsalBenchError
from hsal_bench.text import one_line

MOST_BLOCKS = 128
"""Jobs of a dataset. Each starts a process and reads the source, which takes seconds."""
FEWEST_PARTS = 2


@dataclass(frozen=True)
class Block:
    """Consecutive parts of a dataset, which one job generates.

    config: the dataset's, as JSON. data_dir: of its source. folder: of the finished parts.
    """

    config: str
    data_dir: Path
    folder: Path
    parts: tuple[Rows, ...]


def on_cluster(where: str, options: Mapping[str, str], data_dir: Path) -> Run:
    """Return how `build_file` generates on "slurm", "dask" or "dask://HOST:PORT".

    options: those of `sbatch`. All machines must see the same folders.

    Raises, when it generates:
        UsageError: as `places.place`.
        HsalBenchError: at the end, if blocks are missing; the others are kept.
    """

    def run(recipe: Recipe, parts: Parts, pending: Sequence[Rows]) -> Generator[Rows, None, None]:
        wanted = set(pending)
        if not wanted:
            return
        place = places.place(where, parts.folder, options, None)
        try:
            config = json.dumps(recipe.header.config)
            todo = {
                rows[0].name: Block(config, data_dir.absolute(), parts.folder, rows)
                for rows in blocks(split_jobs(recipe.layout))
                if not wanted.isdisjoint(rows)
            }
            jobs = [Job(generate_block, block, title) for title, block in todo.items()]
            problems: list[str] = []
            results = dict(zip(todo, place.start(None, jobs), strict=True))
            for title, result in ended(results):
                problem = "its files are not there: is --out the same folder for all machines?"
                try:
                    result.result()
                except Exception as error:  # of any place; the other blocks continue
                    problem = one_line(str(error)) or type(error).__name__
                new = [rows for rows in todo[title].parts if rows in wanted]
                finished = [rows for rows in new if parts.has(rows.name)]
                yield from finished
                if len(finished) < len(new):
                    problems.append(f"{title}: {problem}")
        finally:
            place.stop()
        if problems:
            raise HsalBenchError(
                f"{len(problems)} of {len(jobs)} blocks are missing, the first is {problems[0]} "
                "(the others are kept: run the same command to resume)"
            )

    return run


def blocks(parts: Sequence[Rows]) -> list[tuple[Rows, ...]]:
    """Return all parts of a dataset in blocks, the same ones when a build resumes."""
    size = max(FEWEST_PARTS, -(-len(parts) // MOST_BLOCKS))
    return [tuple(parts[start : start + size]) for start in range(0, len(parts), size)]


def generate_block(block: Block) -> None:
    """Generate and save the parts of a block that are not there yet. This runs in a job.

    Raises:
        HsalBenchError: this process gives other images than the caller expects.
    """
    recipe = _recipe(block.config, block.data_dir)
    parts = Parts(block.folder, identity(recipe))
    if not parts.expected():  # the source may have changed since this process read it
        _recipe.cache_clear()
        recipe = _recipe(block.config, block.data_dir)
        parts = Parts(block.folder, identity(recipe))
    missing = [rows for rows in block.parts if not parts.has(rows.name)]
    for rows, maker in recipe.makers(missing):
        part = make_part(recipe.layout, maker, rows)
        if not parts.expected():
            raise HsalBenchError("the source or hsal-bench differs there, or the caller has ended")
        parts.save(rows.name, part)


@functools.lru_cache(maxsize=1)
def _recipe(config: str, data_dir: Path) -> Recipe:
    """Return the recipe; a process that does several blocks reads the source once."""
    return recipe_of(json.loads(config), data_dir)
