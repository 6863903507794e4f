"""How the checks of `verify` and `check-method` are told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from hsal_bench.errors import HsalBenchError

if TYPE_CHECKING:
    from hsal_bench.checking import Check

_MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}
_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}


def tell(kind: str, name: str, checks: Sequence[Check], *, as_json: bool) -> None:
    """Print the checks of a thing of some kind ("file", "method"), and what they come to.

    Raises:
        HsalBenchError: one failed.
    """
    from hsal_bench.checking import FAILED, summary

    told = f"{name}: {summary(checks)}"
    failed = any(check.outcome == FAILED for check in checks)
    if as_json:
        found = [dataclasses.asdict(check) for check in checks]
        click.echo(json.dumps({kind: name, "passed": not failed, "checks": found}, indent=2))
    else:
        for check in _together(checks):
            mark = click.style(f"{_MARKS[check.outcome]:7}", fg=_COLOURS[check.outcome])
            click.echo(f"{mark}  {check.name}: {check.detail}")
    if failed:
        raise HsalBenchError(told)
    if not as_json:
        click.echo(told)


def _together(checks: Sequence[Check]) -> Iterator[Check]:
    """Yield the checks, those that follow each other and are skipped for one reason as one."""
    for _, group in groupby(enumerate(checks), _reason):
        same = [check for _, check in group]
        yield dataclasses.replace(same[0], name=", ".join(check.name for check in same))


def _reason(numbered: tuple[int, Check]) -> str | int:
    number, check = numbered
    return check.detail if check.outcome == "skipped" else number
