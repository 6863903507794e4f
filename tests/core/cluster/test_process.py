"""A worker process of `--on local:N`."""

import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from hsal_bench.cluster import local
from hsal_bench.cluster.jobs import Job
from hsal_bench.errors import HsalBenchError

LONG = 20.0


class SlowToRead:
    """A request that a worker needs two seconds to read, as if it imported a large library."""

    def __reduce__(self):
        return time.sleep, (2,)


def wait_for(path):
    end = time.monotonic() + LONG
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return path.exists()


def meeting(folder, number):
    """Return a job that does not end, when it is interrupted, before another one is, too."""
    other = folder / f"interrupted-{1 - number}"

    def work(_):  # by value in the other process, which cannot import this module
        end = time.monotonic() + LONG
        (folder / f"begun-{number}").touch()
        try:
            time.sleep(LONG)
        except KeyboardInterrupt:
            (folder / f"interrupted-{number}").touch()
            while not other.exists() and time.monotonic() < end:
                time.sleep(0.05)
            return other.exists()

    return Job(work, None, f"job {number}")


def test_a_process_that_dies_at_its_start_is_replaced_at_the_next_attempt(monkeypatch):
    process = local.Process(0, background=False)
    monkeypatch.setattr(local, "_begin", abs)  # fails: it takes one argument
    with pytest.raises(BrokenProcessPool):
        process.run(Job(len, "ab", "title"))
    monkeypatch.setattr(local, "_begin", max)
    assert process.run(Job(len, "ab", "title")) == 2
    process.stop()


@pytest.mark.slow
def test_a_job_that_a_process_is_still_reading_is_stopped():
    place = local.Local(1)
    job = Job(lambda _: time.sleep(LONG), SlowToRead(), "title")
    try:
        (result,) = place.start(Job(len, "ab", "preparation"), [job])
        time.sleep(0.5)
    finally:
        place.stop()
    assert isinstance(result.exception(0), KeyboardInterrupt)


@pytest.mark.slow
def test_all_jobs_are_stopped_at_the_same_time(tmp_path):
    place = local.Local(2)
    try:
        results = place.start(None, [meeting(tmp_path, number) for number in (0, 1)])
        assert wait_for(tmp_path / "begun-0") and wait_for(tmp_path / "begun-1")
    finally:
        place.stop()
    assert [result.result(0) for result in results] == [True, True]


def test_no_job_starts_after_the_stop():
    process = local.Process(0, background=False)
    process.stop()
    with pytest.raises(HsalBenchError, match="stopped before it began"):
        process.run(Job(len, "ab", "title"))
