"""Reader processes: cameras in, sampled pictures in shared memory out."""
