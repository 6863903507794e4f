"""Training and evaluating a method; the activation model and its volumes.

May import: records, data, metrics, method, options and the modules at the root.
"""
