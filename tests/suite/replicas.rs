//! Two and three gates behind a balancer, sharing keys and no more: answers that reach the browser in another order
//! than they were given, a gate killed in the middle of a refresh, every kind of rotation. At worst a browser is sent to
//! the pool once, silently; never around in a loop, to an error page, or back to older cookies by a gate's own doing.
//!
//! Each scenario takes what the gates know of each other; where that is a store, it asks for more: one token call, and
//! nobody is sent anywhere.

use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use crate::login::wait_until_due;
use crate::refresh::ROTATIONS;
use crate::support::balancer::TO_GATE;
use crate::support::browser::{Browser, Kind as Request, Page, address};
use crate::support::pool::{Endpoint, Reply, Rotation};
use crate::support::replicas::{Kind, Replicas, heard};
use crate::support::wire::{Answer, Wire};
use crate::support::world::Setup;

#[test]
fn with_cookies_alone_parallel_requests_at_the_moment_of_a_refresh_cost_a_trip_to_the_pool_at_most() {
    for_each(&Kind::Cookies, parallel_requests);
}

#[test]
fn with_cookies_alone_answers_out_of_order_cost_a_trip_to_the_pool_at_most() {
    for_each(&Kind::Cookies, answers_out_of_order);
}

#[test]
fn with_cookies_alone_a_gate_killed_in_the_middle_of_a_refresh_costs_a_trip_to_the_pool_at_most() {
    for_each(&Kind::Cookies, killed_in_the_middle);
}

#[test]
fn with_cookies_alone_a_late_request_at_another_gate_is_served_or_refused_and_changes_no_cookie() {
    for_each(&Kind::Cookies, late_at_another_gate);
}

#[test]
fn with_cookies_alone_tabs_that_load_for_a_while_are_sent_to_the_pool_once_a_refresh_at_most() {
    for_each(&Kind::Cookies, tabs_that_load_for_a_while);
}

/// Two gates and three, with each rotation.
fn for_each(kind: &Kind, scenario: impl Fn(&Kind, usize, Rotation)) {
    for rotation in ROTATIONS {
        scenario(kind, 2, rotation);
    }
    scenario(kind, 3, Rotation::Grace(Duration::ZERO));
}

/// A dozen requests of one browser, spread over all gates while none of them has refreshed yet.
pub fn parallel_requests(kind: &Kind, gates: usize, rotation: Rotation) {
    let house = Replicas::start(kind, gates, Setup::bench());
    house.pool.rotate(rotation);
    let browser = Mutex::new(house.signed_in("user", 0));
    house.pool.script(Endpoint::Token, Reply::Late(Duration::from_millis(200)));
    let barrier = Barrier::new(12);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let ask = |_| {
            scope.spawn(|| {
                let request = fetch(&browser.lock().unwrap(), "/x", None);
                barrier.wait();
                let answer = answer_to(&house, &request);
                // In whatever order they come.
                keep(&browser, &answer);
                answer
            })
        };
        let asking: Vec<_> = (0..12).map(ask).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    house.pool.be_honest();
    house.pool.rotate(rotation);
    let what = format!("{gates} gates, {rotation:?}");
    for answer in &answers {
        served_or_refused(answer, kind.shares() || rotation != NO_GRACE, &what);
    }
    assert!(answers.iter().any(|answer| answer.status == 200), "{what}: at least one gate's refresh counts");
    if kind.shares() {
        assert_eq!(house.pool.grants("refresh_token"), 1, "{what}: one token call over all gates");
    }
    // What the browser holds now is what the gate that was faster gave it.
    let mut browser = browser.into_inner().unwrap();
    goes_on(&house, &mut browser, 0, &what);
}

/// The answer of an older refresh is held up on its way, overtakes nothing, and comes last.
pub fn answers_out_of_order(kind: &Kind, gates: usize, rotation: Rotation) {
    let house = Replicas::start(kind, gates, Setup::bench().session("max_role_age = \"2s\""));
    house.pool.rotate(rotation);
    let what = format!("{gates} gates, {rotation:?}");
    let browser = Mutex::new(house.signed_in("user", 0));
    house.balancer.hold("/late");
    let late = fetch(&browser.lock().unwrap(), "/late", Some(0));
    std::thread::scope(|scope| {
        scope.spawn(|| keep(&browser, &answer_to(&house, &late)));
        house.balancer.wait_held("/late");
        // The same refresh reaches the browser by another answer, and the next one after it.
        for _ in 0..2 {
            let request = fetch(&browser.lock().unwrap(), "/x", Some(0));
            let answer = answer_to(&house, &request);
            served_or_refused(&answer, true, &what);
            keep(&browser, &answer);
            wait_until_due(Instant::now());
        }
        house.balancer.release("/late");
    });
    assert!(house.pool.grants("refresh_token") >= 2, "{what}: the late answer is of an older refresh");
    let mut browser = browser.into_inner().unwrap();
    // The gate that made both knows better; another one may not.
    let known = navigate_at(&house, &mut browser.clone(), 0);
    assert_eq!(known.status, 200, "{what}: {known:#?}");
    let spared = kind.shares() || rotation != NO_GRACE;
    goes_on(&house, &mut browser, usize::from(!spared), &what);
}

/// A gate is killed while the pool has already redeemed the refresh token and answers nothing yet.
pub fn killed_in_the_middle(kind: &Kind, gates: usize, rotation: Rotation) {
    let mut house = Replicas::start(kind, gates, Setup::bench());
    house.pool.rotate(rotation);
    let what = format!("{gates} gates, {rotation:?}");
    let mut browser = house.signed_in("user", 0);
    let asked = house.pool.count(Endpoint::Token);
    house.pool.script_once(Endpoint::Token, Reply::Withheld(Duration::from_secs(5)));
    let (navigation, fetched) = (navigation(&browser, "/x", Some(0)), fetch(&browser, "/y", Some(0)));
    let balancer = house.balancer.address;
    let ask = |request: String| std::thread::spawn(move || answer_from(balancer, &request));
    let asking = [navigation, fetched].map(ask);
    house.pool.wait_for(Endpoint::Token, asked + 1);
    house.kill(0);
    let [navigated, fetched] = asking.map(|asking| asking.join().unwrap());
    // The new token came to nobody: where the old one counts no more, not even a store could know it.
    let spared = rotation != NO_GRACE;
    served_or_refused(&fetched, spared, &what);
    assert_eq!(navigated.status, if spared { 200 } else { 302 }, "{what}: {navigated:#?}");
    for answer in [&navigated, &fetched] {
        browser.jar.keep(&address("/x"), answer);
    }
    goes_on(&house, &mut browser, usize::from(!spared), &what);
}

/// A request with the cookies from before a refresh comes to a gate that did not make it, in the other order too.
pub fn late_at_another_gate(kind: &Kind, gates: usize, rotation: Rotation) {
    let house = Replicas::start(kind, gates, Setup::bench());
    house.pool.rotate(rotation);
    let what = format!("{gates} gates, {rotation:?}");
    let mut browser = house.signed_in("user", 0);
    let late: Vec<String> = (1..gates).map(|gate| fetch(&browser, "/x", Some(gate))).collect();
    let first = answer_to(&house, &fetch(&browser, "/x", Some(0)));
    served_or_refused(&first, true, &what);
    browser.jar.keep(&address("/x"), &first);
    for request in late {
        let answer = answer_to(&house, &request);
        served_or_refused(&answer, kind.shares() || rotation != NO_GRACE, &what);
        browser.jar.keep(&address("/x"), &answer);
    }
    if kind.shares() {
        assert_eq!(house.pool.grants("refresh_token"), 1, "{what}: one token call over all gates");
    }
    goes_on(&house, &mut browser, 0, &what);
}

/// Six tabs fetch through all gates over several refreshes; where one is refused it does what an application does: it
/// sends the browser to sign in, once for all tabs.
pub fn tabs_that_load_for_a_while(kind: &Kind, gates: usize, rotation: Rotation) {
    const ROUNDS: usize = 3;
    let house = Replicas::start(kind, gates, Setup::bench().session("max_role_age = \"2s\""));
    house.pool.rotate(rotation);
    let what = format!("{gates} gates, {rotation:?}");
    let browser = Mutex::new(house.signed_in("user", 3600));
    browser.lock().unwrap().signs_in_as = None;
    let mut trips = 0;
    for _ in 0..ROUNDS {
        wait_until_due(Instant::now());
        let refused = std::thread::scope(|scope| {
            let tab = || {
                let request = fetch(&browser.lock().unwrap(), "/x", None);
                let answer = answer_to(&house, &request);
                served_or_refused(&answer, kind.shares() || rotation != NO_GRACE, &what);
                keep(&browser, &answer);
                answer.status == 401
            };
            let tabs: Vec<_> = (0..6).map(|_| scope.spawn(tab)).collect();
            tabs.into_iter().map(|tab| tab.join().unwrap()).filter(|refused| *refused).count()
        });
        if refused > 0 {
            trips += trips_of(&navigate(&mut browser.lock().unwrap()), &what);
        }
    }
    let allowed = if kind.shares() || rotation != NO_GRACE { 0 } else { ROUNDS };
    assert!(trips <= allowed, "{what}: {trips} trips in {ROUNDS} refreshes");
}

/// With a rotation that ends the old token at once.
const NO_GRACE: Rotation = Rotation::Grace(Duration::ZERO);

/// The browser opens pages at every gate: it is sent to the pool as often as allowed at most, then never again, and is
/// who it was.
fn goes_on(house: &Replicas, browser: &mut Browser, allowed: usize, what: &str) {
    // The pool's own session is what makes a trip silent: nobody types anything.
    browser.signs_in_as = None;
    let mut trips = 0;
    for _ in 0..2 * house.gates.len() {
        let mark = house.upstream.mark();
        trips += trips_of(&navigate(browser), what);
        let seen = house.upstream.wait_for(mark, 1);
        assert_eq!(seen[0].head.one("x-user"), Some("user"), "{what}");
        assert_eq!(seen[0].head.one("x-roles"), Some("user"), "{what}");
    }
    assert!(trips <= allowed, "{what}: {trips} trips to the pool");
}

/// Opens a page and follows redirects to the end.
fn navigate(browser: &mut Browser) -> Page {
    let mut last = None;
    heard(|| {
        let page = browser.navigate("/x");
        let answer = page.answer.clone();
        last = Some(page);
        answer
    });
    last.expect("a page")
}

/// How often a navigation led over the pool before it ended well.
fn trips_of(page: &Page, what: &str) -> usize {
    assert_eq!(page.answer.status, 200, "{what}: {page:#?}");
    let trips = page.hops.iter().filter(|(url, _)| url.path() == "/oauth2/authorize").count();
    assert!(trips <= 1 && page.hops.len() <= 4, "{what}: around in circles: {page:#?}");
    trips
}

/// A fetch is served as who it is, or refused in words that an application understands; no answer takes the session
/// from the browser, and none that refuses gives it another.
fn served_or_refused(answer: &Answer, must_be_served: bool, what: &str) {
    let set = answer.head.all("set-cookie");
    assert!(!set.iter().any(|line| line.contains("Max-Age=0")), "{what}: {answer:#?}");
    if answer.status == 200 {
        let seen = answer.json()["headers"].to_string();
        assert!(seen.contains("[\"x-user\",\"user\"]") && seen.contains("[\"x-roles\",\"user\"]"), "{seen}");
        return;
    }
    assert!(!must_be_served, "{what}: {answer:#?}");
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &"login_required".into()),
        "{what}: {answer:#?}"
    );
    assert!(set.is_empty(), "{what}: {answer:#?}");
}

fn keep(browser: &Mutex<Browser>, answer: &Answer) {
    browser.lock().unwrap().jar.keep(&address("/x"), answer);
}

fn fetch(browser: &Browser, target: &str, gate: Option<usize>) -> String {
    browser.request(Request::Fetch, "GET", &address(target), &to(gate), "")
}

fn navigation(browser: &Browser, target: &str, gate: Option<usize>) -> String {
    browser.request(Request::Navigate, "GET", &address(target), &to(gate), "")
}

fn navigate_at(house: &Replicas, browser: &mut Browser, gate: usize) -> Answer {
    answer_to(house, &navigation(browser, "/x", Some(gate)))
}

fn to(gate: Option<usize>) -> String {
    gate.map(|gate| format!("{TO_GATE}: {gate}\r\n")).unwrap_or_default()
}

fn answer_to(house: &Replicas, request: &str) -> Answer {
    answer_from(house.balancer.address, request)
}

fn answer_from(balancer: std::net::SocketAddr, request: &str) -> Answer {
    heard(|| {
        let mut wire = Wire::connect(balancer).patient_for(Duration::from_secs(60));
        wire.write(request.as_bytes());
        wire.answer(false).unwrap_or_else(|ended| panic!("no answer but {ended:?}"))
    })
}
