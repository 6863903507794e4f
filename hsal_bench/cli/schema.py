"""`hsal-bench schema`: the JSON Schema of records, submissions and predictions."""

from __future__ import annotations

import importlib
import json
from typing import Any

import click

TARGETS = {
    "record": "hsal_bench.record.schema:record_schema",
    "submission": "hsal_bench.leaderboard.submissions.schema:submission_schema",
    "predictions": "hsal_bench.record.schema:predictions_schema",
}
"""The function that returns each schema, as `module:function`."""


@click.command()
@click.argument("kind", type=click.Choice(list(TARGETS)))
def schema(kind: str) -> None:
    """Print the JSON Schema of a kind of file.

    Draft 2020-12. For predictions it describes one line of the file.
    """
    click.echo(json.dumps(_schema(kind), indent=1, ensure_ascii=False))


def _schema(kind: str) -> dict[str, Any]:
    module, _, function = TARGETS[kind].partition(":")
    return getattr(importlib.import_module(module), function)()
