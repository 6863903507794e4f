"""What -o refuses in every command that has it: nothing but an earlier output is replaced."""

import os
import socket
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from hsal_bench.cli import main as cli
from hsal_bench.cli.output import PAGE, TEXT, output_file
from hsal_bench.data.file import open_data
from hsal_bench.errors import UsageError
from hsal_bench.metrics import scores as metrics
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.predictions import counts_sha256, write_predictions
from hsal_bench.record.record import DataSet, write_record

COMMANDS = {
    "table": ("table runs -o {}", "x.csv"),
    "table --all": ("table runs --all -o {}", "x.md"),
    "table --format": ("table runs --format csv -o {}", "x.csv"),
    "leaderboard": ("leaderboard runs -o {}", "x.html"),
    "evaluate": ("evaluate runs/predictions.jsonl --dataset toy-x.h5 -o {}", "x.tex"),
    "evaluate --json": (
        "evaluate runs/predictions.jsonl --dataset toy-x.h5 --json -o {}",
        "x.json",
    ),
    "card": ("card toy-x.h5 --croissant {}", "x.json"),
    "preview": ("preview toy-x.h5 -o {} --count 1", "x.png"),
    "compare": ("compare runs/record.json other.jsonl --dataset toy-x.h5 --count 1 -o {}", "x.png"),
}
INPUTS = ("toy-x.h5", "runs/record.json", "runs/predictions.jsonl", "other.jsonl")
every_command = pytest.mark.parametrize("command", list(COMMANDS))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, toy_file, ok):
    """A dataset, a record with predictions, other predictions and a checkpoint."""
    monkeypatch.chdir(tmp_path)
    if toy_file.parent != tmp_path:
        (tmp_path / "toy-x.h5").write_bytes(toy_file.read_bytes())
    with open_data(toy_file) as data:
        truth, content = data.read("test", "counts").astype(int), data.header.content_sha256
    wrong = truth.copy()
    wrong[0, 0] += 1
    (tmp_path / "runs").mkdir()
    for path, counts in (("runs/predictions.jsonl", truth), ("other.jsonl", wrong)):
        write_predictions(counts, None, tmp_path / path)
    record = ok(
        data_set=DataSet("toy", content, {"test": len(truth)}, "toy-x.h5"),
        correct=pack_correct(metrics.correct(truth, truth)),
        predictions_sha256=counts_sha256(truth),
        metrics=metrics.score(truth, truth),
    )
    write_record(record, tmp_path / "runs/record.json")
    torch.save({"x": torch.zeros(3)}, tmp_path / "checkpoint.pt")


def call(command, output, *more):
    line, _ = COMMANDS[command]
    arguments = line.format(output).split() + list(more)
    return CliRunner().invoke(cli.hsal_bench, arguments)


def refusal(command, output, *more):
    done = call(command, output, *more)
    assert isinstance(done.exception, UsageError), (done.output, done.exception)
    assert "\n" not in str(done.exception)
    return str(done.exception)


@every_command
def test_an_output_is_written_and_replaced(command, tmp_path):
    _, name = COMMANDS[command]
    for _ in range(2):
        done = call(command, f"new/{name}")
        assert done.exit_code == 0, done.exception
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


@every_command
@pytest.mark.parametrize("name", [*INPUTS, "checkpoint.pt", "new", "new.xyz"])
def test_no_other_file_is_replaced(command, name, tmp_path):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    own_suffix = name.endswith(COMMANDS[command][1].removeprefix("x"))
    refusal(command, name, *([] if own_suffix else ["--force"]))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@every_command
@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symlink", "hard link"])
@pytest.mark.parametrize("source", INPUTS)
def test_an_input_survives_under_another_name(command, link, source, tmp_path):
    _, name = COMMANDS[command]
    link(tmp_path / source, tmp_path / name)
    before = (tmp_path / source).read_bytes()
    refusal(command, f"./runs/../{name}")
    assert (tmp_path / source).read_bytes() == before


@every_command
def test_force_replaces_no_input(command, tmp_path):
    _, name = COMMANDS[command]
    read = "toy-x.h5" if "toy-x.h5" in COMMANDS[command][0] else "runs/record.json"
    (tmp_path / name).symlink_to(read)
    assert refusal(command, name, "--force") == (
        f"{name} is an input of this command: use another file"
    )


@every_command
def test_a_file_of_another_kind_needs_force(command, tmp_path):
    _, name = COMMANDS[command]
    with h5py.File(tmp_path / name, "w") as file:
        file["x"] = np.zeros(100)
    assert refusal(command, name).startswith(f"{name} exists and is HDF5, not ")
    assert h5py.is_hdf5(tmp_path / name)
    assert call(command, name, "--force").exit_code == 0
    assert not h5py.is_hdf5(tmp_path / name)


@every_command
def test_a_link_stays_and_its_target_is_replaced(command, tmp_path):
    _, name = COMMANDS[command]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / name).symlink_to("elsewhere/target")
    assert call(command, name).exit_code == 0
    assert (tmp_path / name).is_symlink()
    assert (tmp_path / "elsewhere/target").stat().st_size > 0
    assert call(command, name).exit_code == 0


@every_command
@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "folder", "loop"])
def test_what_is_no_regular_file_is_refused(command, kind, tmp_path):
    _, name = COMMANDS[command]
    path = tmp_path / name
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(name)
    elif kind == "device":
        path.symlink_to("/dev/null")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(name)
    before = path.lstat().st_ino, path.lstat().st_mode
    done = call(command, name, "--force")
    assert getattr(done.exception, "exit_code", done.exit_code) == 2, (done.output, done.exception)
    assert (path.lstat().st_ino, path.lstat().st_mode) == before
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize("command", ["table --format", "evaluate", "evaluate --json"])
def test_a_dash_prints(command, name):
    printed = call(command, name)
    assert printed.exit_code == 0
    assert "exact_match" in printed.output


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", ""),
        (b"a,b\n1,2\n", ""),
        (b"a" + "é".encode() * 600, ""),  # cut within a character
        (b'{"status": "ok"}', "a record"),
        (b'[{"id": 1}]', "JSON"),
        (b"<!DOCTYPE html>\n<p>mine", "an HTML page"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04", "a zip or PyTorch file"),
        (b"\x00" * 2000, "binary"),
        (b"\xff\xfe\xfd\xfc" * 9, "binary"),
    ],
)
def test_the_content_tells_the_kind(content, kind, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    if kind:
        message = f"exists and is {kind}, not text: use another file, or --force to replace it"
        with pytest.raises(UsageError, match=message):
            output_file(path, {".csv": TEXT})
    else:
        assert output_file(path, {".csv": TEXT}) == path.resolve()


def test_only_our_own_page_is_replaced(tmp_path):
    path = tmp_path / "index.html"
    path.write_text("<!doctype html>\n<title>My home page</title>")
    with pytest.raises(UsageError, match="is an HTML page, not a leaderboard page"):
        output_file(path, {".html": PAGE})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write every file")
def test_a_read_only_file_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n")
    path.chmod(0o444)
    with pytest.raises(UsageError, match=r"t\.csv is read-only"):
        output_file(path, {".csv": TEXT})


def test_a_picture_is_replaced_only_by_its_own_format(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "x.png", format="JPEG")
    assert refusal("preview", "x.png").startswith("x.png exists and is JPEG, not PNG")


@pytest.mark.parametrize("source", ["toy-x.h5", "runs/predictions.jsonl"])
def test_force_replaces_no_file_that_compare_finds_itself(source, tmp_path):
    (tmp_path / "x.png").hardlink_to(tmp_path / source)
    line = "compare runs other-run --datasets . --count 1 -o x.png --force"
    (tmp_path / "other-run").mkdir()
    (tmp_path / "other-run/record.json").write_bytes((tmp_path / "runs/record.json").read_bytes())
    done = CliRunner().invoke(cli.hsal_bench, line.split())
    assert str(done.exception) == "x.png is an input of this command: use another file"
