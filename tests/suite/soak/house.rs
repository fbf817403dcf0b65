//! The programs that run: the dev user pool with all its people, the gates, their store, an upstream.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::Plan;
use super::called_off::CallOffs;
use super::echo;
use crate::support::browser::Jar;
use crate::support::gate::{Gate, Start};
use crate::support::store::Server;
use crate::support::token::random;
use crate::support::wire::Wire;

/// All of them. They end when it is dropped.
pub struct House {
    pub gates: Vec<Gate>,
    pub pool: Pool,
    /// Where the gates share one.
    pub store: Option<Mutex<Server>>,
    pub people: Vec<Account>,
}

/// `rolegate pool`.
pub struct Pool {
    pub address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

/// Somebody in the pool.
pub struct Account {
    /// Also the password.
    pub name: String,
    /// `X-Roles`, as it must be.
    pub roles: String,
    /// When all of their refresh tokens were last revoked.
    pub revoked: Mutex<Option<Instant>>,
    /// Their sign-outs everywhere.
    pub called_off: Mutex<CallOffs>,
    /// The newest cookies of each of their browsers, and when it had signed in for them.
    pub cookies: Mutex<BTreeMap<usize, (Jar, Instant)>>,
}

// === impl House ===

impl House {
    /// Starts all that the plan wants.
    pub fn start(plan: &Plan) -> Self {
        let people: Vec<Account> =
            (0..plan.browsers.div_ceil(plan.browsers_each())).map(Account::new).collect();
        let store = plan.shares.then(|| Server::start_with(KEEPS_ITS_DATA));
        let (pool, issuer) = Pool::start(&people);
        pool.dev("lifetimes", LIFETIMES);
        pool.dev("lifetimes", NO_GRACE);
        let upstream = echo::start();
        let (keys, pool_id) = (random(32), issuer.rsplit_once('/').unwrap().1);
        let toml = format!(
            "public_url = \"https://app.test\"\nupstream = \"http://{upstream}\"\nrequired_roles = [\"everyone\"]\n\
             listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
             [cognito]\nuser_pool_id = {pool_id:?}\nissuer = {issuer:?}\nclient_id = {CLIENT:?}\n\
             client_secrets_file = \"{{folder}}/secret\"\n\
             [session]\nkeys_file = \"{{folder}}/keys\"\nmax_age = \"{}s\"\nmax_role_age = \"{}s\"\n\
             outage_grace = \"{}s\"\n{}\n[log]\naccess = false\n",
            MAX_AGE.as_secs(),
            MAX_ROLE_AGE.as_secs(),
            OUTAGE_GRACE.as_secs(),
            store.as_ref().map(|store| format!("store = {:?}", store.url())).unwrap_or_default(),
        );
        let gate = || Start::with(&toml).file("secret", SECRET).file("keys", &keys).start().unwrap();
        Self {
            gates: (0..plan.gates()).map(|_| gate()).collect(),
            pool,
            store: store.map(Mutex::new),
            people,
        }
    }

    /// Ends all refresh tokens of somebody at the pool.
    pub fn revoke(&self, person: usize) {
        let account = &self.people[person];
        // Before it is so: nobody is sent away unexpectedly in between.
        *account.revoked.lock().unwrap() = Some(Instant::now());
        self.pool.dev("revoke", &format!("{{\"user\": \"{}\"}}", account.name));
    }

    /// Does something to the store, if there is one.
    pub fn with_store<T>(&self, what: impl FnOnce(&mut Server) -> T) -> Option<T> {
        self.store.as_ref().map(|store| what(&mut store.lock().unwrap()))
    }

    /// What the store says it uses.
    pub fn store_memory_kib(&self) -> Option<u64> {
        let said = self.with_store(|store| store.says(&["INFO", "memory"]))?;
        let used = said.lines().find_map(|line| line.strip_prefix("used_memory:"))?;
        used.trim().parse::<u64>().ok().map(|bytes| bytes / 1024)
    }

    /// The memory of each gate.
    pub fn memory_kib(&self) -> Vec<u64> {
        self.gates.iter().map(Gate::rss_kib).collect()
    }

    /// What the gates' logs have last of somebody and their sessions, the oldest first.
    pub fn said_of(&self, name: &str) -> Vec<String> {
        let mut events: Vec<(Value, usize)> = Vec::new();
        for (gate, log) in self.gates.iter().enumerate() {
            let lines = log.stderr().since(0).into_iter();
            events.extend(lines.filter_map(|line| Some((serde_json::from_str(&line).ok()?, gate))));
        }
        let when = |event: &Value| event["timestamp"].as_str().unwrap_or_default().to_owned();
        events.sort_by_key(|(event, _)| when(event));
        let mut sessions = BTreeSet::new();
        let mut said = Vec::new();
        for (mut event, gate) in events {
            let session = event["session"].as_str();
            if event["user"] == *name || session.is_some_and(|session| sessions.contains(session)) {
                sessions.extend(session.map(str::to_owned));
                let when = when(&event);
                if let Some(event) = event.as_object_mut() {
                    event.retain(|field, _| {
                        !["level", "roles", "target", "timestamp", "user"].contains(&&**field)
                    });
                }
                said.push(format!("{when} gate {gate} {event}"));
            }
        }
        said.split_off(said.len().saturating_sub(MOST_SAID))
    }

    /// What the gates warned of, by reason.
    pub fn warnings(&self) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for line in self.gates.iter().flat_map(|gate| gate.stderr().since(0)) {
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            let field = |name: &str| event.get(name).or_else(|| event.get("fields")?.get(name))?.as_str();
            if !matches!(event["level"].as_str(), Some("WARN" | "ERROR")) {
                continue;
            }
            let reason = field("reason").or_else(|| field("message")).unwrap_or("?");
            *reasons.entry(reason.to_owned()).or_default() += 1;
        }
        reasons
    }
}

// === impl Pool ===

impl Pool {
    fn start(people: &[Account]) -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pool.toml");
        std::fs::write(&file, seed(people)).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_rolegate"))
            .args(["pool", "--listen", "127.0.0.1:0", "--pool"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer = lines
            .by_ref()
            .find_map(|line| line.unwrap().strip_prefix("ready ").map(str::to_owned))
            .expect("the pool starts");
        // Read on, or it would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let address = issuer.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap();
        (Self { address: address.parse().unwrap(), child, _folder: folder }, issuer)
    }

    /// A fault that it takes.
    pub fn dev(&self, what: &str, how: &str) {
        let answer = self.ask(&format!("POST /_dev/{what}"), how);
        assert_eq!(answer.status, 204, "{what} {how}: {answer:#?}");
    }

    /// What it has counted.
    pub fn stats(&self) -> Value {
        self.ask("GET /_dev/stats", "").json()
    }

    fn ask(&self, what: &str, body: &str) -> crate::support::wire::Answer {
        let mut wire = Wire::connect(self.address).patient_for(Duration::from_secs(60));
        let (host, length) = (self.address, body.len());
        wire.write(
            format!(
                "{what} HTTP/1.1\r\nHost: {host}\r\nX-Rolegate-Dev: 1\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            )
            .as_bytes(),
        );
        wire.answer(false).unwrap_or_else(|ended| panic!("{what}: {ended:?}"))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// === impl Account ===

impl Account {
    fn new(number: usize) -> Self {
        let roles = format!("everyone,own-{number},team-{}", number % TEAMS);
        Self {
            name: format!("person{number}"),
            roles,
            revoked: Mutex::default(),
            called_off: Mutex::default(),
            cookies: Mutex::default(),
        }
    }
}

/// The pool's file.
fn seed(people: &[Account]) -> String {
    let mut seed = format!(
        "[[clients]]\nid = {CLIENT:?}\nsecrets = [{SECRET:?}]\nrefresh_rotation = true\n\
         callback_urls = [\"https://app.test/oauth2/callback\"]\n\
         logout_urls = [\"https://app.test/oauth2/signout\"]\n"
    );
    let mut groups: Vec<&str> = people.iter().flat_map(|account| account.roles.split(',')).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let _ = write!(seed, "[[groups]]\nname = {group:?}\n");
    }
    for Account { name, roles, .. } in people {
        let groups: Vec<&str> = roles.split(',').collect();
        let _ = write!(
            seed,
            "[[users]]\nname = {name:?}\npassword = {name:?}\ngroups = {groups:?}\npick = false\n\
             attributes = {{ email = \"{name}@example.com\", email_verified = true }}\n"
        );
    }
    seed
}

/// So many lines of one person are enough to see how it came to something.
const MOST_SAID: usize = 15;
const CLIENT: &str = "devclient4the4soak";
const SECRET: &str = "the-secret-of-the-client-that-soaks";
const TEAMS: usize = 17;
/// All that it has answered is in its file when it is killed; only a machine that falls over would lose some.
const KEEPS_ITS_DATA: &str = "appendonly yes\nappendfsync no\n";

/// A refresh token that was replaced is good for nothing: while no answer of the pool is lost or late.
pub const NO_GRACE: &str = r#"{"grace": 0}"#;
/// It is good for Cognito's longest, a minute.
pub const LONG_GRACE: &str = r#"{"grace": 60}"#;
/// Cognito's shortest is five minutes; nobody wants to wait for that.
const LIFETIMES: &str = r#"{"id": 20, "access": 20, "rotation": true}"#;
/// [`LIFETIMES`]' access token.
pub const ACCESS_LIFE: Duration = Duration::from_secs(20);
/// Everybody signs in again after this.
pub const MAX_AGE: Duration = Duration::from_secs(80);
/// Each session is refreshed as often.
pub const MAX_ROLE_AGE: Duration = Duration::from_secs(8);
/// Short, so that some do notice an outage.
pub const OUTAGE_GRACE: Duration = Duration::from_secs(5);
