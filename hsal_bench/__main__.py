"""`python -m hsal_bench` is the command `hsal-bench`."""

from hsal_bench.cli.main import main

main()
