"""`hsal-bench evaluate`: the scores of a predictions file."""

from __future__ import annotations

import json
import shlex
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
    missing_remedy,
    table_file,
    write_output,
)
from hsal_bench.cli.output import RECORD, SCORES, force_option, output_file, unless_standard
from hsal_bench.data.schema import MOST_SEED, SPLITS
from hsal_bench.errors import UsageError
from hsal_bench.jsonio import without_nan
from hsal_bench.text import shown

if TYPE_CHECKING:
    from hsal_bench.data.file import DataFile
    from hsal_bench.record.predictions import Predictions

_STANDARD_INPUT = Path("-")


@click.command()
@click.argument("predictions", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--dataset",
    default="mnist-multiset",
    show_default=True,
    metavar="NAME|FILE",
    help="Dataset of the predictions.",
)
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
@click.option(
    "--as",
    "name",
    metavar="NAME",
    help="Also write a record, with this name of the method, to the folder of --output: table, "
    "leaderboard and compare then show it next to the runs.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, MOST_SEED),
    help="Seed of the training, for the record.  [default: 0]",
)
@format_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    callback=lambda _context, _option, path: unless_standard(path),
    help="Write the scores to this file: .md, .csv, .tex, .json with --json, or .txt with "
    "--format. With --as: the folder of the runs.  [default with --as: runs]",
)
@force_option
def evaluate(
    predictions: Path,
    dataset: str,
    split: str,
    datasets: Path,
    everything: bool,
    as_json: bool,
    name: str | None,
    seed: int | None,
    form: str | None,
    output: Path | None,
    force: bool,
) -> None:
    """Score a predictions file.

    PREDICTIONS has one line {"id": 17, "labels": [3, 3, 7]} per image of the split, where id is the
    image's row; "-" reads standard input. Invalid or incomplete files are rejected with exit code
    2; every problem is listed.
    """
    runs = _runs(name, seed, split, output)
    output = None if runs else output
    form = _form(form, as_json, output)
    path = data_set_path(dataset, datasets)
    if not path.exists():
        raise UsageError(f"no dataset file {path}: {missing_remedy(path, dataset)}")
    file = _file(output, form, [predictions, path], force=force)
    from hsal_bench.data.content import open_intact
    from hsal_bench.metrics import scores as metrics

    with open_intact(path) as data:
        if not data.layout.sizes[split]:
            raise UsageError(f"{path} has no images in its {split} split: use another --split")
        predicted = _checked(predictions, data, split)
        facts, scores = _facts(predictions, data, split), _scores(predicted, data, split)
        if name and runs:
            _write_record(name, seed or 0, data, predicted, scores, runs, force=force)
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


def _checked(path: Path, data: DataFile, split: str) -> Predictions:
    """Return the content of a predictions file; print its problems, one per line."""
    from hsal_bench.record.other_split import refuse_other_split
    from hsal_bench.record.predictions import BadPredictions

    layout = data.layout
    try:
        return _predictions(path, layout.sizes[split], layout.num_classes)
    except BadPredictions as error:
        refuse_other_split(error, layout.sizes, split)
        if len(error.problems) > 1:
            click.echo("\n".join(error.problems), err=True)
            raise UsageError(f"{error.summary} (dataset {data.path})") from error
        raise UsageError(f"{error} (dataset {data.path})") from error


def _scores(predictions: Predictions, data: DataFile, split: str) -> dict[str, float]:
    from hsal_bench.metrics import scores as metrics

    return metrics.score(data.read(split, "counts"), predictions[0], data.layout.max_objects)


def _runs(name: str | None, seed: int | None, split: str, output: Path | None) -> Path | None:
    """Return the folder for the record; None without --as.

    Raises:
        UsageError: options contradict each other, or the name cannot be used.
    """
    if name is None:
        if seed is not None:
            raise UsageError(f"--seed {seed} is for a record: add --as NAME, or drop it")
        return None
    from hsal_bench.record.external_record import check_method_name

    check_method_name(name)
    if split != "test":
        raise UsageError(f"--as records scores of the test split: drop --split {split}, or --as")
    runs = output or Path("runs")
    if runs.suffix.lower() in (*SUFFIXES, ".json", ".txt") or runs.is_file():
        raise UsageError(f"--as writes a record: -o {runs} must be a folder, such as runs")
    return runs


def _write_record(
    name: str,
    seed: int,
    data: DataFile,
    predictions: Predictions,
    scores: Mapping[str, float],
    runs: Path,
    *,
    force: bool,
) -> None:
    """Write the record and, next to it, the predictions."""
    from hsal_bench.metrics.scores import correct
    from hsal_bench.record import external_record as external
    from hsal_bench.record.predictions import counts_sha256, write_predictions
    from hsal_bench.record.record import write_record

    counts, confidence = predictions
    right = correct(data.read("test", "counts"), counts)
    command = shown(shlex.join(["hsal-bench", *sys.argv[1:]]))
    record = external.external_record(
        name, seed, data, scores, right, counts_sha256(counts), command=command
    )
    path = external.record_file(runs, record)
    file = output_file(path, {".json": RECORD}, [data.path], force=force)
    if not force:
        external.refuse_other_predictions(record, file)
    write_predictions(counts, confidence, file.with_name("predictions.jsonl"))
    write_record(record, file)
    click.echo(f"record written: {path}", err=True)


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
