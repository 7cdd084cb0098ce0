"""How well a site's pipelines agree with what really happened: `streamer evaluate`.

`truthfile` reads the `truth` that a person wrote down, `matching` pairs it with the events of a replay, `figures` makes
rates and bounds of the pairs and `score` a table, `tracking` compares tracks with labeled boxes. The replay itself is
that of `streamer replay`.
"""
