"""`hsal_bench.load`: a split of a dataset file as a PyTorch dataset."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import hsal_bench as hb
from hsal_bench.data.file import open_data
from hsal_bench.errors import UsageError
from hsal_bench.metrics.multiset import counts_from_labels


@pytest.fixture
def toy(toy_file):
    return hb.load(toy_file, split="test")


def test_an_example_is_an_image_and_its_counts(toy, toy_file):
    image, counts = toy[3]
    with open_data(toy_file) as data:
        stored = data.examples("test", np.array([3]))
    assert image.dtype == torch.float32
    assert torch.equal(image * 255, torch.from_numpy(stored["images"][0]).float())
    assert counts.tolist() == stored["counts"][0].tolist()


def test_slices_and_negative_rows(toy):
    assert len(toy) == 60
    assert torch.equal(toy[-1][0], toy[59][0])
    assert [counts.tolist() for _, counts in toy[1:4]] == [toy[i][1].tolist() for i in (1, 2, 3)]
    with pytest.raises(IndexError, match="has 60 test examples, no 60"):
        toy[60]


def test_a_transform_gets_the_stored_image(toy_file):
    doubled = hb.load(str(toy_file), split="test", transform=lambda image: image.int() * 2)
    plain = hb.load(toy_file, split="test").numpy()["images"]
    assert doubled[5][0].tolist() == (plain[5].astype(int) * 2).tolist()


def test_targets_agree(toy, toy_file):
    labels = hb.load(toy_file, split="test", target="labels")
    objects = hb.load(toy_file, split="test", target="objects")
    for row in range(len(toy)):
        counts, target = toy[row][1], objects[row][1]
        assert torch.equal(counts_from_labels(labels[row][1][None], 3)[0], counts)
        assert torch.equal(target["labels"], labels[row][1])
        assert target["boxes"].shape == (counts.sum(), 4)


def test_every_object_has_a_row(toy):
    table = toy.to_pandas()
    assert len(table) == toy.counts.sum()
    first = table[table.image == 7]
    assert first.label.tolist() == [label for label in toy.labels[7].tolist() if label >= 0]
    assert (
        first[["x0", "y0", "x1", "y1"]].to_numpy().tolist() == toy.boxes[7][: len(first)].tolist()
    )
    assert first.class_name.tolist() == [toy.class_names[label] for label in first.label]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_worker_processes_give_the_same_batches(toy_file, start):
    dataset = hb.load(toy_file, split="test", target="labels")
    loader = DataLoader(
        dataset,
        batch_size=7,
        shuffle=True,
        num_workers=2,
        multiprocessing_context=start,
        collate_fn=hb.collate,
        generator=torch.Generator().manual_seed(0),
    )
    batches = list(loader)
    counts = torch.cat([counts_from_labels(labels, 3) for _, labels in batches])
    assert sum(len(images) for images, _ in batches) == 60
    assert sorted(counts.tolist()) == sorted(dataset.counts.tolist())


def test_label_lists_are_padded_to_the_longest_of_the_batch():
    image = torch.zeros(1, 2, 2)
    lists = [torch.tensor(labels) for labels in ([2, 0], [1], [])]
    images, labels = hb.collate([(image, row.long()) for row in lists])
    assert images.shape == (3, 1, 2, 2)
    assert labels.tolist() == [[2, 0], [1, -1], [-1, -1]]


def test_wrong_names_are_refused(toy_file):
    with pytest.raises(UsageError, match="no split 'tset': did you mean 'test'"):
        hb.load(toy_file, split="tset")
    with pytest.raises(UsageError, match="no target 'label': did you mean 'labels'"):
        hb.load(toy_file, target="label")


def test_a_missing_dataset_is_built(tmp_path):
    sizes = hb.load("synthetic-single", split="test", datasets=tmp_path)
    assert (tmp_path / "synthetic-single.h5").is_file()
    assert sizes.name == "synthetic-single"
