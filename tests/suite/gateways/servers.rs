//! The examples of `deploy/gateways` with the servers that they are for: people sign in through each, and the application
//! hears what the gate says of them and nothing that they say themselves.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::asked_by;
use crate::support::browser::{Browser, Kind, address};
use crate::support::until;
use crate::support::upstream::switches_protocols;
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Setup, World, identity_seen};

/// A server in front, as its example has it.
struct Server {
    address: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
}

/// How a server is started with an example.
struct Way {
    program: &'static [&'static str],
    arguments: &'static [&'static str],
    /// Files beside the program's own: name, and the text in which `{folder}` is filled in.
    files: &'static [(&'static str, &'static str)],
    /// In `deploy/gateways`.
    examples: &'static [&'static str],
    /// Where the example listens, and how that is written for a port.
    listens: (&'static str, &'static str),
}

// === impl Server ===

impl Server {
    /// Ports that were free a moment ago may be taken by now: then it does not start, and others are tried.
    fn start(way: &Way, world: &World) -> Self {
        let mut tries = (0..5).map(|_| Self::try_start(way, world));
        tries.find_map(|started| started).unwrap_or_else(|| panic!("{:?} does not start", way.program))
    }

    fn try_start(way: &Way, world: &World) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for name in way.examples {
            let text = std::fs::read_to_string(root().join("deploy/gateways").join(name)).unwrap();
            let text = text
                .replace(way.listens.0, &way.listens.1.replace("PORT", &address.port().to_string()))
                .replace("127.0.0.1:4180", &world.gate.public.to_string())
                .replace("127.0.0.1:8080", &world.upstream.address.to_string())
                .replace("port_value: 4180", &format!("port_value: {}", world.gate.public.port()))
                .replace("port_value: 8080", &format!("port_value: {}", world.upstream.address.port()));
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        for (name, text) in way.files {
            let text = text.replace("{folder}", folder.path().to_str().unwrap());
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let program = way.program.iter().map(|name| root().join(name));
        let program = program.into_iter().find(|file| file.exists());
        let program =
            program.unwrap_or_else(|| panic!("none of {:?}: `make test-tools` brings it", way.program));
        let child = Command::new(program)
            .args(way.arguments)
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self { address, child, folder };
        let runs = until("the server starts or ends", || {
            if server.child.try_wait().unwrap().is_some() {
                eprintln!("{}", server.log());
                return Some(false);
            }
            let mut wire = Wire::over(TcpStream::connect(address).ok()?);
            wire.write(b"GET /public/ready HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n");
            wire.answer(false).ok().filter(|answer| answer.status == 200).map(|_| true)
        });
        runs.then_some(server)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server in front said:\n{}", self.log());
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// What a client says of itself in vain.
const SPOOFED: &str = "X-User: admin\r\nX-Roles: admin\r\nx-user: admin\r\nX_User: admin\r\nX_Roles: admin\r\n\
                       X-Original-URL: http://app.test/public/x\r\nX-Original-Method: GET\r\n\
                       X-Forwarded-Uri: /public/x\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Host: evil.test\r\n";

/// What holds behind every gateway. `leads`: it passes redirects on, or has the gate make them.
fn holds_behind(way: &Way, setup: Setup, leads: bool) {
    let world = setup.top("trusted_proxies = [\"127.0.0.1\"]").start();
    let server = Server::start(way, &world);
    let mut browser = Browser::new(server.address);
    let send = |browser: &mut Browser, kind, method: &str, target: &str, body: &str| -> Answer {
        browser.send(kind, method, &address(target), SPOOFED, body)
    };

    // Nobody reads what is public, and is nobody.
    let mark = world.mark();
    let answer = send(&mut browser, Kind::Navigate, "GET", "/public/x?a=1", "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = world.seen_since(mark);
    assert_eq!((seen[0].target(), identity_seen(&seen[0])), ("/public/x?a=1", Ok(None)), "{seen:#?}");

    stays_what_was_asked_about(&server, &world);

    // For the rest they are sent to sign in.
    let mark = world.mark();
    for target in ["/x", "/admin/x", "/oauth2/auth", "/oauth2/auth/public/x"] {
        let answer = send(&mut browser, Kind::Fetch, "GET", target, "");
        assert!(matches!(answer.status, 401 | 403 | 404), "{target}: {answer:?}");
    }
    assert_eq!(send(&mut browser, Kind::Fetch, "POST", "/x", "a=1").status, 401);
    let page = browser.open("/x?a=1&b=2");
    assert_eq!(page.status, if leads { 302 } else { 401 }, "{page:?}");
    assert!(leads || page.text().contains("/oauth2/start?rd=%2Fx%3Fa%3D1%26b%3D2"), "{page:?}");
    assert!(world.seen_since(mark).is_empty(), "{:#?}", world.seen_since(mark));

    browser.signs_in_as = Some("user".into());
    let way_in = if leads { "/x?a=1&b=2" } else { "/oauth2/start?rd=%2Fx%3Fa%3D1%26b%3D2" };
    let mark = world.mark();
    world.pool.set_life(0);
    let page = browser.navigate(way_in);
    world.pool.set_life(3600);
    assert_eq!((page.url.as_str(), page.answer.status), ("https://app.test/x?a=1&b=2", 200), "{page:#?}");
    let user = Ok(Some(("user".to_owned(), "user".to_owned())));
    let seen = world.seen_since(mark);
    let last = seen.last().unwrap();
    assert_eq!((last.target(), identity_seen(last)), ("/x?a=1&b=2", user.clone()), "{seen:#?}");

    // A session that is refreshed meanwhile reaches the browser, all of it: the next request needs no other.
    let grants = world.pool.grants("refresh_token");
    browser.jar.plant("theme", "dark");
    let mark = world.mark();
    let held = |browser: &Browser| {
        ["__Host-rolegate", "__Host-rolegate-refresh"]
            .map(|name| browser.jar.get(name).unwrap().value.clone())
    };
    let before = held(&browser);
    let answer = send(&mut browser, Kind::Form, "POST", "/x", "a=1");
    assert_eq!(answer.status, 200, "{answer:?}");
    let after = held(&browser);
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "both are new: {answer:?}");
    let answer = send(&mut browser, Kind::Fetch, "GET", "/y", "");
    assert_eq!((answer.status, answer.head.all("set-cookie").len()), (200, 0), "{answer:?}");
    assert_eq!(world.pool.grants("refresh_token"), grants + 1);
    let seen = world.seen_since(mark);
    assert_eq!(seen.iter().map(|seen| seen.method()).collect::<Vec<_>>(), ["POST", "GET"]);
    assert_eq!(seen[0].body, b"a=1");
    for seen in &seen {
        assert_eq!(identity_seen(seen), user, "{seen:#?}");
        assert_eq!(seen.head.all("cookie"), ["theme=dark"], "the gate's own stay with the gate: {seen:#?}");
    }

    // What is forbidden stays so, however it is spelled.
    let mark = world.mark();
    for target in ["/admin/x", "/public/..%2fadmin", "/%61dmin/x", "/oauth2/auth"] {
        for kind in [Kind::Navigate, Kind::Fetch] {
            let answer = send(&mut browser, kind, "GET", target, "");
            assert!(matches!(answer.status, 400 | 403 | 404), "{target}: {answer:?}");
        }
    }
    for target in ["/public/../admin/x", "/public/%2e%2e/admin/x", "//admin/x"] {
        let mut wire = Wire::connect(server.address);
        let cookies = browser.cookies("/");
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: app.test\r\nCookie: {cookies}\r\n{SPOOFED}Connection: close\r\n\r\n"
        );
        wire.write(request.as_bytes());
        let answer = wire.answer(false).unwrap();
        assert!(matches!(answer.status, 400 | 403 | 404), "{target}: {answer:?}");
    }
    assert!(world.seen_since(mark).is_empty(), "{:#?}", world.seen_since(mark));

    // Out again.
    let page = browser.navigate("/oauth2/signout");
    assert_eq!(page.answer.status, 200, "{page:#?}");
    assert_eq!(send(&mut browser, Kind::Fetch, "GET", "/x", "").status, 401);

    // Without the gate nothing is said yes to.
    let World { gate, upstream, .. } = world;
    let mark = upstream.mark();
    drop(gate);
    let answer = send(&mut browser, Kind::Fetch, "GET", "/public/x", "");
    assert!(answer.status >= 500, "{answer:?}");
    assert!(upstream.since(mark).is_empty());
}

/// What reaches the application is the request that was decided on, and nothing makes another of it.
fn stays_what_was_asked_about(server: &Server, world: &World) {
    let open = |target: &str, host: &str, lines: &str| {
        let mut wire = Wire::connect(server.address);
        wire.write(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n").as_bytes());
        wire
    };

    // By another protocol (h2c) a client could go on and ask for anything.
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n",
        "Connection: upgrade\r\nUpgrade: h2c, websocket\r\n",
        "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
    ] {
        let mark = world.mark();
        let answer = open("/public/x", "app.test", lines).answer(false).unwrap();
        for seen in world.seen_since(mark) {
            let to = seen.head.all("upgrade");
            assert!(matches!(to[..], [] | ["websocket"]), "{lines}: {seen:#?} {answer:?}");
        }
    }
    let handshake = "Connection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://app.test\r\n";
    let accepted = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    world.upstream.at("/public/socket", switches_protocols(accepted));
    let head = open("/public/socket", "app.test", handshake).head().unwrap();
    assert!(head.start.starts_with("HTTP/1.1 101 "), "a WebSocket is one: {head:?}");

    // Some applications would go by these.
    for name in OVERRIDES.iter().flat_map(|name| [(*name).to_owned(), name.replace('-', "_")]) {
        let mark = world.mark();
        let lines = format!("{name}: /admin/x\r\nConnection: close\r\n");
        let answer = open("/public/x", "app.test", &lines).answer(false).unwrap();
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        let seen = world.seen_since(mark);
        let spelled = |(name, _): &&(String, String)| {
            OVERRIDES.iter().any(|other| name.replace('_', "-").eq_ignore_ascii_case(other))
        };
        assert_eq!((seen.len(), seen[0].head.headers.iter().find(spelled)), (1, None), "{seen:#?}");
    }

    // Of a host with a comma no part is asked about.
    let mark = world.mark();
    for host in ["evil.test, app.test", "evil.test,app.test", "app.test, evil.test"] {
        let answer = open("/public/x", host, "Connection: close\r\n").answer(false).unwrap();
        assert!(answer.status >= 400, "{host}: {answer:?}");
    }
    assert!(world.seen_since(mark).is_empty(), "{:#?}", world.seen_since(mark));
}

/// What no application hears behind a gateway, whatever its rules are.
const OVERRIDES: [&str; 5] =
    ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"];

#[test]
fn people_sign_in_through_nginx() {
    let way = Way {
        program: &["/usr/sbin/nginx"],
        arguments: &["-p", ".", "-e", "stderr", "-c", "nginx-test.conf"],
        files: &[(
            "nginx-test.conf",
            "daemon off; master_process off; pid {folder}/pid; error_log stderr;\nevents {}\nhttp { access_log off; \
             client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s; \
             include {folder}/nginx.conf; }\n",
        )],
        examples: &["nginx.conf"],
        listens: ("listen 80;", "listen 127.0.0.1:PORT;"),
    };
    holds_behind(&way, asked_by("nginx"), true);
}

#[test]
fn people_sign_in_through_haproxy() {
    let way = Way {
        program: &["/usr/sbin/haproxy"],
        arguments: &["-db", "-f", "haproxy.cfg"],
        files: &[],
        examples: &["haproxy.cfg", "haproxy.lua"],
        listens: ("bind :80", "bind 127.0.0.1:PORT"),
    };
    holds_behind(&way, asked_by("nginx"), true);
}

#[test]
fn people_sign_in_through_caddy() {
    let way = Way {
        program: &["target/gateways/usr/bin/caddy", "/usr/bin/caddy"],
        arguments: &["run", "--adapter", "caddyfile", "--config", "test"],
        files: &[("test", "{\n\tadmin off\n}\nimport Caddyfile\n")],
        examples: &["Caddyfile"],
        listens: (":80 {", "http://:PORT {\n\tbind 127.0.0.1"),
    };
    holds_behind(&way, asked_by("forward_auth"), true);
}

#[test]
fn people_sign_in_through_envoy() {
    let way = Way {
        program: &["target/gateways/envoy/_bin/envoy"],
        arguments: &["-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1", "-l", "warn"],
        files: &[],
        examples: &["envoy.yaml"],
        listens: ("0.0.0.0, port_value: 80 ", "127.0.0.1, port_value: PORT "),
    };
    holds_behind(&way, asked_by("envoy"), false);
}
