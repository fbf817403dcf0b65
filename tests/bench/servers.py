"""Programs under measurement: started in one temporary folder, held to a core, ended with the run."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from machine import OTHER_CORE, PROXY_CORE, family

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.path.join(ROOT, "target", "bench")
GATE = os.environ.get("ROLEGATE", os.path.join(ROOT, "target", "shipped", "rolegate"))
BODY = "x" * 1023 + "\n"


def free_port():
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def until(port, path, began):
    """Seconds until `path` is answered with 200."""
    while time.monotonic() < began + 20:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            line.request("GET", path)
            if line.getresponse().status == 200:
                return time.monotonic() - began
        except (OSError, http.client.HTTPException):
            pass
        finally:
            line.close()
        time.sleep(0.0005)
    raise RuntimeError(f"nothing is ready at {path}")


class Server:
    """One running program, with everything that it starts itself."""

    def __init__(self, world, name, command, core, log=None, environment=None):
        self.name, self.log = name, os.path.join(world.folder, f"{name}.log")
        # Lines that a server writes for each request go to a file in memory: the same place for every peer.
        output = open(log or self.log, "ab")
        errors = open(self.log, "ab")
        command = ["taskset", "-c", core, *command]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=world.folder,
            env={**os.environ, **(environment or {})}, start_new_session=True,
        )
        self.began = time.monotonic()
        output.close()
        errors.close()

    def pids(self):
        return family(self.process.pid)

    def until_it_answers(self, port, seconds=20):
        """Returns when something listens at `port`, or raises with what the program said."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        with open(self.log, errors="replace") as file:
            raise RuntimeError(f"{self.name} did not start: {file.read()[-1500:]}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


class World:
    """The folder, the upstream, the user pool, and whatever was started beside them."""

    def __init__(self):
        # In memory, so that no disk is part of what is measured.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="rolegate-bench-", dir=memory)
        os.chmod(self.folder, 0o755)
        self.servers = []
        self.clients = []
        self.ports = {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def port(self, name):
        """The same port for the same name, so that callbacks can be registered before a peer is started."""
        if name not in self.ports:
            self.ports[name] = free_port()
        return self.ports[name]

    def start(self, name, command, port=None, core=PROXY_CORE, log=None, environment=None):
        server = Server(self, name, command, core, log, environment)
        self.servers.append(server)
        if port:
            server.until_it_answers(port)
        return server

    def stop(self, server):
        server.stop()
        self.servers.remove(server)

    def pids(self):
        """Of everything that was started here."""
        return [pid for server in self.servers for pid in server.pids()]

    def close(self):
        for server in reversed(self.servers):
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def certificate(self):
        """A P-256 certificate for localhost; the chain and the key."""
        chain, key = self.path("tls.crt"), self.path("tls.key")
        if not os.path.exists(key):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", chain, "-keyout", key],
                check=True, capture_output=True,
            )
        return chain, key

    def upstream(self):
        """nginx with 1 KiB everywhere and 64 KiB at /64k, and a sink for uploads and WebSockets."""
        for folder in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            os.makedirs(self.path(f"nginx-{folder}"), exist_ok=True)
        os.makedirs(self.path("www"), exist_ok=True)
        self.write("www/1k", BODY)
        self.write("www/64k", BODY * 64)
        port, config = self.port("upstream"), nginx_config(self, "upstream")
        config += f"""  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {self.path("www")}; open_file_cache max=16; default_type text/plain;
    location / {{ return 200 "{BODY[:-1]}\\n"; }}
    location = /64k {{ }}
    location = /check {{ return 200 ""; }}
  }}
}}
"""
        self.start("upstream", ["nginx", "-c", self.write("upstream.conf", config)], port, OTHER_CORE)
        sink = self.port("sink")
        program = os.path.join(ROOT, "tests", "bench", "sink.py")
        self.start("sink", ["python3", program, str(sink)], sink, OTHER_CORE)

    def pool(self, callbacks):
        """The dev user pool, as the identity provider of every peer that signs people in."""
        port = self.port("pool")
        self.client, self.secret = "bench", "a-secret-for-this-bench-only"
        self.issuer = f"http://127.0.0.1:{port}/local_devpool1"
        quoted = ", ".join(f'"{address}"' for address in callbacks)
        text = f'[[clients]]\nid = "{self.client}"\nsecrets = ["{self.secret}"]\ncallback_urls = [{quoted}]\n'
        text += 'id_token_lifetime = "1d"\naccess_token_lifetime = "1d"\n'
        command = [GATE, "pool", "--listen", f"127.0.0.1:{port}", "--pool", self.write("pool.toml", text)]
        self.start("pool", command, port, OTHER_CORE)


def nginx_config(world, name, extra="access_log off;"):
    """How every nginx here begins, up to and with `http {`."""
    user = "user root;\n" if os.geteuid() == 0 else ""
    temporary = "".join(
        f"  {kind} {world.path('nginx-' + folder)};\n"
        for kind, folder in (("client_body_temp_path", "body"), ("proxy_temp_path", "proxy"),
                             ("fastcgi_temp_path", "fastcgi"), ("uwsgi_temp_path", "uwsgi"), ("scgi_temp_path", "scgi"))
    )
    return f"""{user}daemon off; worker_processes 1; pid {world.path(name)}.pid; error_log {world.path(name)}.err warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 15000; }}
http {{
{temporary}  {extra}
  keepalive_requests 100000000; keepalive_timeout 300s; server_tokens off;
"""
