//! Whole houses: `rolegate dev` with a pool file, a trigger and rules, in front of an upstream that keeps what it is
//! sent.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::json;

use super::{Shared, raw, shared};
use crate::support::browser::Browser;
use crate::support::dev::Dev;
use crate::support::upstream::Recorder;
use crate::support::wire::Answer;

/// The pool's id in every house.
const POOL: &str = "local_rows";
/// Its one app client, without a secret.
const CLIENT: &str = "rowsclient1";

/// One house.
pub struct House {
    pub dev: Dev,
    pub upstream: Recorder,
    emulator: Option<Child>,
}

/// A V2 trigger behind an address: `roles.mjs` gives both tokens the array `https://flexai.de/roles`.
pub fn of_lists() -> Arc<House> {
    static SLOT: Shared<House> = Shared::new(std::sync::Weak::new());
    shared(&SLOT, || {
        let (emulator, port) = emulate("roles.mjs");
        let groups = ["flexai-manager", "flexai-editor", "marketing", "sales", "user,admin", "größe"];
        let users = [
            user("mia", &["flexai-manager", "flexai-editor"], ""),
            user("rita", &[], "\"custom:role\" = \"editor\"\n"),
            user("marta", &["marketing"], ""),
            user("sam", &["sales"], ""),
            user("eve", &["user,admin", "größe"], ""),
            user("pat", &["sales"], ""),
        ];
        let address = format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations");
        let pool = format!("{}[trigger]\nversion = \"V2_0\"\nurl = {address:?}\n", people(&groups, &users));
        House::start(&pool, LISTS, Some(emulator))
    })
}

/// A V2 trigger of this machine: `membership.cjs` gives a level to both tokens, and a scope.
pub fn of_levels() -> Arc<House> {
    static SLOT: Shared<House> = Shared::new(std::sync::Weak::new());
    shared(&SLOT, || {
        let level = |name: &str, level: &str| user(name, &[], &format!("\"custom:level\" = {level:?}\n"));
        let users = [level("prem", "Premium"), level("bob", "Basic"), level("plus", "PremiumPlus")];
        let pool = format!("{}{}", people(&[], &users), exec("V2_0", "membership.cjs"));
        House::start(&pool, LEVELS, None)
    })
}

/// A V1 trigger of this machine, in Python: `pets.py` gives the ID token a preference.
pub fn of_pets() -> Arc<House> {
    static SLOT: Shared<House> = Shared::new(std::sync::Weak::new());
    shared(&SLOT, || {
        let users = [
            "[[users]]\nname = \"dora\"\npassword = \"dora\"\n\
             attributes = { email = \"dora@amazon.com\", email_verified = true }\n"
                .to_owned(),
            user("otto", &[], ""),
        ];
        let elsewhere = "[[identity_providers]]\nname = \"Google\"\ntype = \"Google\"\n\
            [[federated_users]]\nprovider = \"Google\"\nid = \"1085\"\ngroups = [\"flexai-user\"]\n\
            attributes = { email = \"fay@example.com\", email_verified = true }\n";
        let pool = format!("{}{elsewhere}{}", people(&["flexai-user"], &users), exec("V1_0", "pets.py"));
        House::start(&pool, PETS, None)
    })
}

const LISTS: &str = r#"
required_roles = "signed-in"
[[identity.roles]]
claim = "https://flexai.de/roles"
[[identity.roles]]
claim = "custom:role"
[[identity.roles]]
claim = "cognito:groups"
only = ["marketing", "sales", "user,admin", "größe"]
[bearer]
[[rules]]
path = "/row-04/editors/**"
any_role = ["flexai-editor"]
[[rules]]
path = "/row-04/admins/**"
any_role = ["flexai-admin"]
[[rules]]
path = "/m/**"
any_role = ["marketing"]
[[rules]]
path = "/s/**"
any_role = ["sales"]
[[rules]]
path = "/row-08/api/**"
any_scope = ["api/read"]
[[rules]]
path = "/row-25/admins/**"
any_role = ["admin"]
[log]
access = false
"#;

const LEVELS: &str = r#"
required_roles = "signed-in"
[[identity.roles]]
claim = "demo:membershipLevel"
equals = "Premium"
role = "premium"
[[identity.roles]]
claim = "scope"
only = ["membership:USA.Premium"]
[[rules]]
path = "/row-10/**"
any_role = ["premium"]
[[rules]]
path = "/row-11/role/**"
any_role = ["membership:USA.Premium"]
[[rules]]
path = "/row-11/scope/**"
any_scope = ["membership:USA.Premium"]
[log]
access = false
"#;

const PETS: &str = r#"
required_roles = "signed-in"
[[identity.headers]]
claim = "pet_preference"
header = "X-Pet-Preference"
[[rules]]
path = "/row-05/**"
any_role = ["flexai-user"]
[[rules]]
path = "/public/**"
public = true
[log]
access = false
"#;

// === impl House ===

impl House {
    fn start(pool: &str, rules: &str, emulator: Option<Child>) -> Self {
        let upstream = Recorder::start();
        let dev = Dev::of(pool, rules, &upstream);
        Self { dev, upstream, emulator }
    }

    /// A browser in which somebody has signed in on the way to a page of theirs.
    pub fn signed_in(&self, name: &str) -> Browser {
        let mut browser = self.dev.browser();
        let page = self.dev.sign_in_to(&mut browser, name, &format!("/of-{name}"));
        assert_eq!(page.answer.status, 200, "{page:#?}");
        browser
    }

    /// A script's GET with a browser's cookies.
    pub fn ask(&self, browser: &Browser, target: &str, lines: &str) -> Answer {
        let cookies = browser.jar.header(&self.dev.at("/").parse().unwrap());
        self.ask_with(&cookies, target, lines)
    }

    /// The same with a bearer token instead.
    pub fn bear(&self, token: &str, target: &str) -> Answer {
        self.ask_with("", target, &format!("Authorization: Bearer {token}\r\n"))
    }

    fn ask_with(&self, cookies: &str, target: &str, lines: &str) -> Answer {
        raw(self.dev.address(), &format!("localhost:{}", self.dev.port), cookies, target, lines)
    }

    /// Tokens by `AdminInitiateAuth`, as scripts get them.
    pub fn tokens(&self, name: &str) -> serde_json::Value {
        self.initiate("ADMIN_USER_PASSWORD_AUTH", json!({ "USERNAME": name, "PASSWORD": name }))
    }

    /// The `AuthenticationResult` of a flow.
    pub fn initiate(&self, flow: &str, parameters: serde_json::Value) -> serde_json::Value {
        let input = json!({
            "UserPoolId": POOL, "ClientId": CLIENT, "AuthFlow": flow, "AuthParameters": parameters
        });
        let answer = self.dev.call("AdminInitiateAuth", &input);
        let result = answer["AuthenticationResult"].clone();
        assert!(result.is_object(), "{answer:#?}");
        result
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(emulator) = &mut self.emulator {
            let _ = emulator.kill();
            let _ = emulator.wait();
        }
    }
}

fn people(groups: &[&str], users: &[String]) -> String {
    let groups = match groups {
        [] => "groups = []\n".to_owned(),
        some => some.iter().map(|name| format!("[[groups]]\nname = {name:?}\n")).collect(),
    };
    let pool = format!("[pool]\nid = {POOL:?}\n");
    let client = format!("[[clients]]\nid = {CLIENT:?}\n");
    // A list at the top level stands before any table.
    if groups.starts_with("groups") {
        format!("{groups}{pool}{client}{}", users.concat())
    } else {
        format!("{pool}{groups}{client}{}", users.concat())
    }
}

/// Their name is their password; `attributes` beside a verified address at example.com.
fn user(name: &str, groups: &[&str], attributes: &str) -> String {
    format!(
        "[[users]]\nname = {name:?}\npassword = {name:?}\ngroups = {groups:?}\n[users.attributes]\n\
         email = \"{name}@example.com\"\nemail_verified = true\n{attributes}"
    )
}

fn exec(version: &str, handler: &str) -> String {
    format!("[trigger]\nversion = {version:?}\nexec = {:?}\n", fixture(handler))
}

fn fixture(handler: &str) -> String {
    format!("{}/tests/fixtures/triggers/{handler}", env!("CARGO_MANIFEST_DIR"))
}

/// A handler behind an address, and its port.
fn emulate(handler: &str) -> (Child, u16) {
    let mut child = Command::new("node")
        .args([fixture("emulator.mjs"), fixture(handler)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    // The handler goes on to speak; nobody minds what it says.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    let port = line.trim_end().parse().unwrap_or_else(|_| panic!("no port: {line:?}"));
    (child, port)
}
