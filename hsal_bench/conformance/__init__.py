"""Checks that a method keeps the contract, for `hsal-bench check-method`.

May import: report and the rooms below it; not runs.
"""
