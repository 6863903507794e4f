"""`hsal-bench figures`: which runs are drawn into which files, and what is reported instead."""

import json

import pytest

from hsal_bench.cli import figures as cli_figures
from hsal_bench.record.record import DataSet, read_record, write_record
from hsal_bench.report.figures import paper
from hsal_bench.training import states


def test_the_command_knows_the_figures_there_are():
    known = {*paper.CURVES, *paper.GLIMPSES, *paper.LIMITS}
    assert {int(number) for number in cli_figures.FIGURES} == known


def test_every_figure_has_a_caption_beside_it(of_toy, draw, tmp_path):
    of_toy()
    assert draw() == (0, [f"figures/figure-{n}.png" for n in (2, 3, 4, 5, 6, 12)], [])
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert written == {f"figure-{n}.{e}" for n in (2, 3, 4, 5, 6, 12) for e in ("png", "txt")}
    assert (tmp_path / "figures/figure-12.png").read_bytes().startswith(b"\x89PNG")


def test_vectors_and_pixels_unless_told(of_toy, draw, tmp_path):
    of_toy()
    assert draw("2", form=None) == (0, ["figures/figure-2.pdf, figures/figure-2.png"], [])
    assert (tmp_path / "figures/figure-2.pdf").read_bytes().startswith(b"%PDF")


def test_one_figure_in_one_format_elsewhere(of_toy, draw, tmp_path):
    assert draw("6", str(of_toy()), "-o", "there") == (0, ["there/figure-6.png"], [])
    written = {path.name for path in (tmp_path / "there").iterdir()}
    assert written == {"figure-6.png", "figure-6.txt"}


def test_each_data_set_has_its_own(of_toy, ok, draw, tmp_path):
    path = of_toy()
    write_record(ok(curve=read_record(path).curve), tmp_path / "runs" / "other" / "record.json")
    names = ["figures/figure-6-mnist-multiset.png", "figures/figure-6-toy.png"]
    assert draw("6")[:2] == (0, names)


def test_contents_that_begin_alike_have_figures_of_their_own(of_toy, draw):
    for last in "ab":
        of_toy(last, data_set=DataSet("toy", "ab" * 5 + last * 54, {"test": 60}, "t.h5"))
    code, out, _ = draw("6")
    names = [f"figures/figure-6-toy-ababababab{last}.png" for last in "ab"]
    assert (code, sorted(out)) == (0, names)


def test_evaluations_on_other_data_sets_have_no_part_in_it(of_toy, ok, draw, tmp_path):
    path = of_toy()
    trained_on = json.loads(path.read_text())["data_set"]
    there = ok(trained_on=DataSet(**trained_on))
    write_record(there, path.parent / "on" / "mnist-multiset" / "record.json")
    assert draw("6", form="pdf")[1] == ["figures/figure-6.pdf"]
    path.unlink()
    code, out, err = draw("6")
    assert (code, out) == (2, [])
    assert err[-1].startswith("error: these records are evaluations on different datasets, without")
    assert not (tmp_path / "figures" / "figure-6.png").exists()


def test_what_is_missing_is_reported_and_the_others_are_made(of_toy, draw):
    of_toy(state=False)
    code, out, err = draw(form="pdf")
    assert (code, out) == (0, ["figures/figure-5.pdf", "figures/figure-6.pdf"])
    expected = (
        "cannot be drawn: runs/seed-0/best.pt, the trained state, is missing: name the folder "
        "where the run left it, or train it again: `hsal-bench run --model hsal-rl --restart`"
    )
    assert err == [f"figure-{number} {expected}" for number in (2, 3, 4, 12)]
    assert draw("2,6", form="pdf")[0] == 1


def test_runs_without_a_trace_have_figure_6_alone(of_toy, draw):
    curve = ({"update": 0, "valid_macro_f1": 0},)
    of_toy(metrics={"exact_match": 0.5, "macro_f1": 0.75}, curve=curve)
    code, out, err = draw()
    assert (code, out) == (0, ["figures/figure-6.png"])
    assert err[0] == (
        "figure-2 cannot be drawn: no run has a trace: train a method with one, such as "
        "`hsal-bench run --model hsal-rl`"
    )
    assert err[3].startswith("figure-5 cannot be drawn: no record has a curve of the glimpses' sal")


def test_a_limit_that_no_image_shows_is_reported(of_toy, draw, monkeypatch):
    of_toy()
    monkeypatch.setattr("hsal_bench.report.figures.limits.SHOWN", 0)
    expected = "figure-3 cannot be drawn: no test image of toy shows this limit"
    assert draw("3") == (1, [], [expected])


def test_a_method_that_fails_is_reported_and_the_others_are_made(of_toy, draw):
    of_toy(config={"breaks": True})
    code, out, err = draw()
    assert (code, len(out)) == (0, 2)
    assert err[0] == "figure-2 cannot be drawn: RuntimeError: no such \\x1b[2Jlook"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--only", "7"), "--only 7: '7' is not one of 2, 3, 4, 5, 6, 12"),
        (("--only", ""), "--only is empty: choose from 2, 3, 4, 5, 6, 12"),
        (("--format", ","), "--format is empty: choose from pdf, png"),
        (("--format", "svg"), "--format svg: 'svg' is not one of pdf, png"),
        (
            ("nowhere",),
            "no folder or record nowhere: create one with "
            "`hsal-bench run --model hsal-rl --out nowhere`",
        ),
        ((), "no record in runs: create one with `hsal-bench run --model hsal-rl`"),
    ],
)
def test_wrong_use_is_reported(draw, tmp_path, arguments, expected):
    (tmp_path / "runs").mkdir()
    assert draw(None, *arguments, form=None) == (2, [], [f"error: {expected}"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"method_sha256": "a" * 64}, "came from a file, and records do not store"),
        ({"selected_update": 7}, "best.pt is of update 10, but the record tested update 7: t"),
        ({"config": {"old": 1}}, "the config in runs/seed-0: the field 'breaks' is missing; the c"),
        ({"method": "act"}, "the activation model with sha256 cdcdcdcd is not in activation-"),
    ],
)
def test_a_run_that_cannot_be_loaded_again_is_reported(of_toy, draw, changes, expected):
    of_toy(**changes)
    code, _, (err,) = draw("2")
    assert code == 1
    assert expected in err


def test_states_and_data_that_do_not_fit_are_reported(of_toy, draw, another_toy, toy_file):
    best = of_toy().with_name("best.pt")
    state = {"update": 10, "score": 0.4, "method": {"learnt": 0}}

    def message():
        (line,) = draw("2")[2]
        return line

    states.write(best, state | {"method": {"weights": 1}})
    expected = "best.pt does not fit the current looker ('learnt'): train it again: `hsal-bench run"
    assert expected in message()
    states.write(best, {"network": 1})
    assert "best.pt is not a state of a run: delete the folder" in message()
    another_toy("other").replace(toy_file)
    states.write(best, state)
    assert "toy-x.h5 has content" in message()
    assert "name the folder of that dataset with --datasets" in message()
    toy_file.unlink()
    assert "no dataset file toy-x.h5: name the folder that the run used" in message()


def test_no_other_file_is_replaced_by_a_figure(of_toy, draw, tmp_path):
    of_toy()
    (tmp_path / "figures").mkdir()
    page = tmp_path / "figures" / "figure-5.png"
    page.write_text("mine")
    code, _, (err,) = draw("5")
    assert (code, page.read_text()) == (2, "mine")
    assert "is text, not PNG" in err
    assert draw("5", "--force") == (0, ["figures/figure-5.png"], [])
    assert page.read_bytes() != b"mine"


def test_the_links_of_figures_are_followed(of_toy, draw, tmp_path):
    of_toy()
    (tmp_path / "real").mkdir()
    (tmp_path / "figures").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "figure-5.png").symlink_to(tmp_path / "picture.png")
    assert draw("5")[0] == 0
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "real" / "figure-5.txt").unlink()
    (tmp_path / "real" / "figure-5.txt").mkdir()
    code, _, (err,) = draw("5")
    assert (code, "is not a regular file" in err) == (2, True)


def test_an_out_that_cannot_be_a_folder_is_one_line(no_folder, of_toy, draw):
    of_toy()
    code, _, (err,) = draw("5", "-o", str(no_folder))
    assert (code, "taken" in err) == (2, True), err
