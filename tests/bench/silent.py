#!/usr/bin/env python3
"""An upstream that takes requests and never answers; WebSockets alone it opens, and has a pong for each ping of eight bytes."""

import base64
import hashlib
import os
import re
import resource
import selectors
import socket
import sys

PING, PONG = 14, b"\x8a\x088 bytes."


def opened(head):
    """The answer to a WebSocket's head (RFC 6455 §4.2.2), or nothing for any other."""
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
    if not key:
        return b""
    sealed = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    lines = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sealed
    return b"HTTP/1.1 101 Switching Protocols\r\n" + lines + b"\r\n\r\n"


def read(connection, pinged):
    """`pinged`: bytes of a ping that is not whole yet, for each WebSocket."""
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionError("closed")
    if connection in pinged:
        whole, pinged[connection] = divmod(pinged[connection] + len(piece), PING)
        connection.sendall(PONG * whole)
    elif answer := opened(piece):
        connection.sendall(answer)
        pinged[connection] = 0


def main():
    # As flooders are: nobody who is measured waits for it.
    os.nice(10)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    wires, pinged = selectors.DefaultSelector(), {}
    wires.register(listener, selectors.EVENT_READ)
    while True:
        for ready, _ in wires.select():
            connection = ready.fileobj
            if connection is listener:
                wires.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            try:
                read(connection, pinged)
            except OSError:
                wires.unregister(connection)
                pinged.pop(connection, None)
                connection.close()


main()
