"""Training, and everything that is done with models before they are served; never imported by the daemon."""
