"""A gate that is flooded, and somebody's session at it. floods.py says what becomes of both."""

import functools
import http.client
import os
import re
import socket
import ssl
import subprocess
import time
import urllib.parse

PROGRAM = os.environ.get("GATE", "target/release/rolegate")
POOL, UPSTREAM, SILENT, CLEAR, SECRET = 14282, 18180, 18181, 14290, 14294
ISSUER = f"http://127.0.0.1:{POOL}/local_devpool1"


class Gate:
    """A gate of one worker on the first core, and somebody's session at it."""

    def __init__(self, folder, port, tls, limits=""):
        self.port, self.tls = port, tls
        self.host = f"localhost:{port}"
        lines = f'[tls]\ncert_file = "{folder}/cert.pem"\nkey_file = "{folder}/key.pem"\n' if tls else ""
        name = f"{folder}/gate-{port}.toml"
        with open(name, "w") as file:
            file.write(
                f'public_url = "{"https" if tls else "http"}://{self.host}"\nlisten = "127.0.0.1:{port}"\n'
                f'admin_listen = "127.0.0.1:{port + 1}"\nupstream = "http://127.0.0.1:{UPSTREAM}"\n'
                'required_roles = ["viewer"]\nworkers = 1\n'
                f'[cognito]\nuser_pool_id = "local_devpool1"\nissuer = "{ISSUER}"\nclient_id = "bench"\n'
                'client_secret = "a-secret-for-this-bench-only"\n'
                f'[session]\nkeys_file = "{folder}/keys"\n{lines}'
                f'[limits]\n{limits}\n'
                '[[rules]]\npath = "/public/**"\npublic = true\n'
                # An upstream of their own, so that whoever waits for it takes nobody's place at the other.
                f'[[rules]]\npath = "/public/silent/**"\npublic = true\nupstream = "http://127.0.0.1:{SILENT}"\n'
                f'[[rules]]\npath = "/silent/**"\nany_role = ["viewer"]\nupstream = "http://127.0.0.1:{SILENT}"\n'
            )
        command = ["taskset", "-c", "0", PROGRAM, "run", "--config", name]
        with open(f"{folder}/gate-{port}.log", "w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        until(lambda: status(port + 1, "/readyz") == 200, f"the gate is not ready, see {folder}/gate-{port}.log")
        self.cookie = self.sign_in()
        self.request = (
            f"GET /x HTTP/1.1\r\nHost: {self.host}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
            f"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nCookie: {self.cookie}\r\n\r\n"
        ).encode()

    def connect(self, protocol="http/1.1", takes=None):
        connection = self.dial(takes)
        return context(protocol).wrap_socket(connection, server_hostname="localhost") if self.tls else connection

    def dial(self, takes=None):
        """Before any handshake. `takes`: bytes that the system is to take before anybody reads them."""
        connection = socket.socket()
        connection.settimeout(10)
        if takes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
        connection.connect(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def sign_in(self):
        jars = {"gate": {}, "pool": {}}

        def go(url, body=None):
            parts = urllib.parse.urlsplit(url)
            whose = "pool" if parts.port == POOL else "gate"
            if parts.scheme == "https":
                connection = http.client.HTTPSConnection("localhost", parts.port, context=context())
            else:
                connection = http.client.HTTPConnection("127.0.0.1", parts.port)
            headers = {"Host": parts.netloc, "Accept": "text/html"}
            if jars[whose]:
                headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jars[whose].items())
            if body:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request("POST" if body else "GET", f"{parts.path}?{parts.query}", body, headers)
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie") or []:
                name, value = line.split(";")[0].split("=", 1)
                jars[whose][name] = value
            return answer.headers.get("Location"), answer.read().decode()

        url, page = f"{'https' if self.tls else 'http'}://{self.host}/", ""
        while True:
            to, page = go(url)
            if not to:
                break
            url = urllib.parse.urljoin(url, to)
        token = re.search(r'name="_csrf" value="([^"]*)"', page).group(1)
        form = urllib.parse.urlencode({"_csrf": token, "username": "viewer", "password": "viewer"})
        back, _ = go(url, form)
        go(urllib.parse.urljoin(url, back))
        own = {name: value for name, value in jars["gate"].items() if "login" not in name and value}
        assert own, "no session"
        return "; ".join(f"{name}={value}" for name, value in own.items())

    def rss(self):
        with open(f"/proc/{self.process.pid}/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@functools.cache
def context(protocol="http/1.1"):
    """One for all: to make one reads every certificate that the system trusts, which takes its core longer than a handshake."""
    made = ssl.create_default_context()
    made.set_alpn_protocols([protocol])
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def status(port, path):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None


def until(ready, otherwise):
    for _ in range(100):
        if ready():
            return
        time.sleep(0.1)
    raise SystemExit(otherwise)
