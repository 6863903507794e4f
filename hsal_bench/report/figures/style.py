"""Style of all pictures: sizes, fonts, colours, and the form of images and multisets.

For print: widths of one and two columns, TrueType fonts in PDF, colours that are safe for colour
blindness, and no information by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsal_bench.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.ImageFont import FreeTypeFont

ONE_COLUMN, TWO_COLUMNS = 3.25, 6.75
"""Widths in inches, as in the two-column styles of ICML and CVPR."""
FONT, SMALL = 7.0, 6.0
"""Font sizes in points at the final size of the figure."""
DPI = 300

LINES = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"),
    *("#7b3294", "#8c510a", "#c2183c", "#5c8a00", "#5a5fe0"),
)
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2, 2, 2)))
"""Colours of Okabe and Ito (https://jfly.uni-koeln.de/color/) and five more, which colour blindness
can confuse; and dashes of lines. 12 and 5 have no common divisor, so that 60 lines differ,
neighbours also in grey."""

CLASSES = (
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#3F7FE8",
    "#D55E00",
    "#CC79A7",
    "#FFFFFF",
    "#FFC0CB",
    "#9AD9C0",
)
"""Colours of classes on dark images: Okabe and Ito's with a lighter blue and white for black, and
two pale ones. Further classes repeat them: a class always has its name too."""

MAP = "gist_heat_r"
"""Colour map for values in [0, 1]: white for 0, darker for more, also in grey."""
RIGHT, WRONG = "#00694d", "#b34e00"
MARKS = {True: "✓", False: "✗"}

_FACE = "DejaVu Sans"
_RC: dict[Any, Any] = {
    "font.family": _FACE,
    # Names of methods and classes can contain "$": maths is enabled per text.
    "text.parse_math": False,
    "mathtext.fontset": "dejavusans",
    "font.size": FONT,
    "axes.labelsize": FONT,
    "axes.titlesize": FONT,
    "legend.fontsize": FONT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    # TrueType: journals refuse Type 3, the default of matplotlib.
    "pdf.fonttype": 42,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Apply the fonts and lines of the style within the block."""
    from matplotlib import rc_context

    with rc_context(_RC):
        yield


def save(figure: Figure, path: Path) -> None:
    """Write a figure to `path` atomically, as PDF or PNG by the suffix.

    The same figure gives the same bytes: the PDF has no date.
    """
    kind = path.suffix.removeprefix(".")
    metadata = {"CreationDate": None} if kind == "pdf" else {}
    with drawing(), replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=DPI, metadata=metadata)


@cache
def font(size: int) -> FreeTypeFont:
    """Return the font of the figures for Pillow, `size` pixels high."""
    import matplotlib
    from PIL import ImageFont

    faces = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(faces / f"{_FACE.replace(' ', '')}.ttf", size)


def ems(text: str) -> float:
    """Return the width of a text in the font of the figures, in ems."""
    return font(100).getlength(text) / 100


def as_pixels(image: np.ndarray) -> np.ndarray:
    """Return an image uint8 [C, H, W] for drawing: [H, W] if grey, else [H, W, C]."""
    return image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))


def multiset(labels: Iterable[int], names: Sequence[str]) -> str:
    """Return the text of a multiset: "{3, 3, 7}"."""
    return f"{{{label_list(labels, names)}}}"


def label_list(labels: Iterable[int], names: Sequence[str]) -> str:
    """Return the names of the labels, sorted: "3, 3, 7"."""
    return ", ".join(names[label] for label in sorted(labels))
