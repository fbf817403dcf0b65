"""An application that knows nothing of logins: it shows who the gate says is there, and the headers that came."""

import html
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        lines = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        page = f"<!doctype html><title>app</title><h1>{html.escape(self.path)}</h1><pre>{html.escape(lines)}</pre>\n"
        body = page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer((os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080"))), App)
print("listening on", server.server_port, flush=True)
server.serve_forever()
