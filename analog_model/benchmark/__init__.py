"""Benchmark of analog layers beside plain torch, on the machine at hand."""
