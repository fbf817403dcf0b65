#!/usr/bin/env python3
"""What a flood does to everybody else: a client with a session measures its answers' times while others flood the gate.

    make bench-floods        # ROUNDS=5 SECONDS_EACH=4 RATE=1000 ONLY="slow heads,crumbs"; as it comes, some twenty minutes

Quiet and flood take turns. The gate has a core to itself; flooder, client and upstream share another, and the flooder is
nice to both, so that what is measured is the gate. A flooder sends as many as RATE a second, less where the table says so:
what one machine can send without end fills any core, and then everybody waits, whatever the gate does.

Needs Linux with two cores, nginx (the upstream), openssl, taskset; builds the gate with --release, or takes GATE=/path/to/it.
"""

import multiprocessing
import os
import resource
import shutil
import signal
import ssl
import statistics
import subprocess
import tempfile
import time

import flooders
import flooders_http2
from flooded import CLEAR, POOL, PROGRAM, SECRET, SILENT, UPSTREAM, Gate, until
from flooders import answer, head, on_one
from flooders_http2 import over_http2

ROUNDS = int(os.environ.get("ROUNDS", 5))
SECONDS = float(os.environ.get("SECONDS_EACH", 4))
RATE = int(os.environ.get("RATE", 1000))
ONLY = [name for name in os.environ.get("ONLY", "").split(",") if name]
# What the client asks for: so many a second, whatever becomes of the one before.
ASKS = 200
NAVIGATES = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"


def asks(gate, seconds, told):
    """The client: its answers' times in microseconds. Where one is late, the next is asked when it should have been."""
    os.sched_setaffinity(0, {1})
    connection, times = gate.connect(), []
    begun = time.perf_counter()
    for number in range(int(seconds * ASKS)):
        due = begun + number / ASKS
        time.sleep(max(0.0, due - time.perf_counter()))
        connection.sendall(gate.request)
        assert answer(connection) == 200
        times.append((time.perf_counter() - due) * 1e6)
    told.send(times)


def paced(gate, each, rate, told):
    """Calls `each` as often as `rate` a second, until it is ended; then says how often that was, in how many seconds."""
    os.sched_setaffinity(0, {1})
    os.nice(10)
    kept, done, first = {}, 0, time.perf_counter()
    begun = first
    signal.signal(signal.SIGTERM, lambda *_: (told.send((done, time.perf_counter() - first)), os._exit(0)))
    while True:
        due = begun + done / rate
        now = time.perf_counter()
        if now < due:
            time.sleep(due - now)
        elif now > due + 1:
            # It cannot keep up: what it has missed it does not make good at once.
            begun = now - done / rate
        try:
            done += each(gate, kept) or 1
        except (OSError, ssl.SSLError):
            kept.clear()
            done += 1


FLOODS = [
    ("slow heads", CLEAR, flooders.slow_heads, RATE),
    ("slow bodies", CLEAR, flooders.slow_bodies, RATE),
    ("slow readers", CLEAR, flooders.slow_readers, RATE),
    ("logins begun", CLEAR, on_one(head(NAVIGATES)), RATE),
    ("callbacks", CLEAR, on_one(head(NAVIGATES, flooders.STATE)), RATE // 2),
    ("16 kB passes", CLEAR, on_one(head(f"Cookie: {flooders.FORGED}\r\n")), RATE // 2),
    ("crumbs", CLEAR, on_one(head(f"Cookie: {flooders.CRUMBS}\r\n")), RATE // 2),
    ("connections", CLEAR, flooders.churn, RATE),
    ("refused", CLEAR, on_one(head("", "/%zz")), RATE),
    ("in line", CLEAR, flooders.in_line, RATE),
    ("web socket pings", CLEAR, flooders.web_socket_pings, RATE * 20),
    ("silent upstream", CLEAR, flooders.silent_upstream, RATE),
    ("handshakes", SECRET, flooders.churn, RATE // 5),
    ("half hellos", SECRET, flooders.half_hellos, RATE),
    ("resets", SECRET, over_http2(flooders_http2.resets), RATE),
    ("resets provoked", SECRET, over_http2(flooders_http2.resets_provoked), RATE),
    ("one-byte windows", SECRET, flooders_http2.ONE_BYTE, RATE),
    ("pings", SECRET, over_http2(flooders_http2.pings), RATE),
    ("settings", SECRET, over_http2(flooders_http2.settings), RATE),
    ("continuations", SECRET, over_http2(flooders_http2.continuations), RATE),
]
# Where one has to meet a bound that few would: so many at once at an upstream, and so many that wait.
LIMITS = {"silent upstream": "upstream_connections = 200\nupstream_queue = 200"}


def quantile(times, share):
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def measured(gate, flood=None):
    """One spell: the client's times, the flood's rate, the most memory seen."""
    pipe, to = multiprocessing.Pipe(False)
    client = multiprocessing.Process(target=asks, args=(gate, SECONDS, to))
    others, from_flood = None, None
    if flood:
        from_flood, to_flood = multiprocessing.Pipe(False)
        others = multiprocessing.Process(target=paced, args=(gate, *flood, to_flood))
        others.start()
        to_flood.close()
        # Until it has all its connections, and the system has taken what it takes before anybody reads.
        time.sleep(3)
    client.start()
    most = gate.rss()
    while not pipe.poll(0.05):
        most = max(most, gate.rss())
        if not client.is_alive() and not pipe.poll():
            raise SystemExit("the client was not served")
    times = pipe.recv()
    client.join()
    rate = 0.0
    if others:
        others.terminate()
        done, seconds = from_flood.recv()
        others.join()
        rate = done / seconds
    return times, rate, most


def main():
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/../..")
    for tool in ("nginx", "openssl", "taskset"):
        if not shutil.which(tool):
            raise SystemExit(f"needs {tool}")
    if "GATE" not in os.environ:
        subprocess.run(["cargo", "build", "--release", "--quiet", "--bin", "rolegate"], check=True)
    folder, started = tempfile.mkdtemp(), []
    try:
        run(folder, started)
    finally:
        for process in started:
            process.terminate()
        shutil.rmtree(folder, ignore_errors=True)


def run(folder, started):
    def start(command, log):
        started.append(subprocess.Popen(command, stdout=open(f"{folder}/{log}", "w"), stderr=subprocess.STDOUT))

    addresses = [f"http://localhost:{CLEAR}", f"https://localhost:{SECRET}"]
    with open(f"{folder}/pool.toml", "w") as file:
        file.write(
            '[[clients]]\nid = "bench"\nsecrets = ["a-secret-for-this-bench-only"]\n'
            f"callback_urls = {[address + '/oauth2/callback' for address in addresses]}\n"
            f"logout_urls = {[address + '/oauth2/signout' for address in addresses]}\n"
        )
    start([PROGRAM, "pool", "--listen", f"127.0.0.1:{POOL}", "--pool", f"{folder}/pool.toml"], "pool")
    with open(f"{folder}/nginx.conf", "w") as file:
        paths = "".join(f"{of}_temp_path {folder}/{of};" for of in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        file.write(
            f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;\n"
            f"events {{ worker_connections 2048; }}\nhttp {{ access_log off; keepalive_requests 1000000; {paths}\n"
            f'server {{ listen 127.0.0.1:{UPSTREAM}; location / {{ return 200 "{"x" * 1024}"; }}\n'
            f"location = /public/large {{ alias {folder}/large; }}\n"
            f"location = /public/whole {{ proxy_pass http://127.0.0.1:{UPSTREAM}/; }} }} }}\n"
        )
    with open(f"{folder}/large", "wb") as file:
        file.truncate(8_000_000)
    os.chmod(folder, 0o755)
    start(["taskset", "-c", "1", "nginx", "-c", f"{folder}/nginx.conf", "-p", folder], "nginx")
    start(["taskset", "-c", "1", "tests/bench/silent.py", str(SILENT)], "silent")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        + ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
        check=True,
        capture_output=True,
    )
    os.chmod(f"{folder}/key.pem", 0o600)
    key = subprocess.run([PROGRAM, "secret"], check=True, capture_output=True).stdout
    with open(os.open(f"{folder}/keys", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(key)
    until(lambda: "ready" in open(f"{folder}/pool").read(), "the pool does not start")
    print(f"{'':16} {'per second':>10} {'median µs':>17} {'p99 µs':>17} {'p99':>7} {'resident kB':>19}")
    print(f"{'flood':16} {'':>10} {'quiet':>8} {'flood':>8} {'quiet':>8} {'flood':>8} {'ratio':>7} {'before':>9} {'most':>9}")
    for name, port, each, rate in FLOODS:
        if ONLY and name not in ONLY:
            continue
        # A gate of its own, so that what one flood leaves behind is not taken for the next one's.
        gate = Gate(folder, port, port == SECRET, LIMITS.get(name, ""))
        started.append(gate.process)
        measured(gate)
        rows, before, most = [], gate.rss(), 0
        for _ in range(ROUNDS):
            quiet, _, _ = measured(gate)
            flooded, got, seen = measured(gate, (each, rate))
            most = max(most, seen)
            rows.append((got, *(quantile(of, share) for share in (0.5, 0.99) for of in (quiet, flooded))))
            # Those that are still open end before the next is measured.
            time.sleep(0.5)
        got, median, median_flood, late, late_flood = (statistics.median(column) for column in zip(*rows))
        print(
            f"{name:16} {got:10.0f} {median:8.0f} {median_flood:8.0f} {late:8.0f} {late_flood:8.0f}"
            f" {statistics.median(row[4] / row[3] for row in rows):7.2f} {before:9} {most:9}",
            flush=True,
        )
        gate.process.terminate()
        gate.process.wait()


if __name__ == "__main__":
    main()
