"""The command line: one module per command. Importing them must stay fast.

May import: every room of the core, at the top only what is light (no torch, no pandas).
"""
