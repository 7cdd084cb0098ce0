"""Frames of all cameras to one device and back: client and batcher in the engine, worker process, runtimes."""
