"""The origin of each source's glyphs, for data cards."""

from __future__ import annotations

from dataclasses import dataclass

from .load import source_name
from .sources import IDX_SOURCES, SYNTHETIC


@dataclass(frozen=True)
class Origin:
    """The origin of a source's glyphs; fields as in `About`.

    glyphs: their name, in the plural. made_by: as `origin` there. split_limits: limits of splits
    with disjoint pools of glyphs.
    """

    glyphs: str
    made_by: str
    personal: str
    limits: tuple[str, ...] = ()
    split_limits: tuple[str, ...] = ()
    license: str = ""
    license_url: str = ""
    homepage: str = ""


def origin(source: str) -> Origin:
    """Return the origin of a source. Raises UsageError: unknown source."""
    return _ORIGINS[source_name(source)]


_ORIGINS = {
    "mnist": Origin(
        "MNIST digits",
        "MNIST's digits were written by employees of the US Census Bureau and by US high-school "
        "students for the NIST collections (Special Databases 3 and 1), about 250 of them for the "
        "training part; LeCun, Cortes and Burges mixed both groups in each part, scaled each "
        "digit to 20 pixels and centred it by its mass on 28 x 28 pixels. The writers of the test "
        "part did not write for the training part.",
        "Handwriting of anonymous people; the files do not identify the writers.",
        (
            "The writers are two groups from one country, decades ago: ways of writing a digit "
            "that are common elsewhere may be rare or missing.",
        ),
        (
            "The glyphs of `valid` are a random part of MNIST's training part, so `train` and "
            "`valid` may share writers; the writers of `test` are different.",
        ),
        IDX_SOURCES["mnist"].license,
        "https://creativecommons.org/licenses/by-sa/3.0/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    "fashion-mnist": Origin(
        "Fashion-MNIST articles",
        "Fashion-MNIST's glyphs are product pictures from Zalando's shop, one per article. Xiao, "
        "Rasul and Vollgraf shrank them to 28 x 28 grey pixels and inverted them; the classes are "
        "the shop's.",
        "None: articles of clothing.",
        ("Some classes (shirt, T-shirt, pullover, coat) are hard to tell apart at 28 x 28.",),
        (),
        IDX_SOURCES["fashion-mnist"].license,
        "https://opensource.org/licenses/MIT",
        "https://github.com/zalandoresearch/fashion-mnist",
    ),
    "kmnist": Origin(
        "Kuzushiji-MNIST characters",
        "Kuzushiji-MNIST's glyphs are cursive Japanese characters cut out of scanned classical "
        "books, transcribed by specialists (Kuzushiji Dataset of the National Institute of "
        "Japanese Literature and others); the Center for Open Data in the Humanities converted "
        "them to MNIST's format. Each class is one Hiragana syllable.",
        "None: characters from old books.",
        ("A class may contain very different shapes of its character (hentaigana).",),
        (),
        IDX_SOURCES["kmnist"].license,
        "https://creativecommons.org/licenses/by-sa/4.0/",
        "http://codh.rois.ac.jp/kmnist/",
    ),
    SYNTHETIC: Origin(
        "drawn digits",
        "This project's own program draws the digits: a few handwriting styles per digit, their "
        "strokes jittered, bent, slanted and stretched, with a soft pen on 28 x 28 pixels.",
        "None: no person wrote the digits or is shown in them.",
        (
            "No person wrote these digits: they vary less than handwriting and are easier to read. "
            "A result on them says little about MNIST.",
        ),
        ("All splits use the same few styles: `test` has new distortions, not new styles.",),
        "CC0-1.0",
        "https://creativecommons.org/publicdomain/zero/1.0/",
    ),
    "idx": Origin(
        "glyphs of the given IDX files",
        "The glyphs come from IDX files of the person who generated the dataset; their origin is "
        "not recorded.",
        "Unknown: depends on the IDX files.",
        license="unknown: that of the IDX files",
    ),
}
