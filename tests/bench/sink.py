"""An upstream that nginx cannot play: it takes uploads whole before it answers, and holds WebSockets open."""

import base64
import hashlib
import resource
import socket
import sys
import threading

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
threading.stack_size(64 * 1024)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\nok\n"


def serve(peer):
    place = memoryview(bytearray(256 * 1024))
    held = b""
    while True:
        while b"\r\n\r\n" not in held:
            read = peer.recv_into(place)
            if not read:
                return
            held += bytes(place[:read])
        head, held = held.split(b"\r\n\r\n", 1)
        fields = dict(line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:])
        if b"sec-websocket-key" in fields:
            key = [line.split(b":", 1)[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")]
            sealed = hashlib.sha1(key[0].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            accept = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + base64.b64encode(sealed)
            peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + accept + b"\r\n\r\n")
            del place
            peer.recv(1)
            return
        if b"chunked" in fields.get(b"transfer-encoding", b""):
            peer.sendall(b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\n\r\n")
            return
        left = int(fields.get(b"content-length", b"0")) - len(held)
        held = b""
        while left > 0:
            read = peer.recv_into(place, min(left, len(place)))
            if not read:
                return
            left -= read
        peer.sendall(ANSWER)


def answer(peer):
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        serve(peer)
    except (OSError, ValueError):
        pass
    finally:
        peer.close()


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
