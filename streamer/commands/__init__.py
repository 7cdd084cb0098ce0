"""What each command does: one family a file; every function takes the parsed arguments."""
