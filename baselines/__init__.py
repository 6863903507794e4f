"""The methods the benchmark compares."""
