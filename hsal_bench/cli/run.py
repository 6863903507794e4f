"""`hsal-bench run`: train, evaluate, write the records and the metric table."""

from __future__ import annotations

import shlex
import sys
from typing import Any, get_args

import click

from hsal_bench.cli.datasets import FOLDER, datasets_option
from hsal_bench.training.presets import Precision


@click.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Method: a name of `hsal-bench list`, or path/to/file.py:ClassName; NAME+KEY=VALUE+... "
    "for a variant, 'all' for every name. Several with commas.",
)
@click.option(
    "--dataset",
    default="mnist-multiset",
    show_default=True,
    metavar="NAME|FILE",
    help="Data set: a file, or a name; what is not in --datasets is built there.",
)
@click.option(
    "--eval-on",
    "eval_on",
    metavar="NAME|FILE,...",
    help="Data sets to evaluate on as well, without training: their test splits. 'all': those that "
    "vary the one trained on.",
)
@click.option(
    "--preset", metavar="NAME", help="paper or quick.  [default: paper with a GPU, else quick]"
)
@click.option(
    "--seeds", default="0", show_default=True, metavar="0,1,2|0-4", help="Seeds, one run each."
)
@click.option(
    "--device", metavar="NAME", help="cpu, cuda, cuda:1.  [default: a GPU where there is one]"
)
@click.option("--out", default="runs", show_default=True, type=FOLDER, help="Where results go.")
@datasets_option("Where built data sets, activation models and activations are kept.")
@click.option(
    "--data-dir",
    default="data",
    show_default=True,
    type=FOLDER,
    help="Where the glyph sources are (MNIST's files), or are downloaded to.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A field of the methods' config; METHOD:KEY=VALUE for one of several methods.",
)
@click.option(
    "--updates", type=click.IntRange(min=1), help="Gradient updates, instead of the preset's."
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="Examples per update, instead of the preset's."
)
@click.option("--eval-every", type=click.IntRange(min=1), help="Updates between validations.")
@click.option(
    "--fine-tune-updates",
    type=click.IntRange(min=1),
    help="Updates of the activation model, instead of the preset's. With --activation-model "
    "published: which of the published models.",
)
@click.option("--backbone", metavar="NAME", help="Activation model, instead of the preset's.")
@click.option(
    "--input-size",
    type=int,
    metavar="N",
    help="Pixels of the side to which ResNet-34 resizes images, at least 64.  [default: 224]",
)
@click.option(
    "--backbone-weights",
    metavar="FILE",
    help="ResNet-34 state dict or model.pt to start from; 'none' trains from scratch.  "
    "[default: ImageNet's]",
)
@click.option(
    "--activation-seed",
    type=click.Choice(["same", "per-seed"]),
    default="same",
    show_default=True,
    help="Seed of the activation model: 0 for all runs, or each run's own seed (a model each).",
)
@click.option(
    "--activation-model",
    metavar="published|FILE",
    help="Use this activation model instead of fine-tuning one: the published one, or a model.pt "
    "with its model.json next to it.",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="Arithmetic of the activation model, instead of the preset's.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads of a CPU: 1 is fastest on a busy machine.  [default: one per core]",
)
@click.option("--restart", is_flag=True, help="Begin anew, discarding checkpoints and records.")
@click.option("--json", "as_json", is_flag=True, help="Print the metric table as JSON.")
def run(
    models: tuple[str, ...],
    seeds: str,
    settings: tuple[str, ...],
    eval_on: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train and evaluate methods; write records and tables.

    What is missing (the data set, the activation model, the activations) is made first. Interrupted
    at any moment, the same command goes on from the last checkpoint.
    """
    from hsal_bench.options import assignments
    from hsal_bench.runs import request as requests

    request = requests.Request(
        models=requests.models(models),
        eval_on=requests.data_sets(eval_on),
        seeds=requests.seeds(seeds),
        settings=assignments(settings),
        command=shlex.join(["hsal-bench", *sys.argv[1:]]),
        **options,
    )
    requests.check_names(request)
    # Only now: they import torch, which takes seconds.
    from hsal_bench.runs import run as work
    from hsal_bench.runs.artifacts import report

    records = work.run(request)
    report(records, request.out, as_json=as_json)
    if any(record.status == "failed" for record in records):
        sys.exit(1)
