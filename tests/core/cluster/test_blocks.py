"""`generate --on`: the same dataset wherever its blocks are generated."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hsal_bench.cluster import blocks, places
from hsal_bench.data import generator
from hsal_bench.data.build import build_file, split_jobs
from hsal_bench.data.file import open_data
from hsal_bench.errors import HsalBenchError

FOLDER = Path("data")


def toy():
    spec = dataclasses.replace(generator.load_generator("toy").defaults, train=4500)
    return generator.load_generator("toy").recipe(spec, FOLDER)


class Inline:
    """A place that runs jobs in this process, those named `failing` without success."""

    def __init__(self, failing=()):
        self.failing, self.titles, self.stopped = failing, [], False

    def start(self, prepare, jobs):
        assert prepare is None
        self.titles += [job.title for job in jobs]
        return [Done(job, job.title in self.failing) for job in jobs]

    def stop(self):
        self.stopped = True


class Done:
    def __init__(self, job, fails):
        self.job, self.fails = job, fails

    def done(self):
        return True

    def result(self):
        if self.fails:
            raise RuntimeError("the node\nis gone")
        return self.job()


@pytest.fixture
def build(tmp_path, monkeypatch, known_generators):
    """Build the toy at a place; return the content hash."""
    monkeypatch.chdir(tmp_path)
    blocks._recipe.cache_clear()

    def build(place=None, recipe=None):
        run = None
        if place is not None:
            monkeypatch.setattr(places, "place", lambda *_: place)
            run = blocks.on_cluster("slurm", {}, FOLDER)
        target = tmp_path / ("x.h5" if place else "alone.h5")
        path = build_file(recipe or toy(), target, run=run)
        with open_data(path) as data:
            return data.header.content_sha256

    return build


def test_jobs_give_the_content_of_one_process(build, tmp_path):
    place = Inline()
    assert build(place) == build()
    assert place.titles == ["train-0000000000", "train-0000004096", "test-0000000000"]
    assert place.stopped
    assert sorted(file.name for file in tmp_path.iterdir()) == ["alone.h5", "x.h5"]


def test_a_lost_job_leaves_the_blocks_of_the_others(build):
    with pytest.raises(HsalBenchError) as caught:
        build(Inline(failing=["train-0000004096"]))
    assert str(caught.value) == (
        "1 of 3 blocks are missing, the first is train-0000004096: the node is gone (the others "
        "are kept: run the same command to resume)"
    )
    again = Inline()
    assert build(again) == build()
    assert again.titles == ["train-0000004096"]


def test_a_job_with_a_different_source_is_reported(build):
    own = dataclasses.replace(toy(), source_sha256="6" * 64)
    with pytest.raises(HsalBenchError, match=r"3 of 3 blocks .*: the source or hsal-bench differs"):
        build(Inline(), own)


def test_a_process_reads_a_source_again_that_has_changed(build, monkeypatch):
    """The workers of a Dask cluster outlive the command."""
    build(Inline())
    changed = dataclasses.replace(toy(), source_sha256="6" * 64)
    monkeypatch.setattr(blocks, "recipe_of", lambda config, data_dir: changed)
    assert build(Inline(), changed) == build(recipe=changed)


def test_a_requeued_job_keeps_its_parts(build, tmp_path, monkeypatch):
    recipe = toy()
    with pytest.raises(HsalBenchError):
        build(Inline(failing=["train-0000004096"]))
    folder = tmp_path / ".x.h5.parts"
    (part,) = folder.glob("train-0000002048.npz")
    before = part.stat().st_mtime_ns
    (folder / "train-0000000000.npz").unlink()
    first = blocks.blocks(split_jobs(recipe.layout))[0]
    block = blocks.Block(json.dumps(recipe.header.config), FOLDER, folder, first)
    blocks.generate_block(block)
    assert part.stat().st_mtime_ns == before
    assert (folder / "train-0000000000.npz").exists()


def test_blocks_hold_every_part_once():
    for number in (1, 2, 5, 255, 256, 257, 5000):
        parts = [generator.Rows("train", start, start + 1) for start in range(number)]
        some = blocks.blocks(parts)
        assert [rows for block in some for rows in block] == parts
        assert len(some) <= blocks.MOST_BLOCKS


SIZES = ["--train", "9000", "--valid", "100", "--test", "100"]


def run(folder, *options):
    words = [sys.executable, "-m", "hsal_bench", "generate", "synthetic-multiset", *SIZES]
    done = subprocess.run(
        [*words, "--out", "data", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done


def command(folder, *options):
    """Generate the dataset in a folder; return its content hash."""
    return run(folder, *options).stdout.partition("content ")[2].strip()


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return command(tmp_path_factory.mktemp("alone"), "--workers", "1")


@pytest.mark.slow
def test_processes_of_this_machine(tmp_path, content):
    assert command(tmp_path, "--on", "local:2") == content


@pytest.mark.slow
def test_dask(tmp_path, content):
    pytest.importorskip("distributed")
    assert command(tmp_path, "--on", "dask") == content
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["synthetic-multiset.h5"]


@pytest.mark.slow
def test_slurm(slurm, tmp_path, content):
    assert command(tmp_path, *slurm) == content
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["synthetic-multiset.h5"]


@pytest.mark.slow
def test_a_killed_command_finds_its_jobs_again(slurm, tmp_path, content):
    words = [sys.executable, "-m", "hsal_bench", "generate", "synthetic-multiset", *SIZES]
    first = subprocess.Popen(
        [*words, "--out", "data", *slurm], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    next(line for line in first.stderr if line.startswith("submitted job"))
    # The numbers of the jobs are written after that line.
    while not list(tmp_path.glob("data/.*.parts/slurm/jobs.json")):
        time.sleep(0.05)
    first.kill()
    first.communicate()
    again = run(tmp_path, *slurm)
    assert again.stdout.strip().endswith(content)
    assert "submitted" not in again.stderr
