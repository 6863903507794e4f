"""The Python interface: what `import hsal_bench` offers. May import every room but the CLI."""
