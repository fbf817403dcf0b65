"""What floods a gate: each is called again and again with the gate and what it keeps, and returns how many it did (one, where
it says nothing). floods.py gives them their time."""

import re
import ssl


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


def half_hellos(gate, kept):
    """A thousand handshakes whose first message lacks its end; who is not waited for any longer begins again."""
    if "hello" not in kept:
        kept["hello"] = hello()

    def begin():
        connection = gate.dial()
        connection.sendall(kept["hello"][:-1])
        return connection

    in_turn(kept, 1000, begin, said)


def hello():
    """What a client says first."""
    sends = ssl.MemoryBIO()
    begun = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sends, server_hostname="localhost")
    try:
        begun.do_handshake()
    except ssl.SSLWantReadError:
        return sends.read()


def said(connection):
    """What has come, without waiting for it."""
    connection.settimeout(0)
    try:
        return more(connection)
    except (BlockingIOError, ssl.SSLWantReadError):
        return b""
    finally:
        connection.settimeout(10)


def silent_upstream(gate, kept):
    """A thousand who ask what is never answered; who is refused asks again."""
    request = f"GET /public/silent/x HTTP/1.1\r\nHost: {gate.host}\r\n\r\n".encode()

    def begin():
        connection = gate.connect()
        connection.sendall(request)
        return connection

    in_turn(kept, 1000, begin, lambda connection: said(connection) and connection.sendall(request))


def web_socket_pings(gate, kept):
    """Twenty at once on a WebSocket of somebody's who is signed in; what they are answered with is read."""
    if "socket" not in kept:
        kept["socket"] = gate.connect()
        lines = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        lines += f"Origin: http://{gate.host}\r\nCookie: {gate.cookie}\r\n"
        kept["socket"].sendall(f"GET /silent/x HTTP/1.1\r\nHost: {gate.host}\r\n{lines}\r\n".encode())
        if b" 101 " not in more(kept["socket"]):
            raise ConnectionError("no WebSocket")
    # RFC 6455 §5.2: whole, masked by nothing, eight bytes.
    kept["socket"].sendall(b"\x89\x88\0\0\0\08 bytes." * 20)
    said(kept["socket"])
    return 20


def head(lines, target="/x"):
    return f"GET {target} HTTP/1.1\r\nHost: {{host}}\r\n{lines}\r\n".encode()


CRUMBS = "a=;" * 10_000
# Nothing but decrypting it shows that it is none.
FORGED = f"rolegate={{begins}}{'A' * 16_000}"
STATE = f"/oauth2/callback?code=none&state={'A' * 43}"
