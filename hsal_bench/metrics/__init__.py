"""Metrics of predicted multisets and of attention.

May import: method, options and the modules at the root.
"""
