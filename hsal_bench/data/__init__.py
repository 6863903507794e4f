"""Dataset files: their schema, generating, reading, verifying and naming them.

May import: metrics, method, options and the modules at the root; no generator by name.
"""
