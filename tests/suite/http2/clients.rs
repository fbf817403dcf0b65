//! HTTP/2 with clients that share no code with the gate: a conformance suite, curl, Node and a browser.

use std::process::{Command, Output};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::*;
use crate::browser::{Running, in_node, node};
use crate::front;
use crate::support::gate::Start;
use crate::support::tls::FRONT_CA;
use crate::support::token::random;
use crate::support::upstream::Recorder;

/// Every case, strict ones included. The answers that it looks at are an upstream's.
fn h2spec(port: u16, flags: &[&str]) -> String {
    let tmp = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = tmp.parent().unwrap().join("h2spec");
    // Its own two seconds are short where many things run; only what fails waits.
    let ran = Command::new(&program)
        .args(["--strict", "--timeout", "10", "--host", "127.0.0.1", "--path", "/public/x", "--port"])
        .arg(port.to_string())
        .args(flags)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; `make test` builds it", program.display()));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

fn is_green(said: &str, cases: usize) {
    let last = said.lines().last().unwrap_or_default();
    let failures = said.split_once("Failures:").map_or("", |(_, failures)| failures);
    assert_eq!(last, format!("{cases} tests, {cases} passed, 0 skipped, 0 failed"), "{failures}");
}

#[test]
fn h2spec_has_nothing_to_object_to_behind_tls() {
    let world = front::setup("").start();
    is_green(&h2spec(world.gate.public.port(), &["--tls", "--insecure"]), 147);
    assert!(world.upstream.count() > 50, "{}", world.upstream.count());
    goes_on(&mut Http2::connect(
        crate::support::tls::Offer::to("app.test").protocols(&["h2"]).tunnel(world.gate.public),
    ));
}

/// All but one case: words that are no preface are an HTTP/1.1 request there, and answered 400, which is no frame.
#[test]
fn h2spec_has_nothing_to_object_to_in_cleartext() {
    let world = bench();
    let all = ["generic", "hpack", "http2/3.5/1", "http2/4", "http2/5", "http2/6", "http2/7", "http2/8"];
    is_green(&h2spec(world.gate.public.port(), &all), 146);
    let mut wire = Wire::connect(world.gate.public);
    wire.write(b"INVALID CONNECTION PREFACE\r\n\r\n");
    assert!(wire.answer(false).is_ok_and(|answer| answer.status == 400 && answer.closes()));
    goes_on(&mut Http2::connect(world.gate.public));
}

fn curl(world: &World, flags: &[&str], target: &str) -> Output {
    let port = world.gate.public.port();
    let ca = world.gate.folder().join("front-ca.pem");
    std::fs::write(&ca, FRONT_CA).unwrap();
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60", "--cacert"])
        .arg(&ca)
        .args(["--resolve", &format!("app.test:{port}:127.0.0.1")])
        .args(["--write-out", "\n%{http_version} %{http_code}"])
        .args(flags)
        .arg(format!("{target}:{port}/public/x"))
        .output()
        .expect("this test needs curl")
}

fn last_line(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap().lines().last().unwrap_or_default()
}

#[test]
fn curl_speaks_it_behind_tls_and_where_it_is_told_to_in_cleartext() {
    let body = "0123456789abcdef".repeat(64 * 1024);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &body).unwrap();
    let data = format!("@{}", file.path().display());
    let secure = front::setup("").start();
    for (flags, expected) in [
        (&["--http2"][..], "2 200"),
        (&[], "2 200"),
        (&["--http1.1"], "1.1 200"),
        (&["--http2", "--data-binary", &data], "2 200"),
        (&["--http2", "--header", "Expect: 100-continue", "--data-binary", &data], "2 200"),
    ] {
        let output = curl(&secure, flags, "https://app.test");
        assert_eq!(last_line(&output), expected, "{flags:?}: {output:?}");
    }
    let cleartext = bench();
    for (flags, expected) in [
        (&["--http2-prior-knowledge"][..], "2 200"),
        (&["--http2-prior-knowledge", "--data-binary", &data], "2 200"),
        // Asks for an upgrade, and goes on without.
        (&["--http2"], "1.1 200"),
        (&["--http1.1"], "1.1 200"),
    ] {
        let output = curl(&cleartext, flags, "http://app.test");
        assert_eq!(last_line(&output), expected, "{flags:?}: {output:?}");
    }
    for world in [&secure, &cleartext] {
        let seen = world.upstream.since(upstream::Mark::default());
        let uploads = seen.iter().filter(|seen| seen.method() == "POST");
        assert!(uploads.clone().count() > 0 && uploads.clone().all(|seen| seen.body == body.as_bytes()));
    }
}

/// Streams side by side, bodies both ways, trailers and an end that is told.
#[test]
fn node_speaks_it() {
    let world = front::setup("").start();
    world.upstream.at(
        "/public/trailers",
        upstream::answers_with(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n\
             5\r\nhello\r\n0\r\nGrpc-Status: 7\r\n\r\n",
        ),
    );
    world.upstream.at("/public/large", upstream::answers_headers("", &"x".repeat(3 << 20)));
    let script = r#"
        const http2 = require('node:http2'), assert = require('node:assert/strict');
        const port = process.env.GATE_PORT;
        const session = http2.connect(`https://app.test:${port}`, {
            ca: process.env.FRONT_CA,
            lookup: (_name, options, done) => options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
        });
        const ask = (headers, body) => new Promise((resolve, reject) => {
            const stream = session.request(headers), chunks = [];
            let head, trailers;
            stream.on('response', (headers) => { head = headers; });
            stream.on('trailers', (headers) => { trailers = headers; });
            stream.on('data', (chunk) => chunks.push(chunk));
            stream.on('end', () => resolve({ head, trailers, body: Buffer.concat(chunks).toString() }));
            stream.on('error', reject);
            stream.end(body);
        });
        const post = { ':method': 'POST', ':path': '/public/x' };
        session.on('error', (error) => { throw error; });
        const upload = Buffer.alloc(2 << 20, 'u');
        Promise.all([
            ...Array.from({ length: 300 }, (_, number) => ask({ ':path': `/public/${number}` })),
            ask({ ':path': '/public/large' }),
            ask({ ':path': '/public/trailers', te: 'trailers' }),
            ask(post, upload),
            ask({ ':path': '/x' }),
        ]).then((answers) => {
            const [large, trailers, uploaded, refused] = answers.splice(300);
            answers.forEach((answer, number) => {
                assert.equal(answer.head[':status'], 200);
                assert.equal(JSON.parse(answer.body).target, `/public/${number}`);
            });
            assert.equal(large.body.length, 3 << 20);
            assert.equal(trailers.trailers['grpc-status'], '7');
            assert.equal(uploaded.head[':status'], 200);
            // A port that is in no public_url: another origin.
            assert.equal(refused.head[':status'], 421);
            assert.equal(session.alpnProtocol, 'h2');
            session.ping((error) => {
                assert.ifError(error);
                session.close(() => console.log('passed'));
            });
        });
    "#;
    let ran = node()
        .args(["--eval", script])
        .env("GATE_PORT", world.gate.public.port().to_string())
        .env("FRONT_CA", FRONT_CA)
        .output()
        .unwrap();
    assert!(ran.status.success() && ran.stdout == b"passed\n", "{}", String::from_utf8_lossy(&ran.stderr));
    let uploads = world.upstream.since(upstream::Mark::default());
    assert!(uploads.iter().any(|seen| seen.method() == "POST" && seen.body == vec![b'u'; 2 << 20]));
}

/// A login, a page's requests side by side, a WebSocket beside them and a sign-out, in the browser of the other tests.
#[test]
fn a_browser_signs_in_over_http_2_and_opens_a_websocket_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("pool.toml");
    let client = "devclient4the2suite";
    let text = format!(
        "[[clients]]\nid = {client:?}\nsecrets = [\"the-secret-of-the-client\"]\n\
         callback_urls = [\"https://app.test/oauth2/callback\"]\nlogout_urls = [\"https://app.test/oauth2/signout\"]\n"
    );
    std::fs::write(&seed, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolegate"));
    command.args(["pool", "--listen", "127.0.0.1:0", "--pool"]).arg(&seed);
    let mut pool = Running::start("rolegate pool", command);
    let issuer = pool.wait_for("ready ");
    let pool_id = issuer.rsplit_once('/').unwrap().1;

    let upstream = Recorder::start();
    upstream.at("/ws", accepts_a_websocket());
    let toml = format!(
        "public_url = \"https://app.test\"\nupstream = \"http://{}\"\nrequired_roles = [\"viewer\"]\n\
         listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         [tls]\ncert_file = \"{{folder}}/app.pem\"\nkey_file = \"{{folder}}/app.key\"\n\
         [cognito]\nuser_pool_id = {pool_id:?}\nissuer = {issuer:?}\nclient_id = {client:?}\n\
         client_secret_file = \"{{folder}}/secret\"\n[session]\nkeys_file = \"{{folder}}/keys\"\n",
        upstream.address
    );
    let gate = Start::with(toml)
        .file("secret", "the-secret-of-the-client")
        .file("keys", random(32))
        .file("app.pem", include_str!("../../fixtures/tls/app.pem"))
        .file("app.key", include_str!("../../fixtures/tls/app.key"))
        .start()
        .unwrap();
    let name = "signs_in_over_http_2_and_opens_a_websocket_beside_it";
    in_node(
        "http2.test.mjs",
        name,
        &[("GATE", "https://app.test"), ("GATE_PORT", &gate.public.port().to_string())],
    );
    let seen = upstream.since(upstream::Mark::default());
    let socket = seen.iter().find(|seen| seen.path() == "/ws").unwrap();
    assert_eq!(socket.head.one("x-user"), Some("viewer"));
    for seen in seen.iter().filter(|seen| seen.path().starts_with("/part/")) {
        assert_eq!(seen.head.one("x-user"), Some("viewer"));
        assert!(seen.head.all("cookie").len() <= 1, "{seen:#?}");
    }
}

/// Says what a browser holds it to (RFC 6455 §4.2.2), then sends every byte back without its mask.
fn accepts_a_websocket() -> Behaviour {
    Arc::new(|turn| {
        let key = turn.seen().head.one("sec-websocket-key").unwrap_or_default().to_owned();
        let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()));
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        turn.wire.write(head.as_bytes());
        // One short text is all that comes: two bytes, a mask, five letters.
        let Ok(frame) = turn.wire.take(11) else { return After::Close };
        let text: Vec<u8> =
            frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        turn.wire.write(&[b"\x81\x05", &text[..]].concat());
        let _ = turn.wire.rest();
        After::Close
    })
}
