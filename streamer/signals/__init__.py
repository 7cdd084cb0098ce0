"""Traffic signals: what a controller's feed and a drawn lamp say of them, and how far that is to be trusted."""
