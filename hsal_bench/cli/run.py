"""`hsal-bench run`: train and evaluate methods, write records and the metric table."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

import click

from hsal_bench.cli.common import (
    FOLDER,
    cache_option,
    data_dir_option,
    datasets_option,
    no_wait_option,
    slurm_option,
)
from hsal_bench.errors import UsageError
from hsal_bench.training.presets import Precision

if TYPE_CHECKING:
    from hsal_bench.runs.request import Request


_OPTIONS = (
    click.option(
        "--model",
        "models",
        multiple=True,
        required=True,
        metavar="NAME",
        help="Method: a name from `hsal-bench list`, path/to/file.py:ClassName, or 'all'. Append "
        "+KEY=VALUE for other settings. Separate several with commas.",
    ),
    click.option(
        "--dataset",
        default="mnist-multiset",
        show_default=True,
        metavar="NAME|FILE",
        help="Dataset to train on. One that is not in --datasets is built there.",
    ),
    click.option(
        "--eval-on",
        "eval_on",
        metavar="NAME|FILE,...",
        help="Further datasets whose test splits to evaluate on, without training. 'all': the "
        "variations of --dataset.",
    ),
    click.option(
        "--preset", metavar="NAME", help="paper or quick.  [default: paper on a GPU, else quick]"
    ),
    click.option(
        "--seeds", default="0", show_default=True, metavar="0,1,2|0-4", help="Seeds; one run each."
    ),
    click.option(
        "--device", metavar="NAME", help="cpu, cuda or cuda:1.  [default: a GPU if there is one]"
    ),
    click.option(
        "--out", default="runs", show_default=True, type=FOLDER, help="Folder for the results."
    ),
    datasets_option("Folder of datasets, activation models and activations."),
    cache_option,
    data_dir_option,
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set a config field of all methods, or of one: METHOD:KEY=VALUE.",
    ),
    click.option(
        "--updates", type=click.IntRange(min=1), help="Gradient updates.  [default: the preset's]"
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        help="Examples per update.  [default: the preset's]",
    ),
    click.option(
        "--eval-every",
        type=click.IntRange(min=1),
        help="Updates between validations.  [default: the preset's]",
    ),
    click.option(
        "--fine-tune-updates",
        type=click.IntRange(min=1),
        help="Updates of the activation model. With --activation-model published: selects one of "
        "the published models.  [default: the preset's]",
    ),
    click.option(
        "--backbone",
        metavar="NAME",
        help="Network of the activation model.  [default: the preset's]",
    ),
    click.option(
        "--input-size",
        type=int,
        metavar="N",
        help="Side in pixels to which ResNet-34 resizes images, at least 64.  [default: 224]",
    ),
    click.option(
        "--backbone-weights",
        metavar="FILE",
        help="Initial weights of ResNet-34: a state dict or model.pt; 'none' trains from scratch.  "
        "[default: ImageNet's]",
    ),
    click.option(
        "--activation-seed",
        type=click.Choice(["same", "per-seed"]),
        default="same",
        show_default=True,
        help="same: one activation model, of seed 0, for all runs. per-seed: one for each seed.",
    ),
    click.option(
        "--activation-model",
        metavar="published|FILE",
        help="Use this activation model instead of fine-tuning one: the published one, or a "
        "model.pt with model.json next to it.",
    ),
    click.option(
        "--precision",
        type=click.Choice(get_args(Precision)),
        help="Arithmetic of the activation model.  [default: the preset's]",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="CPU threads; 1 is fastest on a busy machine.  [default: one per core]",
    ),
    click.option(
        "--log",
        "loggers",
        multiple=True,
        metavar="tensorboard|wandb",
        help="Also log the training curves there: to the folder of each run, or to Weights & "
        "Biases (offline without a login). Needs the package of that name.",
    ),
    click.option(
        "--tag",
        metavar="[METHOD:]TEXT",
        help="Name a variant of a method, to keep its runs next to those of an earlier version. "
        "METHOD is needed if there are several.",
    ),
    click.option(
        "--restart",
        is_flag=False,
        flag_value="all",
        metavar="[METHOD,...]",
        help="Start over: discard checkpoints and records, of all methods or only of those named.",
    ),
)


def requesting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which runs are meant."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _request(
    models: tuple[str, ...],
    seeds: str,
    settings: tuple[str, ...],
    eval_on: str | None,
    restart: str | None,
    loggers: tuple[str, ...],
    **options: Any,
) -> Request:
    """Return the request of the options, checked without importing a method."""
    from hsal_bench.options import assignments, split_list
    from hsal_bench.runs import callbacks
    from hsal_bench.runs import request as requests

    request = requests.Request(
        callbacks=callbacks.loggers(name for text in loggers for name in split_list(text)),
        models=requests.models(models),
        eval_on=requests.data_sets(eval_on),
        seeds=requests.seeds(seeds),
        settings=assignments(settings),
        restart=requests.restart(restart),
        command=shlex.join(["hsal-bench", *sys.argv[1:]]),
        **options,
    )
    requests.check_request(request)
    return request


@click.command()
@requesting
@no_wait_option
def prepare(no_wait: bool, **options: Any) -> None:
    """Build what runs need, and run nothing.

    Takes the options of `run`. Builds the datasets, activation models and activations that are
    missing.
    """
    request = _request(**options)
    from hsal_bench.locks import refusing_to_wait
    from hsal_bench.runs import run as work

    with refusing_to_wait(no_wait):
        work.prepare(request)


@click.command()
@requesting
@click.option(
    "--on",
    "where",
    metavar="WHERE",
    help="Run elsewhere: local:N (N processes of this machine), slurm, dask or dask://HOST:PORT.",
)
@slurm_option
@click.option("--wait", is_flag=True, help="With --on slurm: wait for the jobs, then print tables.")
@click.option("--dry-run", is_flag=True, help="Print one command per run, and run nothing.")
@no_wait_option
@click.option("--json", "as_json", is_flag=True, help="Print the metric table as JSON.")
def run(
    as_json: bool,
    no_wait: bool,
    where: str | None,
    slurm_options: dict[str, str],
    wait: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Train and evaluate methods.

    Writes a record for each run, and tables. Builds the dataset, the activation model and the
    activations first if they are missing. After an interruption, the same command resumes from the
    last checkpoint.
    """
    from hsal_bench.locks import refusing_to_wait

    if where != "slurm" and (wait or slurm_options):
        raise UsageError(f"{'--wait' if wait else '--slurm'} needs --on slurm")
    if where is not None and no_wait:
        raise UsageError("--no-wait does not apply to --on, whose runs wait for each other")
    request = _request(**options)
    # Here, because they import torch, which takes seconds.
    from hsal_bench.cluster import grid, units
    from hsal_bench.runs import run as work
    from hsal_bench.runs.artifacts import report

    if dry_run:
        for unit in units.units(request):
            click.echo(units.command(unit.request))
        return
    with refusing_to_wait(no_wait):
        if where is None:
            records = work.run(request)
        else:
            follow = wait or where != "slurm"
            if (collected := grid.run(request, where, slurm_options, wait=follow)) is None:
                return
            records = collected
    report(records, request.out, as_json=as_json)
    if failed := sum(record.status == "failed" for record in records):
        click.echo(
            f"{failed} of {len(records)} runs failed: the same command tries them again", err=True
        )
        sys.exit(1)
