"""Figures as HoloViews elements, saved at the size of a printed column.

`crosstalk`, `timeline`, `error`, `calibration`, `tiling` turn a Dataset into an element, which
displays in a notebook with any HoloViews backend; `paper.save_figure` writes it as PDF, SVG or
PNG.
"""
