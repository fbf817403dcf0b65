"""What is not a load: memory at the start and for each connection that is idle, the time to readiness, the size on disk."""

import os
import shutil
import socket
import subprocess
import time

import load
import machine
import peers
from servers import GATE, TARGET, until
from tables import begin


def ask(line, peer, extra=""):
    """A GET as a browser sends it, and its answer read whole."""
    text = "GET / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in load.headers(peer).items())
    line.sendall((text + extra + "\r\n").encode())
    held = b""
    while b"\r\n\r\n" not in held:
        read = line.recv(65536)
        if not read:
            raise RuntimeError(f"{peer.name} closed the connection: {held[:200]}")
        held += read
    head, body = held.split(b"\r\n\r\n", 1)
    if extra:
        return head.startswith(b"HTTP/1.1 101")
    length = next(int(field.split(b":")[1]) for field in head.split(b"\r\n") if field.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += line.recv(65536)
    return head.startswith(b"HTTP/1.1 200")


def hold(peer, count, extra=""):
    """Connections that were used once and are idle, from many addresses, as clients are."""
    held = []
    for at in range(count):
        line = socket.socket()
        line.bind((f"127.0.{1 + at // 12500}.{1 + at // 50 % 250}", 0))
        line.connect(("127.0.0.1", peer.port))
        held.append(line)
        if not ask(line, peer, extra):
            raise RuntimeError(f"{peer.name} refused the {at}. connection")
    return held


WEBSOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://localhost:{port}\r\n"
)


def growth(world, make, name, count, extra=""):
    """Memory of a fresh process before and after, for each connection."""
    peer = make()
    peer.cookie = peer.cookie or "a=b"
    # Once through, so that what is allocated once is not counted as a connection's.
    for line in hold(peer, 20, extra.format(port=peer.port)):
        line.close()
    time.sleep(0.5)
    before = machine.memory(peer.pids())
    held = hold(peer, count, extra.format(port=peer.port))
    time.sleep(5)
    after = machine.memory(peer.pids())
    for line in held:
        line.close()
    for server in peer.servers:
        world.stop(server)
    each = {f"{kind}_each": (after[kind] - before[kind]) / count for kind in ("rss", "pss")}
    return {"row": name, "connections": count, "before": before["rss"], "after": after["rss"], **each}


def idle(world, options, out):
    begin(world, "gate", "streams")
    makers = {
        "nginx": lambda: peers.nginx(world, "nginx"),
        "haproxy": lambda: peers.haproxy(world, "haproxy"),
        "rolegate": lambda: peers.rolegate(world, "gate"),
    }
    for name, make in makers.items():
        if not options.only or name in options.only:
            out({"table": "idle", **growth(world, make, name, 5000)})
    if not options.only or "rolegate" in options.only:
        make = lambda: peers.rolegate(world, "streams", upstream="sink")
        out({"table": "idle", **growth(world, make, "rolegate (WebSockets)", 1000, WEBSOCKET)})


def start(world, options, out):
    """From the call that starts the program to its own word that it is ready, with a pool that can be reached."""
    begin(world, "gate", "proxy")
    config = peers.rolegate(world, "gate", sign_in=False)
    world.stop(config.servers[0])
    rows = {"rolegate": ([GATE, "run", "--config", world.path("gate.toml")], world.port("gate-admin"), "/readyz")}
    if os.path.exists(peers.OAUTH2_PROXY):
        proxy = peers.oauth2_proxy(world, "proxy")
        world.stop(proxy.servers[0])
        command = [peers.OAUTH2_PROXY, "--config", world.path("proxy.oauth2.cfg")]
        rows = {"oauth2-proxy": (command, world.port("proxy"), "/ready"), **rows}
    else:
        out.say("oauth2-proxy", "no Go here that builds it")
    for number in range(options.rounds):
        for name, (command, port, path) in rows.items():
            began = time.monotonic()
            server = world.start(f"start-{name}-{number}", command)
            took = until(port, path, began)
            time.sleep(0.3)
            memory = machine.memory(server.pids())
            world.stop(server)
            out({"table": "start", "row": name, "round": number, "ready_ms": took * 1e3, "rss": memory["rss"], "pss": memory["pss"],
                 "size": stripped(command[0], world)})


def stripped(program, world):
    """The size of a program without its symbols."""
    copy = world.path("stripped")
    shutil.copy(program, copy)
    if shutil.which("strip"):
        subprocess.run(["strip", copy], check=True)
    return os.path.getsize(copy)


def spread(world, options, out):
    """How many of 64 connections the fullest of four listeners gets that share a port; an acceptor that counts gives each 16."""
    for number in range(100):
        listeners = []
        for _ in range(4):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("127.0.0.1", listeners[0].getsockname()[1] if listeners else 0))
            listener.listen(64)
            listener.setblocking(False)
            listeners.append(listener)
        held = [socket.create_connection(listeners[0].getsockname()) for _ in range(64)]
        got = [taken(listener) for listener in listeners]
        out({"table": "spread", "row": "SO_REUSEPORT", "round": number, "fullest": max(got), "emptiest": min(got)})
        for line in held + listeners:
            line.close()


def taken(listener):
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


STATES = {"idle": idle, "start": start, "spread": spread}
