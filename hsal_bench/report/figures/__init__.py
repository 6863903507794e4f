"""Figures: attention, learning curves, contact sheets.

May import: report, compare and the rooms below it.
"""
