"""Ctrl-C and SIGTERM, delayed until a step ends, so that its result can be saved and resumed."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def terminate_like_ctrl_c() -> None:
    """Make SIGTERM, which schedulers send, raise KeyboardInterrupt like Ctrl-C.

    Python drops an exception that is raised while it frees an object or forks: a signal that
    arrives there is sent again.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    before = sys.unraisablehook

    def send_again(dropped: sys.UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            threading.Timer(0.01, signal.raise_signal, [signal.SIGTERM]).start()
        else:
            before(dropped)

    sys.unraisablehook = send_again


def ignore_signals() -> None:
    """Ignore SIGINT and SIGTERM from now on: the process is about to end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the block ends; a second signal stops it at once.

    Raises:
        KeyboardInterrupt: a signal arrived.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach only the main thread
        return
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if held:
            raise KeyboardInterrupt
        held.append(number)

    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    # None: a handler that Python did not install and cannot restore.
    active = {n: old for n, old in handlers.items() if old not in (None, signal.SIG_IGN)}
    try:
        _install(dict.fromkeys(active, hold))
        yield
    finally:
        _install(active)
        if held:
            raise KeyboardInterrupt


def _install(handlers: Mapping[signal.Signals, Any]) -> None:
    """Install signal handlers; a signal that arrives meanwhile waits until all are in place."""
    can_block = hasattr(signal, "pthread_sigmask")  # not on Windows
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) if can_block else set()
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    finally:
        if can_block:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
