"""A worker process of `--on local:N`."""

from concurrent.futures.process import BrokenProcessPool

import pytest

from hsal_bench.cluster import local
from hsal_bench.cluster.jobs import Job


def test_a_process_that_dies_at_its_start_is_replaced_at_the_next_attempt(monkeypatch):
    process = local.Process(0, background=False)
    monkeypatch.setattr(local, "_begin", abs)  # fails: it takes one argument
    with pytest.raises(BrokenProcessPool):
        process.run(Job(len, "ab", "title"))
    monkeypatch.setattr(local, "_begin", max)
    assert process.run(Job(len, "ab", "title")) == 2
    process.stop()
