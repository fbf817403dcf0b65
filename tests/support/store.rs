//! Real stores on loopback: Valkey if it is installed, else Redis; alone, behind sentinels, as a cluster.
//! Each has a folder of its own and ends when it is dropped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use redis::{ConnectionAddr, ConnectionLike, IntoConnectionInfo, Value};
use tempfile::TempDir;

use super::{PATIENCE, until};

/// One server process. Its port stays the same over [`restart`](Server::restart).
pub struct Server {
    process: Option<Child>,
    folder: TempDir,
    port: u16,
    /// Further lines of its configuration.
    lines: String,
    sentinel: bool,
    tls: bool,
    /// What the tests themselves sign in with.
    password: Option<String>,
}

/// A master, a replica, and sentinels that watch them. Three seconds of silence are a failure: fewer happen on a
/// machine that is busy.
pub struct Watched {
    /// The first master and its replica.
    pub servers: [Server; 2],
    /// Three of them: two agree on a failover.
    pub sentinels: Vec<Server>,
}

/// Three masters, and a replica of each; with the same patience.
pub struct Nodes {
    /// Node `n + 3` begins as the replica of node `n`.
    pub nodes: Vec<Server>,
}

/// What the sentinels call the master.
pub const SERVICE: &str = "main";

fn binary() -> &'static str {
    let there = |name: &str| {
        let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    };
    ["valkey-server", "redis-server"]
        .into_iter()
        .find(|name| there(name))
        .expect("these tests need valkey-server or redis-server: make test-tools installs one")
}

/// A port that is free together with the one 10000 above it, where a node of a cluster listens as well. Below the range
/// that systems take for outgoing connections, so that nobody has it by the time the server binds it.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 9000).unwrap();
    for _ in 0..9000 {
        let port = 12_000 + (own + NEXT.fetch_add(7, Ordering::Relaxed)) % 9000;
        let free = |port: u16| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
    panic!("no free port");
}

/// Waits longer than [`until`]: elections take their time.
pub fn eventually<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + 6 * PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

// === impl Server ===

impl Server {
    /// Without a password, keeping nothing on disk.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With further lines in its configuration.
    pub fn start_with(lines: &str) -> Self {
        Self::started(lines, false, false, None)
    }

    /// With `requirepass`.
    pub fn with_password(password: &str) -> Self {
        Self::started(&format!("requirepass {password}\n"), false, false, Some(password))
    }

    /// Speaks TLS alone, with the suite's certificate of that name; wants the gate's certificate if `ask`.
    pub fn with_tls(certificate: &str, ask: bool) -> Self {
        let file = |name: &str| format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
        let lines = format!(
            "tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients {}\n",
            file(&format!("{certificate}.pem")),
            file(&format!("{certificate}.key")),
            file("store-client.pem"),
            if ask { "yes" } else { "no" },
        );
        Self::started(&lines, false, true, None)
    }

    fn started(lines: &str, sentinel: bool, tls: bool, password: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self {
            process: None,
            folder,
            port: free_port(),
            lines: lines.to_owned(),
            sentinel,
            tls,
            password: password.map(str::to_owned),
        };
        // Another process may have taken the port between our look and the server's bind.
        for _ in 0..5 {
            if server.try_start() {
                return server;
            }
            server.port = free_port();
        }
        panic!("no store starts: {}", server.log());
    }

    fn try_start(&mut self) -> bool {
        let folder = self.folder.path().display();
        let port =
            if self.tls { format!("port 0\ntls-port {}", self.port) } else { format!("port {}", self.port) };
        let data = if self.sentinel { "" } else { "save \"\"\n" };
        let text =
            format!("bind 127.0.0.1\n{port}\ndir {folder}\nlogfile {folder}/log\n{data}{}", self.lines);
        let config = self.folder.path().join("server.conf");
        // Sentinels and nodes keep what they learn in files of theirs: those of a restart are kept.
        if !(self.sentinel && config.exists()) {
            std::fs::write(&config, text).unwrap();
        }
        let mut command = Command::new(binary());
        command.arg(&config).args(self.sentinel.then_some("--sentinel"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.answers() {
                self.process = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    fn answers(&self) -> bool {
        if self.tls {
            return TcpStream::connect(self.socket()).is_ok();
        }
        self.connect().is_ok_and(|mut connection| {
            let pong = connection.req_command(&redis::cmd("PING"));
            pong.is_ok_and(|pong| pong == Value::SimpleString("PONG".into()))
        })
    }

    fn connect(&self) -> redis::RedisResult<redis::Connection> {
        let address = ConnectionAddr::Tcp("127.0.0.1".into(), self.port);
        let mut info = address.into_connection_info()?;
        if let Some(password) = &self.password {
            let login = redis::RedisConnectionInfo::default().set_password(password);
            info = info.set_redis_settings(login);
        }
        let connection = redis::Client::open(info)?.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    /// Where it listens.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// For `session.store`.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls { "rediss" } else { "redis" }, self.port)
    }

    /// Asks it something beside the gate, on a connection of its own.
    pub fn ask(&self, words: &[&str]) -> Value {
        self.try_ask(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same, where it may not answer.
    pub fn try_ask(&self, words: &[&str]) -> redis::RedisResult<Value> {
        let mut command = redis::Cmd::new();
        command.arg(words);
        self.connect()?.req_command(&command)?.extract_error()
    }

    /// What it answers, as `redis-cli` would show it; lists as Rust does.
    pub fn says(&self, words: &[&str]) -> String {
        match self.try_ask(words) {
            Ok(Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(Value::SimpleString(text)) => text,
            Ok(Value::Okay) => "OK".into(),
            Ok(Value::Int(number)) => number.to_string(),
            Ok(value) => format!("{value:?}"),
            Err(error) => error.to_string(),
        }
    }

    /// Waits until a replica has all that was written here so far. (`WAIT` speaks of what its own connection wrote.)
    pub fn wait_until_replicated(&self) {
        let replication = || self.says(&["INFO", "replication"]);
        let number = |text: &str, name: &str| -> Option<u64> {
            let digits = text.split_once(name)?.1;
            digits.split(|byte: char| !byte.is_ascii_digit()).next()?.parse().ok()
        };
        let written = number(&replication(), "master_repl_offset:").unwrap();
        super::until("a replica has it all", || {
            let text = replication();
            let mut replicas = text.lines().filter(|line| line.starts_with("slave"));
            replicas.any(|line| number(line, ",offset=").is_some_and(|has| has >= written)).then_some(())
        });
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A stopped process hears this signal as well.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again, after [`kill`](Self::kill), at the same port with what it kept on disk.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.try_start(), "it does not come back: {}", self.log());
    }

    /// Answers nobody from now on; connections stay as they are.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Goes on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

// === impl Watched ===

impl Watched {
    /// Ready for a failover: all know of all.
    pub fn start() -> Self {
        Self::started(None)
    }

    /// The same, where the sentinels ask for a password and the servers do not.
    pub fn with_password(password: &str) -> Self {
        Self::started(Some(password))
    }

    fn started(password: Option<&str>) -> Self {
        let master = Server::start_with("repl-diskless-sync-delay 0\n");
        let replica = Server::start_with(&format!(
            "replicaof 127.0.0.1 {}\nrepl-diskless-sync-delay 0\n",
            master.port()
        ));
        let lines = format!(
            "sentinel monitor {SERVICE} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {SERVICE} 3000\n\
             sentinel failover-timeout {SERVICE} 3000\n{}",
            master.port(),
            password.map(|password| format!("requirepass {password}\n")).unwrap_or_default(),
        );
        let sentinels: Vec<_> = (0..3).map(|_| Server::started(&lines, true, false, password)).collect();
        until("the replica follows", || {
            replica.says(&["INFO", "replication"]).contains("master_link_status:up").then_some(())
        });
        for sentinel in &sentinels {
            eventually("every sentinel knows of the others and of the replica", || {
                let said = sentinel.says(&["INFO", "sentinel"]);
                (said.contains("slaves=1") && said.contains("sentinels=3") && said.contains("status=ok"))
                    .then_some(())
            });
        }
        Self { servers: [master, replica], sentinels }
    }

    /// For `session.store`, with mode and service.
    pub fn lines(&self) -> String {
        let urls: Vec<_> = self.sentinels.iter().map(|sentinel| format!("\"{}\"", sentinel.url())).collect();
        format!("store = [{}]\nstore_mode = \"sentinel\"\nstore_service = \"{SERVICE}\"\n", urls.join(", "))
    }
}

// === impl Nodes ===

impl Nodes {
    /// Ready: every node sees all slots served and every replica following.
    pub fn start() -> Self {
        let lines = "cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-node-timeout 3000\n\
                     cluster-replica-validity-factor 0\nrepl-diskless-sync-delay 0\n";
        let nodes: Vec<_> = (0..6).map(|_| Server::start_with(lines)).collect();
        for (at, node) in nodes.iter().take(3).enumerate() {
            // ADDSLOTSRANGE is of Redis 7; this is of all.
            let slots = (at * 16384).div_ceil(3)..((at + 1) * 16384).div_ceil(3);
            let slots: Vec<_> = slots.map(|slot| slot.to_string()).collect();
            let mut words = vec!["CLUSTER", "ADDSLOTS"];
            words.extend(slots.iter().map(String::as_str));
            node.ask(&words);
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
        }
        for node in &nodes[1..] {
            node.ask(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port().to_string()]);
        }
        let cluster = Self { nodes };
        cluster.settled(6);
        for at in 0..3 {
            let id = cluster.nodes[at].says(&["CLUSTER", "MYID"]);
            eventually("a replica has a master", || {
                cluster.nodes[at + 3].try_ask(&["CLUSTER", "REPLICATE", &id]).ok()
            });
        }
        for at in 0..3 {
            eventually("a replica follows", || {
                let said = cluster.nodes[at + 3].says(&["INFO", "replication"]);
                (said.contains("role:slave") && said.contains("master_link_status:up")).then_some(())
            });
        }
        for node in &cluster.nodes {
            eventually("every node knows of the replicas", || {
                let said = node.says(&["CLUSTER", "NODES"]);
                (said.matches("slave").count() == 3).then_some(())
            });
        }
        cluster.settled(6);
        cluster
    }

    fn settled(&self, count: usize) {
        for node in &self.nodes {
            eventually("every node sees the whole cluster", || {
                let said = node.says(&["CLUSTER", "INFO"]);
                (said.contains("cluster_state:ok") && said.contains(&format!("cluster_known_nodes:{count}")))
                    .then_some(())
            });
        }
    }

    /// For `session.store`, with the mode; two nodes are enough to find the others.
    pub fn lines(&self) -> String {
        format!(
            "store = [\"{}\", \"{}\"]\nstore_mode = \"cluster\"\n",
            self.nodes[0].url(),
            self.nodes[1].url()
        )
    }
}
