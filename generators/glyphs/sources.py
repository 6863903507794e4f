"""The glyph sources: the addresses and hashes of their published files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

GLYPH_SIZE = 28
"""Side of a glyph, pixels."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""The pattern of a name that becomes part of a dataset's name."""

OWN = "idx"
"""The name of own IDX files without a name."""

GlyphPools = Literal["disjoint", "shared"]
"""Whether each split has glyphs of its own, or all splits share one pool."""


@dataclass(frozen=True)
class PublishedFile:
    """A published file: `name`, or `name`.gz when packed.

    Either the MD5 of its content is known, or that of the packed file as published.
    """

    name: str
    content_md5: str = ""
    packed_md5: str = ""


@dataclass(frozen=True)
class IdxSource:
    """A published source: four IDX files, packed, below `url`.

    title: its authors' name for it. folders: where to look in the data folder; the first is
    torchvision's. files: images then labels, train then test. sizes: glyphs of train and test.
    """

    title: str
    folders: tuple[str, ...]
    url: str
    files: tuple[PublishedFile, ...]
    sizes: tuple[int, int]
    class_names: tuple[str, ...]
    license: str
    citation: str


DIGITS = tuple("0123456789")

IDX_SOURCES = {
    "mnist": IdxSource(
        title="MNIST",
        folders=("MNIST/raw", "mnist", "mnist/MNIST/raw", "."),
        url="https://ossci-datasets.s3.amazonaws.com/mnist/",
        files=(
            PublishedFile("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
            PublishedFile("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
            PublishedFile("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
            PublishedFile("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
        ),
        sizes=(60_000, 10_000),
        class_names=DIGITS,
        license="CC BY-SA 3.0",
        citation="LeCun, Cortes, Burges: The MNIST database of handwritten digits",
    ),
    # The next two have the same file names as MNIST: they need folders of their own.
    "fashion-mnist": IdxSource(
        title="Fashion-MNIST",
        folders=("FashionMNIST/raw", "fashion-mnist", "fashion-mnist/FashionMNIST/raw"),
        url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        files=(
            PublishedFile("train-images-idx3-ubyte", packed_md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            PublishedFile("train-labels-idx1-ubyte", packed_md5="25c81989df183df01b3e8a0aad5dffbe"),
            PublishedFile("t10k-images-idx3-ubyte", packed_md5="bef4ecab320f06d8554ea6380940ec79"),
            PublishedFile("t10k-labels-idx1-ubyte", packed_md5="bb300cfdad3c16e7a12a480ee83cd310"),
        ),
        sizes=(60_000, 10_000),
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        license="MIT",
        citation=(
            "Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
            "Learning Algorithms, arXiv:1708.07747"
        ),
    ),
    "kmnist": IdxSource(
        title="Kuzushiji-MNIST",
        folders=("KMNIST/raw", "kmnist", "kmnist/KMNIST/raw"),
        url="http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        files=(
            PublishedFile("train-images-idx3-ubyte", packed_md5="bdb82020997e1d708af4cf47b453dcf7"),
            PublishedFile("train-labels-idx1-ubyte", packed_md5="e144d726b3acfaa3e44228e80efcd344"),
            PublishedFile("t10k-images-idx3-ubyte", packed_md5="5c965bf0a639b31b8f53240b1b52f4d7"),
            PublishedFile("t10k-labels-idx1-ubyte", packed_md5="7320c461ea6c1c855c0b718fb2a4b134"),
        ),
        sizes=(60_000, 10_000),
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        license="CC BY-SA 4.0",
        citation=(
            "Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto, Ha: Deep Learning for Classical "
            "Japanese Literature, arXiv:1812.01718"
        ),
    ),
}

SYNTHETIC = "synthetic"
SOURCES = (*IDX_SOURCES, SYNTHETIC)
"""The names of all glyph sources except a user's own files."""
