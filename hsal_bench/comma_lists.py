"""Lists of paths separated by commas, where a path may have a comma itself."""

from __future__ import annotations

from collections.abc import Callable


def split(text: str, exists: Callable[[str], bool]) -> list[str]:
    """Return the items of a list, without the spaces around them.

    Words that are no item alone, but are one that `exists` together, are joined again.

    >>> split("a, my, b", {"my, b"}.__contains__)
    ['a', 'my, b']
    """
    words, items = text.split(","), []
    while words:
        joined = [",".join(words[:end]).strip() for end in range(1, len(words) + 1)]
        end = next((end for end, item in enumerate(joined, 1) if exists(item)), 1)
        items.append(joined[end - 1])
        words = words[end:]
    return items
