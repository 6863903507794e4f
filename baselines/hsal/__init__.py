"""The paper's model, in the paper's notation.

May import: baselines.shared, and metrics, method, options and errors of the core.
"""
