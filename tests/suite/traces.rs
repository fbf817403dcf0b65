//! Traces, as a collector and an upstream see them: a gate that posts to a recorder, whose bytes the classes read that
//! OpenTelemetry generates from its own protocol.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::refresh::{ask, due};
use crate::support::browser::Kind;
use crate::support::pool::User;
use crate::support::store::Server;
use crate::support::until;
use crate::support::upstream::{Behaviour, Mark, Recorder, answers_with};
use crate::support::wire::{Wire, latin1};
use crate::support::world::{EVERYBODY, Exchange, Setup, Who, World};

const SAID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TAKEN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";

#[test]
fn a_request_is_a_span_with_the_upstream_s_below_it_and_says_what_its_record_says() {
    let collector = Collector::start();
    let world = collector.traced("").start();
    let exchange = world.attack(Who::Admin, get("/admin/x?code=never-to-be-told", ""));
    let seen = exchange.one().unwrap_or_else(|| panic!("{exchange:#?}"));
    let record = world.record_of(seen);
    let id = record.text("request_id").to_owned();
    let spans = collector.wait("the request's spans", |spans| of_request(spans, &id));
    let [server, below @ ..] = spans.as_slice() else { panic!("{spans:#?}") };

    assert_eq!(server["name"], "GET rules[3] /admin/**");
    assert_eq!((&server["kind"], &server["parent"]), (&json!("server"), &json!("")));
    let said = &server["attributes"];
    for (name, of_record) in [
        ("http.request.method", "method"),
        ("http.response.status_code", "status"),
        ("url.path", "path"),
        ("server.address", "host"),
        ("client.address", "client"),
        ("rolegate.rule", "rule"),
        ("rolegate.decision", "decision"),
        ("rolegate.reason", "reason"),
    ] {
        assert_eq!(said[name], record.0[of_record], "{name}");
    }
    assert_eq!(micros(server), record.0["duration_us"].as_u64().unwrap());
    assert_eq!(server["resource"]["service.name"], "rolegate");
    assert_eq!(server["scope"], "rolegate");

    let names: Vec<&str> = below.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["caller", "forward"]);
    for span in below {
        assert_eq!((&span["trace"], &span["parent"]), (&server["trace"], &server["id"]));
        let within = |name: &str| {
            span[name].as_u64() >= server["begun"].as_u64() && span[name].as_u64() <= server["ended"].as_u64()
        };
        assert!(within("begun") && within("ended"), "{span:#} is not within {server:#}");
    }
    let forward = &below[1];
    assert_eq!(
        (&forward["kind"], &forward["attributes"]["http.response.status_code"]),
        (&json!("client"), &json!(200))
    );
    assert_eq!(micros(forward), record.0["upstream_us"].as_u64().unwrap());
    // What the upstream makes of it hangs below the call to it.
    let told = format!("00-{}-{}-03", text(server, "trace"), text(forward, "id"));
    assert_eq!(seen.head.all("traceparent"), [told.as_str()]);
    collector.tells_nothing_of(&world, &["never-to-be-told"]);
}

#[test]
fn a_login_and_a_refresh_are_traced_with_their_token_calls_and_without_a_secret() {
    let collector = Collector::start();
    let mut setup = collector.traced("otlp_headers_file = \"{folder}/otlp-headers\"\n");
    setup.files.push(("otlp-headers".into(), b"Authorization: Bearer the-key-of-the-collector\n".to_vec()));
    let world = setup.start();
    world.keep_secret(["the-key-of-the-collector".to_owned()]);
    world.pool.user(User::new("margarete", &["user"]));
    let session = due(&world, "margarete");
    let login = collector.wait("the login's spans", |spans| below(spans, "GET callback", "provider.redeem"));
    assert_eq!((&login["kind"], &login["failed"]), (&json!("client"), &json!(false)));

    assert_eq!(ask(&world, &session, Kind::Navigate, "/x").status, 200);
    let refresh =
        collector.wait("the refresh's spans", |spans| below(spans, "GET default", "provider.refresh"));
    assert_eq!(refresh["failed"], false);

    // What the pool refuses is told as what it is.
    let refused = due(&world, "user");
    world.pool.revoke_all();
    assert_ne!(ask(&world, &refused, Kind::Navigate, "/x").status, 200);
    let failed = |spans: &[Value]| {
        spans.iter().find(|span| span["name"] == "provider.refresh" && span["failed"] == true).cloned()
    };
    let failed = collector.wait("the refused refresh", failed);
    assert_ne!(failed["attributes"]["error.type"], Value::Null);

    let heads = collector.recorder.since(Mark::default());
    assert!(
        heads.iter().all(|seen| seen.head.one("authorization") == Some("Bearer the-key-of-the-collector"))
    );
    assert!(heads.iter().all(|seen| seen.head.one("content-type") == Some("application/x-protobuf")
        && seen.target() == "/v1/traces"));
    // The collector's own key is in the heads, and nothing else is anywhere.
    collector.tells_nothing_of(&world, &["margarete", "the-key"]);
    world.no_secret_in("the log", &world.gate.stderr().all());
}

#[test]
fn what_a_store_is_asked_is_part_of_the_request_that_asks() {
    let server = Server::start();
    let collector = Collector::start();
    let world = collector.traced("").session(&format!("store = {:?}", server.url())).start();
    let session = due(&world, "user");
    collector.wait("the login asks the store", |spans| below(spans, "GET callback", "session.store"));
    assert_eq!(ask(&world, &session, Kind::Navigate, "/x").status, 200);
    collector.wait("the refresh asks the store", |spans| below(spans, "GET default", "session.store"));
    collector.wait("the refresh asks the pool", |spans| below(spans, "GET default", "provider.refresh"));
    collector.tells_nothing_of(&world, &[]);
}

#[test]
fn a_trace_goes_on_where_its_caller_is_believed_and_begins_here_elsewhere() {
    for (top, keys, goes_on) in [
        ("", "", false),
        ("trusted_proxies = [\"127.0.0.0/8\"]", "", true),
        ("trusted_proxies = [\"127.0.0.0/8\"]", "trace_parent = \"none\"\n", false),
        ("", "trace_parent = \"any\"\n", true),
    ] {
        let collector = Collector::start();
        let world = collector.traced(keys).top(top).start();
        let lines = format!("Traceparent: {SAID}\r\nTracestate: a=1 , b=2\r\nTraceState: c=3\r\n");
        let exchange = world.attack(Who::Nobody, get("/public/x", &lines));
        let seen = exchange.one().unwrap_or_else(|| panic!("{exchange:#?}"));
        let id = world.record_of(seen).text("request_id").to_owned();
        let spans = collector.wait("the request's spans", |spans| of_request(spans, &id));
        let (server, forward) = (&spans[0], &spans[2]);
        assert_eq!(text(server, "trace") == &SAID[3..35], goes_on, "{top} {keys}");
        assert_eq!(text(server, "parent"), if goes_on { &SAID[36..52] } else { "" });
        assert_eq!(
            (text(server, "state"), server["remote"] == true),
            (if goes_on { "a=1,b=2,c=3" } else { "" }, goes_on)
        );
        let told = seen.head.one("traceparent").unwrap();
        assert!(
            told.starts_with(&format!("00-{}-{}-0", text(server, "trace"), text(forward, "id"))),
            "{told}"
        );
        assert_eq!(seen.head.all("tracestate"), if goes_on { vec!["a=1,b=2,c=3"] } else { vec![] });
    }
}

#[test]
fn what_is_sampled_out_is_told_to_the_upstream_and_to_no_collector() {
    for (top, keys, lines) in [
        ("", "sample_ratio = 0\n", String::new()),
        // A caller who does not record has decided, whatever the ratio here.
        ("trusted_proxies = [\"127.0.0.0/8\"]", "", format!("traceparent: {}00\r\n", &SAID[..53])),
    ] {
        let collector = Collector::start();
        let world = collector.traced(keys).top(top).start();
        let mut wire = Wire::connect(world.gate.public);
        wire.write(get("/public/x", &lines).replace("{session}", "").as_bytes());
        assert_eq!(wire.answer(false).unwrap().status, 200);
        drop(wire);
        let seen = world.upstream.wait_for(Mark::default(), 1);
        let told = seen[0].head.one("traceparent").unwrap();
        assert!(told.ends_with("-00") || told.ends_with("-02"), "{told}");
        if !lines.is_empty() {
            assert!(told.starts_with(&SAID[..36]) && !told.contains(&SAID[36..52]), "{told}");
        }
        // A stop sends all that there is.
        world.gate.signal("TERM");
        let World { gate, .. } = world;
        gate.wait();
        assert_eq!(collector.recorder.count(), 0);
    }
}

#[test]
fn a_stop_sends_what_was_recorded() {
    let collector = Collector::start();
    let world = collector.traced("").start();
    let mut wire = Wire::connect(world.gate.public);
    wire.write(get("/public/x", "").replace("{session}", "").as_bytes());
    assert_eq!(wire.answer(false).unwrap().status, 200);
    drop(wire);
    world.gate.signal("TERM");
    let World { gate, .. } = world;
    assert!(gate.wait().0.success());
    assert_eq!(collector.read().iter().filter(|span| span["kind"] == "server").count(), 1);
}

#[test]
fn a_collector_that_refuses_stalls_or_is_away_costs_spans_and_no_request() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // A port that was free a moment ago may be another test's by now; nobody listens at this one.
    let away = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let refusing = Collector::start();
    refusing.recorder.behave(answers_with("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"));
    let redirecting = Collector::start();
    redirecting.recorder.behave(answers_with(format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{}/v1/traces\r\nContent-Length: 0\r\n\r\n",
        refusing.recorder.address
    )));
    for (address, are_lost) in [
        (refusing.recorder.address, true),
        (redirecting.recorder.address, true),
        (away, true),
        // Given up after tens of seconds, for which no test waits; requests do not either.
        (silent.local_addr().unwrap(), false),
    ] {
        let mark = refusing.recorder.mark();
        let world = traced_at(&format!("http://{address}"), "").start();
        for _ in 0..5 {
            assert_eq!(world.attack(Who::User, get("/x", "")).status(), 200);
        }
        if are_lost {
            until("lost spans are counted", || {
                (counted(&world, "rolegate_spans_lost_total") > 0).then_some(())
            });
            assert_eq!(counted(&world, "rolegate_spans_sent_total"), 0);
            let told = |line: &str| line.contains("spans are lost").then_some(());
            world.gate.stderr().wait(told).expect("a line in the log");
            let log = world.gate.stderr().all();
            assert_eq!(log.matches("spans are lost").count(), 1, "{log}");
        }
        if address == redirecting.recorder.address {
            assert!(refusing.recorder.since(mark).is_empty(), "a redirect was followed");
        }
    }
}

#[test]
fn a_collector_that_is_busy_is_asked_again_and_what_it_leaves_is_counted() {
    let collector = Collector::start();
    let busy = answers_with("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    // `partial_success { rejected_spans: 2 }`
    let partly =
        answers_with([TAKEN.replace("Length: 0", "Length: 4").as_bytes(), &[0x0a, 2, 8, 2]].concat());
    let by_turn: Behaviour =
        std::sync::Arc::new(move |turn| if turn.number == 0 { busy(turn) } else { partly(turn) });
    collector.recorder.behave(by_turn);
    let world = collector.traced("").start();
    assert_eq!(world.attack(Who::Nobody, get("/public/x", "")).status(), 200);
    let seen = collector
        .recorder
        .wait_until(Mark::default(), |seen| seen.iter().filter(|seen| seen.complete).count() > 1);
    assert_eq!(seen[0].body, seen[1].body, "the same batch, again");
    until("each span is counted once", || {
        let counts =
            ["rolegate_spans_sent_total", "rolegate_spans_lost_total"].map(|name| counted(&world, name));
        let mut ids: Vec<String> = collector.read().iter().map(|span| text(span, "id").to_owned()).collect();
        ids.sort();
        ids.dedup();
        (counts[1] > 0 && counts[0] + counts[1] == ids.len() as u64).then_some(())
    });
}

/// Of what clients say of traces and request ids, an upstream sees what can be read and no more than all can carry.
pub fn what_clients_say_of_traces_and_request_ids(world: &World) {
    let long = "x".repeat(9000);
    let many = vec!["a=1"; 65].join(",");
    let parents: &[(&str, bool)] = &[
        (SAID, true),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", true),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
        ("${jndi:ldap://evil.test}", false),
        (&long, false),
        ("", false),
    ];
    for (who, (parent, is_one)) in EVERYBODY.into_iter().cycle().zip(parents) {
        let exchange =
            world.attack(who, get("/public/x", &format!("traceparent: {parent}\r\nTraceState: a=1,b=2\r\n")));
        passes(&exchange, "traceparent", is_one.then_some(*parent));
        passes(&exchange, "tracestate", is_one.then_some("a=1,b=2"));
    }
    for twice in [
        format!("traceparent: {SAID}\r\ntraceparent: {SAID}\r\n"),
        format!("Traceparent: {SAID}\r\nTRACEPARENT: nonsense\r\n"),
    ] {
        passes(&world.attack(Who::User, get("/x", &twice)), "traceparent", None);
    }
    for (state, left) in [
        ("a=1\r\ntracestate: b=2 ,, c=3", Some("a=1,b=2,c=3")),
        (&format!("a=1,b={}", "v".repeat(250)), None),
        (&vec!["k=1"; 33].join(","), None),
        ("a=1,a=2", None),
        ("A=1", None),
        ("<script>", None),
        (&long, None),
    ] {
        let exchange =
            world.attack(Who::User, get("/x", &format!("traceparent: {SAID}\r\ntracestate: {state}\r\n")));
        passes(&exchange, "traceparent", Some(SAID));
        // One that is long and well formed stays.
        let left = if state.starts_with("a=1,b=") { Some(state) } else { left };
        passes(&exchange, "tracestate", left);
    }
    for (baggage, left) in
        [("user=1;x, b=2", true), (&format!("a={long}"), false), (&many, false), ("a=\u{e9}", false)]
    {
        let exchange = world.attack(Who::User, get("/x", &format!("baggage: {baggage}\r\n")));
        passes(&exchange, "baggage", left.then_some(baggage));
    }
    for id in [
        "forged-by-the-client",
        "forged-by-the-client%0d%0aX-User: root",
        "forged-by-the-client\r\nX-User: root",
        "forged-by-the-client\r\n X-User: root",
        "forged-by-the-client\nX-User: root",
        "forged-by-the-client\rX-User: root",
        &format!("forged-by-the-client{}", "x".repeat(1 << 20)),
    ] {
        for name in ["X-Request-Id", "X_Request_Id"] {
            let exchange = world.attack(Who::User, get("/x", &format!("{name}: {id}\r\n")));
            if exchange.is_refused(&[400, 431]) {
                continue;
            }
            exchange.must_be_stripped_of("forged-by-the-client");
            let ids = exchange.seen[0].head.all("x-request-id");
            assert!(
                matches!(ids.as_slice(), [id] if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())),
                "{ids:?}"
            );
        }
    }
}

fn passes(exchange: &Exchange, name: &str, value: Option<&str>) {
    let seen = exchange.one().unwrap_or_else(|| panic!("{}", exchange.told()));
    assert_eq!(seen.head.all(name), value.into_iter().collect::<Vec<_>>(), "{}", exchange.told());
}

fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}\r\n")
}

fn traced_at(address: &str, keys: &str) -> Setup {
    Setup::bench().tables(&format!("[telemetry]\notlp_endpoint = {address:?}\n{keys}"))
}

fn counted(world: &World, name: &str) -> u64 {
    let text = world.gate.admin("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is no metric: {text}")).trim().parse().unwrap()
}

/// A request's own span, then what hangs below it, by name; `None` until its own and the upstream's are there.
fn of_request(spans: &[Value], id: &str) -> Option<Vec<Value>> {
    let server = spans.iter().find(|span| span["attributes"]["rolegate.request_id"] == id)?;
    let mut below: Vec<Value> = spans.iter().filter(|span| span["parent"] == server["id"]).cloned().collect();
    below.sort_by_key(|span| text(span, "name").to_owned());
    below.iter().any(|span| span["name"] == "forward").then(|| [vec![server.clone()], below].concat())
}

/// A span of this name whose parent has that name.
fn below(spans: &[Value], parent: &str, name: &str) -> Option<Value> {
    let is_parent = |span: &Value, child: &Value| span["name"] == parent && span["id"] == child["parent"];
    let found = spans.iter().filter(|span| span["name"] == name);
    found.into_iter().find(|child| spans.iter().any(|span| is_parent(span, child))).cloned()
}

fn text<'a>(span: &'a Value, name: &str) -> &'a str {
    span[name].as_str().unwrap()
}

fn micros(span: &Value) -> u64 {
    (span["ended"].as_u64().unwrap() - span["begun"].as_u64().unwrap()) / 1000
}

/// A recorder that gates take for a collector, and what reads its bytes.
struct Collector {
    recorder: Recorder,
    reader: Mutex<Reader>,
}

/// `spans.py`, which says what a body holds.
struct Reader {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    bodies: usize,
    spans: Vec<Value>,
}

impl Collector {
    fn start() -> Self {
        let recorder = Recorder::start();
        recorder.behave(answers_with(TAKEN));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python: PathBuf = folder.join("target/clients-venv/bin/python");
        assert!(
            python.is_file(),
            "these tests need opentelemetry-proto: `make test` installs it into target/clients-venv"
        );
        let mut child = Command::new(python)
            .arg(folder.join("tests/clients/spans.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let reader = Mutex::new(Reader { child, input, output, bodies: 0, spans: Vec::new() });
        Self { recorder, reader }
    }

    /// A bench that tells this collector everything.
    fn traced(&self, keys: &str) -> Setup {
        traced_at(&format!("http://{}", self.recorder.address), keys)
    }

    /// All spans so far.
    fn read(&self) -> Vec<Value> {
        let mut reader = self.reader.lock().unwrap();
        let bodies = self.recorder.since(Mark::default());
        for seen in bodies[reader.bodies..].iter().take_while(|seen| seen.complete) {
            reader.bodies += 1;
            writeln!(reader.input, "{}", STANDARD.encode(&seen.body)).unwrap();
            let mut line = String::new();
            reader.output.read_line(&mut line).unwrap();
            let mut found: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            assert_eq!(found["all_known"], true, "the protocol does not have all that was sent");
            reader.spans.append(found["spans"].as_array_mut().unwrap());
        }
        reader.spans.clone()
    }

    /// Waits until they are as wanted.
    fn wait<T>(&self, what: &str, pick: impl Fn(&[Value]) -> Option<T>) -> T {
        until(what, || pick(&self.read()))
    }

    /// No secret of the bench and none of `words` is in any body.
    fn tells_nothing_of(&self, world: &World, words: &[&str]) {
        for seen in self.recorder.since(Mark::default()) {
            let body = latin1(&seen.body);
            world.no_secret_in("a span", &body);
            for word in words {
                assert!(!body.contains(word), "a span tells of {word}");
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
