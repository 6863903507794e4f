"""A stand-in for `hsal-bench`: its folders, files, lines and exit codes, without the work.

FAKE_HANGS_AT: the update after which it waits to be stopped. FAKE_FAILS: a part of the labels of
methods that fail.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import click

from hsal_bench.record import Correct, DataSet, Environment, Record, write_record


def record(data_set, method, preset, updates, seed, settings=None, **fields):
    """Return a record of a run as it might have been."""
    values = {
        "status": "ok",
        "metrics": {"exact_match": 1.0, "macro_f1": 0.95},
        "correct": Correct(8, "/w=="),
    }
    return Record(
        **(values | fields),
        method=method,
        config={},
        settings=settings or {},
        preset=preset,
        seed=seed,
        budget={"updates": updates, "batch_size": 64},
        data_set=DataSet(data_set, "ab" * 32, {"test": 8}, f"{data_set}.h5"),
        activation=None,
        updates=updates,
        device="cpu",
        environment=Environment("3.11", "0", "2.8", "2", "3", None, "linux"),
        git=None,
        started="2026-01-01T00:00:00+00:00",
        command="hsal-bench run",
        metrics_version=1,
    )


def run(args):
    settings = dict(text.split("=") for text in args.set)
    label = "+".join([args.model, *sorted(args.set)])
    fails = os.environ.get("FAKE_FAILS")
    if fails and fails in label:
        click.echo("error: it does not work", err=True)
        return 1
    click.echo(f"data set x: {args.dataset}\nactivation model y: 90 %", err=True)
    folder = args.out / args.dataset / label / args.preset / f"seed-{args.seeds}"
    folder.mkdir(parents=True, exist_ok=True)
    curve = folder / "metrics.jsonl"
    begun = len(curve.read_text().splitlines()) if curve.exists() else 0
    click.echo(f"{label} seed 0: {args.updates} updates from {begun}", err=True)
    (folder / "checkpoint.pt").touch()
    for update in range(begun + 1, args.updates + 1):
        with curve.open("a") as file:
            file.write(json.dumps({"update": update}) + "\n")
        if update == int(os.environ.get("FAKE_HANGS_AT", 0)):
            click.echo("hanging")
            time.sleep(60)
    (folder / "attention.png").write_bytes(b"a picture")
    done = record(args.dataset, args.model, args.preset, args.updates, args.seeds, settings)
    write_record(done, folder / "record.json")
    return 0


def main():
    if sys.argv[1] == "generate":
        return 0
    parser = argparse.ArgumentParser()
    for name in ("model", "dataset", "preset", "data-dir", "datasets", "device"):
        parser.add_argument(f"--{name}")
    for name in ("seeds", "updates", "fine-tune-updates"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--out", type=Path)
    try:
        return run(parser.parse_args(sys.argv[2:]))
    except KeyboardInterrupt:
        click.echo("interrupted: told to stop", err=True)
        return 130


if __name__ == "__main__":
    sys.exit(main())
