"""Glyph sources: downloading, reading and drawing glyphs.

May import: hsal_bench.data and the rooms below it, and the root of the generators.
"""
