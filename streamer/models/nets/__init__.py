"""Networks in PyTorch, as they are trained. Nothing that serves imports them: serving runs exported files."""
