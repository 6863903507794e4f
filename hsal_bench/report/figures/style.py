"""How every picture looks: sizes, fonts, colours, how images and multisets are shown, and written.

For print: widths of one and of two columns, TrueType fonts in PDF, colours that people with any
colour vision tell apart, and nothing that only a colour tells.
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
"""Points; what is drawn at its own size is read at these."""
DPI = 300

LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2, 2, 2)))
"""Colours of Okabe and Ito (https://jfly.uni-koeln.de/color/) and dashes of lines: their numbers
have no divisor in common, so that 35 lines differ, and neighbours do in grey too."""

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
"""Colours of classes on dark images: Okabe and Ito's, the blue lighter and the black white, and two
pale ones. Further classes begin anew: a class is never told by its colour alone."""

MAP = "gist_heat_r"
"""Of maps in [0, 1]: white for nothing, so that a print is mostly paper; darker for more, in grey
too."""
RIGHT, WRONG = "#00694d", "#b34e00"
MARKS = {True: "✓", False: "✗"}

_FACE = "DejaVu Sans"
_RC: dict[Any, Any] = {
    "font.family": _FACE,
    # A method or a class can have any name, dollars too: what is maths says so itself.
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
    # TrueType: journals refuse matplotlib's default, Type 3.
    "pdf.fonttype": 42,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Give what is drawn within the block its fonts and lines."""
    from matplotlib import rc_context

    with rc_context(_RC):
        yield


def save(figure: Figure, path: Path) -> None:
    """Write a figure to `path` as its suffix says (PDF or PNG), whole or not at all.

    The same figure gives the same bytes: a PDF has no date.
    """
    kind = path.suffix.removeprefix(".")
    metadata = {"CreationDate": None} if kind == "pdf" else {}
    with drawing(), replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=DPI, metadata=metadata)


@cache
def font(size: int) -> FreeTypeFont:
    """Return the face of the figures for pictures made of pixels, `size` of them high."""
    import matplotlib
    from PIL import ImageFont

    faces = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(faces / f"{_FACE.replace(' ', '')}.ttf", size)


def ems(text: str) -> float:
    """Return how wide a text is in the face of the figures, in units of its size."""
    return font(100).getlength(text) / 100


def shown(image: np.ndarray) -> np.ndarray:
    """Return an image uint8 [C, H, W] as it is drawn: [H, W] where it is grey, else [H, W, C]."""
    return image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))


def multiset(labels: Iterable[int], names: Sequence[str]) -> str:
    """Return a multiset as it is written: "{3, 3, 7}"."""
    return f"{{{listed(labels, names)}}}"


def listed(labels: Iterable[int], names: Sequence[str]) -> str:
    """Return the names of labels in their order: "3, 3, 7"."""
    return ", ".join(names[label] for label in sorted(labels))
