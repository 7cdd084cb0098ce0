"""Training of behaviour models from clips, what is made of their scores, and export; never imported by the daemon."""
