"""What several methods share: decoders, losses of sequences, matching.

May import: metrics, method, options and errors of the core.
"""
