//! Upstreams named for how they misbehave. The recorder speaks no HTTP beyond finding a request's end, and
//! that strictly: whatever else arrives is kept as a complaint, and every byte is kept as well.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::PATIENCE;
use super::wire::{Ended, Framing, Head, Wire, latin1};

/// A listening upstream.
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

/// One request as the upstream saw it.
#[derive(Clone)]
pub struct Seen {
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// Its head.
    pub head: Head,
    /// The body as far as it came, unframed.
    pub body: Vec<u8>,
    /// The trailers of a chunked body.
    pub trailers: Vec<(String, String)>,
    /// How the body was framed.
    pub framing: Framing,
    /// Whether it arrived whole.
    pub complete: bool,
    /// How many bytes had come when its head was read: its size, if it has no body.
    pub size: usize,
}

/// What an upstream does with a request.
pub type Behaviour = Arc<dyn Fn(&mut Turn<'_>) -> After + Send + Sync>;

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next request is read from it.
    Keep,
    /// It is closed.
    Close,
}

/// One request at an upstream, head read, body not yet.
pub struct Turn<'a> {
    /// The connection.
    pub wire: &'a mut Wire,
    /// The number of this request over all connections.
    pub number: usize,
    framing: Framing,
    shared: &'a Shared,
}

/// A point in an upstream's life, to ask what came after it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    seen: usize,
    bytes: usize,
    complaints: usize,
}

struct Shared {
    log: Mutex<Log>,
    changed: Condvar,
    behaviours: Mutex<Vec<(String, Behaviour)>>,
    connections: AtomicUsize,
    open: AtomicUsize,
}

#[derive(Default)]
struct Log {
    seen: Vec<Seen>,
    complaints: Vec<String>,
    /// Every byte of every connection.
    bytes: Vec<Vec<u8>>,
    total: usize,
}

// === the misbehaviours ===

/// Answers 200 with what it saw as JSON.
pub fn echo() -> Behaviour {
    Arc::new(|turn| {
        if !turn.read_body() {
            return After::Close;
        }
        let seen = turn.seen();
        let body = seen.to_json(turn.number);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nX-Seen: {}\r\n\r\n",
            body.len(),
            turn.number
        );
        let to_head = seen.method() == "HEAD";
        turn.wire.write(&[head.as_bytes(), if to_head { b"" } else { body.as_bytes() }].concat());
        After::Keep
    })
}

/// Reads the request and answers exactly these bytes, then waits for the next request.
pub fn answers_with(raw: impl Into<Vec<u8>>) -> Behaviour {
    let raw = raw.into();
    Arc::new(move |turn| {
        turn.read_body();
        turn.wire.write(&raw);
        After::Keep
    })
}

/// The same, then closes.
pub fn answers_and_closes(raw: impl Into<Vec<u8>>) -> Behaviour {
    let raw = raw.into();
    Arc::new(move |turn| {
        turn.read_body();
        turn.wire.write(&raw);
        After::Close
    })
}

/// Answers a 200 with these header lines (each ending in CRLF) and this body, well framed.
pub fn answers_headers(lines: &str, body: &str) -> Behaviour {
    answers_with(format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len()))
}

/// Reads the head and never answers.
pub fn stalls_after_head() -> Behaviour {
    Arc::new(|turn| {
        let _ = turn.wire.rest();
        After::Close
    })
}

/// Reads the head and closes.
pub fn closes_after_head() -> Behaviour {
    Arc::new(|_| After::Close)
}

/// Answers well, promises to keep the connection, and closes it.
pub fn closes_while_idle() -> Behaviour {
    let honest = echo();
    Arc::new(move |turn| {
        honest(turn);
        After::Close
    })
}

/// Sends half of a body that it announced whole, then closes.
pub fn cuts_its_body() -> Behaviour {
    answers_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
}

/// Answers one request twice.
pub fn sends_two_answers() -> Behaviour {
    answers_with(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst\
         HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Poison: 1\r\n\r\nsecond",
    )
}

/// Answers 413 at once, does not read the body, and closes.
pub fn early_413() -> Behaviour {
    Arc::new(|turn| {
        turn.wire.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        After::Close
    })
}

/// Answers whole, but a byte at a time.
pub fn slow_drip(body: &'static str, every: Duration) -> Behaviour {
    Arc::new(move |turn| {
        turn.read_body();
        turn.wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
        for byte in body.as_bytes() {
            std::thread::sleep(every);
            if !turn.wire.write(&[*byte]) {
                return After::Close;
            }
        }
        After::Keep
    })
}

/// Sends these interim answers before the honest one.
pub fn interim(raw: &'static str) -> Behaviour {
    let honest = echo();
    Arc::new(move |turn| {
        turn.wire.write(raw.as_bytes());
        honest(turn)
    })
}

/// Says `100 Continue` if that was asked for, reads the body, answers honestly.
pub fn continues() -> Behaviour {
    let honest = echo();
    Arc::new(move |turn| {
        if turn.seen().head.one("expect").is_some() {
            turn.wire.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        honest(turn)
    })
}

/// Accepts any upgrade and sends every byte back.
pub fn switches_protocols(lines: &str) -> Behaviour {
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{lines}\r\n"
    );
    Arc::new(move |turn| {
        turn.wire.write(head.as_bytes());
        loop {
            let pending = turn.wire.pending().len();
            if pending > 0 {
                let bytes = turn.wire.take(pending).unwrap_or_default();
                turn.wire.write(&bytes);
            }
            if turn.wire.more().is_err() {
                return After::Close;
            }
        }
    })
}

// === impl Recorder ===

impl Recorder {
    /// Listens on a free port and echoes.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            log: Mutex::default(),
            changed: Condvar::new(),
            behaviours: Mutex::new(vec![(String::new(), echo())]),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        });
        let accepting = Arc::downgrade(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), Some(shared)) = (stream, accepting.upgrade()) else { return };
                std::thread::spawn(move || shared.serve(Wire::over(stream)));
            }
        });
        Self { address, shared }
    }

    /// What it does with requests that no [`Recorder::at`] names.
    pub fn behave(&self, behaviour: Behaviour) {
        self.at("", behaviour);
    }

    /// What it does with targets that begin like this; the longest beginning wins.
    pub fn at(&self, target: &str, behaviour: Behaviour) {
        let mut behaviours = self.shared.behaviours.lock().unwrap();
        behaviours.retain(|(known, _)| known != target);
        behaviours.push((target.to_owned(), behaviour));
        behaviours.sort_by_key(|(known, _)| std::cmp::Reverse(known.len()));
    }

    /// Back to the echo, everywhere.
    pub fn behave_well(&self) {
        *self.shared.behaviours.lock().unwrap() = vec![(String::new(), echo())];
    }

    /// Now.
    pub fn mark(&self) -> Mark {
        let log = self.shared.log.lock().unwrap();
        Mark { seen: log.seen.len(), bytes: log.total, complaints: log.complaints.len() }
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        self.shared.log.lock().unwrap().seen.len()
    }

    /// The requests since then.
    pub fn since(&self, mark: Mark) -> Vec<Seen> {
        self.shared.log.lock().unwrap().seen[mark.seen..].to_vec()
    }

    /// What was no strict HTTP/1.1 since then.
    pub fn complaints_since(&self, mark: Mark) -> Vec<String> {
        self.shared.log.lock().unwrap().complaints[mark.complaints..].to_vec()
    }

    /// How many bytes arrived since then.
    pub fn bytes_since(&self, mark: Mark) -> usize {
        self.shared.log.lock().unwrap().total - mark.bytes
    }

    /// Every byte of every connection so far.
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        self.shared.log.lock().unwrap().bytes.clone()
    }

    /// Waits until at least this many requests came since then.
    pub fn wait_for(&self, mark: Mark, count: usize) -> Vec<Seen> {
        self.wait_until(mark, |seen| seen.len() >= count)
    }

    /// Waits until the requests since then are as asked; panics when patience ends.
    pub fn wait_until(&self, mark: Mark, ready: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let end = Instant::now() + PATIENCE;
        let mut log = self.shared.log.lock().unwrap();
        while !ready(&log.seen[mark.seen..]) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the upstream waited in vain; it saw {:#?}", &log.seen[mark.seen..]);
            log = self.shared.changed.wait_timeout(log, left).unwrap().0;
        }
        log.seen[mark.seen..].to_vec()
    }

    /// How many connections were ever made to it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many of them are open.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

// === impl Mark ===

impl Mark {
    /// The same point, this many requests later.
    pub fn after(self, requests: usize) -> Self {
        Self { seen: self.seen + requests, ..self }
    }
}

// === impl Seen ===

impl Seen {
    /// The method.
    pub fn method(&self) -> &str {
        self.head.start.split(' ').next().unwrap_or_default()
    }

    /// The target.
    pub fn target(&self) -> &str {
        self.head.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The path of the target.
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    fn to_json(&self, number: usize) -> String {
        json!({
            "number": number,
            "connection": self.connection,
            "method": self.method(),
            "target": self.target(),
            "headers": self.head.headers,
            "trailers": self.trailers,
            "body": latin1(&self.body),
        })
        .to_string()
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (head, body) = (&self.head, latin1(&self.body[..self.body.len().min(500)]));
        write!(f, "{:?} {:?} body {body:?} trailers {:?}", head.start, head.headers, self.trailers)?;
        write!(f, " {:?}, whole: {}, on connection {}", self.framing, self.complete, self.connection)
    }
}

// === impl Turn ===

impl Turn<'_> {
    /// The request so far.
    pub fn seen(&self) -> Seen {
        self.shared.log.lock().unwrap().seen[self.number].clone()
    }

    /// Reads the whole body; false if it did not arrive whole.
    pub fn read_body(&mut self) -> bool {
        let read = match self.framing {
            Framing::Chunked => {
                let (shared, number) = (self.shared, self.number);
                self.wire.chunks(|chunk| {
                    shared.change(|log| log.seen[number].body.extend_from_slice(chunk));
                })
            }
            framing => self.wire.body(framing),
        };
        match read {
            Ok((body, trailers)) => {
                self.shared.change(|log| {
                    let seen = &mut log.seen[self.number];
                    (seen.body, seen.trailers, seen.complete) = (body, trailers, true);
                });
                true
            }
            Err(Ended::Malformed(why)) => {
                self.shared.change(|log| log.complaints.push(format!("in a body: {why}")));
                false
            }
            Err(_) => false,
        }
    }
}

// === impl Shared ===

impl Shared {
    fn serve(&self, mut wire: Wire) {
        let connection = self.connections.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        // An idle connection is the gate's to keep; it is not ours to lose patience with.
        wire.set_patience(Duration::from_secs(120));
        let mut counted = 0;
        loop {
            let head = wire.head();
            let fresh = wire.received[counted..].to_vec();
            counted = wire.received.len();
            let head = match head {
                Ok(head) => head,
                Err(ended) => {
                    self.change(|log| {
                        log.keep(connection, &fresh);
                        match ended {
                            Ended::Malformed(why) => log.complaints.push(why),
                            Ended::Cut(bytes) => log.complaints.push(format!("a cut head: {bytes:?}")),
                            Ended::Closed | Ended::Silent => {}
                        }
                    });
                    break;
                }
            };
            let framing = head.request_framing().and_then(|framing| strict(&head).map(|()| framing));
            let (number, framing) = self.change(|log| {
                log.keep(connection, &fresh);
                let framing = framing.unwrap_or_else(|why| {
                    log.complaints.push(format!("{why}: {head:?}"));
                    Framing::None
                });
                log.seen.push(Seen {
                    connection,
                    head,
                    body: Vec::new(),
                    trailers: Vec::new(),
                    framing,
                    complete: framing == Framing::None,
                    size: fresh.len(),
                });
                (log.seen.len() - 1, framing)
            });
            let behaviour = {
                let behaviours = self.behaviours.lock().unwrap();
                let target = self.log.lock().unwrap().seen[number].target().to_owned();
                behaviours.iter().find(|(known, _)| target.starts_with(known)).unwrap().1.clone()
            };
            let after = behaviour(&mut Turn { wire: &mut wire, number, framing, shared: self });
            let fresh = wire.received[counted..].to_vec();
            counted = wire.received.len();
            self.change(|log| log.keep(connection, &fresh));
            if after == After::Close {
                break;
            }
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        let changed = change(&mut self.log.lock().unwrap());
        self.changed.notify_all();
        changed
    }
}

impl Log {
    fn keep(&mut self, connection: usize, bytes: &[u8]) {
        if self.bytes.len() <= connection {
            self.bytes.resize(connection + 1, Vec::new());
        }
        self.bytes[connection].extend_from_slice(bytes);
        self.total += bytes.len();
    }
}

/// What every request must be, whoever sent it.
fn strict(head: &Head) -> Result<(), String> {
    let words: Vec<&str> = head.start.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else {
        return Err(format!("not a request line: {:?}", head.start));
    };
    if method.is_empty() || !(target.starts_with('/') || target == "*") {
        return Err(format!("not an origin-form target: {target:?}"));
    }
    if let Some(byte) = target.bytes().find(|b| !(0x21..=0x7e).contains(b)) {
        return Err(format!("byte {byte:#04x} in the target"));
    }
    match head.all("host")[..] {
        [host] if !host.is_empty() => Ok(()),
        ref hosts => Err(format!("not one Host: {hosts:?}")),
    }
}
