"""Where pictures come from: RTSP cameras, other network streams, local cameras, files; one of a kind per file."""
