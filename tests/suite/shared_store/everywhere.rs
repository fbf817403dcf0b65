//! Signing out where gates share a store: at one gate, and everywhere.

use std::time::Duration;

use super::{fetch, keys, once};
use crate::forwarding::websocket;
use crate::sessions_command::CLOSE;
use crate::support::balancer::TO_GATE;
use crate::support::browser::{Browser, Kind as Request, address};
use crate::support::gate::Gate;
use crate::support::replicas::{Kind, Replicas, heard};
use crate::support::store::{Server, eventually};
use crate::support::upstream;
use crate::support::wire::Wire;
use crate::support::world::{Session, Setup};

const EVERYWHERE: &str = "/oauth2/signout?everywhere=1";

#[test]
fn a_sign_out_at_one_gate_counts_at_the_other_and_ends_what_is_open_there() {
    let server = Server::start();
    let house = Replicas::start(&Kind::on(&server), 2, Setup::bench());
    let (mut browser, mut other) = (house.signed_in("user", 3600), house.signed_in("admin", 3600));
    let mut copy = browser.clone();
    house.upstream.behave(upstream::switches_protocols(websocket::ACCEPT));
    let there = house.gates[1].as_ref().unwrap();
    let (mut open, mut others) = (open_at(there, &browser), open_at(there, &other));
    house.upstream.behave_well();

    assert_eq!(once(&mut browser, Request::Navigate, 0, "/oauth2/signout").status, 302);
    eventually("a copy of the cookies counts no more", || {
        (fetch(&mut copy, 1, "/x").status == 401).then_some(())
    });
    assert_eq!(open.rest().0, CLOSE);
    others.write(b"\x89\x00");
    assert_eq!(others.take(2).unwrap(), b"\x89\x00");
    assert_eq!(fetch(&mut other, 1, "/x").status, 200);
}

#[test]
fn signing_out_everywhere_ends_all_browsers_of_the_same_person_at_all_gates_and_nobody_elses() {
    let server = Server::start();
    let kind = Kind::on(&server);
    let house = Replicas::start(&kind, 2, Setup::bench());
    let mut other = house.signed_in("admin", 3600);
    let kept = keys(&server, &kind, "s:");
    assert_eq!(kept.len(), 1, "{kept:?}");
    let (mut laptop, mut phone) = (house.signed_in("user", 3600), house.signed_in("user", 3600));
    assert_eq!(keys(&server, &kind, "s:").len(), 3);

    // A picture on another site is nobody's wish.
    let foreign = once(&mut laptop, Request::CrossSiteImage, 0, EVERYWHERE);
    assert_eq!(foreign.status, 200, "the landing page: {foreign:#?}");
    for browser in [&mut laptop, &mut phone] {
        assert_eq!(fetch(browser, 0, "/x").status, 200);
    }

    let page = heard(|| once(&mut laptop, Request::Navigate, 0, "/oauth2/userinfo"));
    assert!(page.text().contains(&format!("href=\"{EVERYWHERE}\"")), "{}", page.text());
    let to = format!("{TO_GATE}: 0\r\n");
    let followed = laptop.send(Request::Navigate, "GET", &address(EVERYWHERE), &to, "");
    assert_eq!(followed.status, 302, "{followed:#?}");
    for gate in 0..2 {
        eventually("the other browser is out", || {
            (fetch(&mut phone, gate, "/x").status == 401).then_some(())
        });
        assert_eq!(fetch(&mut other, gate, "/x").status, 200, "somebody else goes on");
    }
    eventually("the store keeps nothing of theirs", || (keys(&server, &kind, "s:") == kept).then_some(()));
    comes_in_again(&house);
}

#[test]
fn whoever_was_signed_out_before_signs_out_here_and_calls_nobody_off() {
    let server = Server::start();
    let house = Replicas::start(&Kind::on(&server), 2, Setup::bench());
    let (mut laptop, mut phone) = (house.signed_in("user", 3600), house.signed_in("user", 3600));
    let mut copy = phone.clone();
    assert_eq!(once(&mut phone, Request::Navigate, 0, EVERYWHERE).status, 302);
    phone = comes_in_again(&house);

    // Neither of these proves any more who asks: whoever has a copy could keep the person out.
    for stale in [&mut laptop, &mut copy] {
        assert_eq!(fetch(stale, 0, "/x").status, 401);
        let answer = once(stale, Request::Navigate, 0, EVERYWHERE);
        assert_eq!(answer.status, 302, "{answer:#?}");
        assert!(stale.cookies("/").is_empty(), "this browser keeps nothing: {}", stale.cookies("/"));
    }
    assert_eq!(fetch(&mut phone, 0, "/x").status, 200);
    let mut last = house.signed_in("admin", 3600);
    let mut copy = last.clone();
    assert_eq!(once(&mut last, Request::Navigate, 0, "/oauth2/signout").status, 302);
    eventually("the other gate has heard what came of it, and what was called off later", || {
        (fetch(&mut copy, 1, "/x").status == 401).then_some(())
    });
    assert_eq!(fetch(&mut phone, 1, "/x").status, 200);

    assert_eq!(once(&mut phone, Request::Navigate, 1, EVERYWHERE).status, 302, "and a new one calls off");
}

#[test]
fn without_a_store_nobody_is_offered_to_sign_out_everywhere() {
    let world = Setup::bench().start();
    let mut browser = world.signed_in("user");
    let page = browser.open("/oauth2/userinfo");
    assert!(page.status == 200 && !page.text().contains("everywhere"), "{}", page.text());
    // Whoever writes the address by hand signs out here.
    let mut phone = world.signed_in("user");
    assert_eq!(browser.open(EVERYWHERE).status, 302);
    assert_eq!((browser.fetch("/x").status, phone.fetch("/x").status), (401, 200));
}

/// Signs in after a sign-out everywhere.
fn comes_in_again(house: &Replicas) -> Browser {
    eventually("whoever signs in later comes in", || {
        let mut again = house.signed_in("user", 3600);
        // It may be of the same second as the sign-out, and the other gate may know of that first.
        (0..2).all(|gate| fetch(&mut again, gate, "/x").status == 200).then_some(again)
    })
}

fn open_at(gate: &Gate, browser: &Browser) -> Wire {
    let session = Session { cookie: browser.cookies("/"), identity: None };
    eventually("a WebSocket is open", || {
        let mut wire = Wire::connect(gate.public).patient_for(Duration::from_secs(20));
        wire.write(&session.fill(websocket::request("/ws", "").as_bytes()));
        wire.head().unwrap().start.starts_with("HTTP/1.1 101").then_some(wire)
    })
}
