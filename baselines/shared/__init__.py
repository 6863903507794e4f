"""Components shared by several methods: layers, decoders, sequence losses, matching.

May import: metrics, method, options and errors of the core.
"""
