"""Datasets for PyTorch: a split of a dataset file as a map-style dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils import data as torch_data

from hsal_bench.data import locate
from hsal_bench.data.file import open_data
from hsal_bench.data.schema import PAD, SPLITS, Examples
from hsal_bench.errors import UsageError, suggest

if TYPE_CHECKING:
    import pandas as pd

Target = Literal["counts", "labels", "objects"]
Transform = Callable[[Tensor], Any]
Example = tuple[Any, Any]
"""An image, transformed, and its target."""


class Dataset(torch_data.Dataset[Example]):
    """A split of a dataset: `dataset[i]` is (image, target).

    The split is decoded into memory once (uint8), and worker processes of a `DataLoader` share
    it. `name`, `class_names` and `content_sha256` are those of the dataset.

    Examples:
        >>> train = hsal_bench.load("mnist-multiset", split="train")
        >>> image, counts = train[0]  # float32 [1, 100, 100] in [0, 1], int64 [10]
    """

    def __init__(
        self,
        path: Path,
        split: str = "train",
        transform: Transform | None = None,
        target: Target = "counts",
    ) -> None:
        if split not in SPLITS:
            raise UsageError(f"no split {split!r}: {suggest(split, SPLITS)}")
        if target not in get_args(Target):
            raise UsageError(f"no target {target!r}: {suggest(target, get_args(Target))}")
        self.split, self.transform, self.target = split, transform, target
        with open_data(path) as data:
            header = data.header
            self.path = path
            self.name, self.class_names = header.name, header.class_names
            self.content_sha256 = header.content_sha256
            arrays = {name: data.read(split, name) for name in data.layout.arrays()}
        # Tensors, because worker processes that are spawned share their memory.
        self._images = torch.from_numpy(arrays.pop("images"))
        self._arrays = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        """Return an example, or the list of those in a slice.

        Raises:
            IndexError: the split has no such example.
        """
        if isinstance(index, slice):
            return self.__getitems__(range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} {self.split} examples, no {index}")
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Example]:
        """Return several examples; `DataLoader` calls this once per batch."""
        rows = torch.as_tensor(list(indices), dtype=torch.int64)
        images = self._images[rows]
        transformed = images / 255.0 if self.transform is None else map(self.transform, images)
        return list(zip(transformed, self._targets(rows), strict=True))

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}, split={self.split!r}, {len(self):,} images of "
            f"{' x '.join(map(str, self._images.shape[1:]))}, {len(self.class_names)} classes, "
            f"target={self.target!r})"
        )

    @property
    def counts(self) -> Tensor:
        """The number of objects of each class in each image, int64 [N, classes]."""
        return self._arrays["counts"].long()

    @property
    def labels(self) -> Tensor:
        """The labels of each image in the file's order, int64 [N, K], padded with -1."""
        return self._arrays["labels"].long()

    @property
    def boxes(self) -> Tensor:
        """x0, y0, x1, y1 of each object in pixels, half-open: int64 [N, K, 4], padded with -1.

        In the order of `labels`.
        """
        return self._arrays["boxes"].long()

    def numpy(self) -> Examples:
        """Return the arrays by name; they share their memory with the dataset.

        images: uint8 [N, C, H, W]. counts: uint8 [N, classes]. labels: int8 [N, K]. boxes: int16
        [N, K, 4]. source_index: int32 [N, K], the glyph of each object in the dataset's source.
        """
        arrays = {name: array.numpy() for name, array in self._arrays.items()}
        return {"images": self._images.numpy(), **arrays}

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per object, without the pixels.

        Columns: image (its row in the split), label, class_name, x0, y0, x1, y1, source_index.
        Images without objects have no row.
        """
        import pandas as pd

        labels = self._arrays["labels"].numpy()
        image, place = np.nonzero(labels != PAD)
        label = labels[image, place].astype(np.int64)
        corners = self._arrays["boxes"].numpy()[image, place]
        return pd.DataFrame(
            {
                "image": image,
                "label": label,
                "class_name": np.array(self.class_names, object)[label],
                **dict(zip(("x0", "y0", "x1", "y1"), corners.T, strict=True)),
                "source_index": self._arrays["source_index"].numpy()[image, place],
            }
        )

    def _targets(self, rows: Tensor) -> Sequence[Any]:
        if self.target == "counts":
            return list(self._arrays["counts"][rows].long())
        labels, boxes = self._arrays["labels"][rows].long(), self._arrays["boxes"][rows]
        present = labels != PAD
        lists = [row[real] for row, real in zip(labels, present, strict=True)]
        if self.target == "labels":
            return lists
        corners = [row[real].float() for row, real in zip(boxes, present, strict=True)]
        return [{"labels": label, "boxes": box} for label, box in zip(lists, corners, strict=True)]


def load(
    name: str | PathLike[str],
    split: str = "train",
    datasets: str | PathLike[str] = "data",
    transform: Transform | None = None,
    target: Target = "counts",
    data_dir: str | PathLike[str] | None = None,
) -> Dataset:
    """Return a split of a dataset as a PyTorch dataset; a missing one is built in `datasets`.

    name: of a dataset ("mnist-multiset"; `hsal-bench list` has all), or the path of a file
    NAME.h5. split: "train", "valid" or "test". transform: called with each image, a uint8 tensor
    [C, H, W], as torchvision's v2 transforms expect; by default images become float32 in [0, 1].
    data_dir: folder of the sources, such as MNIST's files, which are downloaded if missing;
    `datasets` by default.

    target: "counts" (int64 [classes]), "labels" (int64 [n], in the file's random order), or
    "objects" ({"labels": int64 [n], "boxes": float32 [n, 4]}, as torchvision's detectors take
    them). The last two need `collate_fn=hsal_bench.collate` in a `DataLoader`.

    Raises:
        UsageError: there is no such dataset, split or target, or the file is damaged.
    """
    text = str(name) if isinstance(name, str) else str(Path(name).absolute())
    sources = Path(datasets if data_dir is None else data_dir)
    return Dataset(locate.find_or_build(text, Path(datasets), sources), split, transform, target)


def collate(examples: Sequence[Example]) -> tuple[Tensor, Any]:
    """Collate the examples of a batch for a `DataLoader`; images may have any number of objects.

    Images are stacked, [B, C, H, W]. Counts become int64 [B, classes], labels int64 [B, most
    objects in the batch], padded with -1; "objects" stay a list of dictionaries.
    """
    images, targets = zip(*examples, strict=True)
    stacked = torch_data.default_collate(list(images))
    if isinstance(targets[0], Mapping):
        return stacked, list(targets)
    return stacked, pad_sequence(list(targets), batch_first=True, padding_value=PAD)
