"""Training of networks, for digital hardware or for a chip."""
