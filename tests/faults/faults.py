"""What happens to results when files are damaged, runs are killed, and many start at once.

    python tests/faults/faults.py --damaged 2000 --kills 200 --starts 100 --out table.md

Each trial changes a small folder, runs a command there to its end, and compares the numbers with
those of an undisturbed folder.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import damage
import h5py
import numpy as np
import worlds
from worlds import Ended

IDENTICAL, REFUSED, RAW, WRONG, LOST = (
    "identical",
    "refused with one line",
    "raw error",
    "silently wrong",
    "lost",
)
OUTCOMES = (IDENTICAL, REFUSED, RAW, WRONG, LOST)
RUN_FOLDER = Path("runs/synthetic-multiset/count-classifier/quick/seed-0")
DATASET = "data/synthetic-multiset.h5"
FILES = {
    # kind of file: pattern, the commands that read it
    "dataset": (DATASET, ("run", "verify", "card", "preview", "evaluate")),
    "single-object dataset": ("data/synthetic-single.h5", ("run", "verify")),
    "activations": ("data/activations/*/*.npy", ("run",)),
    "activation model": ("data/activation-models/*/model.*", ("run",)),
    "checkpoint": (f"{RUN_FOLDER}/checkpoint.pt", ("run",)),
    "best state": (f"{RUN_FOLDER}/best.pt", ("run",)),
    "record": (f"{RUN_FOLDER}/record.json", ("table", "leaderboard", "run")),
    "predictions": (f"{RUN_FOLDER}/predictions.jsonl", ("evaluate", "compare")),
}
COMMANDS = {
    "run": worlds.ELSEWHERE,
    "verify": ("verify", DATASET),
    "card": ("card", DATASET),
    "preview": ("preview", DATASET, "-o", "sheet.png"),
    "evaluate": ("evaluate", f"{RUN_FOLDER}/predictions.jsonl", "--dataset", DATASET, "--json"),
    "compare": (
        "compare",
        f"{RUN_FOLDER}/predictions.jsonl",
        str(RUN_FOLDER),
        "--dataset",
        DATASET,
    ),
    "table": ("table", "runs", "--format", "csv"),
    "leaderboard": ("leaderboard", "runs", "-o", "page.html"),
}


class Worlds:
    """Undisturbed folders to copy, and the numbers that are right."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.done = worlds.finished(root / "done")
        self.other = worlds.fresh(self.done, root / "other")
        shutil.rmtree(self.other / "runs")
        for folder in ("activations", "activation-models"):
            shutil.rmtree(self.other / "data" / folder)
        call(self.other, *worlds.RUN, "--seeds", "0", "--activation-seed", "per-seed", "--set",
             "learning_rate=0.01")  # fmt: skip
        self.numbers = worlds.numbers(self.done)
        scratch = worlds.fresh(self.done, root / "scratch")
        self.results = {
            name: results(scratch, call(scratch, *arguments))
            for name, arguments in COMMANDS.items()
            if name != "run"
        }


def results(folder: Path, ended: Ended) -> tuple[str, list[bytes]]:
    """Return what a command has printed and written."""
    files = [folder / "sheet.png", folder / "page.html"]
    return ended.text, [file.read_bytes() for file in files if file.exists()]


def call(folder: Path, *arguments: str) -> Ended:
    """Run a command that must work."""
    ended = worlds.call(folder, *arguments)
    if ended.code != 0:
        raise RuntimeError(f"{arguments}: {ended.text}")
    return ended


def damaged(of: Worlds, folder: Path, rng: np.random.Generator) -> tuple[str, str, Ended]:
    """Damage one file, run a command that reads it; return what was tried, the outcome, the end."""
    kind = str(rng.choice(list(FILES)))
    pattern, commands = FILES[kind]
    command = str(rng.choice(commands))
    worlds.fresh(of.done, folder)
    if command == "run" and kind != "record":
        for path in folder.rglob("record.json"):
            path.unlink()
    file = Path(rng.choice(sorted(map(str, folder.glob(pattern)))))
    # Another run's record or predictions are as good as this one's.
    others = [] if kind in ("record", "predictions") else sorted(of.other.rglob(file.name))
    how = str(rng.choice(list(damage.KINDS) if others else list(damage.KINDS)[:-1]))
    damage.KINDS[how](file, others[0] if others else file, rng)
    ended = worlds.call(folder, *COMMANDS[command])
    label = f"{kind}: {how}, then {command}"
    return label, judged(of, folder, ended, command), ended


def judged(of: Worlds, folder: Path, ended: Ended, command: str) -> str:
    """Return the outcome of a trial."""
    if ended.is_raw:
        return RAW
    if ended.code != 0:
        return REFUSED
    if command == "run":
        return IDENTICAL if worlds.numbers(folder) == of.numbers else WRONG
    if command == "verify":
        return IDENTICAL if same_arrays(folder / DATASET, of.done / DATASET) else WRONG
    if results(folder, ended) == of.results[command]:
        return IDENTICAL
    return REFUSED if re.search(r"^(skipped|warning): ", ended.text, re.MULTILINE) else WRONG


def same_arrays(a: Path, b: Path) -> bool:
    """Whether two dataset files hold the same arrays."""
    with h5py.File(a) as first, h5py.File(b) as second:
        return all(
            np.array_equal(first[split][name][()], array[()])
            for split, group in second.items()
            for name, array in group.items()
        )


def killed(of: Worlds, folder: Path, rng: np.random.Generator) -> tuple[str, str, Ended]:
    """Stop `generate` or `run` at some moments, then let it end."""
    number = getattr(signal, str(rng.choice(["SIGKILL", "SIGTERM", "SIGINT"])))
    workers = str(rng.choice([1, 2]))
    stage = str(rng.choice(["generate", "fine-tuning", "activations", "training"]))
    if stage == "generate":
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        arguments = [*worlds.GENERATE, workers]
    else:
        worlds.fresh(of.done, folder)
        shutil.rmtree(folder / "runs")
        for name in ("activation-models", "activations")[stage == "activations" :]:
            if stage != "training":
                shutil.rmtree(folder / "data" / name)
        arguments = list(worlds.ELSEWHERE)
    longest = 4.0
    for _ in range(3):
        child = worlds.start(folder, *arguments)
        time.sleep(float(rng.uniform(0, longest)))
        if number == signal.SIGKILL:
            os.killpg(child, number)
        else:
            os.kill(child, number)
        ended = worlds.wait(child, folder)
        if ended.code != -number and ended.is_raw:
            return f"{stage}: {number.name}", RAW, ended
    (folder / "output").unlink()
    ended = worlds.call(folder, *arguments)
    if ended.code != 0:
        return f"{stage}: {number.name}", LOST, ended
    if stage == "generate":
        ended = worlds.call(folder, "verify", DATASET)
        outcome = judged(of, folder, ended, "verify")
    else:
        outcome = judged(of, folder, ended, "run")
    return f"{stage}: {number.name}", outcome, ended


def together(of: Worlds, folder: Path, rng: np.random.Generator) -> list[tuple[str, str, Ended]]:
    """Start the same run four times at once, without activations; return four outcomes."""
    worlds.fresh(of.done, folder)
    cold = str(rng.choice(["activations", "activation model", "run"]))
    shutil.rmtree(folder / "runs")
    if cold != "run":
        shutil.rmtree(folder / "data" / "activations")
    if cold == "activation model":
        shutil.rmtree(folder / "data" / "activation-models")
    children = [worlds.start(folder, *worlds.ELSEWHERE) for _ in range(4)]
    ends = [worlds.wait(child, folder) for child in children]
    last = worlds.call(folder, *worlds.ELSEWHERE)
    return [(f"four at once: {cold} cold", judged(of, folder, end, "run"), end) for end in ends] + [
        (f"after four at once: {cold} cold", judged(of, folder, last, "run"), last)
    ]


def main() -> int:
    """Run the trials that the command line asks for, and print their table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("damaged", "kills", "starts"):
        parser.add_argument(f"--{name}", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the table there as Markdown")
    parser.add_argument("--show", default="raw error,silently wrong,lost", help="outcomes to print")
    args = parser.parse_args()
    import torch

    import hsal_bench.runs.run  # noqa: F401  what the children would import

    torch.set_num_threads(1)
    rng, found = np.random.default_rng(args.seed), Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory() as root:
        of = Worlds(Path(root))
        folder = of.root / "trial"
        for what, number in (("damaged", args.damaged), ("killed", args.kills)):
            for _ in range(number):
                trial = damaged if what == "damaged" else killed
                report(found, args.show, *trial(of, folder, rng))
        for _ in range(-(-args.starts // 4)):
            for outcome in together(of, folder, rng):
                report(found, args.show, *outcome)
    text = table(found)
    print(text, end="")
    if args.out:
        args.out.write_text(text)
    return int(any(outcome in (RAW, WRONG, LOST) for _, outcome in found))


def report(
    found: Counter[tuple[str, str]], show: str, label: str, outcome: str, end: Ended
) -> None:
    """Count an outcome, and print those that are asked for."""
    found[label, outcome] += 1
    if outcome in show.split(","):
        last = (end.text.strip().splitlines() or [""])[-1][:300]
        print(f"{outcome}: {label} (exit {end.code}): {last}", file=sys.stderr, flush=True)


def table(found: Counter[tuple[str, str]]) -> str:
    """Return the counts as a Markdown table, one row per kind of trial."""
    kinds = sorted({label.partition(",")[0] for label, _ in found})
    lines = [
        "| " + " | ".join(["trial", "tried", *OUTCOMES]) + " |",
        "| :-- |" + " --: |" * (len(OUTCOMES) + 1),
    ]
    rows = {
        kind: Counter({o: sum(n for (label, out), n in found.items()
                              if label.partition(",")[0] == kind and out == o) for o in OUTCOMES})
        for kind in kinds
    }  # fmt: skip
    rows["**all**"] = sum(rows.values(), Counter())
    for kind, counts in rows.items():
        cells = [kind, counts.total(), *(counts[outcome] for outcome in OUTCOMES)]
        lines.append("| " + " | ".join(f"{x:,}" if isinstance(x, int) else x for x in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
