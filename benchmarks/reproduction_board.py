"""The progress of a plan: finished runs, their cost, and the remaining time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from reproduction import Item, inputs_of, is_run_of

from hsal_bench.files import replacing
from hsal_bench.record.find import find_records
from hsal_bench.record.record import Record, read_record
from hsal_bench.training import checkpoint
from hsal_bench.training.checkpoint import Reached


class Board:
    """A plan, and the records of it in the folder of its runs and in a folder of records.

    done: records by the items' names. own: those of them that are in the folder of the runs. notes:
    why there is a record that does not count.

    Raises:
        UsageError: a record cannot be read.
    """

    def __init__(self, items: Sequence[Item], out: Path, records: Path | None = None) -> None:
        self.items, self.out, self.records = items, out, records
        self.collected: list[Record] = []
        if records and records.exists():
            self.collected = list(find_records([records]).values())
        self.refresh()

    def refresh(self) -> None:
        """Read the records of the runs again."""
        self.done: dict[str, Record] = {}
        self.own: set[str] = set()
        self.notes: dict[str, str] = {}
        for inputs in dict.fromkeys(item.inputs for item in self.items):
            self._settle([item for item in self.items if item.inputs == inputs])

    def missing(self) -> list[Item]:
        """Return the items without a record."""
        return [item for item in self.items if item.name not in self.done]

    def problem(self, item: Item) -> str:
        """Return why the run of an item that has ended does not count, or ""."""
        if item.name in self.done:
            return ""
        return self.notes.get(item.name, "failed; the same command tries again")

    def collect(self) -> list[str]:
        """Copy the runs' records to the folder of records; return a line about each problem."""
        if self.records is None:
            return []
        self.records.mkdir(parents=True, exist_ok=True)
        problems = []
        for item in self.items:
            if item.name in self.own:
                source, target = self._record(item), self.records / f"{item.name}.json"
                if not target.exists():
                    with replacing(target) as temporary:
                        temporary.write_bytes(source.read_bytes())
                elif target.read_bytes() != source.read_bytes():
                    problems.append(f"{target} differs from {source}: remove one of them")
        return problems

    def reached(self, item: Item) -> Reached:
        """Return how far an item is, from its record or its checkpoint."""
        if record := self.done.get(item.name):
            return Reached(record.updates or 0, record.wall_s or 0.0)
        return checkpoint.reached(item.folder(self.out))

    def seconds_left(self) -> dict[str, float | None]:
        """Return the seconds that each missing item will take by name; None: nothing is known.

        An update takes what it has taken for the same variant, else the same method, else for all.
        """
        reached = {item.name: self.reached(item) for item in self.items}
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for item in self.items:
            for kind in {item.variant, item.method, ""}:
                sums[kind][0] += reached[item.name].seconds
                sums[kind][1] += reached[item.name].update
        paces = {kind: seconds / updates for kind, (seconds, updates) in sums.items() if updates}
        left: dict[str, float | None] = {}
        for item in self.missing():
            pace = next((paces[k] for k in (item.variant, item.method, "") if k in paces), None)
            updates = item.updates - reached[item.name].update
            left[item.name] = None if pace is None else updates * pace
        return left

    def _settle(self, items: Sequence[Item]) -> None:
        """Find the items' records. All must be on the inputs that most of the runs' records have.

        Without a run, most of the collected records decide.
        """
        own = self._own(items)
        there = [(item, record) for item in items for record in self.collected]
        found = own + [(item, record) for item, record in there if is_run_of(record, item)]
        counts = Counter(inputs_of(record) for _, record in own or found)
        for item, record in found:
            dataset, _ = inputs = inputs_of(record)
            expected, _ = counts.most_common(1)[0]
            if inputs == expected:
                self.done.setdefault(item.name, record)
            else:
                other = "activation model" if dataset == expected[0] else "dataset content"
                self.notes[item.name] = f"there is a record, on another {other}"
        self.own |= {item.name for item, record in own if self.done.get(item.name) is record}

    def _own(self, items: Sequence[Item]) -> list[tuple[Item, Record]]:
        paths = [(item, self._record(item)) for item in items]
        records = [(item, read_record(path)) for item, path in paths if path.exists()]
        return [(item, record) for item, record in records if is_run_of(record, item)]

    def _record(self, item: Item) -> Path:
        return item.folder(self.out) / "record.json"
