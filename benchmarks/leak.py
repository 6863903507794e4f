"""Count the glyphs of each test image that the training split does not have.

    python benchmarks/leak.py data/mnist-multiset-shared.h5

Writes shared-glyphs.csv next to this script: `objects` and `unknown` glyphs of each test image, in
the order of the split. With it, findings.py compares images within one test split (`compared`).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hsal_bench.data.file import DataFile, open_data
from hsal_bench.data.leaks import used_sources
from hsal_bench.data.schema import PAD
from hsal_bench.files import write_text
from hsal_bench.record.correct import unpack_correct
from hsal_bench.record.record import Record

if TYPE_CHECKING:
    import pandas as pd

TABLE = Path(__file__).with_name("shared-glyphs.csv")
_NORMAL_95 = 1.96


class Compared(NamedTuple):
    """Exact match on images without an unknown glyph, on those with one, and the leak's effect."""

    known: float
    unknown: float
    effect: float
    """Of knowing all glyphs of an image, against none."""
    half_width: float
    """Of the 95 % interval of the effect, over images."""


def main() -> None:
    """Write the table of the dataset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, help="a dataset with shared glyphs")
    with open_data(parser.parse_args().dataset) as data:
        images = glyphs(data)
        content = data.header.content_sha256
    write_text(TABLE, f"# content {content}\n{images.to_csv(index=False)}")


def glyphs(data: DataFile) -> pd.DataFrame:
    """Return `objects` and `unknown`, the number of glyphs not in training, of each test image."""
    import pandas as pd

    known, test = used_sources(data, "train"), data.read("test", "source_index")
    there = test != PAD
    unknown = there & ~np.isin(test, known)
    return pd.DataFrame({"objects": there.sum(axis=1), "unknown": unknown.sum(axis=1)})


@cache
def committed(content: str) -> pd.DataFrame:
    """Return the committed table, which must be of the dataset with this hash."""
    import pandas as pd

    first = TABLE.read_text(encoding="utf-8").partition("\n")[0]
    assert first == f"# content {content}", f"{TABLE} is of another dataset: write it again"
    return pd.read_csv(TABLE, comment="#")


def compared(runs: Sequence[Record], images: pd.DataFrame) -> Compared:
    """Return the comparison of a method: exact match is averaged over its runs, image by image.

    Images with an unknown glyph have more objects. So the means count each number of objects as
    often as it is in the whole split, and the effect is the slope of a linear regression on the
    share of known glyphs with a constant for each number of objects (White's standard error).
    """
    right = np.mean([unpack_correct(run.correct) for run in runs if run.correct], axis=0)
    objects, unknown = images["objects"].to_numpy(), images["unknown"].to_numpy()
    share, means = 1 - unknown / objects, np.zeros(2)
    x, y = share.copy(), right.copy()
    for number in np.unique(objects):
        same = objects == number
        means += [same.mean() * right[same & side].mean() for side in (unknown == 0, unknown > 0)]
        x[same] -= share[same].mean()
        y[same] -= right[same].mean()
    slope = (x @ y) / (x @ x)
    error = math.sqrt(x**2 @ (y - slope * x) ** 2) / (x @ x)
    return Compared(float(means[0]), float(means[1]), float(slope), _NORMAL_95 * error)


if __name__ == "__main__":
    main()
