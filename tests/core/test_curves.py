"""Training curves: what is in a line, and what is refused."""

import numpy as np
import pytest

from hsal_bench.curves import curves, curves_picture
from hsal_bench.errors import UsageError
from hsal_bench.record import DataSet


@pytest.fixture
def run(ok):
    def made(seed=0, method="hsal-rl", shift=0.0, **changes):
        lines = (
            {"update": 0, "valid_macro_f1": 0.1 + shift, "valid_attn_saliency": 50.0},
            {"update": 10, "loss": 1.0, "valid_macro_f1": 0.5 + shift},
            {"update": 20, "loss": 0.5, "valid_macro_f1": 0.9 + shift, "valid_attn_saliency": 90.0},
        )
        return ok(method=method, seed=seed, curve=lines, **changes)

    return made


def test_a_curve_has_every_evaluation_of_every_seed_update_0_included(run):
    (curve,) = curves([run(0), run(1, shift=0.05)], "macro_f1")
    assert curve.name == "hsal-rl"
    assert curve.updates.tolist() == [0, 10, 20]
    assert curve.values == pytest.approx(np.array([[0.1, 0.5, 0.9], [0.15, 0.55, 0.95]]))


def test_an_update_without_the_metric_is_left_out(run):
    (curve,) = curves([run()], "attn_saliency")
    assert curve.updates.tolist() == [0, 20]
    assert curves([run()], "coverage") == []


def test_variants_have_lines_of_their_own_and_failed_runs_none(run, bad):
    forced = run(method="cross-entropy", settings={"teacher_forcing": "yes"})
    found = curves([run(), forced, bad(method="broken")], "macro_f1")
    assert [curve.name for curve in found] == ["cross-entropy+teacher_forcing=yes", "hsal-rl"]


@pytest.mark.parametrize(("name", "start"), [("c.png", b"\x89PNG"), ("c.pdf", b"%PDF")])
def test_the_picture_is_of_the_kind_its_name_says(run, tmp_path, name, start):
    curves_picture([run(), run(method="cross-entropy", shift=-0.05)], tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_records_that_cannot_be_drawn_together_are_refused(run, ok, tmp_path):
    other = run(data_set=DataSet("svhn", "ef" * 32, {"test": 2}, "s.h5"))
    with pytest.raises(
        UsageError, match=r"several data sets .*mnist-multiset ab12ab12, svhn efefe"
    ):
        curves_picture([run(), other], tmp_path / "c.png")
    with pytest.raises(UsageError, match="no record has a training curve"):
        curves_picture([ok()], tmp_path / "c.png")
