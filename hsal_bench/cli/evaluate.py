"""`hsal-bench evaluate`: the scores of a predictions file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsal_bench.cli.common import (
    SUFFIXES,
    as_text,
    data_set_path,
    datasets_option,
    format_of,
    format_option,
    output_option,
    table_file,
    write_output,
)
from hsal_bench.cli.output import SCORES, force_option, output_file
from hsal_bench.data.schema import SPLITS
from hsal_bench.errors import UsageError
from hsal_bench.jsonio import without_nan

if TYPE_CHECKING:
    from hsal_bench.data.file import DataFile
    from hsal_bench.record.predictions import Predictions

_STANDARD_INPUT = Path("-")


@click.command()
@click.argument("predictions", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--dataset", required=True, metavar="NAME|FILE", help="Dataset of the predictions.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(SPLITS),
    help="Split of the predictions.",
)
@datasets_option()
@click.option("--all", "everything", is_flag=True, help="Show every metric, not only the headline.")
@click.option("--json", "as_json", is_flag=True, help="Print every metric as JSON.")
@format_option
@output_option
@force_option
def evaluate(
    predictions: Path,
    dataset: str,
    split: str,
    datasets: Path,
    everything: bool,
    as_json: bool,
    form: str | None,
    output: Path | None,
    force: bool,
) -> None:
    """Score a predictions file.

    PREDICTIONS has one line {"id": 17, "labels": [3, 3, 7]} per image of the split, where id is the
    image's row; "-" reads standard input. Invalid or incomplete files are rejected with exit code
    2; every problem is listed.
    """
    form = _form(form, as_json, output)
    path = data_set_path(dataset, datasets)
    if not path.exists():
        raise UsageError(
            f"no dataset file {path}: build it with "
            f"`hsal-bench generate {dataset} --out {path.parent}`"
        )
    file = _file(output, form, [predictions, path], force=force)
    from hsal_bench.data.content import open_intact
    from hsal_bench.metrics import scores as metrics

    with open_intact(path) as data:
        if not data.layout.sizes[split]:
            raise UsageError(f"{path} has no images in its {split} split: use another --split")
        facts, scores = _facts(predictions, data, split), _scores(predictions, data, split)
    if form == "json":
        write_output(json.dumps({**facts, "metrics": without_nan(scores)}, indent=1) + "\n", file)
    else:
        headline = (*metrics.HEADLINE, "multiset_iou")
        selected = scores if everything else {name: scores[name] for name in headline}
        write_output(_table(selected, form, facts), file)


def _form(form: str | None, as_json: bool, output: Path | None) -> str:
    if not as_json:
        return form or format_of(output)
    if form:
        raise UsageError("--json and --format: use only one of the two")
    if output and output.suffix.lower() in SUFFIXES:
        raise UsageError(
            f"--json and -o {output}: the suffix means {format_of(output)}; use .json, or drop "
            "--json"
        )
    return "json"


def _file(output: Path | None, form: str, inputs: list[Path], *, force: bool) -> Path | None:
    if output is None or form != "json":
        return table_file(output, form, inputs, force=force)
    return output_file(output, {".json": SCORES}, inputs, force=force)


def _predictions(path: Path, size: int, num_classes: int) -> Predictions:
    from hsal_bench.record.predictions import parse_predictions, read_predictions

    if path == _STANDARD_INPUT:
        return parse_predictions(sys.stdin.buffer, "standard input", size, num_classes)
    return read_predictions(path, size, num_classes)


def _scores(path: Path, data: DataFile, split: str) -> dict[str, float]:
    """Return every metric of a predictions file; print its problems, one per line."""
    from hsal_bench.metrics import scores as metrics
    from hsal_bench.record.other_split import refuse_other_split
    from hsal_bench.record.predictions import BadPredictions

    layout = data.layout
    try:
        predicted, _ = _predictions(path, layout.sizes[split], layout.num_classes)
    except BadPredictions as error:
        refuse_other_split(error, layout.sizes, split)
        if len(error.problems) > 1:
            click.echo("\n".join(error.problems), err=True)
            raise UsageError(error.summary) from error
        raise
    return metrics.score(data.read(split, "counts"), predicted, layout.max_objects)


def _facts(path: Path, data: DataFile, split: str) -> dict[str, Any]:
    """Return the names of the predictions and the dataset, as in the JSON output."""
    from hsal_bench.metrics.scores import METRICS_VERSION

    return {
        "predictions": "standard input" if path == _STANDARD_INPUT else str(path),
        "data_set": {"name": data.header.name, "content_sha256": data.header.content_sha256},
        "split": split,
        "images": data.layout.sizes[split],
        "metrics_version": METRICS_VERSION,
    }


def _table(scores: Mapping[str, float], form: str, facts: Mapping[str, Any]) -> str:
    from hsal_bench.report.columns import cell, meaning
    from hsal_bench.report.text_tables import TextTable

    if form == "csv":
        import pandas as pd

        from hsal_bench.report.csv_text import csv_text

        rows = [(name, score, meaning(name)) for name, score in scores.items()]
        return csv_text(pd.DataFrame(rows, columns=["metric", "value", "meaning"]))
    data_set, content = facts["data_set"]["name"], facts["data_set"]["content_sha256"][:8]
    title = (
        f"{Path(facts['predictions']).name} on {data_set}, {facts['images']:,} images of "
        f"{facts['split']} (content {content}, metrics {facts['metrics_version']})"
    )
    texts = tuple((name, cell(name, score), meaning(name)) for name, score in scores.items())
    return as_text([TextTable(title, ("metric", "value", "meaning"), texts)], form)
