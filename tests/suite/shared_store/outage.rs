//! A store that is down, or silent: nobody is served whom it may have called off, nobody is signed out, and it goes on
//! by itself.

use std::time::{Duration, Instant};

use super::{fetch, once};
use crate::cookies::PASS;
use crate::login::wait_until_due;
use crate::support::browser::{Browser, Kind as Request};
use crate::support::pool::FakePool;
use crate::support::replicas::{Kind, Replicas, is_store_outage};
use crate::support::store::{Server, eventually};
use crate::support::token::Use;
use crate::support::wire::{Answer, Wire};
use crate::support::world::Setup;

type Fault = fn(&mut Server);

#[test]
fn while_the_store_is_down_or_silent_sessions_are_refused_with_503_and_go_on_when_it_is_back() {
    let faults: [(&str, Fault, Fault); 2] = [
        ("killed", Server::kill, Server::restart),
        ("silent", |server| server.pause(), |server| server.resume()),
    ];
    for (what, breaks, mends) in faults {
        let mut server = Server::start();
        let house = Replicas::start(&Kind::on(&server), 2, Setup::bench().tables("[bearer]"));
        let mut browser = house.signed_in("user", 3600);
        let mut leaving = house.signed_in("user", 3600);
        let mut copy = leaving.clone();
        let jar = browser.cookies("/");
        let mut newcomer = house.browser();
        let callback = newcomer.callback_for("admin", "/");

        breaks(&mut server);
        let refused = refused(&mut browser);
        assert_eq!(refused.header("content-type"), Some("application/problem+json"), "{what}: {refused:#?}");
        assert_eq!(refused.json()["error"], "store_outage", "{what}");
        let page = once(&mut browser, Request::Navigate, 1, "/x");
        assert!(is_store_outage(&page) && page.header("content-type").unwrap().starts_with("text/html"));
        for answer in [&refused, &page] {
            assert!(answer.header("retry-after").is_some(), "{what}: {answer:#?}");
            assert!(answer.head.all("set-cookie").is_empty(), "{what}: {answer:#?}");
        }
        assert_eq!(browser.cookies("/"), jar, "{what}: no cookie is touched");
        let answer = newcomer.send(Request::Navigate, "GET", &callback, "", "");
        assert!(is_store_outage(&answer) && answer.header("retry-after").is_some(), "{what}: {answer:#?}");
        assert!(newcomer.jar.get(PASS).is_none(), "{what}: nobody is half signed in");
        // Who needs no session goes on, and who leaves may.
        assert_eq!(once(&mut house.browser(), Request::Fetch, 0, "/public/x").status, 200, "{what}");
        assert_eq!(with_bearer(&house, &house.pool).status, 200, "{what}");
        assert_eq!(once(&mut leaving, Request::Navigate, 0, "/oauth2/signout").status, 302, "{what}");

        mends(&mut server);
        for gate in 0..2 {
            eventually("it goes on by itself", || {
                let answer = once(&mut browser, Request::Fetch, gate, "/x");
                assert!(answer.status == 200 || is_store_outage(&answer), "{what}: {answer:#?}");
                (answer.status == 200).then_some(())
            });
        }
        eventually("the other gate has heard who left", || {
            (fetch(&mut copy, 1, "/x").status == 401).then_some(())
        });
        newcomer.sign_in("admin");
        assert_eq!(fetch(&mut newcomer, 1, "/x").status, 200, "{what}");
    }
}

#[test]
fn where_fresh_passes_are_served_all_the_same_they_count_to_the_end_of_their_token() {
    let mut server = Server::start();
    let setup = Setup::bench().session("max_role_age = \"2s\"\nstore_outage = \"serve-fresh\"");
    let house = Replicas::start(&Kind::on(&server), 1, setup);
    let mut lasting = house.signed_in("user", 3600);
    let begun = Instant::now();
    let mut ending = house.signed_in("user", 12);
    let mut newcomer = house.browser();
    let callback = newcomer.callback_for("admin", "/");

    server.kill();
    // Longer than refusing would wait, and until a refresh is due.
    wait_until_due(Instant::now());
    for browser in [&mut lasting, &mut ending] {
        let answer = once(browser, Request::Fetch, 0, "/x");
        assert!(answer.status == 200 || begun.elapsed() > Duration::from_secs(11), "{answer:#?}");
        assert!(answer.head.all("set-cookie").is_empty(), "{answer:#?}");
    }
    let answer = newcomer.send(Request::Navigate, "GET", &callback, "", "");
    assert!(is_store_outage(&answer), "{answer:#?}");
    refused(&mut ending);
    assert!(begun.elapsed() >= Duration::from_secs(11), "it was refused after {:?}", begun.elapsed());
    assert_eq!(once(&mut lasting, Request::Fetch, 0, "/x").status, 200);
    server.restart();
    eventually("a refresh works again, where the store keeps nothing any more", || {
        (once(&mut lasting, Request::Fetch, 0, "/x").status == 401).then_some(())
    });
}

/// Asks until a fetch is refused for the store; until then it is served.
fn refused(browser: &mut Browser) -> Answer {
    eventually("it is refused", || {
        let answer = once(browser, Request::Fetch, 1, "/x");
        assert!(answer.status == 200 || is_store_outage(&answer), "{answer:#?}");
        (answer.status != 200).then_some(answer)
    })
}

fn with_bearer(house: &Replicas, pool: &FakePool) -> Answer {
    let token = pool.mint(Use::Access, "user", |_| {});
    let mut wire = Wire::connect(house.balancer.address);
    let request = format!(
        "GET /x HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    wire.write(request.as_bytes());
    wire.answer(false).unwrap()
}
