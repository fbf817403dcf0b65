//! The corpus' bench: a gate between a fake pool and a recorder, with ready sessions, and the oracle that must
//! hold after whatever was sent.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::browser::{Browser, ORIGIN};
use super::gate::{Access, Gate, Refused, Start};
use super::pool::{CLIENT_ID, CLIENT_SECRET, FakePool, POOL_ID};
use super::token::random;
use super::upstream::{self, Recorder, Seen};
use super::wire::{Answer, Ended, Wire, latin1};

/// Resident memory that a gate never needs for a case (a debug build, some connections).
const RSS_BUDGET_KIB: u64 = 256 * 1024;

/// The bench.
pub struct World {
    /// The gate.
    pub gate: Gate,
    /// The user pool.
    pub pool: FakePool,
    /// The upstream.
    pub upstream: Recorder,
    setup: Setup,
    sessions: Mutex<HashMap<Who, Session>>,
    secrets: Mutex<Vec<String>>,
    ledger: Mutex<Ledger>,
    cases: Mutex<HashMap<usize, Session>>,
    counter: AtomicUsize,
}

/// Requests seen upstream against access records, over the bench's whole life: a record may come after the case
/// that it belongs to.
#[derive(Default)]
struct Ledger {
    lines: usize,
    seen: upstream::Mark,
    /// Seen upstream; no record allows them yet.
    unexplained: HashMap<String, String>,
    /// A record tells of the upstream's answer; not seen there yet.
    unseen: HashMap<String, Access>,
    /// Allowed by a record, seen or not.
    allowed: HashSet<String>,
    known: HashSet<String>,
}

/// What a bench is made of. `{pool}`, `{issuer}` and `{folder}` in its texts are filled in.
#[derive(Clone)]
pub struct Setup {
    /// `public_url`, as TOML.
    pub public_url: String,
    /// `upstream`; the recorder if empty.
    pub upstream: String,
    /// `required_roles`, as TOML.
    pub required_roles: String,
    /// Further top-level keys.
    pub top: String,
    /// `[limits]`.
    pub limits: String,
    /// The provider's table.
    pub provider: String,
    /// Further keys of `[session]`.
    pub session: String,
    /// The sealing keys, one a line.
    pub keys: String,
    /// `[[rules]]`.
    pub rules: String,
    /// Further tables.
    pub tables: String,
    /// Files beside the configuration.
    pub files: Vec<(String, Vec<u8>)>,
    /// Variables for the gate's environment.
    pub environment: HashMap<String, String>,
    /// Whether to wait until the gate is ready.
    pub wait_ready: bool,
    /// The gate, where it is not the one that was built with the tests.
    pub program: Option<PathBuf>,
    /// What starts it in its place, and becomes it.
    pub launcher: Vec<String>,
}

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// No cookie.
    Nobody,
    /// Role user.
    User,
    /// Roles admin and user.
    Admin,
}

/// The three of them.
pub const EVERYBODY: [Who; 3] = [Who::Nobody, Who::User, Who::Admin];

/// What a request carries, and what the upstream must then see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The Cookie header's value; empty without a session.
    pub cookie: String,
    /// X-User and X-Roles, if there is a session.
    pub identity: Option<(String, String)>,
}

/// How bytes are handed to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// In one write.
    Whole,
    /// Each byte a segment.
    Bytewise,
    /// Two segments, cut here.
    Cut(usize),
}

/// A point in the bench's life.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    /// At the upstream.
    pub upstream: upstream::Mark,
    stdout: usize,
    stderr: usize,
}

/// What came of some bytes on a fresh connection.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What was sent.
    pub sent: Vec<u8>,
    /// The answers to it, in order.
    pub answers: Vec<Answer>,
    /// What became of the connection.
    pub end: End,
    /// The requests that the upstream saw because of it.
    pub seen: Vec<Seen>,
    /// The access records that were written meanwhile: for a failure's words.
    pub access: Vec<Access>,
}

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A further request on it got its own answer.
    Kept,
    /// The gate closed it.
    Closed,
    /// A further request on it got no answer.
    Stuck,
    /// What came was no HTTP.
    Garbled(String),
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        Self {
            public_url: format!("{ORIGIN:?}"),
            upstream: String::new(),
            required_roles: r#"["user"]"#.into(),
            top: String::new(),
            limits: "header_timeout = \"2s\"\nbody_idle_timeout = \"4s\"\nresponse_timeout = \"6s\"\n".into(),
            provider: format!(
                "[cognito]\nuser_pool_id = {POOL_ID:?}\nissuer = \"{{issuer}}\"\nclient_id = {CLIENT_ID:?}\n\
                 client_secret_file = \"{{folder}}/client-secret\"\n"
            ),
            session: String::new(),
            keys: random(32),
            rules: BENCH_RULES.into(),
            tables: String::new(),
            files: Vec::new(),
            environment: HashMap::new(),
            wait_ready: true,
            program: None,
            launcher: vec![],
        }
    }
}

const BENCH_RULES: &str = r#"
[[rules]]
path = "/public/**"
public = true
[[rules]]
path = "/healthz"
public = true
[[rules]]
path = "/admin/**"
any_role = ["admin"]
"#;

impl Setup {
    /// The bench of the corpus: `/public/**` and `/healthz` are public, `/admin/**` needs `admin`, the rest `user`.
    pub fn bench() -> Self {
        Self::default()
    }

    /// With further top-level keys.
    pub fn top(mut self, lines: &str) -> Self {
        self.top += lines;
        self.top += "\n";
        self
    }

    /// With further tables.
    pub fn tables(mut self, text: &str) -> Self {
        self.tables += text;
        self.tables += "\n";
        self
    }

    /// With further rules.
    pub fn rules(mut self, text: &str) -> Self {
        self.rules += text;
        self.rules += "\n";
        self
    }

    /// With these keys in `[limits]` as well.
    pub fn limits(mut self, lines: &str) -> Self {
        for line in lines.lines() {
            let key = line.split('=').next().unwrap_or_default().trim().to_owned();
            let kept = self.limits.lines().filter(|known| known.split('=').next().unwrap().trim() != key);
            self.limits = kept.map(|line| format!("{line}\n")).collect::<String>() + line + "\n";
        }
        self
    }

    /// With these keys in `[session]` as well.
    pub fn session(mut self, lines: &str) -> Self {
        self.session += lines;
        self.session += "\n";
        self
    }

    /// Sealed with these keys.
    pub fn keys(mut self, keys: &str) -> Self {
        self.keys = keys.to_owned();
        self
    }

    /// Not waited for.
    pub fn unready(mut self) -> Self {
        self.wait_ready = false;
        self
    }

    /// Starts a world of its own.
    pub fn start(self) -> World {
        self.start_with(FakePool::start(), Recorder::start())
    }

    /// Starts a gate between these.
    pub fn start_with(self, pool: FakePool, upstream: Recorder) -> World {
        match self.try_start_with(&pool, &upstream) {
            Ok(gate) => World::around(self, gate, pool, upstream),
            Err(refused) => panic!("the gate did not start: {refused:#?}"),
        }
    }

    /// Starts a gate between these, or says how it refused.
    pub fn try_start_with(&self, pool: &FakePool, upstream: &Recorder) -> Result<Gate, Refused> {
        let mut start = Start::with(self.toml(pool, upstream))
            .file("client-secret", format!("{CLIENT_SECRET}\n"))
            .file("session-keys", format!("{}\n", self.keys));
        start.files.extend(self.files.clone());
        start.environment.clone_from(&self.environment);
        start.wait_ready = self.wait_ready;
        start.program.clone_from(&self.program);
        start.launcher.clone_from(&self.launcher);
        start.start()
    }

    /// The configuration's text, `{folder}` not filled in.
    pub fn toml(&self, pool: &FakePool, upstream: &Recorder) -> String {
        let upstream = match self.upstream.as_str() {
            "" => format!("http://{}", upstream.address),
            other => other.to_owned(),
        };
        let text = format!(
            "public_url = {}\nupstream = {upstream:?}\nrequired_roles = {}\nlisten = \"127.0.0.1:0\"\n\
             admin_listen = \"127.0.0.1:0\"\n{}\n{}\n[session]\nkeys_file = \"{{folder}}/session-keys\"\n{}\n\
             [limits]\n{}\n{}\n{}\n",
            self.public_url,
            self.required_roles,
            self.top,
            self.provider,
            self.session,
            self.limits,
            self.tables,
            self.rules
        );
        text.replace("{pool}", &pool.origin()).replace("{issuer}", &pool.issuer())
    }
}

// === impl World ===

impl World {
    /// The corpus' bench.
    pub fn bench() -> Self {
        Setup::bench().start()
    }

    /// The bench with further tables or rules.
    pub fn with_config(extra: &str) -> Self {
        Setup::bench().tables(extra).start()
    }

    fn around(setup: Setup, gate: Gate, pool: FakePool, upstream: Recorder) -> Self {
        let secrets = setup.keys.lines().map(str::to_owned).collect();
        Self {
            gate,
            pool,
            // What the upstream saw before belongs to another gate.
            ledger: Mutex::new(Ledger { seen: upstream.mark(), ..Ledger::default() }),
            upstream,
            setup,
            cases: Mutex::default(),
            sessions: Mutex::default(),
            secrets: Mutex::new(secrets),
            counter: AtomicUsize::new(0),
        }
    }

    /// Ends this gate and starts another with a changed setup between the same pool and upstream.
    pub fn restarted(self, change: impl FnOnce(Setup) -> Setup) -> Self {
        let Self { gate, pool, upstream, setup, sessions, .. } = self;
        drop(gate);
        let world = change(setup).start_with(pool, upstream);
        *world.sessions.lock().unwrap() = sessions.into_inner().unwrap();
        world
    }

    /// What it was made of.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// A new browser profile.
    pub fn browser(&self) -> Browser {
        Browser::new(self.gate.public)
    }

    /// A browser in which this user has signed in; its cookies count as secrets.
    pub fn signed_in(&self, user: &str) -> Browser {
        let mut browser = self.browser();
        let lines = self.gate.stdout().count();
        browser.sign_in(user);
        // So that no later case finds this record among its own.
        let callback = |line: &str| Access::parse(line).filter(|a| a.text("path") == "/oauth2/callback");
        self.gate.stdout().wait_since(lines, callback).expect("an access record of the callback");
        self.keep_secret(browser.jar.all().iter().map(|cookie| cookie.value.clone()));
        browser
    }

    /// A ready session, made by a real login the first time.
    pub fn session(&self, who: Who) -> Session {
        let mut sessions = self.sessions.lock().unwrap();
        let session = sessions.entry(who).or_insert_with(|| match who {
            Who::Nobody => Session { cookie: String::new(), identity: None },
            Who::User => self.session_of("user", "user"),
            Who::Admin => self.session_of("admin", "admin,user"),
        });
        session.clone()
    }

    /// A new session of this user, who has these roles.
    pub fn session_of(&self, user: &str, roles: &str) -> Session {
        let browser = self.signed_in(user);
        Session { cookie: browser.cookies("/"), identity: Some((user.to_owned(), roles.to_owned())) }
    }

    /// From now on none of these may appear in a log.
    pub fn keep_secret(&self, values: impl IntoIterator<Item = String>) {
        self.secrets.lock().unwrap().extend(values);
    }

    /// Now.
    pub fn mark(&self) -> Mark {
        Mark {
            upstream: self.upstream.mark(),
            stdout: self.gate.stdout().count(),
            stderr: self.gate.stderr().count(),
        }
    }

    /// The access records since then.
    pub fn access_since(&self, mark: Mark) -> Vec<Access> {
        self.gate.access_since(mark.stdout)
    }

    /// The access record of a request that the upstream saw.
    pub fn record_of(&self, seen: &Seen) -> Access {
        let id = seen.head.one("x-request-id").expect("a request id");
        let of_it = |line: &str| Access::parse(line).filter(|access| access.text("request_id") == id);
        self.gate.stdout().wait(of_it).expect("an access record")
    }

    /// The requests that the upstream saw since then.
    pub fn seen_since(&self, mark: Mark) -> Vec<Seen> {
        self.upstream.since(mark.upstream)
    }

    /// Sends bytes on a connection of their own and holds the oracle over what comes of it. `{session}` in the
    /// bytes becomes the Cookie line of `who`.
    pub fn attack(&self, who: Who, bytes: impl AsRef<[u8]>) -> Exchange {
        self.attack_as(&self.session(who), Delivery::Whole, bytes)
    }

    /// The same, handed over otherwise.
    pub fn attack_by(&self, delivery: Delivery, who: Who, bytes: impl AsRef<[u8]>) -> Exchange {
        self.attack_as(&self.session(who), delivery, bytes)
    }

    /// The same with any session.
    pub fn attack_as(&self, session: &Session, delivery: Delivery, bytes: impl AsRef<[u8]>) -> Exchange {
        let mark = self.mark();
        let (case, sent, mut wire) = self.deliver(session, delivery, bytes.as_ref());
        let to_head = sent.starts_with(b"HEAD ");
        let (answers, end) = self.answers(&mut wire, session, to_head);
        drop(wire);

        let described = || format!("sent {:?}\nanswers {answers:#?}\nend {end:?}", latin1(&sent));
        assert!(
            !matches!(end, End::Stuck | End::Garbled(_)),
            "a further request on the connection got no answer of its own: {}",
            described()
        );
        self.oracle(mark, std::slice::from_ref(session));
        let mut seen = self.seen_since(mark);
        let mut access = self.access_since(mark);
        let other_case = |seen: &Seen| {
            let cases = seen.head.all(CASE_HEADER);
            !cases.is_empty() && !cases.contains(&case.as_str())
        };
        seen.retain(|seen| !seen.target().starts_with(FOLLOW_UP) && !other_case(seen));
        access.retain(|access| !access.text("path").starts_with(FOLLOW_UP));
        Exchange { sent, answers, end, seen, access }
    }

    /// Sends it as a case of its own. Where that takes longer in pieces than the gate waits for a head, as on a machine with
    /// much else to do, what comes is about that alone: it is sent again in larger pieces, as another case.
    fn deliver(&self, session: &Session, delivery: Delivery, bytes: &[u8]) -> (String, Vec<u8>, Wire) {
        let mut piece = 1;
        loop {
            let (case, sent) = self.fill_for_case(session, bytes);
            let mut wire = Wire::connect(self.gate.public);
            let begun = Instant::now();
            match delivery {
                Delivery::Whole => wire.write(&sent),
                Delivery::Bytewise => wire.write_pieces(sent.chunks(piece)),
                Delivery::Cut(at) => {
                    let (first, second) = sent.split_at(at.min(sent.len()));
                    wire.write_pieces([first, second])
                }
            };
            if begun.elapsed() < Duration::from_secs(1) || piece >= sent.len() {
                return (case, sent, wire);
            }
            piece *= 4;
        }
    }

    /// Puts this session's Cookie line in the place of `{session}`, and a line by which the upstream's record of
    /// the request is known to belong to this session whenever it comes to light.
    pub fn fill(&self, session: &Session, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        self.fill_for_case(session, bytes.as_ref()).1
    }

    fn fill_for_case(&self, session: &Session, bytes: &[u8]) -> (String, Vec<u8>) {
        let case = self.counter.fetch_add(1, Ordering::Relaxed);
        self.cases.lock().unwrap().insert(case, session.clone());
        let lines = format!("{CASE_HEADER}: {case}\r\n{}", session.line());
        (case.to_string(), replace(bytes, b"{session}", lines.as_bytes()))
    }

    /// Reads the answers to what was sent, then asks something harmless on the same connection: whether that
    /// gets its own answer tells where the gate believes the first message to have ended.
    pub fn answers(&self, wire: &mut Wire, session: &Session, to_head: bool) -> (Vec<Answer>, End) {
        let mut answers = Vec::new();
        match wire.answer(to_head) {
            Ok(answer) => answers.push(answer),
            Err(ended) => return (answers, End::from(ended)),
        }
        let target = format!("{FOLLOW_UP}{}", self.counter.fetch_add(1, Ordering::Relaxed));
        if !answers[0].closes() {
            wire.write(
                format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{}\r\n", session.line()).as_bytes(),
            );
        }
        loop {
            match wire.answer(false) {
                Ok(answer) if answers_target(&answer, &target) => return (answers, End::Kept),
                Ok(answer) => answers.push(answer),
                Err(ended) => return (answers, End::from(ended)),
            }
        }
    }

    /// What must hold after every case: as many upstream requests as allowed ones, each with exactly the
    /// identity of one of the sessions in play, a living process of bounded size, and logs without secrets.
    pub fn oracle(&self, mark: Mark, sessions: &[Session]) {
        self.settle();
        for seen in self.seen_since(mark) {
            let identity = identity_seen(&seen);
            let case = seen.head.all(CASE_HEADER).first().and_then(|case| case.parse::<usize>().ok());
            // A request that the gate gave up may come to light only after the case that made it.
            let of_case = case.and_then(|case| self.cases.lock().unwrap().get(&case).cloned());
            let sessions = of_case.as_ref().map_or(sessions, std::slice::from_ref);
            let fits = sessions.iter().any(|session| identity.as_ref() == Ok(&session.identity));
            assert!(fits, "the upstream saw the identity {identity:?}, in play are {sessions:?}: {seen:#?}");
        }
        for seen in self.seen_since(mark) {
            let lines = seen.head.all("cookie");
            let mut names =
                lines.iter().flat_map(|line| line.split(';')).map(|pair| pair.trim_matches([' ', '\t']));
            let own = names.find(|pair| pair.starts_with("__Host-rolegate"));
            assert!(own.is_none(), "the upstream saw a cookie of the gate: {seen:#?}");
        }
        let complaints = self.upstream.complaints_since(mark.upstream);
        assert!(complaints.is_empty(), "the upstream was sent something else than HTTP/1.1: {complaints:#?}");
        assert!(self.gate.alive(), "the gate has died:\n{}", self.gate.stderr().all());
        let rss = self.gate.rss_kib();
        assert!(rss < RSS_BUDGET_KIB, "the gate takes {rss} KiB");
        self.no_secret_in("the log", &self.gate.stderr().since(mark.stderr).join("\n"));
        self.no_secret_in("the access log", &self.gate.stdout().since(mark.stdout).join("\n"));
    }

    /// Holds every request that the upstream ever saw against an access record that allowed it, by request id,
    /// and every record that tells of an answer from the upstream against a request that was seen.
    fn settle(&self) {
        let end = Instant::now() + PATIENCE;
        let mut ledger = self.ledger.lock().unwrap();
        loop {
            ledger.read(self);
            if ledger.unexplained.is_empty() && ledger.unseen.is_empty() {
                return;
            }
            if Instant::now() >= end {
                // One failure is enough: the next case starts even.
                let unexplained = std::mem::take(&mut ledger.unexplained);
                let unseen = std::mem::take(&mut ledger.unseen);
                drop(ledger);
                panic!(
                    "seen upstream and not logged as allowed: {unexplained:#?}\nlogged as answered by the upstream and not seen there: {unseen:#?}"
                );
            }
            // There is no event to wait for on both sides at once: a record is written after its answer.
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Panics if the text shows a token, a code, a session cookie, a key or the client's secret.
    pub fn no_secret_in(&self, what: &str, text: &str) {
        const BEGINNING: usize = 16;
        let secrets = [self.secrets.lock().unwrap().clone(), self.pool.secrets()].concat();
        let mut beginnings: HashMap<&[u8], Vec<&str>> = HashMap::new();
        for secret in secrets.iter().filter(|secret| secret.len() >= BEGINNING) {
            beginnings.entry(&secret.as_bytes()[..BEGINNING]).or_default().push(secret);
        }
        // One pass over the text: it may be long, and the secrets many.
        for window in text.as_bytes().windows(BEGINNING) {
            for secret in beginnings.get(window).into_iter().flatten() {
                assert!(!text.contains(secret), "{what} shows the secret {secret:?}: {text}");
            }
        }
        assert!(!text.contains("panicked"), "{what} tells of a panic: {text}");
    }
}

// === impl Ledger ===

impl Ledger {
    fn read(&mut self, world: &World) {
        let (seen, lines) = (world.upstream.since(self.seen), world.gate.stdout().since(self.lines));
        self.seen = self.seen.after(seen.len());
        self.lines += lines.len();
        for record in lines.iter().filter_map(|line| Access::parse(line)) {
            if record.decision() != "forward" {
                continue;
            }
            let id = record.text("request_id").to_owned();
            assert!(self.allowed.insert(id.clone()), "two requests have the id {id:?}: {record:?}");
            self.unexplained.remove(&id);
            if record.0["upstream_status"].is_u64() && !self.known.contains(&id) {
                self.unseen.insert(id, record);
            }
        }
        for seen in seen {
            let id = seen.head.one("x-request-id").unwrap_or_default().to_owned();
            self.unseen.remove(&id);
            let first = self.known.insert(id.clone());
            if !self.allowed.contains(&id) || !first || id.is_empty() {
                self.unexplained.insert(id, seen.head.start);
            }
        }
    }
}

/// Tells requests of one case from those of another; an ordinary header to the gate.
const CASE_HEADER: &str = "X-Case";

/// Where follow-up requests go: public, so that anybody may ask.
const FOLLOW_UP: &str = "/public/follow-up-";

fn answers_target(answer: &Answer, target: &str) -> bool {
    // The echo names its target; where nothing is public, the gate's own 401 names it as the return address.
    let body = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
    let returns = format!("/oauth2/start?rd={}", target.replace('/', "%2F"));
    body["target"] == target || body["login_url"] == returns
}

/// X-User and X-Roles as an upstream sees them that, as CGI does, takes every byte that is no letter or digit
/// to be the same: both exactly once in their own spelling, or neither in any.
pub fn identity_seen(seen: &Seen) -> Result<Option<(String, String)>, String> {
    let fold = |name: &str| -> String {
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
    };
    let lines = seen.head.headers.iter().chain(&seen.trailers);
    let folded = |wanted: &str| {
        lines.clone().filter(|(name, _)| fold(name) == wanted).map(|(_, value)| value.clone()).collect()
    };
    let (users, roles): (Vec<String>, Vec<String>) = (folded("x_user"), folded("x_roles"));
    let (user, role) = (seen.head.one("x-user"), seen.head.one("x-roles"));
    match (user, role, users.len(), roles.len()) {
        (Some(user), Some(role), 1, 1) => Ok(Some((user.to_owned(), role.to_owned()))),
        (None, None, 0, 0) => Ok(None),
        _ => Err(format!("X-User {users:?}, X-Roles {roles:?}")),
    }
}

// === impl Session ===

impl Session {
    /// Puts the Cookie line in the place of `{session}`. [`World::fill`] also marks the request as this session's,
    /// which matters where the gate may give it up.
    pub fn fill(&self, bytes: &[u8]) -> Vec<u8> {
        replace(bytes, b"{session}", self.line().as_bytes())
    }

    /// The session as a browser has it after this answer.
    pub fn after(&self, answer: &Answer) -> Self {
        let mut cookies: Vec<String> = self.cookie.split("; ").map(str::to_owned).collect();
        for line in answer.head.all("set-cookie") {
            let pair = line.split(';').next().unwrap();
            let name = pair.split('=').next().unwrap();
            cookies.retain(|known| known.split('=').next() != Some(name));
            cookies.push(pair.to_owned());
        }
        Self { cookie: cookies.join("; "), identity: self.identity.clone() }
    }

    /// The Cookie line with its CRLF; empty without a session.
    pub fn line(&self) -> String {
        if self.cookie.is_empty() { String::new() } else { format!("Cookie: {}\r\n", self.cookie) }
    }
}

/// Replaces every occurrence in bytes.
pub fn replace(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(with);
        rest = &rest[at + what.len()..];
    }
    out.extend_from_slice(rest);
    out
}

// === impl Exchange ===

impl Exchange {
    /// The first answer's status, 0 if there was none.
    pub fn status(&self) -> u16 {
        self.answers.first().map_or(0, |answer| answer.status)
    }

    /// The statuses of all answers.
    pub fn statuses(&self) -> Vec<u16> {
        self.answers.iter().map(|answer| answer.status).collect()
    }

    /// Whether the gate refused it with one of these statuses and the upstream saw nothing of it.
    pub fn is_refused(&self, statuses: &[u16]) -> bool {
        statuses.contains(&self.status()) && self.answers.len() == 1 && self.seen.is_empty()
    }

    /// The one request that the upstream saw, if it was exactly one.
    pub fn one(&self) -> Option<&Seen> {
        match &self.seen[..] {
            [seen] => Some(seen),
            _ => None,
        }
    }
}

// === impl End ===

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Closed => Self::Closed,
            Ended::Silent => Self::Stuck,
            Ended::Cut(what) => Self::Garbled(format!("cut: {what:?}")),
            Ended::Malformed(what) => Self::Garbled(what),
        }
    }
}
