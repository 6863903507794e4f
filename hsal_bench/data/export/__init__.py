"""Copies of a dataset in other formats: Parquet, WebDataset, a folder for Hugging Face's hub.

May import: hsal_bench.data and the rooms below it.
"""
