"""`python -m hsal_bench` is the command `hsal-bench`."""

from hsal_bench.cli import main

main()
