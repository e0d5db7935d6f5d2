"""Results of the package: networks degraded by a chip, brought back by retraining."""
