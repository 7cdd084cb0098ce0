"""Model files, their cards, and what turns pixels into a model's input and its output into detections."""
