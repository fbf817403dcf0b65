"""The proxies that are measured, each configured as its manual would have it for this task, on one core.

Those that sign people in do it against the same user pool, keep a real session and ask for the group `viewer`."""

import dataclasses
import os

import servers
from browser import Browser, Refused
from servers import GATE, TARGET, nginx_config

# Where peers.sh puts it, if a Go is there that builds it.
OAUTH2_PROXY = os.path.join(TARGET, "bin", "oauth2-proxy")
# Built once, as cargo does it, and the gate beside them the same way.
ENGINES, BUILT_ONCE = (os.path.join(servers.ROOT, "target", "release", *path) for path in (("examples", "engines"), ("rolegate",)))


@dataclasses.dataclass
class Peer:
    """A running proxy: where it is, and the cookies that get in."""

    name: str
    port: int
    servers: list
    cookie: str = ""
    scheme: str = "http"
    access_log: str = ""

    def pids(self):
        return [pid for server in self.servers for pid in server.pids()]

    def signed_in(self):
        url = f"{self.scheme}://localhost:{self.port}/"
        self.cookie = Browser().sign_in(url)
        # Somebody without the group has to be kept out, or this peer does less than the others.
        try:
            Browser().sign_in(url, "guest")
        except Refused:
            return self
        raise RuntimeError(f"{self.name} lets in who is not in the group")


PASS = """proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;"""


def nginx(world, name, log=False, server="", location="", locations="", upstream="upstream", more="", tls=""):
    """Plain proxy_pass with kept connections to the upstream."""
    access = world.path(f"{name}.access") if log else ""
    port, head = world.port(name), nginx_config(world, name, f"access_log {access};" if log else "access_log off;")
    listen = f"listen 127.0.0.1:{port} backlog=4096{' ssl' + tls if server else ''};"
    config = f"""{head}
  upstream up {{ server 127.0.0.1:{world.port(upstream)}; keepalive 256; keepalive_requests 100000000; }}
  {more}
  server {{
    {listen}
    {server}
    location / {{
      {location}
      {PASS}
    }}
    {locations}
  }}
}}
"""
    started = world.start(name, ["nginx", "-c", world.write(f"{name}.conf", config)], port)
    return Peer(name, port, [started], scheme="https" if server else "http", access_log=access)


# With the default buffers it pays twice for an answer of 64 KiB.
TUNED = """proxy_buffer_size 16k; proxy_buffers 8 32k; proxy_busy_buffers_size 64k;
      proxy_request_buffering off; client_body_buffer_size 256k; client_max_body_size 0;"""


def nginx_tls(world, name, h2=False, tickets=True):
    chain, key = world.certificate()
    server = f"ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3; "
    server += f"ssl_session_cache off; ssl_session_tickets {'on' if tickets else 'off'};"
    return nginx(world, name, server=server, tls=" http2" if h2 else "")


def nginx_auth_request(world, name):
    """A subrequest to a service that always says yes and costs this core nothing: the least that auth_request can cost."""
    check = """location = /_check { internal; proxy_pass http://auth/check; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_set_header Host $http_host; proxy_set_header X-Original-URI $request_uri; }"""
    more = f"upstream auth {{ server 127.0.0.1:{world.port('upstream')}; keepalive 256; keepalive_requests 100000000; }}"
    sets = "auth_request /_check; auth_request_set $u $upstream_http_x_user; proxy_set_header X-User $u;"
    return nginx(world, name, location=sets, locations=check, more=more)


def haproxy(world, name, upstream="upstream"):
    port = world.port(name)
    config = f"""global
  nbthread 1
  maxconn 9000
defaults
  mode http
  option http-keep-alive
  http-reuse always
  option forwardfor
  timeout connect 5s
  timeout client 300s
  timeout server 60s
  timeout http-keep-alive 300s
frontend f
  bind 127.0.0.1:{port} backlog 4096
  default_backend b
backend b
  server s 127.0.0.1:{world.port(upstream)} pool-max-conn -1 pool-purge-delay 60s
"""
    return Peer(name, port, [world.start(name, ["haproxy", "-db", "-f", world.write(f"{name}.cfg", config)], port)])


def envoy(world, name):
    port = world.port(name)
    with open(os.path.join(os.path.dirname(__file__), "envoy.yaml")) as file:
        config = file.read().replace("FRONT", str(port)).replace("UPSTREAM", str(world.port("upstream")))
    command = [os.path.join(TARGET, "envoy", "envoy", "_bin", "envoy"), "-c", world.write(f"{name}.yaml", config)]
    command += ["--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    return Peer(name, port, [world.start(name, command, port)])


def engine(world, name, way, threads=1, core=servers.PROXY_CORE, under=()):
    """A bare proxy on hyper (engines.rs) in one of its ways; `under` which program."""
    port = world.port(name)
    command = [*under, ENGINES, way, str(threads), f"127.0.0.1:{port}", f"127.0.0.1:{world.port('upstream')}"]
    return Peer(name, port, [world.start(name, command, port, core)])


def rolegate(world, name, tls=False, rules="", workers=1, upstream="upstream", core=servers.PROXY_CORE, sign_in=True, program=GATE,
             under=()):
    """The gate as it comes: access record (to a file in memory) and metrics on, a role asked for everywhere."""
    port, admin = world.port(name), world.port(f"{name}-admin")
    scheme = "https" if tls else "http"
    if not os.path.exists(world.path("keys")):
        world.write("keys", servers.subprocess.check_output([GATE, "secret"], text=True), 0o600)
    chain, key = world.certificate() if tls else ("", "")
    config = f"""public_url = "{scheme}://localhost:{port}"
listen = "127.0.0.1:{port}"
admin_listen = "127.0.0.1:{admin}"
upstream = "http://127.0.0.1:{world.port(upstream)}"
required_roles = ["viewer"]
workers = {workers}
[cognito]
user_pool_id = "local_devpool1"
issuer = "{world.issuer}"
client_id = "{world.client}"
client_secret = "{world.secret}"
[session]
keys_file = "keys"
# So that no refresh falls into one peer's rounds and not into another's.
max_role_age = "11h"
{f'[tls]{chr(10)}cert_file = "{chain}"{chr(10)}key_file = "{key}"' if tls else ""}
# While the others have their turns; nginx keeps its own for a minute.
[limits]
upstream_idle = "50s"
[[rules]]
path = "/public/**"
public = true
{rules}
"""
    records = world.path(f"{name}.access")
    command = [*under, program, "run", "--config", world.write(f"{name}.toml", config)]
    started = world.start(name, command, port, core, log=records)
    servers.until(admin, "/readyz", started.began)
    peer = Peer(name, port, [started], scheme=scheme, access_log=records)
    return peer.signed_in() if sign_in else peer


def oauth2_proxy(world, name, front=None, core=servers.PROXY_CORE):
    """Its session in cookies, its own log of requests off."""
    port = world.port(f"{name}-itself" if front else name)
    config = f"""http_address = "127.0.0.1:{port}"
upstreams = ["http://127.0.0.1:{world.port("upstream")}/"]
provider = "oidc"
oidc_issuer_url = "{world.issuer}"
client_id = "{world.client}"
client_secret = "{world.secret}"
redirect_url = "http://localhost:{front or port}/oauth2/callback"
scope = "openid email profile"
oidc_groups_claim = "cognito:groups"
allowed_groups = ["viewer"]
email_domains = ["*"]
cookie_secret = "{"k" * 32}"
cookie_secure = false
skip_provider_button = true
code_challenge_method = "S256"
set_xauthrequest = true
request_logging = false
auth_logging = false
"""
    command = [OAUTH2_PROXY, "--config", world.write(f"{name}.oauth2.cfg", config)]
    # One core is one thread of Go, as it would see in a container with one.
    started = world.start(f"{name}-itself", command, port, core, environment={"GOMAXPROCS": "1"})
    peer = Peer(name, port, [started])
    return peer if front else peer.signed_in()


def nginx_oauth2_proxy(world, name):
    """nginx asks oauth2-proxy by auth_request; both have the same core."""
    behind = oauth2_proxy(world, name, front=world.port(name))
    more = f"upstream auth {{ server 127.0.0.1:{behind.port}; keepalive 256; keepalive_requests 100000000; }}"
    headers = """proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_set_header X-Auth-Request-Redirect $request_uri; proxy_buffer_size 32k; proxy_buffers 8 32k;"""
    locations = f"""location /oauth2/ {{ proxy_pass http://auth; {headers} }}
    location = /oauth2/auth {{ internal; proxy_pass http://auth; {headers}
      proxy_pass_request_body off; proxy_set_header Content-Length ""; }}"""
    sets = """auth_request /oauth2/auth; error_page 401 = /oauth2/start;
      auth_request_set $u $upstream_http_x_auth_request_user; proxy_set_header X-User $u;"""
    front = nginx(world, name, location=sets, locations=locations, more=more + " large_client_header_buffers 8 32k;")
    front.servers += behind.servers
    return front.signed_in()


def apache(world, name, session):
    """Apache with mod_auth_openidc, its sessions in cookies or in shared memory."""
    port = world.port(name)
    with open(os.path.join(os.path.dirname(__file__), "apache.conf")) as file:
        config = file.read()
    values = {
        "FOLDER": world.folder, "NAME": name, "FRONT": port, "UPSTREAM": world.port("upstream"), "ISSUER": world.issuer,
        "CLIENT": world.client, "SECRET": world.secret, "SESSION": session,
    }
    for word, value in values.items():
        config = config.replace(f"@{word}@", str(value))
    command = ["apache2", "-f", world.write(f"{name}.conf", config), "-DFOREGROUND"]
    return Peer(name, port, [world.start(name, command, port)]).signed_in()
