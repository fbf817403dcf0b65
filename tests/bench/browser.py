"""As much of a browser as it takes to sign in: redirects, cookies for each origin, the user pool's form."""

import html
import http.client
import re
import ssl
import urllib.parse

# What Chromium sends when somebody opens a page. Every peer gets the same, and its cookies.
HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Sec-Ch-Ua": '"Chromium";v="140", "Not=A?Brand";v="24"',
    "Sec-Ch-Ua-Mobile": "?0",
    "Sec-Ch-Ua-Platform": '"Linux"',
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Upgrade-Insecure-Requests": "1",
}


class Refused(RuntimeError):
    """The sign-in did not lead to the application."""


class Browser:
    """Cookies are kept for each origin: all peers are at `localhost`, and real ones would not be."""

    def __init__(self):
        self.jars = {}
        self.open = {}

    def ask(self, url, form=None):
        """One request: status, where it sends to, body."""
        parts = urllib.parse.urlsplit(url)
        origin = (parts.scheme, parts.hostname, parts.port)
        jar = self.jars.setdefault(origin, {})
        headers = dict(HEADERS)
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        body = None
        if form is not None:
            body = urllib.parse.urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = f"{parts.scheme}://{parts.netloc}"
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        for again in (True, False):
            connection = self.connection(origin)
            try:
                connection.request("POST" if form is not None else "GET", target or "/", body, headers)
                answer = connection.getresponse()
                break
            except (http.client.HTTPException, OSError):
                self.open.pop(origin).close()
                if not again:
                    raise
        text = answer.read().decode("utf-8", "replace")
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            if re.search(r"max-age=0\b|expires=Thu, 01 Jan 1970", line, re.I) or not value:
                jar.pop(name, None)
            else:
                jar[name] = value
        to = answer.headers.get("Location")
        return answer.status, to and urllib.parse.urljoin(url, to), text

    def connection(self, origin):
        if origin not in self.open:
            scheme, host, port = origin
            if scheme == "https":
                trusting = ssl.create_default_context()
                trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
                self.open[origin] = http.client.HTTPSConnection(host, port, timeout=20, context=trusting)
            else:
                self.open[origin] = http.client.HTTPConnection(host, port, timeout=20)
        return self.open[origin]

    def sign_in(self, url, name="viewer"):
        """Opens `url` and does what the pool asks, until the application itself answers; its Cookie header."""
        seen = []
        there, form = url, None
        for _ in range(20):
            status, to, text = self.ask(there, form)
            seen.append(f"{status} {there.split('?')[0]}")
            form = None
            if to and status in (301, 302, 303, 307, 308):
                there = to
            elif 'name="_csrf"' in text:
                token = html.unescape(re.search(r'name="_csrf" value="([^"]*)"', text).group(1))
                form = {"_csrf": token, "username": name, "password": name}
            elif status == 200:
                parts = urllib.parse.urlsplit(url)
                jar = self.jars[(parts.scheme, parts.hostname, parts.port)]
                return "; ".join(f"{name}={value}" for name, value in jar.items())
            else:
                break
        raise Refused(f"no sign-in at {url}: " + ", then ".join(seen) + f"\n{text[:400]}")
