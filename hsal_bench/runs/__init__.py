"""`hsal-bench run`: what is asked for, training each method, recording the results.

May import: report and the rooms below it; not conformance.
"""
