"""`streamer preview`: one real picture of a camera with everything on it that is drawn in the site file.

`picture` gets it from the camera or from a recording, `sketch` draws the places on it, with the primitives of `canvas`,
the only door to OpenCV here.
"""
