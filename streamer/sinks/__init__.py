"""Where alerts go: one kind a file, each with its settings class and its sink; `sink.py` says what a sink is."""
