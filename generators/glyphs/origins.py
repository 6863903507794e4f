"""Where the glyphs of each source come from: what a data card tells of them."""

from __future__ import annotations

from dataclasses import dataclass

from .load import source_name
from .sources import IDX_SOURCES, SYNTHETIC


@dataclass(frozen=True)
class Origin:
    """Who made the glyphs of a source, and what follows from it; as in `About`.

    glyphs: what they are called, several of them. split_limits: limits of splits with disjoint
    pools of glyphs.
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
    """Return the origin of a source. Raises UsageError: no such source."""
    return _ORIGINS[source_name(source)]


_ORIGINS = {
    "mnist": Origin(
        "MNIST digits",
        "MNIST's digits were written by employees of the US Census Bureau and by US high-school "
        "students for the NIST collections (Special Databases 3 and 1), about 250 of them for the "
        "training part; LeCun, Cortes and Burges mixed both groups into either part, brought each "
        "digit to 20 pixels and centred it by its mass on 28 x 28. No writer of the test part "
        "wrote for the training part.",
        "Handwriting of people who are not named; the files hold no writer's identity.",
        (
            "The hands are those of two groups of writers of one country, decades ago: ways of "
            "writing a digit that are usual elsewhere may be rare or missing.",
        ),
        (
            "The glyphs of `valid` are held out of MNIST's training part by chance, so a writer "
            "may have written for `train` and for `valid`; the writers behind `test` are others.",
        ),
        IDX_SOURCES["mnist"].license,
        "https://creativecommons.org/licenses/by-sa/3.0/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    "fashion-mnist": Origin(
        "Fashion-MNIST articles",
        "Fashion-MNIST's glyphs are product pictures of Zalando's shop, one per article, shrunk "
        "to 28 x 28 grey pixels and inverted by Xiao, Rasul and Vollgraf; the classes are those "
        "of the shop.",
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
        "Japanese Literature and others); the Center for Open Data in the Humanities brought them "
        "to MNIST's format. Each class is one syllable of Hiragana.",
        "None: characters of old books.",
        ("A class holds several quite different shapes of its character (hentaigana).",),
        (),
        IDX_SOURCES["kmnist"].license,
        "https://creativecommons.org/licenses/by-sa/4.0/",
        "http://codh.rois.ac.jp/kmnist/",
    ),
    SYNTHETIC: Origin(
        "drawn digits",
        "The digits are drawn by this project's own program: a few hand styles per digit, their "
        "strokes jittered, bent, slanted and stretched, with a soft pen on 28 x 28 pixels.",
        "None: no person wrote or is shown in anything here.",
        (
            "No person wrote these digits: they vary less than handwriting and are easier to read. "
            "A number measured on them says little about one on MNIST.",
        ),
        (
            "The same few styles are behind every split: what is new in `test` is how they are "
            "bent, not the style.",
        ),
        "CC0-1.0",
        "https://creativecommons.org/publicdomain/zero/1.0/",
    ),
    "idx": Origin(
        "glyphs of the given IDX files",
        "The glyphs come from IDX files that whoever made the data set gave; who made those, and "
        "of what, the data set does not say.",
        "Unknown: that of the IDX files.",
        license="unknown: that of the IDX files",
    ),
}
