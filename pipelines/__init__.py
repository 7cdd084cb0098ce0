"""Shipped pipelines: each file is the story of one family of behaviours, written against what `streamer` exports."""
