"""Training and its data: from folders of clips to the model files that the daemon runs.

Never imported by the engine, its readers or `streamer --help`; what needs torch imports it where it is used.
"""
