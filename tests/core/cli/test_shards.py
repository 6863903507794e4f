"""Every command that reads a dataset reads one in shards, with the same result."""

import json
import re
import shutil
from pathlib import Path

import pytest

import hsal_bench as hb
from hsal_bench.cli import main as cli
from hsal_bench.data.file import open_data

METHOD = (Path(__file__).parents[1] / "runs" / "constant.py").read_text()
NAME = "synthetic-multiset"
GENERATE = ["generate", NAME, "--train", "4100", "--valid", "30", "--test", "60"]
GENERATE += ["--canvas", "50", "--max-objects", "2", "--max-size", "25"]
RUN = ["run", "--model", "constant.py:Constant", "--preset", "quick", "--device", "cpu"]
RUN += ["--updates", "4", "--batch-size", "8"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the same dataset in one/data and, in two shards, in shards/data."""
    folder = tmp_path_factory.mktemp("built")
    for form, more in (("one", []), ("shards", ["--shards", "2"])):
        (folder / form).mkdir()
        (folder / form / "constant.py").write_text(METHOD)
        words = [*GENERATE, "--workers", "1", "--out", str(folder / form / "data"), *more]
        cli.hsal_bench.main(words, standalone_mode=False)
    with open_data(folder / "shards" / "data" / f"{NAME}.h5") as data:
        assert len(data.shards) == 2
        lines = [[k for k in row if k >= 0] for row in data.read("test", "labels").tolist()]
    text = "".join(json.dumps({"id": i, "labels": k}) + "\n" for i, k in enumerate(lines))
    for form in ("one", "shards"):
        (folder / form / "right.jsonl").write_text(text)
    return folder


@pytest.fixture
def call(built, tmp_path, monkeypatch, hsal_bench):
    """Return a function that runs a command in a copy of one or shards: (code, out, err)."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)

    def call(form, *words):
        monkeypatch.chdir(tmp_path / form)
        return hsal_bench(*words)

    return call


def files(folder):
    """The content of every file that a command wrote, by its path."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "data" not in path.parts[-3:])
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    "words",
    [
        GENERATE,
        ["card", NAME],
        ["card", f"data/{NAME}.h5/"],
        ["preview", f"data/{NAME}.h5", "-o", "sheet.png"],
        ["export", "webdataset", f"data/{NAME}.h5", "-o", "copy"],
        ["evaluate", "right.jsonl", "--dataset", NAME],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_commands(call, tmp_path, words):
    results = []
    for form in ("one", "shards"):
        # Only a folder can have a slash at its end.
        code, out, err = call(form, *(w.rstrip("/") if form == "one" else w for w in words))
        assert (code, err) == (0, "")
        out = re.sub(r"HDF5(?: in 2 shards)?, [\d.]+ .B", "HDF5", out)
        results.append((out, files(tmp_path / form)))
    assert results[0] == results[1]


@pytest.mark.parametrize(("form", "stored"), [("one", "one file"), ("shards", "2 shards")])
def test_another_number_of_shards_is_not_up_to_date(call, form, stored):
    path = Path("data") / f"{NAME}.h5"
    code, out, err = call(form, *GENERATE, "--shards", "1")
    assert (code, out) == (2, "")
    assert err == f"error: {path} exists in {stored}: use --force to replace it, or another --out\n"
    assert call(form, *GENERATE, "--shards", "1", "--workers", "1", "--force")[0] == 0
    assert call(form, *GENERATE, "--shards", "1")[1] == f"{path} is up to date\n"


def test_load(call, tmp_path):
    one, shards = (
        hb.load(NAME, split="valid", datasets=tmp_path / form / "data")
        for form in ("one", "shards")
    )
    assert one.content_sha256 == shards.content_sha256
    for (image, counts), (expected_image, expected_counts) in zip(shards, one, strict=True):
        assert image.equal(expected_image)
        assert counts.equal(expected_counts)


def test_run(call, tmp_path):
    records = []
    for form in ("one", "shards"):
        code, _, err = call(form, *RUN, "--dataset", NAME)
        assert code == 0, err
        (path,) = (tmp_path / form / "runs").rglob("record.json")
        record = json.loads(path.read_text())
        records.append(
            {name: record[name] for name in ("data_set", "metrics", "predictions_sha256")}
        )
    assert records[0] == records[1]
