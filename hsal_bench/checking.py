"""The outcome of a check, as `verify`, `check-method` and `check-submission` report it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

PASSED: Final = "passed"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"

WARNING: Final = "WARNING"
"""Starts the detail of a check that passes with a warning."""

LISTED: Final = 20
"""Problems that are listed one by one."""


class Failed(Exception):  # noqa: N818 - an outcome, not an error of the program
    """Raised by a check that fails, with the reason."""


class Skipped(Exception):  # noqa: N818 - as above
    """Raised by a check that does not apply, with the reason."""


@dataclass(frozen=True)
class Check:
    """A check and its outcome. detail: the observation, or why it was skipped."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str


def listed(problems: Sequence[str]) -> tuple[str, ...]:
    """Return the first `LISTED` problems, and "and 3 more" in place of the others."""
    more = [f"and {len(problems) - LISTED:,} more"] if len(problems) > LISTED else []
    return (*problems[:LISTED], *more)


def summary(checks: Sequence[Check]) -> str:
    """Return a line about all checks, such as "10 checks passed, 2 skipped: counts, recipe".

    A check that passes with a detail that starts with `WARNING` is named too.
    """
    failed, skipped = _names(checks, FAILED), _names(checks, SKIPPED)
    if failed:
        return f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}"
    passed = f"{len(checks) - len(skipped)} checks passed"
    if warned := [check.name for check in checks if check.detail.startswith(WARNING)]:
        passed += f", {len(warned)} with a warning: {', '.join(warned)}"
    return f"{passed}, {len(skipped)} skipped: {', '.join(skipped)}" if skipped else passed


def _names(checks: Sequence[Check], outcome: str) -> list[str]:
    return [check.name for check in checks if check.outcome == outcome]
