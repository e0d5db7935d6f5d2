"""Deployment: a trained network placed on arrays, programmed, evaluated as a chip would be."""
