"""`hsal-bench compare`: records, runs and predictions files; what is left out, and refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from hsal_bench.cli.compare import compare
from hsal_bench.comparison.two_sources import compare_sources
from hsal_bench.data.file import open_data
from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.metrics import scores as metrics
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.predictions import counts_sha256
from hsal_bench.record.record import DataSet, read_record, write_record
from hsal_bench.report.figures import style
from hsal_bench.report.figures.disagreements import comparison_picture, describe_picture, differing


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def truth(toy_file):
    with open_data(toy_file) as data:
        return data.read("test", "counts").astype(int)


@pytest.fixture
def predict(truth, tmp_path):
    """Write predictions that are wrong in some rows of the toy set, and return path and counts."""

    def predict(path, wrong):
        counts = truth.copy()
        counts[list(wrong), 0] += 1
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            {"id": row, "labels": np.repeat([0, 1, 2], c).tolist()} for row, c in enumerate(counts)
        ]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return file, counts

    return predict


@pytest.fixture
def run(predict, truth, toy_file, ok, tmp_path):
    """Make a run's folder: a record and the predictions next to it."""
    with open_data(toy_file) as data:
        content = data.header.content_sha256
    data_set = DataSet("toy", content, {"test": 60}, toy_file.name)

    def run(folder, wrong, **changes):
        _, counts = predict(f"{folder}/predictions.jsonl", wrong)
        given = {
            "method": folder,
            "data_set": data_set,
            "correct": pack_correct(metrics.correct(truth, counts)),
            "predictions_sha256": counts_sha256(counts),
        }
        write_record(ok(**(given | changes)), tmp_path / folder / "record.json")
        return tmp_path / folder

    return run


def command(*arguments):
    return CliRunner().invoke(compare, list(map(str, arguments)))


def comparison(*arguments):
    """Return what --json prints."""
    done = command(*arguments, "--datasets", ".", "--json")
    assert done.exit_code == 0, done.exception
    return json.loads(done.output)


def refused(*arguments):
    done = command(*arguments)
    assert isinstance(done.exception, UsageError), done.output
    return str(done.exception)


def test_two_runs_in_full(run, truth, tmp_path):
    a, b = run("a", range(20)), run("b", [0, 30])
    result = comparison(a, b)
    assert [result[name] for name in ("both", "only_a", "only_b", "neither")] == [39, 1, 19, 1]
    assert result["p"] == pytest.approx(2 * 21 / 2**20)
    assert result["exact_match"]["difference"]["value"] == pytest.approx(18 / 60)
    assert result["macro_f1"]["a"]["value"] < result["macro_f1"]["b"]["value"]
    kinds = ["1 object", "2 objects", "3 objects", "no repeat"]
    assert [kind["name"] for kind in result["kinds"]] == kinds
    better = "For these two trained models, b is 30.0 points better (95 % CI 1"
    assert result["verdict"].startswith(better)
    assert result["verdict"].endswith(
        " points would be detected with 80 % power. To compare the methods, train several seeds "
        f"of each and use `hsal-bench table {tmp_path}`."
    )
    assert result["cautions"] == []


def test_what_is_printed(run):
    done = command(run("a", range(20)), run("b", [0, 30]) / "record.json", "--datasets", ".")
    assert done.exit_code == 0, done.exception
    lines = [line.strip() for line in done.output.splitlines()]
    assert lines[0].startswith("toy, 60 images of test (content ")
    assert "A right 39 1" in [" ".join(line.split()) for line in lines]
    assert any(line.startswith("For these two trained models, b is 30.0") for line in lines)
    assert "\x1b" not in done.output


def test_a_predictions_file_against_a_run(run, predict, toy_file):
    file, _ = predict("elsewhere.jsonl", [1])
    result = comparison(run("a", [0, 1]), file, "--dataset", toy_file)
    assert (result["only_a"], result["only_b"]) == (0, 1)
    assert result["b"]["name"] == "elsewhere.jsonl"
    assert result["verdict"].endswith("This does not compare the methods.")
    assert refused(file, file) == f"{file} does not name its dataset: give it with --dataset"


def test_files_are_named_without_what_does_not_print(run, predict, toy_file):
    a, (file, _) = run("a", [0, 1]), predict("else\u202ewhere.jsonl", [1])
    result = comparison(a, file, "--dataset", toy_file)
    assert result["b"]["name"] == "else\\u202ewhere.jsonl"
    assert result["b"]["path"].endswith("/else\\u202ewhere.jsonl")
    assert result["verdict"].isprintable()
    done = command(a, file, "--dataset", toy_file)
    assert done.exit_code == 0, done.exception
    assert all(line.isprintable() for line in done.output.splitlines())


def test_a_record_tells_what_predictions_beside_it_are_of(run, predict, toy_file):
    a, (file, _) = run("a", [0, 1]), predict("elsewhere.jsonl", [1])
    for pair, alone in (((a, file), "only_b"), ((file, a), "only_a")):
        assert comparison(*pair)[alone] == 1
    content = read_record(a / "record.json").data_set.content_sha256[:8]
    assert refused(a, file, "--datasets", "none") == (
        f"{file} needs its dataset, and no file in none has the content {content} "
        "of toy: name it with --dataset, or its folder with --datasets"
    )


def test_predictions_of_another_split_are_told_apart_by_their_number(predict, toy_file):
    file, _ = predict("p.jsonl", [])
    assert refused(file, file, "--dataset", toy_file, "--split", "valid") == (
        f"{file} has 60 lines: valid has 40 images, test has 60; did you mean --split test?"
    )
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    assert "has ids up to 59: valid ends at 39, test at 59; did you mean --split test?" in refused(
        file, file, "--dataset", toy_file, "--split", "valid"
    )


def test_without_predictions_the_bits_of_the_records(run, toy_file):
    a, b = run("a", range(20)), run("b", [0, 30])
    (a / "predictions.jsonl").unlink()
    result = comparison(a, b)
    assert (result["only_b"], result["macro_f1"], len(result["kinds"])) == (19, None, 4)
    left_out = f"Left out: macro F1. There is no predictions.jsonl next to {a}."
    assert result["cautions"][0] == left_out
    toy_file.unlink()
    result = comparison(a, b)
    assert (result["only_b"], result["macro_f1"], result["kinds"]) == (19, None, [])
    content = result["data_set"]["content_sha256"][:8]
    assert result["cautions"][0] == (
        f"Left out: macro F1 and kinds of images. They need the dataset file with the content "
        f"{content} (toy): name it with --dataset, or its folder with --datasets."
    )


def test_the_data_set_is_found_by_its_content(run, toy_file, another_toy):
    a, b = run("a", [0]), run("b", [1])
    toy_file.rename("renamed.h5")
    another_toy("toy-x")
    assert compare_sources(a, b, None, toy_file.parent).file.name == "renamed.h5"
    assert "toy-x.h5 has the content" in refused(a, b, "--dataset", "toy-x.h5")


def test_the_data_set_is_found_where_the_run_had_it(run, toy_file, tmp_path):
    (tmp_path / "my sets").mkdir()
    toy_file.rename(tmp_path / "my sets" / "moved.h5")
    command = "hsal-bench run --model a --datasets 'my sets'"
    a, b = run("a", [0], command=command), run("b", [1])
    assert compare_sources(a, b, None, tmp_path / "data").file == Path("my sets/moved.h5")
    assert compare_sources(b, a, None, tmp_path / "data").file is None


def names(result):
    return [result[side]["name"] for side in "ab"]


def test_names_that_differ(run, predict, toy_file):
    a, b = run("a", [0], method="m"), run("b", [1], method="m", seed=1)
    assert names(comparison(a, b)) == ["m, seed 0", "m, seed 1"]
    one, other = run("x/quick/s", [0], method="m"), run("y/quick/s", [1], method="m")
    assert names(comparison(one, other)) == ["x", "y"]
    assert names(comparison(one, one)) == [str(one)] * 2
    files = [predict(f"{name}/p.jsonl", [0])[0] for name in ("c", "c/d")]
    assert names(comparison(*files, "--dataset", toy_file)) == [str(file) for file in files]


def test_long_variants_have_short_labels_and_full_names_in_a_note(run):
    shared = {"learning_rate": "0.003", "weight_decay": "0.01"}
    a = run("a", [0], method="m", settings={**shared, "hidden": "64"}, config={"hidden": 64})
    b = run("b", [1], method="m", settings={**shared, "hidden": "128"}, config={"hidden": 128})
    result = comparison(a, b)
    assert names(result) == ["m+hidden=64", "m+hidden=128"]
    full = [f"m+hidden={n}+learning_rate=0.003+weight_decay=0.01" for n in (64, 128)]
    assert [result[side]["full_name"] for side in "ab"] == full
    printed = " ".join(command(a, b, "--datasets", ".").output.split())
    assert f"full name of A: {full[0]} full name of B: {full[1]}" in printed
    assert printed.count("learning_rate") == 2
    alone = run("c", [1], method="other", settings=shared)
    assert names(comparison(a, alone)) == ["m", "other"]


def test_conditions_that_differ_are_reported(run):
    short = run("short", [0], budget={"updates": 7, "batch_size": 64})
    other = DataSet("other", "ee" * 32, {"test": 60}, "o.h5")
    result = comparison(run("a", [1], trained_on=other), short)
    assert result["cautions"] == [
        "Not trained on the same data: other (a) against toy (short)",
        "Not under equal conditions: updates 100 (a) against updates 7 (short)",
    ]


def test_predictions_that_are_not_the_records(run, predict):
    a, b = run("a", [0]), run("b", [1])
    predict("a/predictions.jsonl", [5])
    for sha256 in (read_record(a / "record.json").predictions_sha256, None):
        changed = dataclasses.replace(read_record(a / "record.json"), predictions_sha256=sha256)
        write_record(changed, a / "record.json")
        assert refused(a, b, "--datasets", ".") == (
            f"{a / 'predictions.jsonl'} does not match {a}: run the method again, or remove one "
            "of the two files"
        )


def test_what_cannot_be_compared_is_refused(run, bad, tmp_path, toy_file):
    a = run("a", [0])
    other = run("b", [1], data_set=DataSet("other", "ee" * 32, {"test": 60}, "o.h5"))
    content = read_record(a / "record.json").data_set.content_sha256[:8]
    assert refused(a, other) == (
        f"{a} was tested on toy (content {content}), {other} on other (content eeeeeeee): compare "
        "runs tested on the same data"
    )
    newer = run("c", [1], metrics_version=2)
    assert refused(a, newer) == (
        f"{a} was scored with metrics 1, {newer} with 2: evaluate the older again"
    )
    write_record(bad(), tmp_path / "failed.json")
    assert refused(a, "failed.json") == (
        "failed.json failed (the loss is nan): there is nothing to compare"
    )
    assert "is a record of the test split, not of valid: leave out" in refused(
        a, a, "--split", "valid", "--dataset", toy_file
    )


def test_folders_that_are_no_run_are_refused(run, tmp_path):
    a = run("runs/m/seed-0", [0])
    shutil.copytree(a, tmp_path / "runs/m/seed-1")
    (tmp_path / "empty").mkdir()
    for name, message in {
        "runs": "runs holds 2 runs: name one, such as runs/m/seed-0",
        "empty": "no record.json in empty: name a run's folder, or a predictions file",
        "none.json": "no record, run or predictions file none.json: give a record.json, the folder "
        "of a run, or a predictions file",
        "run": "no record, run or predictions file run: did you mean runs?",
    }.items():
        assert refused(name, a) == message


def test_the_images_that_are_drawn_are_of_both_kinds_and_are_reported(run):
    result = compare_sources(run("a", range(20)), run("b", [0, 30, 31]), None, Path())
    assert differing(result, 4).tolist() == [1, 2, 30, 31]
    assert differing(result, 6).tolist() == [1, 2, 3, 4, 30, 31]
    assert len(differing(result, 99)) == 21
    message = "images that only A has right, 2 of 2, and only B, {} of 19: {}"
    assert describe_picture(result, 5) == message.format(3, "the first of each")
    assert describe_picture(result, 21) == message.format(19, "all of them")


def test_the_sheet_shows_them(run, tmp_path):
    a, b = run("a", range(20)), run("b", [0, 30])
    done = command(a, b, "--datasets", ".", "-o", "new/sheet.png", "--count", 4)
    assert done.exit_code == 0, done.exception
    message = "images that only A has right, 1 of 1, and only B, 3 of 19: the first of each"
    assert done.stderr == f"new/sheet.png: {message}\n"
    with Image.open(tmp_path / "new/sheet.png") as sheet:
        seen = {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.asarray(sheet).reshape(-1, 3)}
        # 4 pictures of 24 pixels in a row, each over three lines, under the title.
        assert sheet.size == (4 * (24 + 6) + 6, 18 + 6 + 24 + 18 + 2 * 16 + 6)
    assert {style.RIGHT, style.WRONG} <= seen


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("sheet.txt", "sheet.txt: unknown suffix; use .png, .jpg, .jpeg, .webp, .gif, .tif, .tif"),
        ("file/sheet.png", "cannot write to file (File exists): use another folder"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_before_the_work(
    run, tmp_path, output, message
):
    (tmp_path / "file").touch()
    a, b = run("a", [0]), run("b", [1])
    done = command(a, b, "--datasets", ".", "-o", output)
    assert str(done.exception).startswith(message)
    assert done.output == ""


def test_where_nothing_can_be_drawn(run, toy_file):
    a, b = run("a", [0]), run("b", [0])
    with pytest.raises(HsalBenchError, match="A and B are right on the same images: there is no"):
        comparison_picture(compare_sources(a, b, None, toy_file.parent), 4)
    toy_file.unlink()
    done = command(a, b, "-o", "sheet.png")
    assert "drawing needs the dataset with content" in str(done.exception)
    assert done.exception.exit_code == 1
