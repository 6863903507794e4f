"""hsal-bench: a benchmark suite for multiset prediction from images."""

__version__ = "0.1.0"
