"""The factors of scenes: how many objects, which, how large, where.

Example i of a split takes a fixed number n of uniform doubles from the split's stream, from
position i * n on. So it depends only on (seed, split, i), and many examples are drawn at once. Only
PCG64's doubles are used: NumPy keeps them stable across versions, unlike `integers` or `choice`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hsal_bench.data.schema import PAD, SPLITS
from hsal_bench.generators.glyphs.load import Pool
from hsal_bench.generators.glyphs.sources import GLYPH_SIZE
from hsal_bench.generators.streams import Stream, distinct, integers

from .placement import place_in_grid, place_uniformly
from .spec import SceneSpec


@dataclass(frozen=True)
class Scenes:
    """The factors of n scenes of at most K objects and of C pieces of clutter.

    counts: [n], objects of each scene; beyond them `glyphs` (indices into the source) is -1 and
    the other arrays are meaningless. sizes: [n, K], sides in pixels. corners: [n, K, 2], top and
    left of an object's square. clutter_glyphs: [n, C]. clutter_windows: [n, C, 2], top and left of
    the piece in its glyph. clutter_corners: [n, C, 2], top and left of the piece in the scene.
    """

    counts: np.ndarray
    glyphs: np.ndarray
    sizes: np.ndarray
    corners: np.ndarray
    clutter_glyphs: np.ndarray
    clutter_windows: np.ndarray
    clutter_corners: np.ndarray


class Sampler:
    """Draws the scenes that a spec describes from the pools of its splits."""

    def __init__(self, spec: SceneSpec, pools: Mapping[str, Pool]) -> None:
        self.spec, self.pools = spec, pools

    def sample(self, split: str, start: int, stop: int) -> Scenes:
        """Return the factors of the examples start..stop-1 of a split.

        Raises:
            HsalBenchError: placement=uniform, and the objects of an example do not fit.
        """
        spec, K, C = self.spec, self.spec.max_objects, self.spec.clutter
        key = (spec.seed, SPLITS.index(split))
        columns = Stream(key, 1 + 6 * K + 4 * C).rows(np.arange(start, stop))
        count, objects, clutter = np.split(columns, [1, 1 + 6 * K], axis=1)
        u_size, u_glyph, u_class, u_cell, u_y, u_x = np.split(objects, 6, axis=1)

        counts = spec.min_objects + integers(count[:, 0], spec.max_objects - spec.min_objects + 1)
        present = np.arange(K) < counts[:, None]
        sizes = spec.min_size + integers(u_size, spec.max_size - spec.min_size + 1)
        if spec.placement == "grid":
            corners = place_in_grid(spec.canvas, sizes, present, u_cell, np.stack([u_y, u_x], -1))
        else:
            sizes, corners = place_uniformly(spec, split, start, sizes, present)
        glyphs = np.where(present, self._glyphs(split, u_glyph, u_class), PAD)
        return Scenes(counts, glyphs, sizes, corners, *self._clutter(split, clutter))

    def _glyphs(self, split: str, u_glyph: np.ndarray, u_class: np.ndarray) -> np.ndarray:
        pool = self.pools[split]
        if not self.spec.unique:
            return pool.glyphs[integers(u_glyph, len(pool.glyphs))]
        classes = distinct(u_class, len(pool.sizes))
        return pool.glyphs[pool.starts[classes] + integers(u_glyph, pool.sizes[classes])]

    def _clutter(
        self, split: str, columns: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        side, pool = self.spec.clutter_size, self.pools[split]
        u_glyph, u_y, u_x, u_cell = np.split(columns, 4, axis=1)
        glyphs = pool.glyphs[integers(u_glyph, len(pool.glyphs))]
        windows = integers(np.stack([u_y, u_x], -1), GLYPH_SIZE - side + 1)
        per_side = self.spec.canvas // side
        cells = distinct(u_cell, per_side**2)
        corners = np.stack([cells // per_side, cells % per_side], -1) * side
        return glyphs, windows, corners
