"""The places that `--on` names, and their options, are checked before any work."""

import pytest

from hsal_bench.cluster import places
from hsal_bench.errors import UsageError


@pytest.mark.parametrize("where", ["local:2", "dask", "dask://host:8786", "dask://[::1]:8786"])
def test_places(where):
    places.check_place(where, {})


@pytest.mark.parametrize(
    "where", ["", "local", "local:0", "dask:", "dask://", "dask://host", "dask://:8786x", "here"]
)
def test_other_places_are_refused(where):
    with pytest.raises(UsageError, match="write local:N, slurm, dask or dask://HOST:PORT"):
        places.check_place(where, {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--on slurm needs a time limit per job, such as --slurm time=2:00:00"),
        ({"time": "2h"}, "--slurm time=2h: write hours:minutes:seconds, such as 2:00:00"),
        (
            {"time": "5", "cpus_per_task": "two"},
            "--slurm cpus-per-task=two: it must be a whole number",
        ),
    ],
)
def test_options_of_slurm(options, message):
    with pytest.raises(UsageError) as caught:
        places.check_place("slurm", options)
    assert str(caught.value) == message
    places.check_place("slurm", {"time": "5", "cpus-per-task": "2"})


def test_options_of_slurm_for_another_place():
    with pytest.raises(UsageError, match="--slurm applies to --on slurm, not to --on dask"):
        places.check_place("dask", {"time": "5"})
