"""Images with labels: what the networks are trained on."""
