//! What a request costs, in instructions and system calls: neither moves with what else a machine does, so both can be
//! held to a bound. Of the release build, under valgrind; times are `make bench`'s affair.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::browser::{Kind, address};
use crate::support::pool::FakePool;
use crate::support::sealed::{Age, Mould};
use crate::support::upstream::{self, Recorder};
use crate::support::wire::Wire;
use crate::support::world::Setup;

/// Between the two counts of requests that are compared, so that a start and a login cost nothing.
const REQUESTS: usize = 2000;
const FEW: usize = 200;

/// What one request costs.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// The worker's own, in user space.
    instructions: f64,
    /// The worker's, but for waking others: that is a matter of moments.
    calls: f64,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Whose cookie is as long as a session's, and none.
    Nobody,
    /// The same person each time, whose pass is remembered.
    One,
    /// Somebody else each time, whose pass is opened.
    Others,
}

#[test]
fn a_request_with_a_session_costs_no_more_than_it_did() {
    let cost = cost("/x/y?z=1", Who::One, "");
    println!("with a session: {cost:?}");
    assert!(cost.instructions < 1.08 * INSTRUCTIONS, "{cost:?}");
    assert!(cost.calls < CALLS, "{cost:?}");
}

#[test]
fn what_it_costs_to_know_who_asks_is_a_fraction_of_a_request() {
    // The same bytes either way.
    let (public, known) = (cost("/public/x", Who::Nobody, ""), cost("/x/y?z=1", Who::One, ""));
    println!("public: {public:?}, with a session: {known:?}");
    assert!(known.instructions - public.instructions < 1.08 * PRICE, "{public:?} {known:?}");
    assert!((known.calls - public.calls).abs() < 0.2, "{public:?} {known:?}");
}

#[test]
fn a_session_among_thousands_costs_little_more_than_one_that_is_remembered() {
    let (one, others) = (cost("/x/y?z=1", Who::One, ""), cost("/x/y?z=1", Who::Others, ""));
    println!("one session: {one:?}, another each time: {others:?}");
    assert!(others.instructions - one.instructions < 1.08 * OPENED, "{one:?} {others:?}");
    assert!((others.calls - one.calls).abs() < 0.2, "{one:?} {others:?}");
}

#[test]
fn a_thousand_rules_cost_a_request_what_one_does() {
    let many: String =
        (0..1000).map(|n| format!("[[rules]]\npath = \"/area/{n}/**\"\nany_role = [\"user\"]\n")).collect();
    let (one, thousand) = (cost("/area/7/x", Who::One, ""), cost("/area/7/x", Who::One, &many));
    println!("no rule of its own: {one:?}, one of a thousand: {thousand:?}");
    assert!(thousand.instructions - one.instructions < 2500.0, "{one:?} {thousand:?}");
}

fn cost(path: &str, who: Who, rules: &str) -> Cost {
    let [few, many] = [FEW, FEW + REQUESTS].map(|count| counted(path, who, rules, count));
    // The worker is who has more to do with more requests.
    let a_request = |few: &Counts, many: &Counts| {
        let before = |thread| few.get(thread).copied().unwrap_or_default();
        let more = many.iter().map(|(thread, count)| count.saturating_sub(before(thread)));
        more.max().expect("valgrind counts") as f64 / REQUESTS as f64
    };
    Cost { instructions: a_request(&few.0, &many.0), calls: a_request(&few.1, &many.1) }
}

/// By thread.
type Counts = HashMap<String, u64>;

/// Instructions and system calls, from start to end.
fn counted(path: &str, who: Who, rules: &str, requests: usize) -> (Counts, Counts) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let mut setup = Setup::bench().top("workers = 1").rules(rules);
    setup.program = Some(release().to_owned());
    setup.launcher = vec![
        "valgrind".into(),
        "--tool=callgrind".into(),
        "--separate-threads=yes".into(),
        "--trace-syscalls=yes".into(),
        format!("--log-file={}", at("calls")),
        format!("--callgrind-out-file={}", at("counts")),
    ];
    let upstream = Recorder::start();
    upstream.behave(upstream::answers_with(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1024\r\n\r\n{}",
        "x".repeat(1024)
    )));
    let world = setup.start_with(FakePool::start(), upstream);
    let session = world.session_of("user", "user");
    let cookies = match who {
        Who::Nobody => vec![format!("app={}", "x".repeat(session.cookie.len().saturating_sub("app=".len())))],
        Who::One => vec![session.cookie],
        Who::Others => {
            let mould = Mould::of(world.setup(), &world.pool, &session);
            let others = mould.cast(requests, Age { refreshed: 0, left: 3600 });
            others.into_iter().map(|session| session.cookie).collect()
        }
    };
    let (browser, url) = (world.browser(), address(path));
    let mut wire = Wire::connect(world.gate.public);
    for cookie in cookies.iter().cycle().take(requests) {
        let lines = format!("Cookie: {cookie}\r\n{MORE}");
        let request = browser.request(Kind::Navigate, "GET", &url, &lines, "");
        assert!(wire.write(request.replace("Connection: close\r\n", "").as_bytes()));
        assert_eq!(wire.answer(false).unwrap().status, 200);
    }
    drop(wire);
    world.gate.signal("TERM");
    let (ended, log) = world.gate.wait();
    assert!(ended.success(), "{log}");
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let of_thread = |file: &Path| Some((file.to_str()?.rsplit('-').next()?.to_owned(), total(file)?));
    let instructions = files.filter_map(|file| of_thread(&file)).collect();
    (instructions, calls(&std::fs::read_to_string(at("calls")).unwrap()))
}

/// Calls as valgrind writes them: `SYSCALL[pid,thread](number) sys_name …`. Not the end of one that took its time, nor
/// what wakes others (a matter of moments), nor the clock, which is asked without a call elsewhere.
fn calls(log: &str) -> Counts {
    let mut threads = Counts::new();
    for call in log.split("SYSCALL[").skip(1) {
        let Some((thread, call)) = call.split_once("](") else { continue };
        let Some((number, call)) = call.split_once(')') else { continue };
        if !["202", "228"].contains(&number.trim()) && !call.trim_start().starts_with("...") {
            *threads.entry(thread.split(',').next_back().unwrap().to_owned()).or_default() += 1;
        }
    }
    threads
}

fn total(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line =
        text.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")))?;
    line.trim().parse().ok()
}

/// As people run it. `make test` has built it; where it has not, it is built here.
fn release() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--release", "--locked", "--message-format=json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let messages = String::from_utf8(built.stdout).unwrap();
        let made = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let program =
            made.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
        program.expect("cargo says what it has built")
    })
}

/// What browsers send beside what the suite's own does.
const MORE: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
                    Safari/537.36\r\nAccept-Language: en-GB,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
                    Upgrade-Insecure-Requests: 1\r\n";
const INSTRUCTIONS: f64 = 70_500.0;
/// Of them for who asks, whose pass is remembered; 9,000 are allowed.
const PRICE: f64 = 6_000.0;
/// What it takes more to open a pass.
const OPENED: f64 = 7_000.0;
/// Two reads, two writes, and two waits for more.
const CALLS: f64 = 6.5;
