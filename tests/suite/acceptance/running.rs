//! Rows 24 and 27: what is said of a person is said by the gate alone, and how a gate begins and ends.

use std::time::Duration;

use crate::support::pool::{Endpoint, FakePool, Reply};
use crate::support::until;
use crate::support::upstream::Recorder;
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Setup, Who, World};

#[test]
fn row_24_an_upstream_sees_what_the_gate_says_in_every_spelling_or_no_request_at_all() {
    let world = World::bench();
    let claims = [
        "X-User: root\r\nX-Roles: admin\r\n",
        "x-roles: admin\r\nX-ROLES: admin\r\n",
        "x_user: root\r\nx_roles: admin\r\n",
        "X.Roles: admin\r\nX~User: root\r\nXRoles: admin\r\n",
        "X-Roles: admin\r\nConnection: x-roles, X-User\r\n",
        "X-User: \r\nX-Roles: user, admin\r\nX_Roles: admin\r\nConnection: close, x_roles\r\n",
    ];
    for lines in claims {
        let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}\r\n");
        // The bench's oracle holds both headers, in any spelling, against who it is.
        let known = world.attack(Who::User, get("/x"));
        let seen = known.one().unwrap_or_else(|| panic!("{lines}: {:?}", known.answers));
        assert_eq!(
            (seen.head.all("x-user"), seen.head.all("x-roles")),
            (vec!["user"], vec!["user"]),
            "{lines}"
        );
        let nobody = world.attack(Who::Nobody, get("/public/x"));
        let seen = nobody.one().unwrap_or_else(|| panic!("{lines}: {:?}", nobody.answers));
        assert!(
            seen.head.headers.iter().all(|(_, value)| !value.contains("admin") && value != "root"),
            "{seen:?}"
        );
        for (who, status) in [(Who::User, 403), (Who::Nobody, 401)] {
            let denied = world.attack(who, get("/admin"));
            assert!(denied.is_refused(&[status]), "{lines}: {:?} {:?}", denied.answers, denied.seen);
        }
    }
    let trailers = "POST /x HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Roles\r\n{session}\r\n\
                    1\r\nx\r\n0\r\nX-Roles: admin\r\nx_user: root\r\n\r\n";
    let exchange = world.attack(Who::User, trailers);
    let seen = exchange.one().unwrap_or_else(|| panic!("{:?}", exchange.answers));
    assert!(seen.trailers.is_empty() && seen.head.all("x-roles") == ["user"], "{seen:?}");
}

#[test]
fn row_27_a_gate_lives_from_the_start_is_ready_with_its_keys_and_goes_when_it_is_told() {
    let pool = FakePool::start();
    pool.script(Endpoint::Discovery, Reply::Hangup);
    pool.script(Endpoint::Jwks, Reply::Status(503, "text/plain", b"not yet".to_vec()));
    let world = Setup::bench().unready().start_with(pool, Recorder::start());
    let states = || (world.gate.admin("/livez").status, world.gate.admin("/readyz").status);
    assert_eq!(states(), (200, 503));
    world.pool.wait_for(Endpoint::Discovery, 3);
    assert!(world.gate.alive() && states() == (200, 503), "without a pool it asks again");
    world.pool.script(Endpoint::Discovery, Reply::Late(Duration::ZERO));
    world.pool.wait_for(Endpoint::Jwks, 2);
    assert_eq!(states(), (200, 503), "without keys no token can be verified");
    world.pool.be_honest();
    until("the gate is ready", || (world.gate.admin("/readyz").status == 200).then_some(()));

    let session = world.session(Who::User);
    let mark = world.mark();
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&session.fill(b"POST /x HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n{session}\r\nha"));
    world.upstream.wait_for(mark.upstream, 1);
    world.gate.signal("TERM");
    until("it says that it goes", || (world.gate.admin("/readyz").status == 503).then_some(()));
    assert_eq!(world.gate.admin("/livez").status, 200);
    wire.write(b"lf");
    let answer: Answer = wire.answer(false).unwrap();
    assert!(answer.status == 200 && answer.closes(), "{answer:?}");
    let World { gate, .. } = world;
    let (status, log) = gate.wait();
    assert!(status.success(), "{status:?}\n{log}");
}
