"""Streaming behaviour nets: trained over clips, served one frame at a time, the same numbers either way."""
