"""Rules: one behaviour a file, its settings and its logic together."""
