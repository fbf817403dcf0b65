//! Two gates, replaced one after the other under load that counts every request.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::browser::Browser;
use crate::support::gate::Gate;
use crate::support::pool::FakePool;
use crate::support::until;
use crate::support::upstream::{After, Recorder};
use crate::support::wire::{Ended, Wire};
use crate::support::world::Setup;

/// What a balancer has to notice in.
const DELAY: Duration = Duration::from_secs(2);
/// A balancer that was not let run until this much of it was left proves nothing.
const MARGIN: Duration = Duration::from_millis(500);
/// Between two of its looks.
const INTERVAL: Duration = Duration::from_millis(100);
/// How many ask at once.
const ASKING: usize = 6;
/// How often the gates are replaced.
const ROUNDS: usize = 1;

/// A gate, and where its listeners are.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    public: SocketAddr,
    admin: SocketAddr,
}

/// The way in: which gates may be sent requests, and what came of those.
struct Front {
    gates: Mutex<Vec<Place>>,
    /// Those of them that are ready, as far as is known.
    ready: Mutex<Vec<Place>>,
    turn: AtomicUsize,
    answered: AtomicUsize,
    lost: Mutex<Vec<Lost>>,
    /// Which were told to stop, and when.
    signalled: Mutex<Vec<(SocketAddr, Instant)>>,
    over: AtomicBool,
    cookie: String,
}

/// A request without a whole answer.
#[derive(Debug)]
struct Lost {
    public: SocketAddr,
    /// When it was sent, or could not be.
    sent: Instant,
    /// `None`: nobody listens there.
    how: Option<Ended>,
}

/// Tells those who ask that it is over, however it ends.
struct Ending<'a>(&'a AtomicBool);

/// What somebody who asks does where there was no answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Nothing: it is lost.
    GivesUp,
    /// Asks the next gate, as whoever reads RFC 9110 §9.2.2 may with a GET, on a new connection.
    AsksAgain,
}

#[test]
fn a_rolling_restart_behind_a_balancer_loses_no_request() {
    for attempt in 1.. {
        let (signalled, lost) = rolled(&format!("drain_delay = \"{}s\"", DELAY.as_secs()), Then::GivesUp);
        if lost.is_empty() {
            return;
        }
        // A balancer is to notice within the delay; where this machine was too busy for that, it shows nothing.
        let noticed = |lost: &Lost| {
            let of_it = signalled.iter().filter(|(public, _)| *public == lost.public);
            of_it.into_iter().all(|(_, at)| lost.sent < *at + DELAY - MARGIN)
        };
        assert!(attempt < 3 && !lost.iter().any(noticed), "lost: {lost:#?}");
    }
}

#[test]
fn without_a_delay_nobody_who_may_ask_again_loses_anything() {
    let (_, lost) = rolled("", Then::AsksAgain);
    assert!(lost.is_empty(), "{lost:#?}");
}

/// Replaces both gates under load; which were told to stop and when, and what was lost.
fn rolled(limits: &str, then: Then) -> (Vec<(SocketAddr, Instant)>, Vec<Lost>) {
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    // Some are always under way.
    let honest = crate::support::upstream::echo();
    upstream.at(
        "/slow",
        Arc::new(move |turn| {
            std::thread::sleep(Duration::from_millis(150));
            honest(turn);
            After::Keep
        }),
    );
    let setup = Setup::bench().limits(limits);
    let start = || setup.try_start_with(&pool, &upstream).unwrap();
    let mut gates = [start(), start()];
    let mut browser = Browser::new(gates[0].public);
    browser.sign_in("user");
    let front = Front::before(gates.iter().map(place).collect(), browser.cookies("/"));
    std::thread::scope(|scope| {
        let _ending = Ending(&front.over);
        scope.spawn(|| front.look(then));
        for number in 0..ASKING {
            let front = &front;
            scope.spawn(move || front.ask(number, then));
        }
        for _ in 0..ROUNDS {
            for gate in &mut gates {
                front.answers(200);
                front.signalled.lock().unwrap().push((gate.public, Instant::now()));
                gate.signal("TERM");
                let leaving = place(gate);
                let old = std::mem::replace(gate, start());
                // Behind the balancer the new one comes in addition; otherwise instead.
                front.gates.lock().unwrap().push(place(gate));
                let (status, log) = old.wait();
                assert!(status.success(), "{status:?}\n{log}");
                front.gates.lock().unwrap().retain(|known| *known != leaving);
                front.answers(50);
            }
        }
    });
    (front.signalled.into_inner().unwrap(), front.lost.into_inner().unwrap())
}

fn place(gate: &Gate) -> Place {
    Place { public: gate.public, admin: gate.admin }
}

// === impl Ending ===

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

// === impl Front ===

impl Front {
    fn before(gates: Vec<Place>, cookie: String) -> Self {
        Self {
            ready: Mutex::new(gates.clone()),
            gates: Mutex::new(gates),
            turn: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            lost: Mutex::default(),
            signalled: Mutex::default(),
            over: AtomicBool::new(false),
            cookie,
        }
    }

    /// A balancer's look at readiness, over and over; whoever asks again needs none.
    fn look(&self, then: Then) {
        while !self.over.load(Ordering::SeqCst) {
            let gates = self.gates.lock().unwrap().clone();
            let ready = |gate: &Place| {
                let Ok(stream) = TcpStream::connect(gate.admin) else { return false };
                let mut wire = Wire::over(stream);
                wire.write(b"GET /readyz HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n");
                wire.answer(false).is_ok_and(|answer| answer.status == 200)
            };
            let ready = gates.into_iter().filter(|gate| then == Then::AsksAgain || ready(gate)).collect();
            *self.ready.lock().unwrap() = ready;
            std::thread::sleep(INTERVAL);
        }
    }

    /// Asks one thing after the other. Every other one keeps connections for as long as the gates do.
    fn ask(&self, number: usize, then: Then) {
        let mut kept: Vec<(Place, Wire)> = Vec::new();
        let mut turn = number;
        while !self.over.load(Ordering::SeqCst) {
            turn += 1;
            if number.is_multiple_of(2) {
                kept.clear();
            }
            let request = self.request(turn, then);
            let begun = Instant::now();
            while !self.over.load(Ordering::SeqCst) {
                let Some(gate) = self.pick() else { continue };
                let Err(lost) = self.once(&mut kept, gate, &request) else {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    break;
                };
                let cut = !matches!(lost.how, Some(Ended::Closed) | None);
                // What was sent before the gate was told to stop is answered, whoever may ask again.
                let early = !self
                    .signalled
                    .lock()
                    .unwrap()
                    .iter()
                    .any(|(public, at)| *public == lost.public && *at <= lost.sent);
                if then == Then::GivesUp || cut || early || begun.elapsed() > Duration::from_secs(10) {
                    self.lost.lock().unwrap().push(lost);
                    break;
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn request(&self, turn: usize, then: Then) -> String {
        let cookie = &self.cookie;
        match turn % 4 {
            0 => format!("GET /slow HTTP/1.1\r\nHost: app.test\r\nCookie: {cookie}\r\n\r\n"),
            // Nothing that may be sent twice.
            1 if then == Then::GivesUp => format!(
                "POST /x HTTP/1.1\r\nHost: app.test\r\nCookie: {cookie}\r\nContent-Length: 4\r\n\r\nbody"
            ),
            2 => "GET /public/x HTTP/1.1\r\nHost: app.test\r\n\r\n".into(),
            _ => format!("GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: {cookie}\r\n\r\n"),
        }
    }

    fn pick(&self) -> Option<Place> {
        let ready = self.ready.lock().unwrap();
        let turn = self.turn.fetch_add(1, Ordering::SeqCst);
        ready.get(turn % ready.len().max(1)).copied()
    }

    /// One request at this gate.
    fn once(&self, kept: &mut Vec<(Place, Wire)>, gate: Place, request: &str) -> Result<(), Lost> {
        let lost = |how| Lost { public: gate.public, sent: Instant::now(), how };
        let known = kept.iter().position(|(place, _)| *place == gate);
        let mut wire = match known {
            Some(at) => kept.swap_remove(at).1,
            None => Wire::over(TcpStream::connect(gate.public).map_err(|_| lost(None))?),
        };
        wire.write(request.as_bytes());
        let lost = lost(None);
        let answer = wire.answer(false).map_err(|how| Lost { how: Some(how), ..lost })?;
        assert_eq!(answer.status, 200, "{answer:?}");
        if !answer.closes() {
            kept.push((gate, wire));
        }
        Ok(())
    }

    /// Waits until so many more have been answered.
    fn answers(&self, more: usize) {
        let before = self.answered.load(Ordering::SeqCst);
        until("requests are answered", || {
            (self.answered.load(Ordering::SeqCst) >= before + more || !self.lost.lock().unwrap().is_empty())
                .then_some(())
        });
    }
}
