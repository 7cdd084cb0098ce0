"""How well a site's pipelines agree with what really happened: `streamer evaluate`.

`truth` reads what a person wrote down, `matching` pairs it with the events of a replay, `figures` makes rates and bounds
of the pairs, `tracking` compares tracks with labeled boxes. The replay itself is that of `streamer replay`.
"""
