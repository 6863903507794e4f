"""`run --on` and `generate --on`: jobs of this machine, of Slurm or of Dask.

May import: runs and the rooms below it; not conformance.
"""
