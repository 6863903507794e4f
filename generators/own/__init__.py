"""Own pictures with labels as a dataset file: `hsal-bench import`."""
