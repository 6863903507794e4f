"""The page as a browser reads it."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from hsal_bench.leaderboard.page.page import page

VOID = {"meta", "link", "img", "input", "wbr"}


class Parsed(HTMLParser):
    """A page's elements with their attributes, its texts; refuses what is not closed in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def values(self, attribute):
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]

    @property
    def text(self):
        """All texts as one, with single spaces."""
        return " ".join("".join(text for _, text in self.texts).split())


@pytest.fixture(scope="session")
def parsed():
    """Return a function that makes the page of entries and parses it."""
    return lambda entries, **options: Parsed(page(entries, Path("board.html"), **options).text)
