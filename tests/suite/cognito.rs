//! `deploy/cognito`: a user pool to start from, as CloudFormation and as Terraform have it. Nothing is deployed here: both
//! are judged by the tools of their formats, held against each other, and against what the gate asks of a pool.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::kubernetes::rendered::{root, said, said_badly};
use crate::support::dev::{Dev, claims};
use crate::support::upstream::{Mark, Recorder};
use crate::support::world::identity_seen;

#[test]
fn cfn_lint_finds_nothing_to_complain_of_in_the_template() {
    let output =
        ran(&mut tool("deploy-venv/bin/cfn-lint"), &["--non-zero-exit-code", "informational", TEMPLATE]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_terraform_files_are_written_as_terraform_writes_them() {
    for file in ["main.tf", "variables.tf", "outputs.tf"] {
        let file = format!("deploy/cognito/{file}");
        let output = ran(&mut tool("deploy-linters/hclfmt"), &["-require-no-change", &file]);
        assert!(output.status.success(), "{file}: {}", said_badly(&output));
    }
}

#[test]
fn both_ways_make_the_same_pool() {
    let (cloudformation, terraform) = (&facts()["cloudformation"], &facts()["terraform"]);
    let (one, other) = (cloudformation.as_object().unwrap(), terraform.as_object().unwrap());
    assert!(one.len() > 30 && one.keys().eq(other.keys()), "{one:?}");
    for (what, value) in one {
        assert_eq!(value, &other[what], "{what}");
    }
    assert_eq!(one["code"], std::fs::read_to_string(root().join("deploy/cognito/roles.js")).unwrap());
}

#[test]
fn nobody_can_write_what_grants_a_role() {
    let pool = &facts()["cloudformation"];
    let writable = strings(&pool["writable"]);
    assert!(!writable.is_empty(), "left out it would be every attribute");
    let code = pool["code"].as_str().unwrap();
    for attribute in pool["attributes"].as_object().unwrap().keys().filter(|name| *name != "email") {
        assert!(code.contains(&format!("custom:{attribute}")), "{attribute} is there to grant a role");
        assert!(!writable.contains(&&*format!("custom:{attribute}")), "{attribute}");
    }
    assert!(writable.iter().all(|name| !name.contains(':')), "{writable:?}");
    // With this scope a token may change the attributes of its person.
    assert!(!strings(&pool["scopes"]).contains(&"aws.cognito.signin.user.admin"));
    // What a pool asks of everybody must be writable, or no account can be made.
    assert!(writable.contains(&"email"), "{writable:?}");
}

#[test]
fn the_pool_is_as_the_gate_needs_it() {
    let pool = &facts()["cloudformation"];
    let dev = Dev::start();
    let mut browser = dev.browser();
    let login = url::Url::parse(browser.open(&dev.at("/")).location()).unwrap();
    let asked = |name: &str| login.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    let own = format!("http://localhost:{}", dev.port);
    let at_the_gate = |address: &str| address.replace("https://app.example.com", &own);

    assert_eq!(at_the_gate(&strings(&pool["callbacks"]).join(" ")), asked("redirect_uri"));
    assert_eq!(strings(&pool["scopes"]).join(" "), asked("scope"));
    assert_eq!((asked("response_type"), pool["flows"].clone()), ("code".into(), json!(["code"])));
    assert_eq!(pool["outputs"]["callback_url"], pool["callbacks"][0]);
    assert_eq!(pool["outputs"]["sign_out_url"], pool["sign_outs"][0]);
    assert_eq!(pool["groups"], json!({ "viewer": 20, "admin": 10 }));
    assert_eq!(pool["roles"], "viewer,admin", "the trigger knows each group");
    // The dev pool refuses an address that is not the registered one to the letter, so where this ends is right.
    dev.sign_in_to(&mut browser, "viewer", "/");
    let left = browser.post(&dev.at("/oauth2/signout"), "");
    let pool_sign_out = url::Url::parse(left.location()).unwrap();
    let to = pool_sign_out.query_pairs().find(|(key, _)| key == "logout_uri").unwrap().1.into_owned();
    assert_eq!(at_the_gate(&strings(&pool["sign_outs"]).join(" ")), to);
}

#[test]
fn the_output_is_a_configuration_that_the_gate_takes() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    for which in ["cloudformation", "terraform"] {
        let outputs = &facts()[which]["outputs"];
        let toml = outputs["rolegate_toml"].as_str().unwrap();
        for value in [&outputs["user_pool_id"], &outputs["client_id"]] {
            assert!(toml.contains(value.as_str().unwrap()), "{which}: {value}");
        }
        let command = outputs["client_secret_command"].as_str().unwrap();
        assert!(
            command.contains("eu-central-1_AbCdEf123") && command.contains("UserPoolClient.ClientSecret")
        );
        let file = folder.path().join("rolegate.toml");
        std::fs::write(&file, toml.replace("/run/secrets", place)).unwrap();
        for secret in ["cognito-client-secret", "session-keys"] {
            let secret = folder.path().join(secret);
            std::fs::write(&secret, crate::support::token::random(32)).unwrap();
            std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let output = ran(
            Command::new(env!("CARGO_BIN_EXE_rolegate")).env_clear(),
            &["check", "--strict", "--config", file.to_str().unwrap()],
        );
        assert!(output.status.success(), "{which}: {}", said(&output));
    }
}

#[test]
fn an_administrators_word_in_custom_roles_is_a_role_if_the_pool_has_it() {
    let event = |attribute: &str, groups: &[&str]| {
        json!({
            "request": {
                "userAttributes": { "sub": "1", "custom:roles": attribute },
                "groupConfiguration": { "groupsToOverride": groups, "iamRolesToOverride": ["arn"], "preferredRole": "arn" },
            },
            "response": {},
        })
    };
    let details = |event: &Value| {
        let answer = handled(event);
        answer["response"]["claimsAndScopeOverrideDetails"]["groupOverrideDetails"].clone()
    };
    let with = |groups: &[&str]| json!({ "groupsToOverride": groups, "iamRolesToOverride": ["arn"], "preferredRole": "arn" });
    assert_eq!(details(&event("admin", &["viewer"])), with(&["viewer", "admin"]));
    assert_eq!(details(&event(" admin , root,viewer", &["viewer"])), with(&["viewer", "admin"]));
    for nothing in ["", "root", "Admin", "viewer admin", "adminviewer", "constructor"] {
        assert_eq!(
            details(&event(nothing, &["viewer"])),
            Value::Null,
            "{nothing}: the groups stay as they are"
        );
    }
    // Nobody's group, no attributes, a group configuration that is not there.
    let bare = json!({ "request": { "userAttributes": {}, "groupConfiguration": null }, "response": {} });
    assert_eq!(details(&bare), Value::Null);
    let alone =
        json!({ "request": { "userAttributes": { "custom:roles": "admin" }, "groupConfiguration": null } });
    assert_eq!(details(&alone), json!({ "groupsToOverride": ["admin"] }));
}

#[test]
fn with_the_trigger_the_upstream_is_told_of_both_kinds_of_roles() {
    let folder = tempfile::tempdir().unwrap();
    let handler = folder.path().join("index.cjs");
    let source = root().join("deploy/cognito/roles.js");
    std::fs::write(
        &handler,
        format!("process.env.ROLES = 'viewer,admin';\nmodule.exports = require({source:?});\n"),
    )
    .unwrap();
    let pool = format!(
        "{}[trigger]\nversion = \"V2_0\"\nexec = {handler:?}\n",
        r#"[[groups]]
name = "viewer"
[[groups]]
name = "admin"
[[users]]
name = "ada"
password = "ada"
groups = ["viewer"]
attributes = { "custom:roles" = "admin" }
[[users]]
name = "vera"
password = "vera"
groups = ["viewer"]
attributes = { "custom:roles" = "root" }
[[clients]]
id = "poolclient1"
"#
    );
    let upstream = Recorder::start();
    let dev = Dev::of(&pool, "required_roles = [\"viewer\"]\n[log]\naccess = false\n", &upstream);
    for (name, roles) in [("ada", "admin,viewer"), ("vera", "viewer")] {
        let page = dev.sign_in_to(&mut dev.browser(), name, &format!("/of-{name}"));
        assert_eq!(page.answer.status, 200, "{page:#?}");
        let seen = upstream.since(Mark::default()).pop().unwrap();
        assert_eq!(seen.path(), format!("/of-{name}"));
        let identity = identity_seen(&seen).unwrap();
        assert_eq!(identity, Some((name.to_owned(), roles.to_owned())));
    }
    let tokens = dev.call(
        "AdminInitiateAuth",
        &json!({
            "UserPoolId": "local_devpool1", "ClientId": "poolclient1", "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
            "AuthParameters": { "USERNAME": "ada", "PASSWORD": "ada" },
        }),
    );
    for token in ["IdToken", "AccessToken"] {
        let mut groups =
            claims(tokens["AuthenticationResult"][token].as_str().unwrap())["cognito:groups"].clone();
        groups.as_array_mut().unwrap().sort_by_key(|group| group.to_string());
        assert_eq!(groups, json!(["admin", "viewer"]), "{token}");
    }
}

// === the tools ===

const TEMPLATE: &str = "deploy/cognito/template.yaml";

fn tool(name: &str) -> Command {
    Command::new(root().join("target").join(name))
}

fn ran(command: &mut Command, arguments: &[&str]) -> Output {
    let output = command.args(arguments).current_dir(root()).output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}: `make test` brings it"))
}

/// What both say, in the same words.
fn facts() -> &'static Value {
    static FACTS: OnceLock<Value> = OnceLock::new();
    FACTS.get_or_init(|| {
        let output = ran(&mut tool("deploy-venv/bin/python"), &["tests/deploy/cognito.py", "deploy/cognito"]);
        assert!(output.status.success(), "{}", said_badly(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    })
}

/// The event as the trigger gives it back.
fn handled(event: &Value) -> Value {
    const RUN: &str = "require('./deploy/cognito/roles.js').handler(JSON.parse(process.argv[1])).then((out) => \
                       process.stdout.write(JSON.stringify(out)))";
    let output = ran(Command::new("node").env("ROLES", "viewer,admin"), &["-e", RUN, &event.to_string()]);
    assert!(output.status.success(), "{}", said_badly(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}
