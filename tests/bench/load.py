"""What generates load, on the second core: a client that asks several peers in turns, for all that they can take or at a
steady rate; wrk where there is TLS, a body or a second core, h2load for HTTP/2, openssl and a small client for handshakes.
Each answers with what was served in which time, or raises: a load that met errors says nothing."""

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import time

from browser import HEADERS
from machine import OTHER_CORE
from servers import TARGET

CONNECTIONS = 64


def headers(peer, cookie=None):
    cookie = peer.cookie if cookie is None else cookie
    lines = {"Host": f"localhost:{peer.port}", **HEADERS}
    if cookie:
        lines["Cookie"] = cookie
    return lines


def run(command, seconds, core=OTHER_CORE):
    done = subprocess.run(["taskset", "-c", core, *command], capture_output=True, text=True, timeout=seconds + 30)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stdout[-300:]} {done.stderr[-300:]}")
    return done.stdout


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def lets_in(peer, path="/"):
    """Raises unless what is about to be asked again and again is answered 200: a redirect is none of wrk's errors."""
    made = http.client.HTTPSConnection if peer.scheme == "https" else http.client.HTTPConnection
    more = {"context": ssl._create_unverified_context()} if peer.scheme == "https" else {}
    line = made("127.0.0.1", peer.port, timeout=10, **more)
    line.request("GET", path, headers=headers(peer))
    status = line.getresponse().status
    line.close()
    if status != 200:
        raise RuntimeError(f"{peer.name} answers {status}")


def saturate(peer, seconds, path="/", script=None, connections=CONNECTIONS, core=OTHER_CORE):
    """wrk: each of its connections asks again as soon as it was answered."""
    lets_in(peer, "/" if script else path)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    for name, value in headers(peer).items():
        command += ["-H", f"{name}: {value}"]
    command += ["-s", script] if script else []
    text = run([*command, f"{peer.scheme}://127.0.0.1:{peer.port}{path}"], seconds, core)
    if "Non-2xx" in text or re.search(r"Socket errors:.*[1-9]", text):
        raise RuntimeError(f"{peer.name} did not answer every request: {text}")
    found = {name: milliseconds(re.search(rf"^\s+{name}\s+(\S+)", text, re.M).group(1)) for name in ("50%", "99%")}
    requests, took = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
    return {"requests": int(requests), "rate": int(requests) / float(took), "p50": found["50%"], "p99": found["99%"]}


def head(peer, path="/", cookie=None, more=()):
    lines = {**headers(peer, cookie), **dict(more)}
    return f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"


def in_turns(asked, seconds):
    """Several peers, each for half a second and then the next one (turns.c): of each what it took, in all of its turns.
    `asked`: the peer, a file of requests, and how many of them a second, or 0 for all that it can take."""
    command = [os.path.join(TARGET, "bin", "turns"), str(seconds), str(CONNECTIONS)]
    command += [f"{peer.port},{rate:.0f},{requests},{'+'.join(map(str, peer.pids()))}" for peer, requests, rate in asked]
    # The slowest answer to what was asked of them for some time after each turn.
    text = run(command, len(asked) * seconds * 3)
    found = [json.loads(line) for line in text.splitlines()]
    for (peer, _, rate), each in zip(asked, found, strict=True):
        if each["errors"] or (each["unanswered"] and not rate):
            raise RuntimeError(f"{peer.name} at {rate:.0f}/s: {each}")
        each["rate"] = each["requests"] / each["seconds"]
        each.update({name: each[name] * 1e3 for name in ("p50", "p99", "p99_short")})
    return found


def over_http2(peer, seconds):
    """h2load: eight connections with eight requests on each."""
    command = ["h2load", "-t1", "-c8", "-m8", "-D", f"{seconds}", "--npn-list=h2", f"--connect-to=127.0.0.1:{peer.port}"]
    for name, value in headers(peer).items():
        if name != "Host":
            command += ["-H", f"{name.lower()}: {value}"]
    text = run([*command, f"https://localhost:{peer.port}/"], seconds)
    good = int(re.search(r"status codes: (\d+) 2xx", text).group(1))
    bad = sum(int(number) for number in re.search(r"2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text).groups())
    if bad or not good or "protocol: h2" not in text:
        raise RuntimeError(f"{peer.name} over HTTP/2: {text}")
    return {"requests": good, "rate": good / seconds}


def speaks_http2(peer):
    asking = ssl.create_default_context()
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    asking.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with socket.create_connection(("127.0.0.1", peer.port), 5) as plain, asking.wrap_socket(plain) as line:
            return line.selected_alpn_protocol() == "h2"
    except OSError:
        return False


def shake_hands(peer, seconds):
    """openssl s_time: a full TLS 1.3 handshake on each connection, and nothing else."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{peer.port}", "-new", "-time", str(seconds)]
    text = run(command, seconds)
    count, took = re.search(r"(\d+) connections in (\d+) real seconds", text).groups()
    return {"requests": int(count), "rate": int(count) / max(int(took), 1)}


def resume(peer, seconds):
    """A ticket from one connection, shown on each of the next: one request, so that the next ticket arrives."""
    shown = ssl.create_default_context()
    shown.check_hostname, shown.verify_mode = False, ssl.CERT_NONE
    shown.minimum_version = ssl.TLSVersion.TLSv1_3
    request = f"GET /public/a HTTP/1.1\r\nHost: localhost:{peer.port}\r\nConnection: close\r\n\r\n".encode()
    session, count, began = None, 0, time.monotonic()
    while time.monotonic() < began + seconds:
        with socket.create_connection(("127.0.0.1", peer.port), 5) as plain:
            with shown.wrap_socket(plain, server_hostname="localhost", session=session) as line:
                if session and not line.session_reused:
                    raise RuntimeError(f"{peer.name} did not take its own ticket")
                line.sendall(request)
                while line.recv(65536):
                    pass
                session, count = line.session, count + 1
    return {"requests": count, "rate": count / (time.monotonic() - began)}
