//! One side hears nothing of the other for a while, and everybody goes on asking: who needs what is away is refused, in
//! time; nobody else notices; and when it is back it is used again, without a crowd before it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::browser::Kind;
use crate::support::pool::{Endpoint, Reply};
use crate::support::replicas::{self, Replicas};
use crate::support::store::Server;
use crate::support::token::random;
use crate::support::upstream;
use crate::support::wire::Wire;
use crate::support::world::{Session, Setup, identity_seen};

/// How long, and how long all is well before.
const APART: Duration = Duration::from_secs(3);
const BEFORE: Duration = Duration::from_secs(2);
/// All is well again within this, and for this long after it.
const HEALED: Duration = Duration::from_secs(5);
const AFTER: Duration = Duration::from_secs(2);
/// Nobody waits longer for an answer: a second for what is away, and the machine's own slowness.
const PATIENT: Duration = Duration::from_secs(5);
/// Between two requests of one asker. There are six.
const PAUSE: Duration = Duration::from_millis(20);

/// What is asked at each gate: with a session or without, for what, in which way, and what it is answered.
const ASKED: [(bool, &str, Kind, u16); 3] = [
    (true, "/x", Kind::Fetch, 200),
    (false, "/public/x", Kind::Fetch, 200),
    (false, "/x", Kind::Navigate, 302),
];

struct Heard {
    what: usize,
    /// When it was asked, from the beginning.
    at: Duration,
    took: Duration,
    status: u16,
}

#[test]
fn a_pool_that_is_cut_off_is_noticed_by_nobody_who_is_signed_in() {
    let asked = Cell::new(0);
    let silent = |house: &Replicas| {
        asked.set(house.pool.count(Endpoint::Token));
        for endpoint in [Endpoint::Token, Endpoint::Jwks, Endpoint::Discovery] {
            house.pool.script(endpoint, Reply::Silence);
        }
    };
    apart(None, [&[], &[], &[]], silent, |house| {
        assert!(house.pool.count(Endpoint::Token) > asked.get(), "it was asked for new roles meanwhile");
        house.pool.be_honest();
    });
}

#[test]
fn a_store_that_is_cut_off_takes_sessions_and_sign_ins_with_it_and_no_more() {
    let store = Server::start();
    apart(Some(&store), [&[503], &[], &[503]], |_| store.pause(), |_| store.resume());
}

#[test]
fn an_upstream_that_is_cut_off_takes_with_it_what_is_its_own() {
    let silent = |house: &Replicas| house.upstream.behave(upstream::stalls_after_head());
    apart(None, [&[504], &[504], &[]], silent, |house| house.upstream.behave_well());
}

/// `faults`: what each of [`ASKED`] may be answered while they are apart.
fn apart(store: Option<&Server>, faults: [&[u16]; 3], cut: impl Fn(&Replicas), mend: impl Fn(&Replicas)) {
    // Roles are due all the time, so that the pool is asked for as long as all this lasts.
    let mut lines = "max_role_age = \"2s\"\n".to_owned();
    if let Some(store) = store {
        let (url, prefix) = (store.url(), random(6));
        lines += &format!("store = {url:?}\nstore_prefix = \"{prefix}:\"\nstore_timeout = \"1s\"\n");
    }
    let mut setup = Setup::bench();
    if faults.iter().any(|faults| faults.contains(&504)) {
        setup = setup.limits("response_timeout = \"1s\"");
    }
    let house = Replicas::start(&replicas::Kind::Store(lines), 2, setup);
    let browser = house.signed_in("user", 3600);
    let session = Session { cookie: browser.cookies("/"), identity: Some(("user".into(), "user".into())) };
    let (begun, over) = (Instant::now(), AtomicBool::new(false));
    let (heard, (gone, back)) = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..2 * ASKED.len())
            .map(|number| {
                let (house, over, session) = (&house, &over, session.clone());
                scope.spawn(move || asks(house, number / 2, number % 2, session, begun, over))
            })
            .collect();
        std::thread::sleep(BEFORE);
        let gone = begun.elapsed();
        cut(&house);
        std::thread::sleep(APART);
        mend(&house);
        let back = begun.elapsed();
        std::thread::sleep(HEALED + AFTER);
        over.store(true, Ordering::Relaxed);
        let heard: Vec<_> = askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect();
        (heard, (gone, back))
    });

    let mut otherwise = 0;
    for Heard { what, at, took, status } in &heard {
        let apart = *at + *took >= gone && *at < back + HEALED;
        let fault = *status != ASKED[*what].3;
        let known = faults[*what].contains(status);
        assert!(!fault || known, "{status} for {:?} at {at:?}, gone {gone:?}, back {back:?}", ASKED[*what]);
        assert!(*took < PATIENT, "{took:?} for {:?} at {at:?}", ASKED[*what]);
        otherwise += usize::from(fault && !apart);
    }
    // A gate that could not run for two seconds has not heard its store, and says so.
    assert!(otherwise * 20 < heard.len(), "{otherwise} of {} before they were apart, or after", heard.len());
    for (what, faults) in faults.iter().enumerate() {
        let of = || heard.iter().filter(|heard| heard.what == what);
        let failed = of().filter(|heard| faults.contains(&heard.status)).count();
        assert_eq!(failed > 0, !faults.is_empty(), "{failed} for {:?}", ASKED[what]);
        let well = |heard: &Heard| heard.status == ASKED[what].3 && heard.at > back;
        let healed = of().find(|heard| well(heard)).map(|heard| heard.at - back);
        assert!(healed.is_some_and(|after| after < HEALED), "{healed:?} until {:?} is well", ASKED[what]);
        assert!(of().any(|heard| heard.at > back + HEALED), "{:?} was asked to the end", ASKED[what]);
    }
    for seen in house.upstream.since(upstream::Mark::default()) {
        let whose = if seen.head.start.starts_with("GET /x ") { session.identity.clone() } else { None };
        assert_eq!(identity_seen(&seen).unwrap(), whose, "{seen:#?}");
    }
    // One sign-in, and what roles that are good for two seconds cost a session at each gate: no call for each who asks.
    let calls = house.pool.count(Endpoint::Token) as u64;
    let (most, asked) = (1 + 2 * begun.elapsed().as_secs(), heard.len());
    assert!((2..=most).contains(&calls), "{calls} token calls, of {most}, for {asked} requests");
    assert!(
        house.pool.count(Endpoint::Jwks) + house.pool.count(Endpoint::Discovery) <= 8,
        "keys are fetched anew"
    );
    println!("{asked} requests, {calls} token calls");
}

/// Asks one gate for one thing, again and again.
fn asks(
    house: &Replicas,
    what: usize,
    gate: usize,
    mut session: Session,
    begun: Instant,
    over: &AtomicBool,
) -> Vec<Heard> {
    let (signed_in, target, kind, _) = ASKED[what];
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: app.test\r\n{}{}\r\n",
        kind.lines(),
        if signed_in { "{session}" } else { "" }
    );
    let mut heard = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let at = begun.elapsed();
        let mut wire = Wire::connect(house.gates[gate].as_ref().unwrap().public);
        wire.write(&session.fill(head.as_bytes()));
        let answer = wire.answer(false).unwrap();
        heard.push(Heard { what, at, took: begun.elapsed() - at, status: answer.status });
        if signed_in {
            session = session.after(&answer);
        }
        std::thread::sleep(PAUSE);
    }
    heard
}
