"""The plan says what the paper's experiments are; records travel in an archive that is looked at
before it is believed."""

import io
import tarfile

import pytest

from hsal_bench import plan, registry
from hsal_bench.errors import UsageError
from hsal_bench.options import assignments
from hsal_bench.record import DataSet, read_record, write_record

NAME = "mnist-set--hsal-rl--paper--seed-0"


@pytest.fixture
def reproduction(scripts):
    return scripts.reproduction


@pytest.fixture
def record(scripts):
    """Make the record of NAME, with some fields changed."""
    known = {"data_set": "mnist-set", "method": "hsal-rl", "preset": "paper"}
    known |= {"updates": 18_750, "seed": 0}
    return lambda **fields: scripts.fake_hsal_bench.record(**(known | fields))


@pytest.fixture
def archive(tmp_path):
    """Write an archive from members as they are."""

    def write(**members):
        path = tmp_path / "records.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for name, content in members.items():
                about = tarfile.TarInfo(name)
                about.size = len(content)
                tar.addfile(about, io.BytesIO(content))
        return path

    return write


@pytest.fixture
def packed(reproduction, record, tmp_path):
    """An archive that holds one record and its picture."""
    write_record(record(), tmp_path / "one.json")
    path = tmp_path / "records.tar.gz"
    content = (tmp_path / "one.json").read_bytes()
    members = {f"{NAME}.json": content, f"{NAME}{reproduction.PICTURE}": b"a picture"}
    reproduction.pack(path, members)
    assert reproduction.unpack(path) == members
    return path


def entry_of(item):
    return plan.entry(item.method, item.preset, assignments(item.settings.split()))


def test_the_headline_comes_first(reproduction):
    first = [(item.data_set, item.method, item.seed) for item in reproduction.PLAN[:4]]
    both = ("hsal-rl", "cross-entropy")
    assert first == [
        (data, method, 0) for data in ("mnist-multiset", "mnist-set") for method in both
    ]
    table_1 = {
        (item.data_set, item.method, item.seed) for item in reproduction.PLAN if item.part == 1
    }
    assert len(table_1) == 2 * 2 * 5


@pytest.mark.parametrize("scale", ["paper", "toy"])
def test_every_item_has_a_folder_and_a_name_of_its_own(reproduction, scale, tmp_path):
    items = reproduction.SCALES[scale]
    assert len({item.name for item in items}) == len(items) == 20 + 30 + 4 + 36
    assert len({item.folder(tmp_path) for item in items}) == len(items)


def test_an_item_is_called_what_its_run_will_be_called(reproduction):
    for item in {item.label: item for item in reproduction.PLAN}.values():
        entry = entry_of(item)
        assert entry.label == item.label
        assert {f"{key}={value}" for key, value in entry.settings.items()} == {
            *item.settings.split()
        }


def test_the_grid_is_whole_and_nothing_in_it_runs_twice(reproduction):
    runs = [
        (config.class_loss, config.teacher_forcing, config.location_reward, item.seed)
        for item in reproduction.PLAN
        if item.part < 3 and item.data_set == "mnist-multiset" and item.seed < 3
        for config in [entry_of(item).config]
    ]
    losses = ["reinforce", "expected-reward", "log-marginal", "multiset", "cross-entropy"]
    columns = [*((loss, False) for loss in losses), ("cross-entropy", True)]
    assert sorted(runs) == sorted(
        (*column, location, seed)
        for column in columns
        for location in (False, True)
        for seed in range(3)
    )


def test_every_method_is_in_the_plan(reproduction):
    planned = {item.method for item in reproduction.PLAN} | {"hsal-multiset"}
    assert planned == set(registry.names(registry.METHODS))


def test_a_record_counts_for_its_item_alone(reproduction, record):
    (item,) = [item for item in reproduction.PLAN if item.name == NAME]
    good = record()
    assert reproduction.by_item([good, record()], [item]) == {NAME: good}
    for other in (
        record(updates=37_500),
        record(preset="quick"),
        record(seed=1),
        record(data_set="mnist-multiset"),
        record(settings={"trajectories": "1"}),
        record(status="failed", reason="no", metrics={}, correct=None),
        record(trained_on=DataSet("mnist-multiset", "cd" * 32, {"test": 8}, "m.h5"), curve=()),
    ):
        assert reproduction.by_item([other], [item]) == {}


def test_the_order_of_settings_does_not_matter(reproduction, record):
    (item,) = [item for item in reproduction.PLAN if "teacher_forcing=yes" in item.settings][1:2]
    assert len(item.settings.split()) == 2
    settings = dict(reversed([text.split("=") for text in sorted(item.settings.split())]))
    made = record(data_set=item.data_set, method=item.method, settings=settings, seed=item.seed)
    assert item.name in reproduction.by_item([made], [item])


def test_a_method_has_one_picture_and_what_is_packed_stays(reproduction, packed):
    other = NAME.replace("set--", "multiset--", 1)
    variant = NAME.replace("hsal-rl", "hsal-rl+trajectories=1")
    picture = reproduction.PICTURE
    before = reproduction.unpack(packed)
    new = {f"{other}{picture}": b"another", f"{variant}{picture}": b"a variant's"}
    reproduction.pack(packed, {**new, f"{NAME}.json": b"made again"})
    assert reproduction.unpack(packed) == before | {f"{variant}{picture}": b"a variant's"}


def test_packing_nothing_new_leaves_the_archive_alone(reproduction, packed):
    inode = packed.stat().st_ino
    reproduction.pack(packed, reproduction.unpack(packed))
    assert packed.stat().st_ino == inode


def test_records_are_collected_and_a_file_that_differs_is_kept(
    reproduction, packed, record, tmp_path
):
    folder = tmp_path / "records"
    assert reproduction.collect(packed, folder) == ([f"{NAME}.json"], [])
    assert read_record(folder / f"{NAME}.json") == record()
    assert reproduction.collect(packed, folder) == ([], [])
    (folder / f"{NAME}.json").write_text("committed")
    assert reproduction.collect(packed, folder) == ([], [f"{NAME}.json"])
    assert (folder / f"{NAME}.json").read_text() == "committed"
    assert [file.name for file in folder.iterdir()] == [f"{NAME}.json"]


@pytest.mark.parametrize(
    "name", ["../x.json", f"../{NAME}.json", f"/tmp/{NAME}.json", f"{NAME}.py", f".{NAME}.json"]
)
def test_a_member_of_another_name_is_refused(reproduction, archive, tmp_path, name):
    path = archive(**{name: b"{}"})
    with pytest.raises(UsageError, match="which is neither a record nor a picture of one"):
        reproduction.collect(path, tmp_path / "records")
    assert not (tmp_path / "records").exists()


def test_a_link_is_refused(reproduction, tmp_path):
    path = tmp_path / "records.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        about = tarfile.TarInfo(f"{NAME}.json")
        about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(about)
    with pytest.raises(UsageError, match="neither a record nor a picture"):
        reproduction.collect(path, tmp_path / "records")


def test_a_member_that_claims_to_be_huge_is_not_read(reproduction, archive, monkeypatch):
    monkeypatch.setattr(reproduction, "LARGEST", 10)
    with pytest.raises(UsageError, match="neither a record nor a picture"):
        reproduction.unpack(archive(**{f"{NAME}.json": b"x" * 11}))


def test_a_member_must_be_the_record_it_is_called(reproduction, archive, record, tmp_path):
    write_record(record(seed=3), tmp_path / "x.json")
    content = (tmp_path / "x.json").read_bytes()
    with pytest.raises(UsageError, match=f"{NAME}.json is the record of .*seed-3"):
        reproduction.collect(archive(**{f"{NAME}.json": content}), tmp_path / "records")
    with pytest.raises(UsageError, match=f"{NAME}.json is not JSON"):
        reproduction.collect(archive(**{f"{NAME}.json": b"no"}), tmp_path / "records")


def test_a_damaged_archive_is_told(reproduction, packed, tmp_path):
    whole = packed.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2]):
        packed.write_bytes(content)
        with pytest.raises(UsageError, match=r"records\.tar\.gz cannot be read"):
            reproduction.collect(packed, tmp_path / "records")
    with pytest.raises(UsageError, match="No such file"):
        reproduction.collect(tmp_path / "nothing.tar.gz", tmp_path / "records")
