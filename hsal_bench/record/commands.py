"""Commands that a message suggests, derived from the command of a record."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from hsal_bench.record.record import Record
from hsal_bench.text import shell_command


def train_again(record: Record) -> str:
    """Return how to train a run again: "train it again: `hsal-bench run ... --restart`"."""
    command = _changed(record.command, ("--restart",), "--restart")
    return f"train it again: {command}" if command else "train it again with restart=True"


def _changed(command: str, dropped: Collection[str], *more: str) -> str:
    """Return a command of `hsal-bench run` without some options, but with others; else ""."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    if words[:2] != ["hsal-bench", "run"]:
        return ""
    kept, value_of_dropped = [], False
    for word in words:
        option = word.startswith("--")
        value_of_dropped = word in dropped or (value_of_dropped and not option)
        if not value_of_dropped and word.partition("=")[0] not in dropped:
            kept.append(word)
    return shell_command(*kept, *more)
