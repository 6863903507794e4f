"""Locks of folders, with real processes."""

from __future__ import annotations

import errno
import os
import platform
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from hsal_bench.data.workers import worker_processes
from hsal_bench.files import replacing
from hsal_bench.locks import BusyError, locked, refusing_to_wait

HOLD = """
    import sys
    from pathlib import Path
    from hsal_bench.locks import locked
    with locked(Path(sys.argv[1]), "working in it"):
        print("locked", flush=True)
        sys.stdin.readline()
"""


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Yield a Python process once it has printed a line; it is killed at the end."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def until(happened: Callable[[], bool]) -> None:
    """Wait until something happens, at most half a minute."""
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_pipe_or_link_in_the_place_of_the_holders_name_is_replaced(tmp_path: Path) -> None:
    holder, mine = tmp_path / "lock.txt", tmp_path / "mine"
    for make in (lambda: os.mkfifo(holder), lambda: holder.symlink_to(mine)):
        mine.write_text("kept")
        make()
        with locked(tmp_path, "working"):
            assert holder.read_text().startswith("working (host ")
        assert mine.read_text() == "kept"


def test_a_pipe_in_the_place_of_the_holders_name_does_not_block(tmp_path: Path) -> None:
    with process(HOLD, tmp_path) as other:
        assert other.stdout and other.stdout.readline()
        (tmp_path / "lock.txt").unlink()
        os.mkfifo(tmp_path / "lock.txt")
        with refusing_to_wait(), pytest.raises(BusyError, match="more"), locked(tmp_path, "more"):
            pass


def test_another_process_is_refused_and_learns_who_works(tmp_path: Path) -> None:
    with process(HOLD, tmp_path) as other:
        assert other.stdout and other.stdout.readline()
        holder = rf"working in it \(host {platform.node()}, process {other.pid}, since 20.*\)"
        with refusing_to_wait(), pytest.raises(BusyError, match=holder), locked(tmp_path, "more"):
            pass


def test_another_process_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with process(HOLD, tmp_path) as other:
        assert other.stdout and other.stdin and other.stdout.readline()
        stdin = other.stdin

        def finish(seconds: float) -> None:
            stdin.close()
            other.wait()

        monkeypatch.setattr(time, "sleep", finish)
        with locked(tmp_path, "more"):
            assert "more" in (tmp_path / "lock.txt").read_text()
    assert f"waiting: another process is working in it (host {platform.node()}, process " in (
        capsys.readouterr().err
    )


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    with process(HOLD, tmp_path) as other:
        assert other.stdout and other.stdout.readline()
        other.kill()
        other.wait()
        with refusing_to_wait(), locked(tmp_path, "more"):
            pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EACCES, errno.EROFS])
def test_work_goes_on_where_locks_are_impossible(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", fail)
    ran = False
    with locked(tmp_path, "working"):
        ran = True
    assert ran
    warning = f"warning: cannot lock {tmp_path} ({os.strerror(number)}): make sure that no other"
    assert warning in capsys.readouterr().err


def test_an_error_of_the_work_is_not_an_error_of_the_lock(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the work"), locked(tmp_path, "working"):
        raise OSError("the work")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_the_temporary_file_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with process("print(1)") as ended:
        ended.wait()
    stale = tmp_path / f".x.json.{ended.pid}@{platform.node()}.tmp"
    alive = tmp_path / f".x.json.{os.getppid()}@{platform.node()}.tmp"
    remote = tmp_path / f".x.json.{ended.pid}@elsewhere.tmp"
    for left in (stale, alive, remote):
        left.touch()
    with replacing(path) as temporary:
        temporary.touch()
    assert sorted(tmp_path.iterdir()) == sorted([path, alive, remote])


def test_workers_end_with_a_killed_parent() -> None:
    code = """
        import os, time
        from joblib import Parallel, delayed
        from hsal_bench.data.workers import worker_processes
        with worker_processes(2):
            print(*Parallel()(delayed(os.getpid)() for _ in range(2)), flush=True)
        time.sleep(60)
    """
    with process(code) as parent:
        assert parent.stdout
        workers = {int(number) for number in parent.stdout.readline().split()}
        assert workers and all(map(is_running, workers))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: not any(map(is_running, workers)))


def is_running(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_workers_give_results_in_order() -> None:
    from joblib import Parallel, delayed

    with worker_processes(2):
        assert Parallel()(delayed(abs)(-number) for number in range(5)) == list(range(5))
