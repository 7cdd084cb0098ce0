"""A child process for tests of `streamer.child`: answers, dies or hangs as its messages say."""

import os
import sys
import time

from streamer import channel
from streamer.child import become_child


def main() -> None:
    become_child()
    pipe = channel.from_fd(int(sys.argv[1]))
    while (message := pipe.receive()) is not None:
        match message.header["op"]:
            case "echo":
                pipe.send({"op": "echo", "env": dict(os.environ), "argv": sys.argv}, message.body)
            case "die":
                pipe.send({"op": "last"})
                os._exit(3)
            case "hang":
                time.sleep(600)
            case "garbage":
                os.write(pipe.fileno(), b"garbage")
                time.sleep(600)
            case "deaf":  # closes its channel and stays
                pipe.close()
                time.sleep(600)


if __name__ == "__main__":
    main()
