"""The trials: damage a file, kill a command, or start it several times; then judge the end."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import damage
import numpy as np
import process
import worlds
from process import Ended
from targets import COMMANDS, IDX_DATASET, TARGETS
from worlds import DATASET, Worlds

SKIPPED = "skipped"
"""No trial: the file did not change."""
OUTCOMES = (
    "identical",
    "recomputed",
    "other identity",
    "refused with one line",
    "raw error",
    "silently wrong",
    "lost",
)
IDENTICAL, RECOMPUTED, OTHER, REFUSED, RAW, WRONG, LOST = OUTCOMES
ANOTHER, OLDER = "another run's", "an older version"
FAILURES = (RAW, WRONG, LOST)
KINDS_OF_KILLS = ("SIGKILL", "SIGTERM", "SIGINT")
CHECKS = ("verify", "check-submission")
"""Commands that list what is wrong instead of stopping at the first error."""


@dataclass(frozen=True)
class Result:
    """What was tried (row: its line in the table), how it ended, and the last output."""

    row: str
    label: str
    outcome: str
    ended: Ended
    notes: tuple[str, ...] = ()


def damaged(of: Worlds, folder: Path, rng: np.random.Generator, only: str = "") -> Result:
    """Damage one file, then run a command that reads it. only: the kind of file, and of damage."""
    kind, _, how = only.partition(": ")
    kind = kind or str(rng.choice(list(TARGETS)))
    target = TARGETS[kind]
    command = str(rng.choice(list(target.commands)))
    world = getattr(of, target.world)
    worlds.copy(world, folder)
    files = sorted(path for path in folder.glob(target.pattern) if path.is_file())
    if not (files := [file for file in files if file.name not in ("lock", "output")]):
        raise RuntimeError(f"no file of the kind {kind!r}: {target.pattern} in {world}")
    file = files[rng.integers(len(files))]
    if command in ("run", "from-idx", "generate"):
        removed = [*target.removed, *(target.half if rng.random() < 0.5 else ())]
        for path in {path for pattern in removed for path in folder.glob(pattern)} - {file}:
            path.unlink()
    ways, before = damage.of_file(file), file.read_bytes()
    if file.name == "record.json":
        ways.pop("missing")  # nothing says that there was one
    how = how or str(rng.choice([*ways, *_replacements(folder, file)]))
    if how in ways:
        ways[how](file, rng)
    else:
        _replace(of, folder, file, how)
    if file.is_file() and os.access(file, os.R_OK) and file.read_bytes() == before:
        return Result(kind, f"{kind}: {how} changed nothing", SKIPPED, Ended(0, "", 0))
    ended = process.call(folder, *COMMANDS[command])
    for path in folder.rglob("*"):
        if path.is_file() and not os.access(path, os.R_OK):
            path.chmod(0o600)
    label = f"{kind} ({file.name}): {how}, then {command}"
    return Result(kind, label, judged(of, folder, ended, command, file, how), ended)


def _replacements(folder: Path, file: Path) -> list[str]:
    """Return the other files that can take a file's place."""
    if file.name in ("record.json", "predictions.jsonl", "submission.zip"):
        return []  # another run's are as good as this one's
    return [ANOTHER, *([OLDER] if file.is_relative_to(folder / "runs") else [])]


def _replace(of: Worlds, folder: Path, file: Path, how: str) -> None:
    within = file.relative_to(folder)
    other = of.building_other if _in_parts(file) else of.other
    sources = [of.early / within] if how == OLDER else other.rglob(file.name)
    if (source := next(iter(sources), None)) and source.is_file():
        shutil.copyfile(source, file)


def _in_parts(file: Path) -> bool:
    return file.parent.suffix == ".parts"


def judged(
    of: Worlds, folder: Path, ended: Ended, command: str, file: Path | None, how: str = ""
) -> str:
    """Return the outcome of a trial that damaged `file` (None: no file)."""
    if ended.code != 0:
        return REFUSED if _refused(ended, command, None if how == ANOTHER else file) else RAW
    named = file is not None and any(
        name in line
        for line in ended.text.splitlines()
        if re.match(r"skipped|warning|note|.*(damaged|again|recomput|intact)", line)
        for name in (file.name, file.parent.name)
    )
    same = RECOMPUTED if named else IDENTICAL
    if command == "run":
        if (after := worlds.numbers(folder)) == of.numbers:
            return same
        whole_other = how == ANOTHER and file is not None and file.suffix == ".h5"
        true = {name: result["data"] for name, result in of.numbers.items()}
        hashes = {name: result["data"] for name, result in after.items()}
        return OTHER if whole_other and hashes != true else WRONG
    if command in ("generate", "from-idx"):
        return _judged_dataset(of, folder, command, same)
    if command == "verify":
        if worlds.contents(folder) == worlds.contents(of.done):
            return same
        return OTHER if how == ANOTHER else WRONG
    if _results(folder, ended) == _reference(of, command):
        return same
    if how == ANOTHER and file is not None and file.suffix == ".h5":
        return OTHER
    return (
        REFUSED
        if re.search(r"^(skipped: |warning: |Left out: )", ended.text, re.MULTILINE)
        else WRONG
    )


def _refused(ended: Ended, command: str, file: Path | None) -> bool:
    if ended.code not in (1, 2) or "Traceback" in ended.text or "--debug shows" in ended.text:
        return False
    if command in CHECKS and not ended.errors:
        return True
    names = (file.name, file.parent.name) if file else ("",)
    return len(ended.errors) == 1 and any(name in ended.errors[0] for name in names)


def _judged_dataset(of: Worlds, folder: Path, command: str, same: str) -> str:
    if command == "generate":
        names = (DATASET, "data/synthetic-single.h5")
        equal = all(worlds.contents(folder, n) == worlds.contents(of.done, n) for n in names)
        return same if equal else WRONG
    if worlds.contents(folder, IDX_DATASET) == worlds.contents(of.done, IDX_DATASET):
        return same
    # A user's own files have no known hash: the dataset must say that it has another content.
    hashed = process.call(folder, "verify", IDX_DATASET, "--remake", "0")
    return OTHER if hashed.code in (0, 1) else WRONG


def _results(folder: Path, ended: Ended) -> tuple[str, list[bytes]]:
    """Return the output of a command and the files that it wrote."""
    files = [folder / "sheet.png", folder / "page.html"]
    return ended.text, [file.read_bytes() for file in files if file.exists()]


_references: dict[str, tuple[str, list[bytes]]] = {}


def _reference(of: Worlds, command: str) -> tuple[str, list[bytes]]:
    if command not in _references:
        folder = worlds.copy(of.done, of.root / f"reference-{os.getpid()}")
        _references[command] = _results(folder, worlds.must(folder, *COMMANDS[command]))
    return _references[command]


@dataclass(frozen=True)
class Stage:
    """A stage of work: what is removed to repeat it, and the sign that it has begun."""

    removed: Sequence[str]
    begun: Callable[[Path], bool]
    arguments: Sequence[str] = worlds.ELSEWHERE


def _exists(pattern: str) -> Callable[[Path], bool]:
    return lambda folder: any(folder.glob(pattern))


def _says(words: str) -> Callable[[Path], bool]:
    return lambda folder: (folder / "output").exists() and words in (folder / "output").read_text()


STAGES = {
    "generate, 1 worker": Stage(["data"], _exists("data/.*.parts"), (*worlds.GENERATE, "1")),
    "generate, 2 workers": Stage(["data"], _exists("data/.*.parts"), (*worlds.GENERATE, "2")),
    "fine-tuning": Stage(
        ["runs", "data/activations", "data/activation-models"], _exists("data/activation-models/*")
    ),
    "activations": Stage(["runs", "data/activations"], _exists("data/activations/*")),
    "training": Stage(["runs"], _exists("runs/*/*/*/*")),
    "evaluation": Stage(["runs/**/record.json"], _says("resuming from")),
    "eval-on": Stage(["runs/**/on"], _says("also evaluating on")),
}


def killed(of: Worlds, folder: Path, rng: np.random.Generator, only: str = "") -> Result:
    """Stop a command one to three times within a stage, then let it end."""
    name = only or str(rng.choice(list(STAGES)))
    stage, number = STAGES[name], signal.Signals[str(rng.choice(KINDS_OF_KILLS))]
    worlds.copy(of.done, folder)
    for path in [path for pattern in stage.removed for path in folder.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    label, notes, children = f"{name}: {number.name}", [], []
    for _ in range(rng.integers(1, 4)):
        (folder / "output").unlink(missing_ok=True)
        child = process.start(folder, *stage.arguments)
        children.append(child)
        while not stage.begun(folder) and _running(child):
            time.sleep(0.002)
        time.sleep(float(rng.exponential(0.15)))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)
        ended = process.wait(child, folder)
        if ended.code not in (0, 130, -number) or "Traceback" in ended.text:
            return Result(name, label, RAW, ended)
    ended = process.call(folder, *stage.arguments)
    if any(process.survivors(child) for child in children):
        notes.append("worker processes survive")
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
    if ended.code != 0:
        return Result(name, label, LOST, ended, tuple(notes))
    if _left_over(of.done, folder):
        notes.append("temporary files are left")
    command = "generate" if name.startswith("generate") else "run"
    return Result(name, label, judged(of, folder, ended, command, None), ended, tuple(notes))


def _running(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _left_over(done: Path, folder: Path) -> list[str]:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return sorted(
        name for name in names if re.search(r"\.(tmp|part|parts|blocks)\b", name)
        and not (done / name).exists()
    )  # fmt: skip


COLD = {
    "run": ["runs"],
    "activations": ["runs", "data/activations"],
    "activation model": ["runs", "data/activations", "data/activation-models"],
}


def together(of: Worlds, folder: Path, rng: np.random.Generator, at_once: int) -> list[Result]:
    """Start a run several times at once; return the outcome of each, and of a last start alone."""
    cold = str(rng.choice(list(COLD)))
    seeds = bool(rng.random() < 0.5)
    row = f"{cold} missing, {'different seeds' if seeds else 'one folder'}"
    worlds.copy(of.done, folder)
    for name in COLD[cold]:
        shutil.rmtree(folder / name)
    command = worlds.RUN if seeds else worlds.ELSEWHERE
    arguments = [
        (*command, "--seeds", str(i % worlds.SEEDS if seeds else 0)) for i in range(at_once)
    ]
    outputs = [f"output-{i}" for i in range(at_once)]
    children = [
        process.start(folder, *a, output=o) for a, o in zip(arguments, outputs, strict=True)
    ]
    ends = [process.wait(c, folder, o) for c, o in zip(children, outputs, strict=True)]
    last = process.call(folder, *command, "--seeds", f"0-{worlds.SEEDS - 1}" if seeds else "0")
    expected = of.seed_numbers if seeds else of.numbers
    after = worlds.numbers(folder)
    equal = all(expected[name] == result for name, result in after.items())
    outcomes = [_of_start(end, equal) for end in ends]
    outcomes.append(LOST if last.code != 0 else IDENTICAL if equal else WRONG)
    return [
        Result(row, f"{row}: {'last' if i == at_once else i}", outcome, end)
        for i, (outcome, end) in enumerate(zip(outcomes, [*ends, last], strict=True))
    ]


def _of_start(ended: Ended, equal: bool) -> str:
    if ended.code != 0:
        return REFUSED if _refused(ended, "run", None) else RAW
    return IDENTICAL if equal else WRONG
