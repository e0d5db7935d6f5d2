"""Calibration: chip parameters from measurements, with their uncertainty."""
