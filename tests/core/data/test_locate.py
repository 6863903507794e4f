"""Finding datasets and their companions; what does not go together is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import h5py
import pytest

from hsal_bench.data import generate as generation
from hsal_bench.data.file import open_data
from hsal_bench.data.generator import load_generator
from hsal_bench.data.locate import find_or_build, find_or_build_single, require_known
from hsal_bench.errors import UsageError
from hsal_bench.options import as_json

SMALL = {"max_objects": "1", "train": "8", "valid": "4", "test": "4"}


@pytest.fixture(autouse=True)
def companions(known_generators: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The companion of "toy" is a "toy-large" of one object."""
    generator = load_generator("toy")

    def companion(spec):
        return "toy-large", dataclasses.replace(spec, max_objects=1)

    monkeypatch.setattr(generator, "companion", companion, raising=False)


def build_single(folder: Path, **fields: str) -> Path:
    """Build a file under the companion's name."""
    jobs = generation.plan(["toy-large"], SMALL | fields, folder)
    for job, recipe in generation.recipes(jobs, folder):
        generation.generate_file(job, recipe, workers=1)
    return jobs[0].path


def find(toy_file: Path) -> Path | None:
    with open_data(toy_file) as data:
        return find_or_build_single(data, toy_file.parent, toy_file.parent)


def refusal(toy_file: Path) -> str:
    with pytest.raises(UsageError) as caught:
        find(toy_file)
    return str(caught.value)


def test_a_missing_companion_is_built_as_the_data_set_is(
    toy_file: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "cpu_count", lambda: 1)  # a process cannot import this recipe
    path = find(toy_file)
    assert path == toy_file.with_name("toy-large-x.h5")
    assert f"{path} is missing: building it" in capsys.readouterr().err
    with open_data(path) as single, open_data(toy_file) as data:
        assert single.header.config == data.header.config | {
            "generator": "toy-large",
            "max_objects": 1,
        }


def test_a_companion_of_other_sizes_and_seed_is_taken(toy_file: Path) -> None:
    path = build_single(toy_file.parent, seed="7")
    assert find(toy_file) == path
    with open_data(path) as single:
        assert single.header.seed == 7


def test_a_companion_of_other_looks_is_refused(toy_file: Path) -> None:
    path = build_single(toy_file.parent, clutter="0", clutter_size="1", seed="7")
    assert refusal(toy_file) == (
        f"{path} does not match {toy_file}, it was generated with clutter 0, not 1; "
        "clutter_size 1, not 2: use --datasets to name another folder (it is built there), or move "
        "it away"
    )


def test_a_companion_of_other_glyphs_is_refused(toy_file: Path) -> None:
    path = build_single(toy_file.parent)
    with h5py.File(path, "r+") as file:
        file.attrs["source_sha256"] = "6" * 64
    assert f"{path} and {toy_file} have different glyphs" in refusal(toy_file)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("clutter", "many", ": clutter is 'many': it must be a whole number"),
        ("clutter", None, ": the field 'clutter' is missing"),
        ("colour", "red", ": no field is named 'colour'"),
        ("generator", 3, "damaged header (config.generator is 3, not a name)"),
    ],
)
def test_a_config_that_no_spec_wrote_is_refused(
    toy_file: Path, field: str, value: object, said: str
) -> None:
    with h5py.File(toy_file, "r+") as file:
        config = json.loads(file.attrs["config"]) | {field: value}
        known = {name: value for name, value in config.items() if value is not None}
        file.attrs["config"] = json.dumps(known)
    assert said in refusal(toy_file)


def test_a_data_set_of_no_known_generator_has_no_companion(toy_file: Path, set_config) -> None:
    set_config(generator="elsewhere")
    assert find(toy_file) is None


def test_names_and_files(tmp_path: Path, toy_file: Path) -> None:
    assert find_or_build("toy-x", toy_file.parent, tmp_path) == toy_file
    assert find_or_build("else/where.h5", tmp_path, tmp_path) == Path("else/where.h5")
    with pytest.raises(UsageError) as caught:
        find_or_build("toy-y", toy_file.parent, tmp_path)
    assert str(caught.value) == (
        f"no dataset 'toy-y' in {toy_file.parent}: did you mean 'toy-x'? known: toy, toy-large, "
        f"toy-x (only as files in {toy_file.parent}: toy-x)"
    )


def test_what_is_neither_a_file_nor_a_name_is_reported_before_it_is_wanted(toy_file: Path) -> None:
    for name in ("toy", "toy-x", str(toy_file)):
        require_known(name, toy_file.parent)
    with pytest.raises(
        UsageError, match=r"no dataset file x\.h5: give a dataset file, or a name of"
    ):
        require_known("x.h5", toy_file.parent)
    with pytest.raises(
        UsageError, match=r"is a folder: name a dataset, and its folder with --data"
    ):
        require_known(str(toy_file.parent), toy_file.parent)
    toy_file.with_name("own-x.h5").touch()
    files = r"\(only as files in .*: own-x, toy-x\)"
    with pytest.raises(
        UsageError, match=rf"no dataset 'toy-y' in .*: did you mean 'toy-x'.*{files}"
    ):
        require_known("toy-y", toy_file.parent)


def test_a_name_that_other_options_give_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(generation, "cpu_count", lambda: 1)  # a process cannot import this recipe
    toy = load_generator("toy")

    def spec_of(name, like):
        return dataclasses.replace(like or toy.defaults, clutter=0) if name == "toy-bare" else None

    monkeypatch.setattr(toy, "spec_of", spec_of, raising=False)
    monkeypatch.setattr(toy, "data_set_name", lambda spec: "toy-x" if spec.clutter else "toy-bare")
    like = {"generator": "toy", **as_json(dataclasses.replace(toy.defaults, train=9))}
    path = find_or_build("toy-bare", tmp_path, tmp_path, like)
    assert path == tmp_path / "toy-bare.h5"
    assert f"{path} is missing: building it" in capsys.readouterr().err
    with open_data(path) as data:
        assert (data.header.config["clutter"], data.layout.sizes["train"]) == (0, 9)
