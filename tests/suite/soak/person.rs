//! One simulated browser and who sits in front of it: looks at pages with several fetches at a time, idles, signs out
//! and in, opens streams, goes away in the middle; what answers mean is `judging`'s.

mod judging;
mod signing_out;

use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;

use super::Soak;
use super::echo;
use super::ledger::{Count, Wrong};
use crate::forwarding::websocket::UPGRADE;
use crate::support::browser::{Jar, Kind, ORIGIN};
use crate::support::wire::{Answer, Ended, Wire};

/// A browser profile and its person.
pub struct Person {
    soak: Arc<Soak>,
    number: usize,
    jar: Jar,
    /// Connections to reuse, each with the number of its gate.
    idle: Vec<(usize, Wire)>,
    chance: Chance,
    /// When the callback was asked for that began the session; `None` before it and after a sign-out.
    since: Option<Instant>,
    /// When that was answered, last.
    begun: Option<Instant>,
    /// When the last sign-out was answered.
    left: Option<Instant>,
    /// Cookies from before each sign-out of late, whose browser's, and when that was answered: for when every gate knows.
    before: Vec<(Jar, usize, Instant)>,
    /// Sent to sign in since then, which is told once.
    out: bool,
    /// Sessions that went on after a sign-out everywhere, and at which gate: it is told once.
    outlived: Vec<(Instant, usize)>,
}

/// A sequence of numbers that looks random and is the same for the same seed (SplitMix64).
pub struct Chance(pub u64);

/// A request that was written, and what it takes to write it once more.
struct Sent {
    gate: usize,
    wire: Wire,
    reused: bool,
    bytes: String,
    at: Instant,
}

// === impl Person ===

impl Person {
    /// The person of this number, never yet signed in.
    pub fn new(soak: Arc<Soak>, number: usize) -> Self {
        let chance = Chance(soak.plan.seed.wrapping_add(number as u64));
        Self {
            soak,
            number,
            jar: Jar::default(),
            idle: Vec::new(),
            chance,
            since: None,
            begun: None,
            left: None,
            before: Vec::new(),
            out: false,
            outlived: Vec::new(),
        }
    }

    /// Goes about their business until then.
    pub fn live(mut self, until: Instant) {
        // People do not all come in the same second.
        self.rest(0..5_000, until);
        while Instant::now() < until {
            match self.chance.below(100) {
                _ if self.since.is_none() => drop(self.open("/page")),
                0..70 => self.look(),
                70..77 => self.leave(),
                77..81 => self.listen(until),
                81..85 => self.talk(until),
                85..87 => self.sign_out(),
                // Longer than an access token lives.
                87..92 => self.rest(LONG, until),
                _ => self.rest(2_000..8_000, until),
            }
            self.look_back();
            self.rest(100..1_000, until);
        }
    }

    /// A page, and what is in it.
    fn look(&mut self) {
        if self.open("/page") {
            let count = 1 + self.chance.below(5);
            let asks: Vec<String> = (0..count)
                .map(|number| self.request(Kind::Fetch, "GET", &at(&format!("/part/{number}")), ""))
                .collect();
            let mut sent: Vec<Sent> = asks.into_iter().map(|bytes| self.send(bytes)).collect();
            // Answers come in any order.
            while !sent.is_empty() {
                let next = self.chance.below(sent.len() as u64) as usize;
                let sent = sent.swap_remove(next);
                self.receive_fetched(sent);
            }
        }
    }

    fn receive_fetched(&mut self, sent: Sent) {
        let (asked, gate) = (sent.at, sent.gate);
        match self.receive(sent) {
            Ok(answer) if answer.status == 200 => self.is_me(&answer.head, (asked, gate)),
            Ok(answer) => self.refused("a fetch", asked, &answer),
            Err(ended) => self.failed("a fetch", asked, &format!("{ended:?}")),
        }
    }

    /// Goes away before the answer or in the middle of it.
    fn leave(&mut self) {
        let bytes = self.request(Kind::Fetch, "GET", &at(echo::LARGE), "");
        let mut sent = self.send(bytes);
        if self.chance.below(2) == 0 {
            self.soak.ledger.count(Count::LeftBeforeAnswer);
            std::thread::sleep(Duration::from_millis(self.chance.below(30)));
            return;
        }
        self.soak.ledger.count(Count::LeftInTheMiddle);
        match sent.wire.head() {
            Ok(head) => drop(self.begun(&sent, "a download", head, 200)),
            // As an idle connection may be.
            Err(Ended::Closed) if sent.reused => {}
            Err(ended) => self.failed("a download", sent.at, &format!("{ended:?}")),
        }
    }

    /// An event stream, for a while.
    fn listen(&mut self, until: Instant) {
        let bytes = self.request(Kind::Fetch, "GET", &at(echo::EVENTS), "Accept: text/event-stream\r\n");
        let mut sent = self.send_on_a_new_connection(bytes);
        let Ok(head) = sent.wire.head() else {
            return self.failed("an event stream", sent.at, "no answer");
        };
        if !self.begun(&sent, "an event stream", head, 200) {
            return;
        }
        self.soak.ledger.count(Count::EventStreams);
        let end = until.min(Instant::now() + Duration::from_millis(1_000 + self.chance.below(9_000)));
        while Instant::now() < end {
            // The gate ends a stream as if the upstream had, and keeps the connection.
            if sent.wire.pending().ends_with(LAST_CHUNK) {
                return self.soak.ledger.count(Count::StreamsEndedByGate);
            }
            match sent.wire.more() {
                Ok(()) => {}
                Err(Ended::Silent) => return self.failed("an event stream", sent.at, "Silent"),
                Err(_) => return self.soak.ledger.count(Count::StreamsEndedByGate),
            }
        }
    }

    /// A WebSocket, for a while.
    fn talk(&mut self, until: Instant) {
        let lines = format!("Origin: {ORIGIN}\r\n{UPGRADE}");
        let bytes = self.request(Kind::Program, "GET", &at(echo::SOCKET), &lines);
        let mut sent = self.send_on_a_new_connection(bytes);
        let Ok(head) = sent.wire.head() else { return self.failed("a WebSocket", sent.at, "no answer") };
        if !self.begun(&sent, "a WebSocket", head, 101) {
            return;
        }
        self.soak.ledger.count(Count::Sockets);
        let end = until.min(Instant::now() + Duration::from_millis(1_000 + self.chance.below(9_000)));
        while Instant::now() < end {
            sent.wire.write(b"\x81\x02hi");
            match sent.wire.take(4) {
                Ok(back) if back == b"\x81\x02hi" => {}
                Err(Ended::Silent) => return self.failed("a WebSocket", sent.at, "Silent"),
                _ => return self.soak.ledger.count(Count::StreamsEndedByGate),
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Opens a page as a link does, signs in where that is asked for; whether it was shown.
    fn open(&mut self, path: &str) -> bool {
        let (start, begun) = (at(path), Instant::now());
        let mut url = start.clone();
        for _ in 0..MOST_HOPS {
            if url.origin() != start.origin() {
                match self.pass_the_pool(&url) {
                    Some(next) => url = next,
                    None => {
                        self.failed("the pool", begun, url.path());
                        return false;
                    }
                }
                continue;
            }
            let bytes = self.request(Kind::Navigate, "GET", &url, "");
            let sent = self.send(bytes);
            let (asked, gate) = (sent.at, sent.gate);
            let answer = match self.receive(sent) {
                Ok(answer) => answer,
                Err(ended) => {
                    self.failed(url.path(), asked, &format!("{ended:?}"));
                    return false;
                }
            };
            match answer.status {
                200 if url == start => {
                    self.is_me(&answer.head, (asked, gate));
                    self.note_cookies();
                    return true;
                }
                302 | 303 => {
                    let next = url.join(answer.location()).unwrap();
                    if url.path() == "/oauth2/callback" && next == start {
                        self.signed_in(asked);
                    } else if next.origin() != start.origin() {
                        self.sent_away("a page", asked);
                    }
                    url = next;
                }
                _ => {
                    self.refused(url.path(), asked, &answer);
                    return false;
                }
            }
        }
        let off = self.account().called_off.lock().unwrap().last().map(|off| off.asked.elapsed());
        let words = format!(
            "a redirect loop, begun {:.1?} ago; signed out everywhere: {off:.1?} ago",
            begun.elapsed()
        );
        self.soak.ledger.wrong(Wrong::Error, &self.tell(&words));
        false
    }

    /// From a page of the pool to where it leads, by password where it shows its form.
    fn pass_the_pool(&mut self, url: &Url) -> Option<Url> {
        let answer = self.pool(Kind::Navigate, "GET", url, "")?;
        let answer = match answer.status {
            302 => answer,
            _ => {
                let html = answer.text();
                let csrf = html.split_once("name=\"_csrf\" value=\"")?.1.split_once('"')?.0;
                let name = self.account().name.clone();
                let fields = format!("username={name}&password={name}&_csrf={csrf}");
                let answer = self.pool(Kind::Form, "POST", url, &fields)?;
                self.soak.ledger.count(Count::Passwords);
                answer
            }
        };
        (answer.status == 302).then(|| url.join(answer.location()).ok()).flatten()
    }

    fn pool(&mut self, kind: Kind, method: &str, url: &Url, body: &str) -> Option<Answer> {
        let mut wire = Wire::connect(self.soak.house.pool.address).patient_for(PATIENCE);
        let form = match method {
            "POST" => format!(
                "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
                body.len()
            ),
            _ => String::new(),
        };
        let head = self.request(kind, method, url, &format!("{form}Connection: close\r\n"));
        wire.write(format!("{head}{body}").as_bytes());
        let answer = wire.answer(false).ok()?;
        self.jar.keep(url, &answer);
        Some(answer)
    }

    // --- requests ---

    fn request(&self, kind: Kind, method: &str, url: &Url, lines: &str) -> String {
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let cookies = match self.jar.header(url) {
            none if none.is_empty() => none,
            cookies => format!("Cookie: {cookies}\r\n"),
        };
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{}{cookies}{lines}\r\n", kind.lines())
    }

    /// Writes a request to one of the gates, whichever.
    fn send(&mut self, bytes: String) -> Sent {
        let gate = self.any_gate();
        self.send_to(gate, bytes)
    }

    fn send_to(&mut self, gate: usize, bytes: String) -> Sent {
        let idle = self.idle.iter().position(|(to, _)| *to == gate);
        match idle.map(|idle| self.idle.swap_remove(idle).1) {
            Some(wire) => Sent::write(gate, wire, true, bytes),
            None => Sent::write(gate, self.connect(gate), false, bytes),
        }
    }

    fn send_on_a_new_connection(&mut self, bytes: String) -> Sent {
        let gate = self.any_gate();
        Sent::write(gate, self.connect(gate), false, bytes)
    }

    fn any_gate(&mut self) -> usize {
        self.chance.below(self.soak.house.gates.len() as u64) as usize
    }

    /// The answer to it; the jar has its cookies.
    fn receive(&mut self, mut sent: Sent) -> Result<Answer, Ended> {
        let mut answer = sent.wire.answer(false);
        // The gate closes idle connections when it likes: a browser then tries a new one.
        if sent.reused && matches!(answer, Err(Ended::Closed)) {
            sent = Sent::write(sent.gate, self.connect(sent.gate), false, sent.bytes);
            answer = sent.wire.answer(false);
        }
        self.soak.ledger.count(Count::Requests);
        self.soak.ledger.took(sent.at.elapsed());
        let answer = answer?;
        self.jar.keep(&at("/"), &answer);
        sent.wire.received.clear();
        if !answer.closes() {
            self.idle.push((sent.gate, sent.wire));
        }
        Ok(answer)
    }

    fn connect(&self, gate: usize) -> Wire {
        Wire::connect(self.soak.house.gates[gate].public).patient_for(PATIENCE)
    }

    /// Does nothing for so many milliseconds.
    fn rest(&mut self, between: std::ops::Range<u64>, until: Instant) {
        let most = Duration::from_millis(between.start + self.chance.below(between.end - between.start));
        std::thread::sleep(most.min(until.saturating_duration_since(Instant::now())));
    }
}

// === impl Sent ===

impl Sent {
    fn write(gate: usize, mut wire: Wire, reused: bool, bytes: String) -> Self {
        wire.write(bytes.as_bytes());
        Self { gate, wire, reused, bytes, at: Instant::now() }
    }
}

// === impl Chance ===

impl Chance {
    /// A number below this one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// An address of the application, or the one that this is.
fn at(to: &str) -> Url {
    Url::parse(ORIGIN).unwrap().join(to).unwrap()
}

/// Longer than an access token lives and may be outlived, in milliseconds; shorter than the minute for which the gate
/// keeps what a lost answer would have brought, and the pool a replaced token, even after a fault.
const LONG: std::ops::Range<u64> = 20_000..30_000;
/// No event ends so.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Longer than the gate ever waits for the pool, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(40);
const MOST_HOPS: usize = 15;
