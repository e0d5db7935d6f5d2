"""Measurements of a chip as labelled arrays on disk."""
