import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.errors import HsalBenchError
from hsal_bench.generators.glyphs.load import Pool, load_glyphs, make_pools
from hsal_bench.generators.scenes import placement
from hsal_bench.generators.scenes.sampling import Sampler, Scenes
from hsal_bench.generators.scenes.spec import SceneSpec
from hsal_bench.generators.streams import Stream, distinct, integers

SPECS = {
    "multiset": SceneSpec(),
    "set": SceneSpec(unique=True),
    "empty": SceneSpec(min_objects=0, max_objects=3),
    "ten": SceneSpec(max_objects=10, max_size=25),
    "uniform": SceneSpec(placement="uniform"),
    "uniform-ten": SceneSpec(placement="uniform", max_objects=10, min_size=10, max_size=25),
    "crowded": SceneSpec(placement="uniform", min_size=20, max_size=60),
    "plain": SceneSpec(clutter=0, seed=2**40),
}
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


@pytest.fixture(scope="module")
def pools(source: str) -> dict[str, Pool]:
    return make_pools(load_glyphs(source, Path()))


def assert_equal(left: Scenes, right: Scenes, rows: slice) -> None:
    for field in dataclasses.fields(Scenes):
        expected = getattr(right, field.name)[rows]
        np.testing.assert_array_equal(getattr(left, field.name), expected, field.name)


@each_spec
def test_what_is_sampled_is_contained(spec: SceneSpec, pools: dict[str, Pool]) -> None:
    scenes = Sampler(spec, pools).sample("valid", 0, 400)
    present = scenes.glyphs >= 0
    assert set(scenes.counts) == set(range(spec.min_objects, spec.max_objects + 1))
    np.testing.assert_array_equal(present.sum(axis=1), scenes.counts)
    assert (np.diff(present.astype(int), axis=1) <= 0).all()
    assert np.isin(scenes.glyphs[present], pools["valid"].glyphs).all()
    assert np.isin(scenes.clutter_glyphs, pools["valid"].glyphs).all()
    sizes, corners = scenes.sizes[present], scenes.corners[present]
    assert sizes.min() >= spec.min_size
    assert sizes.max() <= spec.max_size
    assert corners.min() >= 0
    assert (corners + sizes[:, None]).max() <= spec.canvas


@each_spec
def test_objects_do_not_overlap(spec: SceneSpec, pools: dict[str, Pool]) -> None:
    scenes = Sampler(spec, pools).sample("train", 0, 300)
    for n, count in enumerate(scenes.counts):
        covered = np.zeros((spec.canvas, spec.canvas), int)
        for (top, left), size in zip(
            scenes.corners[n, :count], scenes.sizes[n, :count], strict=True
        ):
            covered[top : top + size, left : left + size] += 1
        assert covered.max(initial=0) <= 1


@each_spec
def test_clutter_has_cells_of_its_own(spec: SceneSpec, pools: dict[str, Pool]) -> None:
    scenes = Sampler(spec, pools).sample("train", 0, 300)
    assert scenes.clutter_corners.shape == (300, spec.clutter, 2)
    assert (scenes.clutter_corners % spec.clutter_size == 0).all()
    for corners in scenes.clutter_corners:
        assert len(np.unique(corners, axis=0)) == spec.clutter
    assert ((scenes.clutter_windows >= 0) & (scenes.clutter_windows <= 23)).all()


@pytest.mark.parametrize("start", [0, 1, 137, 399])
@each_spec
def test_an_example_depends_on_its_place_alone(
    spec: SceneSpec, start: int, pools: dict[str, Pool]
) -> None:
    sampler = Sampler(spec, pools)
    whole_run = sampler.sample("train", 0, 400)
    stop = min(start + 41, 400)
    assert_equal(sampler.sample("train", start, stop), whole_run, slice(start, stop))


def test_seeds_and_splits_differ(pools: dict[str, Pool]) -> None:
    scenes = [
        Sampler(SceneSpec(seed=seed), pools).sample(split, 0, 50)
        for seed, split in ((0, "train"), (1, "train"), (0, "valid"), (0, "test"))
    ]
    for n, one in enumerate(scenes):
        for other in scenes[:n]:
            assert (one.sizes != other.sizes).any()


def test_set_and_multiset_of_one_seed_share_their_layout(pools: dict[str, Pool]) -> None:
    one, other = (Sampler(SPECS[name], pools).sample("test", 0, 50) for name in ("multiset", "set"))
    for shared in ("counts", "sizes", "corners"):
        np.testing.assert_array_equal(getattr(one, shared), getattr(other, shared))
    assert not np.array_equal(one.glyphs, other.glyphs)


def test_unique_has_no_repeats_and_every_class(source: str, pools: dict[str, Pool]) -> None:
    loaded = load_glyphs(source, Path())
    labels = np.concatenate([loaded.train_labels, loaded.test_labels])
    for split in pools:
        scenes = Sampler(SceneSpec(unique=True), pools).sample(split, 0, 500)
        for glyphs, count in zip(scenes.glyphs, scenes.counts, strict=True):
            assert len(set(labels[glyphs[:count]])) == count
        assert set(labels[scenes.glyphs[scenes.glyphs >= 0]]) == set(range(5))


def test_the_grid_is_as_coarse_as_the_largest_object(pools: dict[str, Pool]) -> None:
    scenes = Sampler(SceneSpec(), pools).sample("train", 0, 500)
    for n, count in enumerate(scenes.counts):
        cell = scenes.sizes[n, :count].max()
        cells = scenes.corners[n, :count] // cell
        assert (cells < 100 // cell).all()
        inside = scenes.corners[n, :count] - cells * cell
        assert (inside + scenes.sizes[n, :count, None] <= cell).all()
        assert len(np.unique(cells, axis=0)) == count


def test_uniform_placement_uses_the_margins(pools: dict[str, Pool]) -> None:
    spec = SceneSpec(placement="uniform", max_objects=1, min_size=30, max_size=30)
    corners = Sampler(spec, pools).sample("train", 0, 20_000).corners
    counts = np.bincount(corners[..., 0].ravel(), minlength=71)
    assert counts.min() > 20_000 / 71 * 0.7
    assert counts.max() < 20_000 / 71 * 1.3


def test_uniform_placement_keeps_the_sizes_where_it_can(pools: dict[str, Pool]) -> None:
    drawn = Sampler(SceneSpec(), pools).sample("train", 0, 2000)
    placed = Sampler(SceneSpec(placement="uniform"), pools).sample("train", 0, 2000)
    present = drawn.glyphs >= 0
    np.testing.assert_array_equal(placed.glyphs, drawn.glyphs)
    redrawn = ((drawn.sizes != placed.sizes) & present).any(axis=1)
    assert redrawn.mean() < 0.05


def test_where_nothing_fits_the_example_is_named(
    pools: dict[str, Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "_REDRAWS", 2)
    spec = SceneSpec(placement="uniform", min_objects=4, min_size=50)
    with pytest.raises(HsalBenchError, match=r"image 7 of test.*placement=grid"):
        Sampler(spec, pools).sample("test", 7, 9)


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=20), st.integers(1, 9))
def test_rows_of_a_stream_stand_alone(indices: list[int], width: int) -> None:
    stream = Stream((3, 1), width)
    rows = stream.rows(np.array(sorted(indices), np.int64))
    for index, row in zip(sorted(indices), rows, strict=True):
        np.testing.assert_array_equal(stream.rows(np.array([index]))[0], row)


def test_a_stream_never_changes() -> None:
    near, far = Stream((0, 0), 2).rows(np.array([0, 10**9])).tolist()
    assert near == [0.6369616873214543, 0.2697867137638703]
    assert far == [0.013583707328590156, 0.06808797729788152]


@settings(max_examples=50)
@given(st.data(), st.integers(1, 8), st.integers(0, 30))
def test_distinct_draws_without_replacement(data: st.DataObject, k: int, extra: int) -> None:
    uniform = st.floats(0, 1, exclude_max=True)
    row = data.draw(st.lists(uniform, min_size=k, max_size=k))
    picks = distinct(np.array([row]), k + extra)[0]
    assert len(set(picks)) == k
    assert 0 <= picks.min() <= picks.max() < k + extra


def test_distinct_draws_every_order_equally_often() -> None:
    picks = distinct(np.random.default_rng(0).random((24_000, 3)), 4)
    _, counts = np.unique(picks, axis=0, return_counts=True)
    assert len(counts) == 24
    assert abs(counts - 1000).max() < 150


@given(st.integers(1, 2**31 - 1))
def test_the_largest_double_stays_below_the_number(number: int) -> None:
    assert integers(np.array([1 - 2**-53]), number)[0] == number - 1
