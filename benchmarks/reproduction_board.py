"""The progress of a plan: finished runs, their cost, and the remaining time."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from reproduction import Item, inputs_of, is_run_of, preparation

from hsal_bench.files import replacing, write_text
from hsal_bench.record.find import CHECKPOINT, find_records
from hsal_bench.record.record import Record, read_record

_PROGRESS = re.compile(r"(.+): (\d+)/(\d+) \(\d+ %\), ([\d,.]+)/s")


@dataclass
class State:
    """The state besides records and checkpoints, by the names of items.

    cpu: seconds of CPU time of all attempts. failed: how the last attempt failed. running: what
    runs, if a queue is working. jobs: runs at a time.
    """

    cpu: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    jobs: int = 1


class Trained(NamedTuple):
    """Finished updates, and the seconds that they took."""

    updates: int = 0
    seconds: float = 0.0


class Board:
    """A plan, and the records of it in the queue's folder and in a folder of records.

    done: records by the items' names. notes: why there is a record that does not count.

    Raises:
        UsageError: a record cannot be read.
    """

    def __init__(
        self, items: Sequence[Item], root: Path, datasets: Path, records: Path | None = None
    ) -> None:
        self.items, self.root, self.datasets, self.records = items, root, datasets, records
        self.preparations = {item.dataset: preparation(item) for item in items}
        kept = root / "state.json"
        self.state = State(**json.loads(kept.read_text())) if kept.exists() else State()
        self.collected: list[Record] = []
        if records and records.exists():
            self.collected = list(find_records([records]).values())
        self.refresh()

    def refresh(self) -> None:
        """Read the records of the queue's folder again."""
        self.done: dict[str, Record] = {}
        self.notes: dict[str, str] = {}
        for dataset, first in self.preparations.items():
            self.done |= {item.name: record for item, record in self._own([first])}
            inputs = inputs_of(self.done[first.name]) if first.name in self.done else None
            self._settle([item for item in self.items if item.dataset == dataset], inputs)

    def missing(self) -> list[Item]:
        """Return the items without a record; failed ones come last."""
        missing = [item for item in self.items if item.name not in self.done]
        return sorted(missing, key=lambda item: item.name in self.state.failed)

    def prepared(self, dataset: str) -> bool:
        """Whether the dataset, its activation model and its activations exist."""
        return self.preparations[dataset].name in self.done

    def collect(self, item: Item) -> str:
        """Copy the item's record to the folder of records; return what is wrong, or ""."""
        if self.records is None or item not in self.items:
            return ""
        source, target = self._record(item), self.records / f"{item.name}.json"
        self.records.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            with replacing(target) as temporary:
                temporary.write_bytes(source.read_bytes())
        same = target.read_bytes() == source.read_bytes()
        return "" if same else f"{target} differs from {source}: remove one of them"

    def trained(self, item: Item) -> Trained:
        """Return the progress of an item, from its record or its checkpoint."""
        if record := self.done.get(item.name):
            return Trained(record.updates or 0, record.wall_s or 0.0)
        return checkpointed(item.folder(self.root) / CHECKPOINT)

    def progress(self, item: Item) -> str:
        """Return the progress of an item or a preparation in words."""
        if item not in self.items:
            return "" if item.name in self.done else self.preparing(item.dataset)[0]
        return f"{self.trained(item).updates:,} of {item.updates:,}"

    def seconds_left(self) -> dict[str, float | None]:
        """Return the seconds that each missing item will take by name; None: nothing is known.

        An update takes what it has taken for the same variant, else the same method, else for all.
        """
        trained = {item.name: self.trained(item) for item in self.items}
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for item in self.items:
            for kind in {item.variant, item.method, ""}:
                sums[kind][0] += trained[item.name].seconds
                sums[kind][1] += trained[item.name].updates
        paces = {kind: seconds / updates for kind, (seconds, updates) in sums.items() if updates}
        left: dict[str, float | None] = {}
        for item in self.missing():
            pace = next((paces[k] for k in (item.variant, item.method, "") if k in paces), None)
            updates = item.updates - trained[item.name].updates
            left[item.name] = None if pace is None else updates * pace
        return left

    def preparing(self, dataset: str) -> tuple[str, float | None]:
        """Return the progress of a preparation in words, and the seconds of its current stage."""
        log = self.root / "log" / f"{self.preparations[dataset].name}.log"
        lines = _PROGRESS.findall(log.read_text(errors="replace") if log.exists() else "")
        if not lines:
            return "", None
        stage, done, total, rate = lines[-1][0], *(float(n.replace(",", "")) for n in lines[-1][1:])
        if stage.startswith("fine-tuning"):
            # Of the checkpoint: what came after it is lost, and 0.04/s is 0.0 in a log.
            models = self.datasets.glob(f"activation-models/*/{CHECKPOINT}")
            done, seconds = max(map(checkpointed, models), default=Trained(int(done)))
            rate = done / seconds if seconds else 0.0
        return f"{stage}: {done:,.0f} of {total:,.0f}", (total - done) / rate if rate else None

    def write_state(self) -> None:
        """Write the state to the queue's folder."""
        write_text(self.root / "state.json", json.dumps(vars(self.state), indent=1))

    def _settle(self, items: Sequence[Item], inputs: tuple[str, str | None] | None) -> None:
        """Find the items' records: those on the given inputs, else on those that most have."""
        found = self._own(items)
        found += [(i, record) for i in items for record in self.collected if is_run_of(record, i)]
        if not inputs and found:
            inputs = Counter(inputs_of(record) for _, record in found).most_common(1)[0][0]
        for item, record in found:
            dataset, _ = theirs = inputs_of(record)
            if theirs == inputs:
                self.done.setdefault(item.name, record)
            else:
                other = "activation model" if inputs and dataset == inputs[0] else "dataset content"
                self.notes[item.name] = f"there is a record, on another {other}"

    def _own(self, items: Sequence[Item]) -> list[tuple[Item, Record]]:
        paths = [(item, self._record(item)) for item in items]
        records = [(item, read_record(path)) for item, path in paths if path.exists()]
        return [(item, record) for item, record in records if is_run_of(record, item)]

    def _record(self, item: Item) -> Path:
        return item.folder(self.root) / "record.json"


def checkpointed(path: Path) -> Trained:
    """Return the progress of a checkpoint; zero if it is missing or unreadable."""
    try:
        # Mapped: of a large network's checkpoint hardly anything is read.
        run = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["run"]
        return Trained(run["update"], run["seconds"])
    except Exception:  # torch.load has no error of its own; `hsal-bench run` reports the file
        return Trained()
