//! A balancer in front of several gates. Every request toward them has a connection of its own, so that a test can send
//! each where it wants; answers can be held back and let go in any order; a gate that does not answer is routed
//! around, as nginx does with what is safe to repeat.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::wire::{Head, Wire};

/// A listening balancer.
pub struct Balancer {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

/// One request that it passed on and got an answer to.
#[derive(Debug, Clone)]
pub struct Passed {
    /// The gate's number, from 0.
    pub gate: usize,
    /// The request's target.
    pub target: String,
    /// The answer's status.
    pub status: u16,
}

/// A request's line by which it says which gate it is for; without it they take turns.
pub const TO_GATE: &str = "X-To-Gate";

struct Shared {
    gates: Vec<SocketAddr>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    turn: usize,
    /// Targets whose answers are held back.
    held: HashSet<String>,
    /// The answers that are there and held back, by target.
    waiting: Vec<String>,
    passed: Vec<Passed>,
}

// === impl Balancer ===

impl Balancer {
    /// Listens on a free port in front of these.
    pub fn start(gates: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { gates, state: Mutex::default(), changed: Condvar::new() });
        let accepting = Arc::downgrade(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), Some(shared)) = (stream, accepting.upgrade()) else { return };
                std::thread::spawn(move || shared.serve(Wire::over(stream)));
            }
        });
        Self { address, shared }
    }

    /// Holds back every answer to a request for this target until it is released.
    pub fn hold(&self, target: &str) {
        self.shared.state.lock().unwrap().held.insert(target.to_owned());
    }

    /// Waits until an answer to a request for this target is there and held back.
    pub fn wait_held(&self, target: &str) {
        self.shared.wait("an answer to hold back", |state| state.waiting.iter().any(|held| held == target));
    }

    /// Lets the answers to requests for this target go.
    pub fn release(&self, target: &str) {
        self.shared.state.lock().unwrap().held.remove(target);
        self.shared.changed.notify_all();
    }

    /// All that was answered so far.
    pub fn passed(&self) -> Vec<Passed> {
        self.shared.state.lock().unwrap().passed.clone()
    }
}

// === impl Shared ===

impl Shared {
    fn serve(&self, mut client: Wire) {
        let Ok(head) = client.head() else { return };
        let Ok(framing) = head.request_framing() else { return };
        let Ok((body, _)) = client.body(framing) else { return };
        let target = head.start.split(' ').nth(1).unwrap_or_default().to_owned();
        let Some((gate, status, answer)) = self.pass_on(&head, &body) else {
            client.write(b"HTTP/1.1 502 No Gate\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        };
        let mut state = self.state.lock().unwrap();
        state.passed.push(Passed { gate, target: target.clone(), status });
        if state.held.contains(&target) {
            state.waiting.push(target.clone());
            self.changed.notify_all();
            drop(state);
            self.wait("its release", |state| !state.held.contains(&target));
        } else {
            drop(state);
        }
        client.write(&answer);
    }

    /// Asks one gate after the other until one answers.
    fn pass_on(&self, head: &Head, body: &[u8]) -> Option<(usize, u16, Vec<u8>)> {
        let first = match head.one(TO_GATE).and_then(|gate| gate.parse::<usize>().ok()) {
            Some(gate) => gate,
            None => {
                let mut state = self.state.lock().unwrap();
                state.turn += 1;
                state.turn
            }
        };
        let lines: String = head.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = [format!("{}\r\n{lines}\r\n", head.start).as_bytes(), body].concat();
        let to_head = head.start.starts_with("HEAD ");
        (0..self.gates.len()).find_map(|further| {
            let gate = (first + further) % self.gates.len();
            let stream = TcpStream::connect_timeout(&self.gates[gate], PATIENCE).ok()?;
            // Longer than a gate waits for the pool.
            let mut wire = Wire::over(stream).patient_for(Duration::from_secs(30));
            wire.write(&request);
            let answer = wire.answer(to_head).ok()?;
            Some((gate, answer.status, std::mem::take(&mut wire.received)))
        })
    }

    fn wait(&self, what: &str, ready: impl Fn(&State) -> bool) {
        let end = Instant::now() + 3 * PATIENCE;
        let mut state = self.state.lock().unwrap();
        while !ready(&state) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the balancer waited in vain for {what}");
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}
