"""Sweeps: one or two chip parameters against the error of products, the accuracy of networks."""
