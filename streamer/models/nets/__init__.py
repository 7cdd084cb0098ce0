"""Networks in PyTorch: streaming behaviour nets, the same numbers over clips and frame by frame; and a detector."""
