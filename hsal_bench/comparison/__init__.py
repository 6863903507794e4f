"""Statistics over records: grouping runs, ranks, paired comparisons.

May import: training, records, data, metrics, method, options and the modules at the root.
"""
