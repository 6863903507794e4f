"""Ctrl-C and SIGTERM: held back while a step runs, so that its result can be kept and resumed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def terminate_like_ctrl_c() -> None:
    """Have SIGTERM, which schedulers send, raise KeyboardInterrupt as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block ends; a second signal stops it at once.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if held:
            raise KeyboardInterrupt
        held.append(number)

    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    active = {number: old for number, old in handlers.items() if old is not signal.SIG_IGN}
    for number in active:
        signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in active.items():
            signal.signal(number, handler)
        if held:
            raise KeyboardInterrupt
