"""Training curves: what is in a line, and what is refused."""

import numpy as np
import pytest

from hsal_bench.errors import UsageError
from hsal_bench.record.record import DataSet
from hsal_bench.report.figures import style
from hsal_bench.report.figures.curves import (
    MACRO_F1,
    SALIENCY,
    curves,
    curves_figure,
    curves_picture,
)


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
    with pytest.raises(UsageError, match=r"several datasets .*mnist-multiset ab12ab12, svhn efefe"):
        curves_picture([run(), other], tmp_path / "c.png")
    with pytest.raises(UsageError, match="no record has a training curve"):
        curves_picture([ok()], tmp_path / "c.png")


def test_a_line_is_the_mean_and_the_band_goes_from_the_lowest_to_the_highest_seed(run):
    figure = curves_figure([run(0), run(1, shift=0.05), run(2, shift=0.01)], [MACRO_F1])
    (axis,) = figure.axes
    (line,) = axis.get_lines()
    assert line.get_ydata() == pytest.approx([0.12, 0.52, 0.92])
    (band,) = axis.collections
    x, y = band.get_paths()[0].vertices.T
    assert (min(y[x == 10]), max(y[x == 10])) == pytest.approx((0.5, 0.55))


@pytest.mark.parametrize(("shift", "highest"), [(0.1, 1.0), (-0.1, 0.8)])
def test_the_axis_of_shares_ends_above_the_curves_and_at_1_at_most(run, shift, highest):
    (axis,) = curves_figure([run(shift=shift)], [MACRO_F1]).axes
    low, high = axis.get_ylim()
    assert low == 0
    assert highest <= high <= min(1.0, highest + 0.1)


def test_a_variant_has_the_same_line_in_every_figure_of_the_same_records(run, ok):
    blind = ok(method="a-blind-one", curve=({"update": 0, "valid_macro_f1": 0.1},))
    records = [run(), blind]
    of_both, of_one = (curves_figure(records, [name]).axes[0] for name in (MACRO_F1, SALIENCY))
    colours = {line.get_label(): line.get_color() for line in of_both.get_lines()}
    (line,) = of_one.get_lines()
    assert line.get_color() == colours["hsal-rl"] != colours["a-blind-one"]


def test_one_seed_has_no_band(run):
    (axis,) = curves_figure([run(0)], [MACRO_F1]).axes
    assert len(axis.collections) == 0


def test_a_panel_is_a_column_wide_and_a_variant_has_one_line_in_all_of_them(run, ok):
    blind = ok(method="a-blind-one", curve=({"update": 0, "valid_macro_f1": 0.1},))
    records = [run(), run(method="cross-entropy"), blind]
    figure = curves_figure(records, [SALIENCY, MACRO_F1])
    saliency, f1 = (
        {line.get_label(): (line.get_color(), line.get_linestyle()) for line in axis.get_lines()}
        for axis in figure.axes
    )
    assert saliency.items() < f1.items()
    assert len(set(f1.values())) == 3
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == set(f1)
    assert figure.get_size_inches()[0] == style.TWO_COLUMNS
    assert curves_figure(records, [SALIENCY]).get_size_inches()[0] == style.ONE_COLUMN


LONG = "hsal-rl+class_loss=log-marginal+location_reward=no"
LONGER = f"{LONG}+{'a_setting_that_does_not_end' * 3}=$1"


@pytest.mark.parametrize("metrics", [[MACRO_F1], [SALIENCY, MACRO_F1]])
@pytest.mark.parametrize(
    "names",
    [
        [f"method+a_setting_with_a_long_name={i}" for i in range(12)],
        [LONG, LONGER, "folder/a_method_of_a_file_of_its_own.py:AMethodOfAFileOfItsOwn"],
        ["a", "b", LONG],
    ],
)
def test_whatever_their_length_names_are_whole_and_leave_the_panels_their_room(run, names, metrics):
    figure = curves_figure([run(method=name) for name in names], metrics)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= width * figure.dpi
    assert box.y1 <= height * figure.dpi
    assert box.height / figure.dpi < 0.5 * height or len(figure.axes) == 1
    for axis in figure.axes:
        assert axis.get_position().height * height > 1.2
        assert box.y1 <= axis.get_tightbbox().y0
    shown = [text.get_text().replace("\n", "") for text in legend.get_texts()]
    assert sorted(shown) == sorted(names)


def test_the_legend_of_15_methods_takes_less_than_a_quarter_of_the_height(run):
    names = [f"distribution-matching-{i}" for i in range(15)]
    figure = curves_figure([run(method=name) for name in names], [MACRO_F1])
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] == style.TWO_COLUMNS
    (legend,) = figure.legends
    assert legend.get_window_extent().height < 0.3 * figure.bbox.height


def test_the_legend_has_short_labels(run):
    records = [
        run(settings={"learning_rate": "0.001", "carry": "no"}, config={"carry": False}),
        run(settings={"learning_rate": "0.001"}, method="rl"),
        run(settings={"learning_rate": "0.001"}),
    ]
    (legend,) = curves_figure(records, [MACRO_F1]).legends
    assert [text.get_text() for text in legend.get_texts()] == ["hsal-rl+carry=no", "hsal-rl", "rl"]


def test_no_glimpses_in_any_record_is_reported_with_a_remedy(ok):
    blind = ok(curve=({"update": 0, "valid_macro_f1": 0.1},))
    with pytest.raises(UsageError, match=r"no record has a curve of the glimpses' saliency: name"):
        curves_figure([blind], [SALIENCY])
