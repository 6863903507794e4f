"""Where a run is made: its libraries, and this project's checkout and nobody else's."""

import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest

import hsal_bench
from hsal_bench.files import PACKAGE
from hsal_bench.record import environment as surroundings
from hsal_bench.record.environment import git_state, utc_now


def test_environment_and_time(ok):
    environment = surroundings.environment()
    assert environment.numpy == np.__version__
    assert ok(environment=environment, started=utc_now()).started.endswith("+00:00")


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC 9V74\nprocessor\t: 1\n", "AMD EPYC 9V74"),
        ("processor\t: 0\nCPU implementer\t: 0x41\n", platform.machine()),
        (OSError, platform.machine()),
    ],
)
def test_processor(monkeypatch, cpuinfo, expected):
    def read_text(path):
        assert path == Path("/proc/cpuinfo")
        if cpuinfo is OSError:
            raise OSError
        return cpuinfo

    monkeypatch.setattr(Path, "read_text", read_text)
    assert surroundings.environment().processor == expected


def test_git_state_of_a_checkout(tmp_path, monkeypatch):
    def git(*arguments):
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    module = tmp_path / "hsal_bench" / "surroundings.py"
    module.parent.mkdir()
    module.write_text("")
    monkeypatch.setattr(surroundings, "PACKAGE", module.parent)
    assert git_state() is None
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    module.with_name("results").mkdir()
    module.with_name("results").joinpath("record.json").touch()
    assert git_state().dirty is False
    module.write_text("changed")
    assert git_state().dirty is True
    assert len(git_state().revision) == 40


def test_git_state_of_this_project():
    # PACKAGE is found from a module's place: moved, that module would silently know no checkout.
    assert (PACKAGE / "__init__.py").samefile(hsal_bench.__file__)
    if (PACKAGE.parent / ".git").exists():
        assert len(git_state().revision) == 40


def test_someone_elses_checkout_is_not_ours(tmp_path, monkeypatch):
    subprocess.run(["git", "init", str(tmp_path)], check=True, capture_output=True)
    installed = tmp_path / "site-packages" / "hsal_bench" / "surroundings.py"
    installed.parent.mkdir(parents=True)
    monkeypatch.setattr(surroundings, "PACKAGE", installed.parent)
    assert git_state() is None
