"""Signals wait for the end of a step; a second one does not."""

import os
import signal
import threading
import time

import pytest

from hsal_bench.interrupts import SIGNALS, ignore_signals, terminate_like_ctrl_c, uninterrupted


@pytest.fixture(autouse=True)
def _sigint_is_not_ignored():
    """As in a process that a shell started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_for_the_end_of_the_block(number):
    steps = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        _send(number)
        steps.append("finished")
    assert steps == ["finished"]


def test_a_second_signal_stops_the_block():
    steps = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        _send(signal.SIGINT)
        _send(signal.SIGTERM)
        steps.append("finished")
    assert steps == []


def test_the_signal_counts_even_if_the_block_fails():
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        _send(signal.SIGINT)
        raise ValueError


def test_handlers_are_as_before():
    before = [signal.getsignal(number) for number in SIGNALS]
    with uninterrupted(), uninterrupted():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            _send(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_have_no_signals_to_wait_for():
    ended = []

    def work():
        with uninterrupted():
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]


def test_a_signal_that_python_drops_is_sent_again():
    class Freed:
        def __del__(self):
            _send(signal.SIGINT)

    terminate_like_ctrl_c()
    freed = Freed()
    with pytest.raises(KeyboardInterrupt):
        del freed
        time.sleep(5)


def test_a_process_that_is_about_to_end_ignores_signals():
    ignore_signals()
    for number in SIGNALS:
        _send(number)
        assert signal.getsignal(number) is signal.SIG_IGN
