"""The tables under load: which peers, what is asked of them, and what the first row is that others are held against."""

import os

import futexes
import load
import machine
import peers
from browser import Browser
from measure import Row, at_half, in_turns, rounds

ALL = f"{machine.PROXY_CORE},{machine.OTHER_CORE}"


def asks(**more):
    return lambda row, seconds: load.saturate(row.peer, seconds, **more)


def begin(world, *names):
    """The upstream, and a pool that knows the callback of each peer by name."""
    world.upstream()
    world.pool([f"{scheme}://localhost:{world.port(name)}/oauth2/callback" for name in names for scheme in ("http", "https")])


def wanted(options, rows):
    """The rows that `--only` names, and always the first and the gate's."""
    return [row for at, row in enumerate(rows) if at == 0 or not options.only or row.name in ("rolegate", *options.only)]


def auth_1k(world, options, out):
    # In the order of a round: what is held against one another is measured one after the other.
    makers = {
        "nginx": peers.nginx,
        "rolegate": peers.rolegate,
        "nginx + auth_request": peers.nginx_auth_request,
        "mod_auth_openidc (cookie)": lambda world, name: peers.apache(world, name, "client-cookie"),
        "mod_auth_openidc (shm)": lambda world, name: peers.apache(world, name, "server-cache"),
        "oauth2-proxy": peers.oauth2_proxy,
        "nginx + oauth2-proxy": peers.nginx_oauth2_proxy,
        "haproxy": peers.haproxy,
        "nginx (access log)": lambda world, name: peers.nginx(world, name, log=True),
        "envoy": peers.envoy,
    }
    if not os.path.exists(os.path.join(peers.TARGET, "envoy", "envoy", "_bin", "envoy")):
        del makers["envoy"]
        out.say("envoy", "no package of it here")
    if not os.path.exists(peers.OAUTH2_PROXY):
        del makers["oauth2-proxy"], makers["nginx + oauth2-proxy"]
        out.say("oauth2-proxy", "no Go here that builds it")
    if options.only:
        makers = {name: make for name, make in makers.items() if name in ("nginx", "rolegate") or name in options.only}
    names = {name: f"peer{at}" for at, name in enumerate(makers)}
    begin(world, *names.values())
    made = {name: make(world, names[name]) for name, make in makers.items()}
    gate = made["rolegate"]
    rows = []
    for name, peer in made.items():
        # Who does not sign anybody in forwards the same cookies, and so do all the bytes that a browser would send.
        peer.cookie = peer.cookie or gate.cookie
        rows.append(Row(name, peer, cookie_bytes=len(peer.cookie)))
        if name == "rolegate":
            rows.append(Row("rolegate (public path)", peer, path="/public/a", cookies=[""], cookie_bytes=0))
    rows = wanted(options, rows)
    in_turns(world, "auth-1k", rows, options, out)
    at_half(world, "paced-1k", rows, options, out, "auth-1k")


def answers_64k(world, options, out):
    begin(world, "gate")
    gate = peers.rolegate(world, "gate")
    tuned = peers.nginx(world, "tuned", location=peers.TUNED)
    plain = peers.nginx(world, "plain")
    others = [tuned, plain, peers.haproxy(world, "haproxy")]
    for peer in others:
        peer.cookie = gate.cookie
    names = ["nginx (tuned buffers)", "nginx (default buffers)", "haproxy", "rolegate"]
    rows = [Row(name, peer, path="/64k") for name, peer in zip(names, [*others, gate])]
    in_turns(world, "64k", wanted(options, rows), options, out)


def uploads(world, options, out):
    begin(world, "gate")
    gate = peers.rolegate(world, "gate", upstream="sink", sign_in=False)
    gate.signed_in()
    tuned = peers.nginx(world, "tuned", upstream="sink", location=peers.TUNED)
    tuned.cookie = gate.cookie
    # Like a form of a page of the application's own.
    script = world.write("upload.lua", 'wrk.method = "POST"\nwrk.body = string.rep("x", 10 * 1024 * 1024)\n')

    def send(row, seconds):
        done = load.saturate(row.peer, seconds, "/upload", script=script, connections=8)
        return {**done, "peak": machine.memory(row.peer.pids())["peak"]}

    rows = [Row("nginx (tuned buffers)", tuned, send), Row("rolegate", gate, send)]
    rounds(world, "upload", wanted(options, rows), options, out)


def tls_http1(world, options, out):
    begin(world, "gate")
    gate, other = peers.rolegate(world, "gate", tls=True), peers.nginx_tls(world, "nginx")
    other.cookie = gate.cookie
    rows = [Row("nginx", other, asks()), Row("rolegate", gate, asks())]
    rounds(world, "tls-h1", wanted(options, rows), options, out)


def tls_http2(world, options, out):
    begin(world, "gate")
    gate, other = peers.rolegate(world, "gate", tls=True), peers.nginx_tls(world, "nginx", h2=True)
    other.cookie = gate.cookie
    rows = [Row(name, peer, lambda row, seconds: load.over_http2(row.peer, seconds)) for name, peer in (("nginx", other), ("rolegate", gate))]
    if not load.speaks_http2(gate):
        out.say("tls-h2", "rolegate does not offer HTTP/2 here: nothing to compare")
        return
    rounds(world, "tls-h2", wanted(options, rows), options, out)


def handshakes(world, options, out):
    begin(world, "gate")
    gate = peers.rolegate(world, "gate", tls=True)
    # As either does by itself: two tickets after each full handshake. Beside it, what they cost nginx.
    tickets, none = peers.nginx_tls(world, "tickets"), peers.nginx_tls(world, "none", tickets=False)
    new = lambda row, seconds: load.shake_hands(row.peer, seconds)
    again = lambda row, seconds: load.resume(row.peer, seconds)
    rows = [Row("nginx", tickets, new), Row("nginx (no tickets)", none, new), Row("rolegate", gate, new)]
    rounds(world, "handshake", wanted(options, rows), options, out)
    rounds(world, "resumption", wanted(options, [Row("nginx", tickets, again), Row("rolegate", gate, again)]), options, out)


def rules(world, options, out):
    counts = (1, 100, 1000)
    begin(world, *(f"gate{count}" for count in counts))
    rows = []
    for count in counts:
        text = "".join(f'[[rules]]\npath = "/section-{at}/**"\nany_role = ["viewer", "editor"]\n' for at in range(1, count + 1))
        gate = peers.rolegate(world, f"gate{count}", rules=text)
        rows.append(Row(f"{count} rule{'s' if count > 1 else ''}", gate, path=f"/section-{(count + 1) // 2}/a/b"))
    in_turns(world, "rules", rows, options, out)


def sessions(world, options, out):
    count = options.sessions
    begin(world, "gate")
    gate = peers.rolegate(world, "gate")
    browser, cookies = Browser(), []
    for _ in range(count):
        # The pool still knows the browser, so that each login after the first takes no form.
        browser.jars.pop(("http", "localhost", gate.port), None)
        cookies.append(browser.sign_in(f"http://localhost:{gate.port}/"))
    rows = []
    for many in sorted({1, min(100, count), count}):
        # As many texts of requests for each: to hold ten thousand costs who sends them, and a cache that both cores share.
        name = f"{many:,} session{'s' if many > 1 else ''}"
        rows.append(Row(name, gate, cookies=[cookies[at % many] for at in range(count)]))
    in_turns(world, "sessions", rows, options, out)


def workers(world, options, out):
    # More than there are cores: whether they get into each other's way shows as CPU time and switches all the same.
    counts = (1, 2, 4, 8)
    begin(world, *(f"{kind}{count}" for count in counts for kind in ("gate", "traced")))
    rows = []
    for count in counts:
        gate = peers.rolegate(world, f"gate{count}", workers=count, core=ALL)
        rows.append(Row(f"{count} worker{'s' if count > 1 else ''}", gate, asks(core=ALL)))
    rounds(world, "workers", rows, options, out)
    for row in rows:
        for server in row.peer.servers:
            world.stop(server)
    futexes.contention(world, counts, ALL, options, out)


def engines(world, options, out):
    if not os.path.exists(peers.ENGINES) or not os.path.exists(peers.BUILT_ONCE):
        out.say("engines", "not built: cargo build --release --bin rolegate --example engines")
        return
    begin(world, "gate", "shipped")
    gate, shipped = peers.rolegate(world, "gate", program=peers.BUILT_ONCE), peers.rolegate(world, "shipped")
    others = {
        "hyper, one shared runtime, stock client": peers.engine(world, "shared", "shared"),
        "hyper, a runtime a core, stock client": peers.engine(world, "core", "core"),
        "hyper, a runtime a core, own pool": peers.engine(world, "own", "pool"),
    }
    for peer in others.values():
        peer.cookie = gate.cookie
    rows = [Row(name, peer) for name, peer in others.items()]
    rows += [Row("rolegate (public path)", gate, path="/public/a"), Row("rolegate", gate), Row("rolegate, as it is shipped", shipped)]
    in_turns(world, "engines", rows, options, out)


TABLES = {
    "auth-1k": auth_1k, "64k": answers_64k, "upload": uploads, "tls-h1": tls_http1, "tls-h2": tls_http2,
    "handshake": handshakes, "rules": rules, "sessions": sessions, "workers": workers,
    "engines": engines,
}
