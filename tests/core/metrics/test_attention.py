"""Attention metrics: a trace on a 2 x 2 grid by hand, and laws."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsal_bench.method.contract import Trace
from hsal_bench.metrics.attention import attention_sums, cells_in_boxes

NUM_CLASSES, STOP = 3, 3
quick = settings(deadline=None, max_examples=30)


def trace_of(saliency, glimpses, labels):
    saliency, glimpses = torch.tensor(saliency), torch.tensor(glimpses)
    maps = saliency[:, None].expand(-1, glimpses.shape[1], -1, -1)
    return Trace(saliency, maps, maps, maps, glimpses, torch.tensor(labels))


def by_hand():
    """A 4 x 4 image in four cells: class 0 in the upper left one, class 1 in both right ones."""
    trace = trace_of(
        saliency=[[[1.0, 2.0], [3.0, 6.0]]],
        # Step 1 predicts 0 at cells 0 and 1; step 2 predicts 1 at cells 1 (again) and 2; stop.
        glimpses=[[[0, 1], [1, 2], [3, 3], [3, 3]]],
        labels=[[0, 1, STOP, -1]],
    )
    boxes = torch.tensor([[[0, 0, 2, 2], [2, 0, 4, 4], [-1, -1, -1, -1]]], dtype=torch.int16)
    return trace, boxes, torch.tensor([[0, 1, -1]], dtype=torch.int8)


def test_by_hand():
    means = attention_sums(*by_hand(), (4, 4), NUM_CLASSES).means()
    assert means == pytest.approx(
        {
            "attn_saliency": (1 + 2 + 0 + 3) / 4,  # cell 1 was zeroed by step 1
            "attn_saliency_chance": 3,
            "pointing_hit": 3 / 4,  # cell 2 is in no box
            "pointing_hit_chance": 3 / 4,
            "class_hit": 2 / 4,  # cell 0 at step 1, cell 1 at step 2
            "class_hit_chance": (1 / 4 + 1 / 4 + 2 / 4 + 2 / 4) / 4,
            "coverage": 1,
            "coverage_chance": (1 - (3 / 4) ** 4 + 1 - (2 / 4) ** 4) / 2,
        }
    )


def test_two_glimpses_of_one_step_see_the_same_saliency():
    trace = trace_of([[[1.0, 2.0]]], [[[1, 1], [1, 0]]], [[0, 0]])
    boxes, labels = torch.full((1, 1, 4), -1), torch.full((1, 1), -1)
    sums = attention_sums(trace, boxes, labels, (1, 2), NUM_CLASSES)
    assert float(sums.saliency) == 2 + 2 + 0 + 1
    assert math.isnan(sums.means()["coverage"])


def test_a_method_that_stops_at_once_has_looked_nowhere():
    _, boxes, labels = by_hand()
    stopped = trace_of([[[1.0, 2.0], [3.0, 6.0]]], [[[0, 0]]], [[STOP]])
    means = attention_sums(stopped, boxes, labels, (4, 4), NUM_CLASSES).means()
    assert math.isnan(means["attn_saliency"])
    assert (means["coverage"], means["coverage_chance"]) == (0, 0)


def test_boxes_are_half_open():
    boxes = torch.tensor([[[1, 1, 3, 3], [0, 0, 1, 1]]])
    inside = cells_in_boxes(boxes, (4, 6), (2, 3))  # centres: x 1, 3, 5 and y 1, 3
    assert inside.int().tolist() == [[[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]]


def random_case(seed, batch=5, steps=4, k=2, grid=(3, 5)):
    generator = torch.Generator().manual_seed(seed)

    def integers(low, high, *shape):
        return torch.randint(low, high, shape, generator=generator)

    labels = integers(0, NUM_CLASSES + 1, batch, steps)
    stopped = (labels == STOP).int()
    labels[stopped.cumsum(1) - stopped > 0] = -1
    saliency = torch.rand(batch, *grid, generator=generator)
    maps = saliency[:, None].expand(-1, steps, -1, -1)
    cells = grid[0] * grid[1]
    trace = Trace(saliency, maps, maps, maps, integers(0, cells, batch, steps, k), labels)
    corner, size = integers(0, 20, batch, 3, 2), integers(1, 20, batch, 3, 2)
    boxes = torch.cat([corner, corner + size], 2)
    truth = integers(-1, NUM_CLASSES, batch, 3)
    return trace, boxes.masked_fill(truth[:, :, None] < 0, -1), truth


def rows(case, start, stop):
    trace, boxes, labels = case
    part = Trace(*(value[start:stop] for value in vars(trace).values()))
    return part, boxes[start:stop], labels[start:stop]


def slow_sums(trace, boxes, labels, size):
    """The hits and the coverage, one glimpse and one object at a time."""
    h, w = trace.saliency.shape[1:]
    hits = class_hits = covered = saliency = 0.0
    for n in range(len(boxes)):
        centres, seen = [], set()
        for t, label in enumerate(trace.labels[n].tolist()):
            if not 0 <= label < NUM_CLASSES:
                break
            glimpses = trace.glimpses[n, t].tolist()
            for cell in glimpses:
                x, y = (cell % w + 0.5) * size[1] / w, (cell // w + 0.5) * size[0] / h
                centres.append((x, y))
                saliency += 0 if cell in seen else float(trace.saliency[n, cell // w, cell % w])
                owners = [
                    owner
                    for owner, (x0, y0, x1, y1) in zip(labels[n], boxes[n], strict=True)
                    if x0 <= x < x1 and y0 <= y < y1
                ]
                hits += bool(owners)
                class_hits += label in owners
            seen.update(glimpses)
        covered += sum(
            any(x0 <= x < x1 and y0 <= y < y1 for x, y in centres) for x0, y0, x1, y1 in boxes[n]
        )
    return [hits, class_hits, covered, saliency]


@quick
@given(st.integers(0, 2**31))
def test_sums_are_the_definitions(seed):
    case = random_case(seed)
    sums = attention_sums(*case, (30, 40), NUM_CLASSES)
    fast = [float(x) for x in (sums.hits, sums.class_hits, sums.covered, sums.saliency)]
    assert fast == pytest.approx(slow_sums(*case, (30, 40)))


@quick
@given(st.integers(0, 2**31), st.integers(1, 4))
def test_batches_add_up(seed, cut):
    case = random_case(seed)
    parts = [attention_sums(*rows(case, *ends), (30, 40), 3) for ends in ((0, cut), (cut, 5))]
    whole = attention_sums(*case, (30, 40), NUM_CLASSES)
    assert (parts[0] + parts[1]).means() == pytest.approx(whole.means(), nan_ok=True)


@quick
@given(st.integers(0, 2**31))
def test_what_comes_after_the_stop_does_not_matter(seed):
    trace, boxes, labels = random_case(seed)
    dead = (trace.labels < 0) | (trace.labels == STOP)
    glimpses = trace.glimpses.masked_fill(dead[:, :, None], -1)
    other = Trace(trace.saliency, trace.S_t, trace.masks, trace.priority, glimpses, trace.labels)
    one, two = (
        attention_sums(t, boxes, labels, (30, 40), NUM_CLASSES).means() for t in (trace, other)
    )
    assert one == pytest.approx(two, nan_ok=True)


def test_random_glimpses_score_the_chance_level():
    """One image many times over, one glimpse each."""
    trace, boxes, labels = rows(random_case(3, steps=1, k=1), 0, 1)
    many = 20_000
    glimpses = torch.randint(0, 15, (many, 1, 1), generator=torch.manual_seed(0))
    predicted = labels[0].max().expand(many, 1)
    maps = trace.S_t.expand(many, -1, -1, -1)
    looked = Trace(trace.saliency.expand(many, -1, -1), maps, maps, maps, glimpses, predicted)
    truth = boxes.expand(many, -1, -1), labels.expand(many, -1)
    means = attention_sums(looked, *truth, (30, 40), NUM_CLASSES).means()
    for name in ("attn_saliency", "pointing_hit", "class_hit", "coverage"):
        assert 0 < means[f"{name}_chance"] == pytest.approx(means[name], abs=0.02)
