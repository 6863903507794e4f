"""The tiny task of `check-method` has the forms of a dataset."""

import pytest
import torch

from hsal_bench.conformance.tiny_task import tiny_task

CPU = torch.device("cpu")


@pytest.mark.parametrize("inputs", ["activations", "images"])
def test_the_tiny_task_keeps_the_forms_of_a_data_set(inputs):
    tiny = tiny_task(inputs, CPU)
    (batch,) = tiny.batches(1)
    assert batch.inputs.shape[1:] == tiny.task.input_shape
    assert batch.inputs.min() >= 0.0
    counts, labels, boxes = tiny.train.counts, tiny.train.labels, tiny.train.boxes
    assert ((labels >= 0).sum(1) == counts.sum(1)).all()
    assert ((boxes >= 0).all(2) == (labels >= 0)).all()
    assert set(counts.sum(1).tolist()) == {0, 1, 2, 3}
    assert (counts > 1).any(1).float().mean() > 0.2
    assert tiny.task.class_objects == tuple(counts.sum(0).tolist())
