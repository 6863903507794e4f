"""The contract of a method, and `GradientMethod`, which implements most of it.

May import: options and the modules at the root of `hsal_bench`.
"""
