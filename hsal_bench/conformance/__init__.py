"""`hsal-bench check-method`: does a method keep the contract?

May import: report and the rooms below it; not runs.
"""
