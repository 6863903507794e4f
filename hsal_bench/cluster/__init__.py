"""`hsal-bench run --on`: the runs of a request as jobs of this machine, of Slurm or of Dask.

May import: runs and the rooms below it; not conformance.
"""
