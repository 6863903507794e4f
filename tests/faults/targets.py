"""The kinds of files that are damaged, and the commands that read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import worlds
from worlds import DATASET, RUN_FOLDER


@dataclass(frozen=True)
class Target:
    """A kind of file: where it is, in which world, and what is done before a command reads it.

    removed: patterns of results to compute again; `half`: patterns removed in half of the trials.
    """

    pattern: str
    commands: Sequence[str]
    world: str = "done"
    removed: Sequence[str] = ()
    half: Sequence[str] = ()


COMMANDS = {
    "run": worlds.ELSEWHERE,
    "generate": (*worlds.GENERATE, "1"),
    "from-idx": worlds.FROM_IDX,
    "verify": ("verify", DATASET),
    "card": ("card", DATASET),
    "preview": ("preview", DATASET, "-o", "sheet.png"),
    "table": ("table", "runs", "--format", "csv"),
    "leaderboard": ("leaderboard", "runs", "-o", "page.html"),
    "compare": ("compare", str(RUN_FOLDER), str(RUN_FOLDER), "--dataset", DATASET),
    "check-submission": ("check-submission", "submission.zip"),
}
_RECORDS, _STATES = ("runs/**/record.json",), ("runs/**/checkpoint.pt", "runs/**/best.pt")
IDX_DATASET = "data/idx-multiset.h5"
TARGETS = {
    "dataset": Target(
        DATASET, ("run", "verify", "card", "preview", "check-submission"), "done", _RECORDS, _STATES
    ),
    "single-object dataset": Target(
        "data/synthetic-single.h5", ("run",), "done", (*_RECORDS, "data/activation-models/*/*")
    ),
    "IDX source": Target("*-ubyte", ("from-idx",), "done", (IDX_DATASET,)),
    "activations": Target("data/activations/*/*.npy", ("run",), "done", _RECORDS, _STATES),
    "digests of activations": Target(
        "data/activations/*/*[!yk]", ("run",), "done", _RECORDS, _STATES
    ),
    "model.pt": Target(
        "data/activation-models/*/model.pt",
        ("run",),
        "done",
        (*_RECORDS, "data/activations/*/*"),
        _STATES,
    ),
    "model.json": Target(
        "data/activation-models/*/model.json",
        ("run",),
        "done",
        (*_RECORDS, "data/activations/*/*"),
        _STATES,
    ),
    "checkpoint.pt": Target(f"{RUN_FOLDER}/checkpoint.pt", ("run",), "done", _RECORDS),
    "checkpoint.pt, training": Target(f"{RUN_FOLDER}/checkpoint.pt", ("run",), "early", _RECORDS),
    "best.pt": Target(f"{RUN_FOLDER}/best.pt", ("run",), "done", _RECORDS),
    "evaluation.pt": Target("runs/**/evaluation.pt", ("run",), "evaluating", _RECORDS),
    "record.json": Target("runs/**/record.json", ("table", "leaderboard", "run", "compare")),
    "metrics.jsonl": Target(f"{RUN_FOLDER}/metrics.jsonl", ("run", "table"), "done", _RECORDS),
    "predictions.jsonl": Target(f"{RUN_FOLDER}/predictions.jsonl", ("compare", "table")),
    "per_class.csv": Target(f"{RUN_FOLDER}/per_class.csv", ("run", "table", "leaderboard")),
    "submission": Target("submission.zip", ("check-submission",)),
    "parts of generate": Target("data/.*.parts/*.*", ("generate",), "building"),
    "parts of activations": Target("data/activations/*/*.npy.*", ("run",), "embedding"),
}
