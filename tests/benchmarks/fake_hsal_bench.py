"""A stand-in for `hsal-bench`: its folders, files, lines and exit codes, without the work.

FAKE_KNOWN: a JSON file of what runs are, so that nothing heavy is imported. FAKE_HANGS_AT: the
update after which a run waits to be stopped. FAKE_FAILS: a part of the models that fail.
FAKE_MODEL: the activation model's hash. A checkpoint is "[updates, seconds]".
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import click

from hsal_bench.record.correct import Correct
from hsal_bench.record.record import Activation, DataSet, Environment, Record, write_record

MODEL, CONTENT = "cd" * 32, "ab" * 32


def record(dataset, seed, run, model=MODEL, content=CONTENT, **fields):
    """Return a record of a run as it might have been; 0.01 s an update."""
    updates = run["budget"]["updates"]
    values = {
        "status": "ok",
        "metrics": {"exact_match": 1.0, "macro_f1": 0.95},
        "correct": Correct(8, "/w=="),
        "seed": seed,
        "data_set": DataSet(dataset, content, {"test": 8}, f"{dataset}.h5"),
        "activation": Activation("small", "from scratch", model, 0.9),
        "wall_s": updates / 100,
        **{name: value for name, value in run.items() if name != "folder"},
    }
    return Record(
        **(values | fields),
        updates=updates,
        device="cpu",
        environment=Environment("3.11", "0", "2.8", "2", "3", None, "linux"),
        git=None,
        started="2026-01-01T00:00:00+00:00",
        command="hsal-bench run",
    )


def run(args):
    click.echo(f"threads {os.environ['OMP_NUM_THREADS']}, nice {os.nice(0)}")
    fails = os.environ.get("FAKE_FAILS")
    if fails and fails in args.model:
        click.echo("error: it does not work")
        return 1
    known = json.loads(Path(os.environ["FAKE_KNOWN"]).read_text())
    kind = known[f"{args.out.name}/{args.model}"]
    folder = args.out / args.dataset / kind["folder"] / args.preset / f"seed-{args.seeds}"
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    begun = json.loads(checkpoint.read_text())[0] if checkpoint.exists() else 0
    click.echo(f"resuming from update {begun}")
    hangs_at = int(os.environ.get("FAKE_HANGS_AT", 0))
    if args.out.name == "runs" and begun < hangs_at:
        checkpoint.write_text(json.dumps([hangs_at, hangs_at / 100]))
        click.echo("hanging")
        time.sleep(60)
    model = os.environ.get("FAKE_MODEL", MODEL)
    write_record(record(args.dataset, args.seeds, kind, model), folder / "record.json")
    return 0


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if sys.argv[1] == "generate":
        return 0
    parser = argparse.ArgumentParser()
    for name in (
        "model",
        "dataset",
        "preset",
        "data-dir",
        "datasets",
        "device",
        "set",
        "activation-model",
    ):
        parser.add_argument(f"--{name}")
    for name in ("seeds", "updates", "eval-every", "fine-tune-updates"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--out", type=Path)
    try:
        return run(parser.parse_args(sys.argv[2:]))
    except KeyboardInterrupt:
        click.echo("interrupted: told to stop")
        return 130


if __name__ == "__main__":
    sys.exit(main())
