//! Section O: many at once, what others cache, and what goes wrong at the same time.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::bearer;
use crate::corpus::{Case, case};
use crate::forwarding;
use crate::refresh;
use crate::streams;
use crate::support::browser::Kind;
use crate::support::pool::{Endpoint, FakePool, Reply, User};
use crate::support::replicas::{self, Replicas};
use crate::support::store::Server;
use crate::support::token::{Key, jwk};
use crate::support::until;
use crate::support::upstream::{self, Recorder};
use crate::support::wire::{Answer, Wire};
use crate::support::world::{EVERYBODY, Session, Setup, Who, World, identity_seen};

mod partition;

pub fn cases() -> Vec<Case> {
    vec![
        case(&["CON-01"], |_| forwarding::two_people_on_one_gate_never_see_each_others_answers()),
        case(&["CON-02"], |world| {
            forwarding::an_answer_to_people_is_for_no_shared_cache();
            nothing_on_the_way_to_a_login_is_kept(world);
        }),
        case(&["CON-03"], an_extension_opens_nothing),
        case(&["CON-04"], what_is_asked_on_a_condition_is_between_client_and_upstream),
        case(&["CON-06"], |_| streams::a_long_upload_ends_as_who_began_it()),
        case(&["CON-07"], |_| {
            a_thousand_at_once_before_the_pool_was_reached_cost_one_fetch_of_each();
            a_thousand_at_once_with_a_key_nobody_has_seen_cost_one_fetch();
        }),
        case(&["CON-08"], |_| {
            refresh::refreshes_of_two_people_at_once_never_mix();
            who_reads_a_session_while_it_is_refreshed_sees_the_old_or_the_new();
        }),
        // Some of them end the session that they are asked with.
        case(&["CON-09"], |_| no_endpoint_of_the_gate_is_open_to_another_origin(&World::bench())),
        case(&["CON-11"], what_the_upstream_says_of_its_own_logins_passes),
    ]
}

fn ask(world: &World, who: Who, kind: Kind, target: &str, lines: &str) -> Answer {
    let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{}{lines}{{session}}\r\n", kind.lines());
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&world.session(who).fill(head.as_bytes()));
    wire.answer(false).unwrap()
}

fn nothing_on_the_way_to_a_login_is_kept(world: &World) {
    for (kind, status) in [(Kind::Navigate, 302), (Kind::Fetch, 401)] {
        for target in ["/x", "/x.css", "/oauth2/start"] {
            let answer = ask(world, Who::Nobody, kind, target, "");
            assert_eq!(
                (answer.status, answer.header("cache-control")),
                (status, Some("no-store")),
                "{answer:#?}"
            );
        }
    }
}

/// Web-cache deception: a shared cache may take it for a style sheet, the gate does not.
fn an_extension_opens_nothing(world: &World) {
    for extension in
        ["/x.css", "/a.js", "/x.png", "/;a.js", ";a.css", "/%2e.css", "/index.html", "/favicon.ico", ".js"]
    {
        let target = format!("/admin{extension}");
        let admin = ask(world, Who::Admin, Kind::Program, &target, "");
        for (who, refused) in [(Who::Nobody, 401), (Who::User, 403)] {
            let mark = world.mark();
            let status = ask(world, who, Kind::Program, &target, "").status;
            // `/admin.js` is no admin's, but needs a session as everything does.
            let refused = if extension == ".js" && who == Who::User { 200 } else { refused };
            assert!(
                status == refused || (admin.status == 400 && status == 400),
                "{who:?} {target}: {status}"
            );
            assert!(refused == 200 || world.seen_since(mark).is_empty(), "{who:?} {target}");
        }
    }
    // A public path with `;` is none.
    assert_eq!(ask(world, Who::Nobody, Kind::Program, "/public/a;.css", "").status, 401);
}

fn what_is_asked_on_a_condition_is_between_client_and_upstream(world: &World) {
    let conditions = "If-None-Match: \"a\"\r\nIf-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n\
        Range: bytes=0-1\r\nIf-Range: \"a\"\r\n";
    for (raw, status, body) in [
        ("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 9\r\n\r\n", 304, ""),
        (
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab",
            206,
            "ab",
        ),
        (
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n",
            416,
            "",
        ),
    ] {
        world.upstream.at("/document", upstream::answers_with(raw));
        // One after the other: what one person got is not what the next one gets.
        for who in [Who::User, Who::Admin, Who::User] {
            let mark = world.mark();
            let answer = ask(world, who, Kind::Program, "/document", conditions);
            assert_eq!((answer.status, answer.text().as_str()), (status, body), "{answer:#?}");
            assert_eq!(answer.header("cache-control"), Some("private"), "{answer:#?}");
            let seen = &world.seen_since(mark)[..];
            let [seen] = seen else { panic!("each asks the upstream: {seen:#?}") };
            assert_eq!(identity_seen(seen), Ok(world.session(who).identity));
            for name in ["if-none-match", "if-modified-since", "range", "if-range"] {
                assert!(seen.head.one(name).is_some(), "{name}: {seen:#?}");
            }
        }
    }
}

/// On two hundred connections, five in line on each.
fn thousand_with(world: &World, token: &str) -> Vec<Wire> {
    let request = format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{}\r\n", bearer::line(token)).repeat(5);
    let connect = |_| {
        let mut wire = Wire::connect(world.gate.public).patient_for(Duration::from_secs(30));
        wire.write(request.as_bytes());
        wire
    };
    (0..200).map(connect).collect()
}

/// Right after a start, when neither discovery nor keys are there: who asks then is told to come again, and makes nobody
/// ask the pool once more.
fn a_thousand_at_once_before_the_pool_was_reached_cost_one_fetch_of_each() {
    let pool = FakePool::start();
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        pool.script_once(endpoint, Reply::Late(Duration::from_secs(3)));
    }
    let world = bearer::bench().unready().start_with(pool, Recorder::start());
    let token = bearer::access(&world, "user");
    let again = "GET /x HTTP/1.1\r\nHost: app.test\r\n".to_owned() + &bearer::line(&token) + "\r\n";
    let (mut wires, mut waited) = (thousand_with(&world, &token), 0);
    for wire in &mut wires {
        for _ in 0..5 {
            let answer = wire.answer(false).unwrap();
            assert!(matches!(answer.status, 200 | 503), "{answer:?}");
            assert_eq!(answer.header("retry-after").is_some(), answer.status == 503, "{answer:?}");
            waited += usize::from(answer.status == 503);
        }
    }
    assert!(waited > 0, "the pool was not away");
    until("the pool is there", || (world.gate.admin("/readyz").status == 200).then_some(()));
    for wire in &mut wires {
        wire.write(again.repeat(5).as_bytes());
    }
    for wire in &mut wires {
        for _ in 0..5 {
            assert_eq!(wire.answer(false).unwrap().status, 200);
        }
    }
    assert_eq!((world.pool.count(Endpoint::Discovery), world.pool.count(Endpoint::Jwks)), (1, 1));
}

/// As after a restart, when no key is known.
fn a_thousand_at_once_with_a_key_nobody_has_seen_cost_one_fetch() {
    let world = bearer::bench().start();
    assert_eq!((world.pool.count(Endpoint::Discovery), world.pool.count(Endpoint::Jwks)), (1, 1));
    world.pool.show_keys(vec![jwk(&Key::ForId), jwk(&Key::ForAccess), jwk(&Key::Foreign)]);
    world.pool.sign_with(Key::Foreign, Key::Foreign);
    let token = bearer::access(&world, "user");
    world.pool.script_once(Endpoint::Jwks, Reply::Late(Duration::from_millis(500)));
    for mut wire in thousand_with(&world, &token) {
        for _ in 0..5 {
            assert_eq!(wire.answer(false).unwrap().status, 200);
        }
    }
    assert_eq!((world.pool.count(Endpoint::Discovery), world.pool.count(Endpoint::Jwks)), (1, 2));
}

/// A session is one value that is exchanged, and never one that is changed: no request may see half of two. Each refresh
/// brings another set of roles, for two people at once; readers do not pause.
fn who_reads_a_session_while_it_is_refreshed_sees_the_old_or_the_new() {
    let world = Setup::bench().session("max_role_age = \"1s\"").start();
    let sets: [&[&str]; 2] = [&["user", "a1", "a2", "a3"], &["user", "b1", "b2", "b3"]];
    let allowed = ["a1,a2,a3,user", "b1,b2,b3,user"];
    let people = ["user", "admin"];
    people.iter().for_each(|name| world.pool.user(User::new(name, sets[0])));
    let sessions = people.map(|name| world.session_of(name, ""));
    let mark = world.mark();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for reader in 0..6 {
            let (world, mut session) = (&world, sessions[reader % 2].clone());
            scope.spawn(move || {
                let mut wire = Wire::connect(world.gate.public);
                while begun.elapsed() < Duration::from_secs(4) {
                    let head = format!(
                        "GET /of/{} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n",
                        people[reader % 2]
                    );
                    wire.write(&session.fill(head.as_bytes()));
                    let answer = wire.answer(false).unwrap();
                    assert_eq!(answer.status, 200, "{answer:#?}");
                    session = session.after(&answer);
                }
            });
        }
        for turn in 1..40 {
            people.iter().for_each(|name| world.pool.user(User::new(name, sets[turn % 2])));
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let mut seen_of = [[0; 2]; 2];
    for seen in world.seen_since(mark) {
        let (user, roles) = identity_seen(&seen).unwrap().unwrap();
        assert_eq!(format!("/of/{user}"), seen.target(), "{seen:#?}");
        let set =
            allowed.iter().position(|set| *set == roles).unwrap_or_else(|| panic!("half of two: {seen:#?}"));
        seen_of[usize::from(user == people[1])][set] += 1;
    }
    assert!(seen_of.iter().all(|of| of.iter().sum::<i32>() > 0), "{seen_of:?}");
    assert!(world.pool.grants("refresh_token") >= 2, "nobody's roles were fetched anew");
}

fn no_endpoint_of_the_gate_is_open_to_another_origin(world: &World) {
    for origin in ["https://evil.test", "null", "https://app.test.evil.test", "https://app.test"] {
        for who in EVERYBODY {
            for target in ["start", "callback", "signout", "userinfo", "auth", "keys", "nothing"] {
                for method in ["GET", "POST", "OPTIONS"] {
                    let request = format!(
                        "{method} /oauth2/{target} HTTP/1.1\r\nHost: app.test\r\nOrigin: {origin}\r\nContent-Length: 0\r\n\
                         Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\nAccess-Control-Request-Method: GET\r\n\
                         Access-Control-Request-Headers: authorization\r\n{{session}}\r\n"
                    );
                    let mut wire = Wire::connect(world.gate.public);
                    wire.write(&world.session(who).fill(request.as_bytes()));
                    let answer = wire.answer(false).unwrap();
                    let open = answer
                        .head
                        .headers
                        .iter()
                        .find(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"));
                    assert!(open.is_none(), "{method} {target} from {origin}: {answer:#?}");
                }
            }
        }
    }
}

fn what_the_upstream_says_of_its_own_logins_passes(world: &World) {
    for challenge in ["Basic realm=\"app\"", "Bearer error=\"invalid_token\"", "Negotiate"] {
        let lines = format!("WWW-Authenticate: {challenge}\r\nContent-Length: 3\r\n\r\nwho");
        world.upstream.at("/own", upstream::answers_with(format!("HTTP/1.1 401 Unauthorized\r\n{lines}")));
        for kind in [Kind::Navigate, Kind::Fetch, Kind::Program] {
            let mark = world.mark();
            let answer = ask(world, Who::User, kind, "/own", "");
            assert_eq!((answer.status, answer.text().as_str()), (401, "who"), "{answer:#?}");
            assert_eq!(answer.head.all("www-authenticate"), [challenge]);
            assert!(answer.head.all("location").is_empty() && answer.head.all("set-cookie").is_empty());
            assert_eq!(world.seen_since(mark).len(), 1, "asked once");
        }
    }
}

/// What fails while something is away is what needs it, and nothing else; what is back is used again. Nobody is ever
/// somebody else. No figure here is one of time: while a thing is away, sixty requests of each kind are asked.
#[test]
fn whatever_is_killed_takes_down_what_needs_it_alone() {
    let mut store = Server::start();
    let mut house = Replicas::start(&replicas::Kind::on(&store), 2, Setup::bench());
    let browser = house.signed_in("user", 3600);
    let session = Session { cookie: browser.cookies("/"), identity: Some(("user".into(), "user".into())) };
    let gates: Vec<_> = house.gates.iter().flatten().map(|gate| gate.public).collect();
    let get = |gate: usize, session: &Session, target: &str| {
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{}{{session}}\r\n", Kind::Navigate.lines());
        let mut wire = Wire::connect(gates[gate]);
        wire.write(&session.fill(head.as_bytes()));
        wire.answer(false).unwrap()
    };
    let nobody = Session { cookie: String::new(), identity: None };
    let statuses = |session: &Session, target: &str| -> Vec<u16> {
        let mut all: Vec<_> = (0..60).map(|number| get(number % 2, session, target).status).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let all_well = |session: &Session| {
        until("all is well", || {
            let fine = |gate| {
                (
                    get(gate, session, "/x").status,
                    get(gate, &nobody, "/public/x").status,
                    get(gate, &nobody, "/x").status,
                ) == (200, 200, 302)
            };
            (fine(0) && fine(1)).then_some(())
        });
    };
    all_well(&session);

    // The pool: whoever is signed in stays it, logins are begun, and none is finished.
    for endpoint in [Endpoint::Token, Endpoint::Jwks, Endpoint::Discovery] {
        house.pool.script(endpoint, Reply::Hangup);
    }
    assert_eq!((statuses(&session, "/x"), statuses(&nobody, "/public/x")), (vec![200], vec![200]));
    assert_eq!(statuses(&nobody, "/x"), [302]);
    let mut late = house.browser();
    let callback = late.callback_for("user", "/x");
    assert!(matches!(late.open(callback.as_str()).status, 502 | 503));
    house.pool.be_honest();
    late.sign_in("user");
    all_well(&session);

    // The upstream: what is the gate's own goes on.
    house.upstream.behave(upstream::closes_after_head());
    assert_eq!((statuses(&session, "/x"), statuses(&nobody, "/public/x")), (vec![502], vec![502]));
    assert_eq!((statuses(&nobody, "/x"), statuses(&session, "/oauth2/userinfo")), (vec![302], vec![200]));
    house.upstream.behave_well();
    all_well(&session);

    // The store: sessions cannot be known to be called off, so none counts; who needs none does not notice.
    store.kill();
    until("the gates have noticed", || {
        (0..2).all(|gate| get(gate, &session, "/x").status == 503).then_some(())
    });
    assert_eq!((statuses(&session, "/x"), statuses(&nobody, "/public/x")), (vec![503], vec![200]));
    store.restart();
    all_well(&session);

    // One of two gates: the other does not notice.
    house.kill(0);
    assert!((0..60).all(|_| get(1, &session, "/x").status == 200));
    assert!(TcpStream::connect(gates[0]).and_then(|mut stream| stream.write_all(b"x")).is_err());

    // Nobody was anybody else meanwhile, and nobody asked the pool for what one had already.
    for seen in house.upstream.since(upstream::Mark::default()) {
        let identity = identity_seen(&seen).unwrap();
        assert!(identity.is_none() || identity == session.identity, "{seen:#?}");
    }
    assert_eq!(house.pool.grants("refresh_token"), 0);
}
