"""`hsal-bench run`: parse the request, train and evaluate each method, write the records.

May import: report and the rooms below it; not conformance.
"""
