"""The leaderboard as one static, self-contained page.

All text from records is escaped. A content security policy allows only the page's own style sheet
and script, identified by their hashes, and embedded pictures.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from hsal_bench import __version__

from .bars import bars
from .charts import charts, swatch
from .panel import panel
from .pictures import Pictures, pictures
from .sections import Entry, sections

if TYPE_CHECKING:
    from jinja2 import Template

_HERE = Path(__file__).parent


class Page(NamedTuple):
    """The page's text, and a line for each picture that was left out."""

    text: str
    left_out: tuple[str, ...]


def page(entries: Sequence[Entry], file: Path, *, with_pictures: bool = False) -> Page:
    """Return the page of the records, with links relative to `file`.

    with_pictures: embed the attention pictures next to the records, up to
    `pictures.LARGEST_ALL` bytes.
    """
    shown = sections(entries)
    rows = [row for section in shown for row in section.rows]
    embedded = pictures(rows) if with_pictures else Pictures()
    panels = {row.anchor: panel(row, file) for row in rows}
    style, script = ((_HERE / name).read_text("utf-8") for name in ("page.css", "page.js"))
    text = _template().render(
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        version=__version__,
        runs=len(entries),
        sections=shown,
        panels=panels,
        kinds=sorted({panel.kind for panel in panels.values()}),
        pictures=embedded,
        charts=charts,
        bars=bars,
        swatch=swatch,
        breakable=_breakable,
    )
    left_out = (
        f"{row.name} on {section.title}: {embedded.left_out[row.anchor]}"
        for section in shown
        for row in section.rows
        if row.anchor in embedded.left_out
    )
    return Page(text, tuple(left_out))


def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _breakable(name: str) -> Markup:
    """Return a method's name that breaks between its words and at its settings only."""
    before = Markup("<wbr>+").join(name.split("+"))
    return Markup(re.sub(r"(?<=[_=,])", "<wbr>", before))


def _policy(style: str, script: str) -> str:
    """Return the content security policy that allows only this style sheet and script."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
