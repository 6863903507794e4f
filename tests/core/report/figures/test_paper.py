"""`hsal-bench figures`: which runs are drawn, what is reported instead, what a caption says."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from hsal_bench.cli import figures as cli_figures
from hsal_bench.data.file import open_data
from hsal_bench.method.contract import Prediction, Trace
from hsal_bench.record.correct import pack_correct
from hsal_bench.record.record import Activation, DataSet, Git, read_record, write_record
from hsal_bench.report.figures import paper, style
from hsal_bench.training import activations, frozen, states
from hsal_bench.training.blocks import write_blocks
from hsal_bench.training.restore import restore_method

CURVE = (
    {"update": 0, "valid_exact_match": 0.0, "valid_macro_f1": 0.1, "valid_attn_saliency": 5.0},
    {"update": 10, "valid_exact_match": 0.4, "valid_macro_f1": 0.5, "valid_attn_saliency": 9.0},
)
METRICS = {
    "macro_f1": 0.5,
    "attn_saliency": 9.5,
    "attn_saliency_chance": 4.0,
}


@dataclasses.dataclass(frozen=True)
class Config:
    breaks: bool = False


class Looker:
    """Predicts the class it has learnt, then stop; where it looks is its state, too."""

    Config = Config
    inputs = "images"

    def __init__(self, task, config, setup):
        self.task, self.breaks, self.learnt = task, config.breaks, None

    def load_state_dict(self, state):
        self.learnt = state["learnt"]

    def predict(self, batch, *, trace=False):
        if self.breaks:
            raise RuntimeError("no such\n\x1b[2Jlook")
        count = len(batch.inputs)
        maps = torch.full((count, 2, 3, 2), 0.5)
        S = torch.tensor([9.0, 2.0]).expand(count, 3, 2)
        glimpses = torch.full((count, 2, 2), 4)
        labels = torch.tensor([self.learnt, self.task.num_classes]).expand(count, 2)
        counts = torch.zeros(count, self.task.num_classes, dtype=torch.int64)
        return Prediction(counts, None, Trace(S, maps, maps, maps, glimpses, labels))


class Frozen(Looker):
    inputs = "activations"


@pytest.fixture
def of_toy(ok, toy_file, tmp_path, monkeypatch):
    """Return what leaves a finished run on the toy set behind; it returns the record's path."""
    method = {"looker": Looker, "act": Frozen}
    monkeypatch.setattr("hsal_bench.training.restore.load_method", method.__getitem__)
    with open_data(toy_file) as data:
        header, sizes = data.header, dict(data.layout.sizes)
        alone = data.read("test", "counts")[:, 0] == data.read("test", "counts").sum(1)
    data_set = DataSet(header.name, header.content_sha256, sizes, toy_file.name)

    def leave(folder="seed-0", state=True, seed=0, **changes):
        known = {"config": {"breaks": False}, "curve": CURVE, "metrics": METRICS}
        given = {"data_set": data_set, "correct": pack_correct(alone), "selected_update": 10}
        record = ok(**{"method": "looker", "seed": seed, **known, **given, **changes})
        path = tmp_path / "runs" / folder / "record.json"
        write_record(record, path)
        if state:
            best = {"update": 10, "score": 0.4, "method": {"learnt": 0}}
            states.write(path.with_name("best.pt"), best)
        return path

    return leave


@pytest.fixture
def figures_command(monkeypatch, hsal_bench, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(style, "DPI", 50)
    monkeypatch.setitem(paper.GLIMPSES, 12, ((True, False),))  # the whole grid takes seconds

    def call(*arguments):
        line = ["figures", "--datasets", ".", "--device", "cpu", *arguments]
        code, out, err = hsal_bench(*line)
        return code, out.splitlines(), err.splitlines()

    return call


def test_the_command_knows_the_figures_there_are():
    known = {*paper.CURVES, *paper.GLIMPSES, *paper.LIMITS}
    assert {int(number) for number in cli_figures.FIGURES} == known


def test_every_figure_has_a_caption_beside_it(of_toy, figures_command, tmp_path):
    of_toy()
    code, out, err = figures_command("--format", "png")
    assert (code, err) == (0, [])
    assert out == [f"figures/figure-{n}.png" for n in (2, 3, 4, 5, 6, 12)]
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert written == {f"figure-{n}.{e}" for n in (2, 3, 4, 5, 6, 12) for e in ("png", "txt")}
    assert (tmp_path / "figures/figure-12.png").read_bytes().startswith(b"\x89PNG")


def test_vectors_and_pixels_unless_told(of_toy, figures_command, tmp_path):
    of_toy()
    code, out, _ = figures_command("--only", "2")
    assert (code, out) == (0, ["figures/figure-2.pdf, figures/figure-2.png"])
    assert (tmp_path / "figures/figure-2.pdf").read_bytes().startswith(b"%PDF")


def test_one_figure_in_one_format_elsewhere(of_toy, figures_command, tmp_path):
    path = of_toy()
    code, out, _ = figures_command(str(path), "--only", "6", "--format", "png", "-o", "there")
    assert (code, out) == (0, ["there/figure-6.png"])
    assert {path.name for path in (tmp_path / "there").iterdir()} == {
        "figure-6.png",
        "figure-6.txt",
    }


def test_the_caption_of_looks_says_which_run_and_images(of_toy, figures_command, tmp_path):
    of_toy("seed-0", seed=0)
    better = ({**CURVE[1], "valid_exact_match": 0.9},)
    of_toy("seed-1", seed=1, curve=better, git=Git("f" * 40, True))
    figures_command("--only", "2")
    text = (tmp_path / "figures/figure-2.txt").read_text()
    assert text.startswith("How looker (seed 1) looks at 3 test images of toy. Each column is a st")
    assert "The 2 glimpsed cells are marked on the priority map and on the image." in text
    assert "chosen with seed 0 to have few to many objects" in text
    assert ": 2 of 3 predictions are right, but 33.3 % on the split." in text
    assert "Of the 2 available runs with a trace, this one has the highest" in text
    (line,) = (line for line in text.splitlines() if line.startswith("- "))
    expected = f"looker seed 1, commit {'f' * 10} with uncommitted changes"
    assert line == f"- runs/seed-1/record.json: {expected}"


def test_the_captions_of_limits_say_the_rule_the_images_and_how_common_it_is(
    of_toy, figures_command, tmp_path
):
    of_toy()
    assert figures_command("--only", "3,4", "--format", "png")[0] == 0
    crowded, faint = ((tmp_path / f"figures/figure-{n}.txt").read_text() for n in (3, 4))
    # The cells are 6 x 4 pixels: the first two objects of an even row are in the salient one.
    assert crowded.startswith("The location of highest saliency on the 3 x 2 map, projected onto t")
    assert "of looker (seed 0) on toy." in crowded
    assert "The images are numbers 2, 4, 8 of the test split, chosen by rule." in crowded
    assert "20 of 60 images (33.3 %) have two or more objects in that cell; 0.0 %" in crowded
    assert "The images are numbers 2, 5, 8 of the test split, chosen by rule." in faint
    assert "20 of 20 objects with such a cell (100.0 %) are less salient" in faint
    assert faint.endswith("- runs/seed-0/record.json: looker seed 0, not from a checkout\n")


def test_a_limit_that_no_image_shows_is_reported(of_toy, figures_command, monkeypatch):
    of_toy()
    monkeypatch.setattr("hsal_bench.report.figures.limits.SHOWN", 0)
    expected = "figure-3 cannot be drawn: no test image of toy shows this limit"
    assert figures_command("--only", "3") == (1, [], [expected])


def test_the_caption_of_curves_says_what_lines_and_bands_are(of_toy, figures_command, tmp_path):
    of_toy("0", seed=0)
    of_toy("1", seed=1)
    blind = ({"update": 0, "valid_macro_f1": 0.1},)
    metrics = {"exact_match": 0.5, "macro_f1": 0.75}
    of_toy(
        "blind",
        method="blind",
        curve=blind,
        metrics=metrics,
        budget={"updates": 400, "batch_size": 64},
    )
    figures_command("--only", "5,6")
    saliency, f1 = ((tmp_path / f"figures/figure-{n}.txt").read_text() for n in (5, 6))
    assert (
        "Lines are means over seeds; bands range from the lowest to the highest seed." in saliency
    )
    assert "looker: 2 seeds (0, 1), 10 (chance 4) on the test split." in saliency
    assert "blind" not in saliency
    assert "blind: 1 seed (0), 0.750 on the test split." in f1
    assert "Not under equal conditions: updates 400 (blind) against updates 100 (looker)." in f1
    assert f1.count("\n- ") == 3


def test_a_single_seed_has_no_bands(of_toy, figures_command, tmp_path):
    of_toy()
    figures_command("--only", "6")
    text = (tmp_path / "figures/figure-6.txt").read_text()
    assert text.startswith("Macro F1 on the validation split during training on toy. ")
    assert "There is one seed per method, so no bands." in text


def test_what_is_missing_is_reported_and_the_others_are_made(of_toy, figures_command):
    of_toy(state=False)
    code, out, err = figures_command("--format", "pdf")
    assert (code, out) == (0, ["figures/figure-5.pdf", "figures/figure-6.pdf"])
    expected = (
        "cannot be drawn: runs/seed-0/best.pt, the trained state, is missing: name the folder "
        "where the run left it, or train it again: `hsal-bench run --model hsal-rl --restart`"
    )
    assert err == [f"figure-{number} {expected}" for number in (2, 3, 4, 12)]
    assert figures_command("--only", "2,6", "--format", "pdf")[0] == 1


def test_runs_without_a_trace_have_figure_6_alone(of_toy, figures_command):
    of_toy(
        metrics={"exact_match": 0.5, "macro_f1": 0.75}, curve=({"update": 0, "valid_macro_f1": 0},)
    )
    code, out, err = figures_command("--format", "png")
    assert (code, out) == (0, ["figures/figure-6.png"])
    assert err[0] == (
        "figure-2 cannot be drawn: no run has a trace: train a method with one, such as "
        "`hsal-bench run --model hsal-rl`"
    )
    assert err[3].startswith("figure-5 cannot be drawn: no record has a curve of the glimpses' sal")


def test_each_data_set_has_its_own(of_toy, ok, figures_command, tmp_path):
    of_toy()
    write_record(ok(curve=CURVE), tmp_path / "runs" / "other" / "record.json")
    code, out, _ = figures_command("--only", "6", "--format", "pdf")
    assert (code, out) == (0, ["figures/figure-6-mnist-multiset.pdf", "figures/figure-6-toy.pdf"])


def test_contents_that_begin_alike_have_figures_of_their_own(ok, figures_command, tmp_path):
    for k, last in enumerate("ab"):
        data_set = DataSet("toy", "ab" * 5 + last * 54, {"test": 20}, "t.h5")
        write_record(ok(curve=CURVE, data_set=data_set), tmp_path / "runs" / str(k) / "record.json")
    code, out, _ = figures_command("--only", "6", "--format", "pdf")
    names = ["figures/figure-6-toy-abababababa.pdf", "figures/figure-6-toy-abababababb.pdf"]
    assert (code, sorted(out)) == (0, sorted(names))


def test_a_caption_names_records_without_what_does_not_print(of_toy, figures_command, tmp_path):
    of_toy("seed\u202e-0")
    assert figures_command("--only", "6", "--format", "pdf")[0] == 0
    text = (tmp_path / "figures/figure-6.txt").read_text()
    assert "- runs/seed\\u202e-0/record.json: looker seed 0" in text


def test_evaluations_on_other_data_sets_have_no_part_in_it(of_toy, ok, figures_command, tmp_path):
    path = of_toy()
    trained_on = json.loads(path.read_text())["data_set"]
    there = ok(trained_on=DataSet(**trained_on))
    write_record(there, path.parent / "on" / "mnist-multiset" / "record.json")
    assert figures_command("--only", "6", "--format", "pdf")[1] == ["figures/figure-6.pdf"]
    path.unlink()
    code, out, err = figures_command("--only", "6")
    assert (code, out) == (2, [])
    assert err[-1].startswith("error: these records are evaluations on different datasets, without")
    assert not (tmp_path / "figures" / "figure-6.png").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--only", "7"), "error: --only 7: '7' is not one of 2, 3, 4, 5, 6, 12"),
        (("--only", ""), "error: --only is empty: choose from 2, 3, 4, 5, 6, 12"),
        (("--format", ","), "error: --format is empty: choose from pdf, png"),
        (("--format", "svg"), "error: --format svg: 'svg' is not one of pdf, png"),
        (
            ("nowhere",),
            "error: no folder or record nowhere: create one with "
            "`hsal-bench run --model hsal-rl --out nowhere`",
        ),
        ((), "error: no record in runs: create one with `hsal-bench run --model hsal-rl`"),
    ],
)
def test_wrong_use_is_reported(figures_command, tmp_path, arguments, expected):
    (tmp_path / "runs").mkdir()
    assert figures_command(*arguments) == (2, [], [expected])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"method_sha256": "a" * 64}, "came from a file, and records do not store"),
        ({"selected_update": 7}, "best.pt is of update 10, but the record tested update 7: t"),
        (
            {"config": {"old": 1}},
            "the config in runs/seed-0: the field 'breaks' is missing; the config",
        ),
        ({"method": "act"}, "the activation model with sha256 cdcdcdcd is not in activation-"),
    ],
)
def test_a_run_that_cannot_be_loaded_again_is_reported(of_toy, figures_command, changes, expected):
    of_toy(**changes)
    code, _, (err,) = figures_command("--only", "2")
    assert code == 1
    assert expected in err


def test_states_and_data_that_do_not_fit_are_reported(
    of_toy, figures_command, another_toy, toy_file
):
    best = of_toy().with_name("best.pt")
    states.write(best, {"update": 10, "score": 0.4, "method": {"weights": 1}})
    (err,) = figures_command("--only", "2")[2]
    assert (
        "best.pt does not fit the current looker ('learnt'): train it again: `hsal-bench run" in err
    )
    states.write(best, {"network": 1})
    (err,) = figures_command("--only", "2")[2]
    assert "best.pt is not a state of a run: delete the folder" in err
    another_toy("other").replace(toy_file)
    states.write(best, {"update": 10, "score": 0.4, "method": {"learnt": 0}})
    (err,) = figures_command("--only", "2")[2]
    assert "toy-x.h5 has content" in err
    assert "name the folder of that dataset with --datasets" in err
    toy_file.unlink()
    (err,) = figures_command("--only", "2")[2]
    assert "no dataset file toy-x.h5: name the folder that the run used" in err


def test_a_method_that_fails_is_reported_and_the_others_are_made(of_toy, figures_command):
    of_toy(config={"breaks": True})
    code, out, err = figures_command("--format", "png")
    assert (code, len(out)) == (0, 2)
    assert err[0] == "figure-2 cannot be drawn: RuntimeError: no such \\x1b[2Jlook"


def test_the_dataset_is_found_where_the_run_had_it(of_toy, toy_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = of_toy(command="hsal-bench run --model looker --datasets sets")
    (tmp_path / "sets").mkdir()
    toy_file.rename(tmp_path / "sets" / toy_file.name)
    with restore_method(read_record(path), path.parent, Path(), torch.device("cpu")) as it:
        assert it.data.path == Path("sets", toy_file.name)


@pytest.mark.parametrize("cache", [".", "elsewhere"])
def test_activations_are_those_of_the_record(of_toy, tmp_path, cache):
    path = of_toy(method="act", activation=Activation("small", "w", "ef" * 32))
    model = {"backbone": "small", "precision": "float32", "weights": "w", "trained_on": "toy"}
    folder = tmp_path / cache / "activation-models" / "one"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(model | {"accuracy": 1.0, "sha256": "ef" * 32}))
    record = read_record(path)
    content = record.data_set.content_sha256[:8]
    volumes = tmp_path / cache / "activations" / f"toy-{content}--efefefef" / "test.npy"
    volumes.parent.mkdir(parents=True)
    array = np.full((60, 4, 3, 3), 2.5, np.float16)
    with open_data(tmp_path / "toy-x.h5") as data:
        model = frozen.read(folder / "model.pt")
        identity = activations.identity(model, data, "test")
    write_blocks(volumes, 60, lambda start, stop: array[start:stop], identity)
    with restore_method(record, path.parent, tmp_path, torch.device("cpu"), tmp_path / cache) as it:
        assert it.method.learnt == 0
        assert it.method.task.input_shape == (4, 3, 3)
        assert it.test.rows(torch.tensor([3])).unique().tolist() == [2.5]
        assert it.data.header.name == "toy"


def test_no_other_file_is_replaced_by_a_figure(of_toy, figures_command, tmp_path):
    of_toy()
    (tmp_path / "figures").mkdir()
    page = tmp_path / "figures" / "figure-5.png"
    page.write_text("mine")
    for more, code in ((), 2), (("--force",), 0):
        ended, _, err = figures_command("--only", "5", "--format", "png", *more)
        assert (ended, (page.read_bytes() == b"mine")) == (code, code == 2), err
        assert bool(code) == ("is text, not PNG" in "".join(err))


def test_the_links_of_figures_are_followed(of_toy, figures_command, tmp_path):
    of_toy()
    (tmp_path / "real").mkdir()
    (tmp_path / "figures").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "figure-5.png").symlink_to(tmp_path / "picture.png")
    assert figures_command("--only", "5", "--format", "png")[0] == 0
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "real" / "figure-5.txt").unlink()
    (tmp_path / "real" / "figure-5.txt").mkdir()
    code, _, (err,) = figures_command("--only", "5", "--format", "png")
    assert (code, "is not a regular file" in err) == (2, True)


@pytest.mark.parametrize("place", ["file", "FIFO", "link to nothing", "loop"])
def test_an_out_that_cannot_be_a_folder_is_one_line(place, of_toy, figures_command, tmp_path):
    of_toy()
    out = tmp_path / "figures"
    if place == "file":
        out.touch()
    elif place == "FIFO":
        os.mkfifo(out)
    else:
        out.symlink_to(out if place == "loop" else tmp_path / "nothing")
    code, _, err = figures_command("--only", "5", "--format", "png")
    assert (code, len(err)) == (2, 1), err
    assert "figures" in err[0]
