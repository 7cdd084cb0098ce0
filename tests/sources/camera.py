"""A scripted RTSP camera in a thread: what it answers is what the test says."""

import re
import socket
import threading


class ScriptedCamera:
    """Answers each request of one connection after another by `answer(method, request) -> bytes | None`."""

    def __init__(self, answer):
        self.requests = []
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for sock in self._open:
            sock.close()

    def _serve(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock):
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = sock.recv(4096)
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                text = head.decode()
                self.requests.append(text)
                reply = self._answer(text.split(" ", 1)[0], text)
                if reply is None:
                    sock.shutdown(socket.SHUT_RDWR)
                    sock.close()
                    return
                if reply:
                    sock.sendall(reply)
        except OSError:
            return


def reply(request, status="200 OK", headers=(), body=""):
    number = re.search(r"CSeq: (\d+)", request).group(1)
    lines = [f"RTSP/1.0 {status}", f"CSeq: {number}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def sdp(codec="H264", extra=""):
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\n"
        "m=audio 0 RTP/AVP 8\r\na=control:track2\r\n"
        f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 {codec}/90000\r\na=control:track1\r\na=framerate:10\r\n{extra}"
    )


def playing(media=b"", codec="H264", extra="", session="7;timeout=60"):
    """The answers of a camera that plays; `media` follows the answer to PLAY at once."""

    def answer(method, request):
        if method == "OPTIONS":
            return reply(request, headers=["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER"])
        if method == "DESCRIBE":
            return reply(request, headers=["Content-Type: application/sdp"], body=sdp(codec, extra))
        if method == "SETUP":
            return reply(request, headers=["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", f"Session: {session}"])
        if method == "PLAY":
            return reply(request) + media
        return reply(request)

    return answer
