"""The paper's experiments as a plan of runs, in order of value, and which of them are done.

A run is done when there is a record of it: same data set, method, settings, preset, updates and
seed, status "ok". Records travel in one archive, under the names they have in leaderboard/records.
"""

from __future__ import annotations

import dataclasses
import io
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from hsal_bench import comparison
from hsal_bench.errors import UsageError
from hsal_bench.files import replacing, writable_folder
from hsal_bench.presets import PRESETS
from hsal_bench.record import Record, read_record

HSAL, BASELINE = "hsal-rl", "cross-entropy"
MULTISET, SET = "mnist-multiset", "mnist-set"
PICTURE = "--attention.png"
LARGEST = 16 * 2**20
"""Bytes a member of an archive may have; a record has about 40,000, a picture 200,000."""

_MEMBER = re.compile(rf"\w[\w.+=,-]*--\w[\w.+=,-]*--\w+--seed-\d+(\.json|{re.escape(PICTURE)})")


@dataclass(frozen=True)
class Item:
    """One run of the plan.

    settings: "KEY=VALUE KEY=VALUE", as a record holds them. updates: None for the preset's.
    """

    part: int
    data_set: str
    method: str
    seed: int
    settings: str = ""
    updates: int | None = None
    preset: str = "paper"

    @property
    def label(self) -> str:
        """The method with its settings, as its folder is named."""
        return "+".join([self.method, *sorted(self.settings.split())])

    @property
    def budget(self) -> int:
        """The number of updates."""
        return self.updates or PRESETS[self.preset].train.updates

    @property
    def name(self) -> str:
        """The name of its record, without a suffix."""
        return _name(self.data_set, self.label, self.preset, self.budget, self.seed)

    def folder(self, work: Path) -> Path:
        """Where its results are, below the folder `work`."""
        return self.out(work) / self.data_set / self.label / self.preset / f"seed-{self.seed}"

    def out(self, work: Path) -> Path:
        """Its run's --out: runs that differ in nothing but their length need one each."""
        return work / f"runs-{self.budget}"


GRID = (
    (HSAL, "location_reward=no"),
    (HSAL, "class_loss=expected-reward"),
    (HSAL, "class_loss=expected-reward location_reward=no"),
    (HSAL, "class_loss=log-marginal"),
    (HSAL, "class_loss=log-marginal location_reward=no"),
    (HSAL, "class_loss=multiset"),
    (HSAL, "class_loss=multiset location_reward=no"),
    (BASELINE, "location_reward=yes"),
    (BASELINE, "teacher_forcing=yes"),
    (BASELINE, "location_reward=yes teacher_forcing=yes"),
)
"""What classes are trained on, with and without the location reward. HSAL-RL (REINFORCE with it)
and the baseline (own samples fed back, without it) are the two of these that part 1 has."""

OTHERS = (
    "count-classifier",
    "multiset-loss",
    "query-transformer",
    "rl",
    "log-marginal",
    "cnn-rnn",
    "order-search",
    "slot-attention",
    "distribution-matching",
    "idspn",
    "one-step-matching",
    "count-regression",
)
"""The field's methods; HSAL with the multiset loss is in the grid."""

PLAN = (
    *(Item(1, data, method, 0) for data, method in product((MULTISET, SET), (HSAL, BASELINE))),
    *(
        Item(1, data, method, seed)
        for seed, data, method in product((1, 2, 3, 4), (MULTISET, SET), (HSAL, BASELINE))
    ),
    *(
        Item(2, MULTISET, method, seed, settings)
        for seed, (method, settings) in product((0, 1, 2), GRID)
    ),
    Item(3, MULTISET, HSAL, 0, "trajectories=1"),
    Item(3, MULTISET, HSAL, 0, "reset_controller=yes"),
    Item(3, MULTISET, HSAL, 0, "return_to_go=yes"),
    Item(3, MULTISET, HSAL, 0, updates=37_500),
    *(Item(4, MULTISET, method, seed) for seed, method in product((0, 1, 2), OTHERS)),
)
"""1: the paper's Table 1. 2: what of the method it is that helps. 3: other readings, and longer.
4: the field's other methods."""

TOY_UPDATES = 4


def toy(item: Item) -> Item:
    """Return the item on images of drawn digits, small and short enough for a CPU."""
    return dataclasses.replace(
        item,
        data_set=item.data_set.replace("mnist", "synthetic"),
        preset="quick",
        updates=TOY_UPDATES * item.budget // PRESETS["paper"].train.updates,
    )


SCALES = {"paper": PLAN, "toy": tuple(map(toy, PLAN))}


def name_of(record: Record) -> str:
    """Return the name under which a record is kept, without a suffix."""
    label, updates = comparison.label(record), record.budget["updates"]
    return _name(record.data_set.name, label, str(record.preset), updates, record.seed)


def by_item(records: Iterable[Record], plan: Sequence[Item]) -> dict[str, Record]:
    """Return the record of each item that has one, by the item's name; the first of several.

    Evaluations on a data set that a method was not trained on are no item's.
    """
    wanted = {item.name for item in plan}
    found: dict[str, Record] = {}
    for record in records:
        name = name_of(record)
        if record.status == "ok" and record.trained_on is None and name in wanted:
            found.setdefault(name, record)
    return found


def finished(plan: Sequence[Item], work: Path) -> dict[str, bytes]:
    """Return what the runs below `work` have to carry off, by the names of an archive's members.

    Every finished item's record, and one attention picture per method and its settings.
    """
    members: dict[str, bytes] = {}
    pictured: set[str] = set()
    for item in plan:
        path = item.folder(work) / "record.json"
        if path.exists() and by_item([read_record(path)], [item]):
            members[f"{item.name}.json"] = path.read_bytes()
            picture = path.with_name("attention.png")
            if picture.exists() and item.label not in pictured:
                pictured.add(item.label)
                members[f"{item.name}{PICTURE}"] = picture.read_bytes()
    return members


def pack(path: Path, members: Mapping[str, bytes]) -> None:
    """Add `members` to the archive `path`, which is replaced at once or not at all.

    What is in it already stays as it is; a method that has a picture gets no second one.
    """
    there = unpack(path) if path.exists() else {}
    pictured = {_method(name) for name in there if name.endswith(PICTURE)}
    new = {
        name: data
        for name, data in members.items()
        if not (name.endswith(PICTURE) and _method(name) in pictured)
    }
    everything = new | there
    if everything == there:
        return
    with replacing(path) as temporary, tarfile.open(temporary, "w:gz") as archive:
        for name, data in sorted(everything.items()):
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))


def unpack(path: Path) -> dict[str, bytes]:
    """Return the members of an archive by name, after a look at what they claim to be.

    Raises:
        UsageError: no such archive, a damaged one, a member that `pack` would not have written.
    """
    try:
        with tarfile.open(path, "r:gz") as archive:
            return {member.name: _content(archive, member, path) for member in archive}
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise UsageError(
            f"{path} cannot be read ({error}): name a records.tar.gz, or remove it"
        ) from error


def records_in(path: Path) -> dict[str, Record]:
    """Return the records in an archive by the names of their members; {} if there is none.

    Raises:
        UsageError: as `unpack`; a member that is no record, or that of another run.
    """
    members = unpack(path) if path.exists() else {}
    records = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, data in members.items():
            if name.endswith(".json"):
                file = Path(folder) / name
                file.write_bytes(data)
                records[name] = read_record(file)
                if name != f"{name_of(records[name])}.json":
                    raise UsageError(f"{path}: {name} is the record of {name_of(records[name])}")
    return records


def collect(path: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Write the records of an archive into `folder`; return (names written, names kept).

    A file that is there with another content is kept: it may be committed.

    Raises:
        UsageError: as `records_in`; there is no such archive. Nothing has been written then.
    """
    members, names = unpack(path), sorted(records_in(path))
    writable_folder(folder)
    written, kept = [], []
    for name in names:
        target = folder / name
        if not target.exists():
            with replacing(target) as temporary:
                temporary.write_bytes(members[name])
            written.append(name)
        elif target.read_bytes() != members[name]:
            kept.append(name)
    return written, kept


def _name(data_set: str, label: str, preset: str, updates: int, seed: int) -> str:
    usual = preset in PRESETS and PRESETS[preset].train.updates == updates
    length = "" if usual else f"+updates={updates}"
    return f"{data_set}--{label}{length}--{preset}--seed-{seed}"


def _method(name: str) -> str:
    return name.split("--")[1]


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bytes:
    content = archive.extractfile(member) if member.isreg() else None
    if content is None or not _MEMBER.fullmatch(member.name) or member.size > LARGEST:
        raise UsageError(
            f"{path} holds {member.name!r}, which is neither a record nor a picture of one: "
            "it is not an archive that reproduce.py wrote"
        )
    return content.read()
