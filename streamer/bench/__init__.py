"""The bench: what this machine carries, how late, at what cost, and how far that is from the least possible cost.

`command` is the door for the command line. A run has three parties, each in a process of its own so that none is
charged for another: the simulator (or real cameras), the subject (`subject`: the daemon as `streamer run` builds it),
and the bench itself, which reads /proc. `floor` measures in the same run what bare decoding and the bare model cost.
"""
