"""Progress: lines in a log and bars on a terminal, with the time left, for a run and for all."""

import io
import re

import pytest

from hsal_bench import progress
from hsal_bench.progress import TimeLeft


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until the test moves it."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(TimeLeft.__init__, "__defaults__", (lambda: now[0],))

    def move(seconds):
        now[0] += seconds

    return move


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    """Return a terminal of so many columns, and what its lines were."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()

    def screen(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        return terminal, lambda: [
            re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", line).rstrip()
            for line in re.split(r"[\r\n]", terminal.getvalue())
        ]

    return screen


def test_the_time_left_follows_the_speed_since_the_first_call(clock):
    left = TimeLeft(1000)
    assert left.at(400) == progress.UNKNOWN  # done earlier: says nothing about the speed
    clock(10)
    assert left.at(500) == "0:00:50"
    clock(7_200)
    assert left.at(501) == "9:53:42"
    left.skipped = 99
    assert left.at(600) == "7:55:54"


def test_a_log_has_a_line_now_and_then_and_where_one_is_asked_for(clock):
    log = io.StringIO()
    with progress.progress("toy", 1000, stream=log) as advance:
        advance(100)
        clock(1)
        advance(200, "loss 0.5")
        advance(200, "valid 0.25", True)
        clock(6)
        advance(800)
    assert log.getvalue().splitlines() == [
        "toy: 200/1000 (20 %), ETA 0:00:08, valid 0.25",
        "toy: 800/1000 (80 %), ETA 0:00:02",
    ]


def test_lines_that_are_asked_for_come_once_a_second_with_the_first_and_the_last(clock):
    log = io.StringIO()
    with progress.progress("toy", 20, stream=log) as advance:
        for done in range(0, 21, 2):
            advance(done, "valid", True)
            clock(0.3)
    lines = [int(line.split("/")[0].split()[-1]) for line in log.getvalue().splitlines()]
    assert lines == [0, 8, 16, 20]


def test_the_time_left_is_zero_only_at_the_end(clock):
    left = TimeLeft(100)
    left.at(0)
    clock(0.01)
    assert left.at(99) == "0:00:01"
    assert left.at(100) == "0:00:00"


def test_lines_of_a_grid_have_the_time_left_for_all(clock):
    log = io.StringIO()
    with progress.grid(4, 100, stream=log) as whole:
        whole.next()  # done before
        for _ in range(2):
            with progress.progress("run", 100, stream=log, of_grid=True) as advance:
                advance(0)
                clock(10)
                advance(50, now=True)
            whole.next()
    assert log.getvalue().splitlines() == [
        "run: 50/100 (50 %), ETA 0:00:10; all 4 runs: 37 %, ETA 0:00:50",
        "run: 50/100 (50 %), ETA 0:00:10; all 4 runs: 62 %, ETA 0:00:30",
    ]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_time_left_is_never_cut(screen, clock, columns):
    terminal, lines = screen(columns)
    name, status = "distribution-matching+learning_rate=0.0003 seed 4", "valid exact match 0.123, "
    with progress.grid(15, 18_750, stream=terminal) as whole:
        with progress.progress(name, 18_750, stream=terminal, of_grid=True) as advance:
            advance(0)
            clock(40)
            advance(10, status + "macro F1 0.456")
            clock(1)
            advance(18_000, status + "macro F1 0.456")
            progress._bars.refresh()
        whole.next()
    drawn = [line for line in lines() if "18000/18750" in line]
    assert drawn
    assert all("0:00:02" in line and len(line) <= columns for line in drawn)
    assert any(re.search(r"all 15 runs.* 18000/281250 .*\d:\d\d:\d\d", line) for line in lines())
    assert all(len(line) <= columns for line in lines())


def test_a_work_within_a_grid_shares_its_display(screen):
    terminal, lines = screen(80)
    with progress.grid(2, 10, stream=terminal):
        with progress.progress("fine-tuning", 5, stream=terminal) as advance:
            advance(5, "loss 0.31")
            progress._bars.refresh()
        with progress.progress("run", 10, stream=terminal, of_grid=True) as advance:
            advance(10)
            progress._bars.refresh()
    assert not any("fine-" in line for line in lines()[-3:])
    assert any("fine-tuning" in line and "5/5" in line for line in lines())
    assert any("10/20" in line for line in lines())
    with progress.progress("alone", 10, stream=terminal) as advance:
        advance(10, "loss 0.31")
    assert any("alone" in line and "10/10" in line and "loss 0.31" in line for line in lines())
