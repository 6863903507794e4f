"""Result records and predictions files: writing, reading, finding and checking them.

May import: data, metrics, method, options and the modules at the root.
"""
