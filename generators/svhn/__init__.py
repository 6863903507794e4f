"""Photographs of house numbers: SVHN Multiset.

May import: glyphs, hsal_bench.data and the rooms below it, and the root of the generators.
"""
