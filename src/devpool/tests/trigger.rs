//! Triggers over sockets: what a person's own function sees, and what it makes of tokens and sign-ins.

use std::sync::Mutex;

use serde_json::json;

use super::*;

mod url;

const PEOPLE: &str = "
[[groups]]
name = \"flexai-editor\"
precedence = 1
role_arn = \"arn:aws:iam::111122223333:role/editor\"
[[groups]]
name = \"other\"
[[users]]
name = \"ada\"
password = \"ada\"
groups = [\"flexai-editor\", \"other\"]
attributes = { email = \"ada@amazon.com\", email_verified = true, \"custom:level\" = \"Premium\" }
[[users]]
name = \"bob\"
password = \"bob\"
attributes = { email = \"bob@example.com\", email_verified = false }
";

/// A pool file in the folder of the triggers, with `[trigger]` first.
fn with(trigger: &str) -> Seed {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/triggers/pool.toml");
    let mut seed = Seed::from_text(&file, &format!("{trigger}\n{PEOPLE}")).unwrap();
    // A machine that is busy with other tests starts Node slowly.
    seed.trigger.as_mut().unwrap().patience = std::time::Duration::from_secs(60);
    seed
}

fn people(names: &[&str]) -> String {
    names.iter().map(|name| format!("[[users]]\nname = \"{name}\"\npassword = \"{name}\"\n")).collect()
}

fn both(tokens: &Value) -> (Map<String, Value>, Map<String, Value>) {
    (claims(tokens["id_token"].as_str().unwrap()), claims(tokens["access_token"].as_str().unwrap()))
}

#[test]
fn a_node_handler_puts_a_list_into_both_tokens_and_again_at_a_refresh() {
    serve(with("[trigger]\nversion = \"V2_0\"\nexec = \"roles.mjs\""), async |it: Served| {
        let tokens = it.tokens("ada").await;
        let (id, access) = both(&tokens);
        assert_eq!(id["https://flexai.de/roles"], json!(["flexai-editor"]));
        assert_eq!(access["https://flexai.de/roles"], json!(["flexai-editor"]));
        assert_eq!(id["cognito:groups"], json!(["flexai-editor", "other"]));

        it.dev("groups", json!({ "user": "ada", "groups": ["other"] })).await;
        let fresh = it.refresh(tokens["refresh_token"].as_str().unwrap()).await.json();
        let (id, access) = both(&fresh);
        assert_eq!(
            (&id["https://flexai.de/roles"], &access["https://flexai.de/roles"]),
            (&json!([]), &json!([]))
        );
    });
}

/// What is written to the log while `test` runs.
fn logged(test: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // With one subscriber alone, tracing lets the thread that reaches a callsite first decide for all whether it is of
    // interest; the other tests' threads have none.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    tracing::subscriber::with_default(subscriber, test);
    let bytes = kept.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_log_names_what_is_dropped_what_failed_and_what_the_handler_printed() {
    let log = logged(|| {
        serve(with("[trigger]\nversion = \"V2_0\"\nexec = \"membership.cjs\""), async |it: Served| {
            it.tokens("ada").await;
        });
        serve(with("[trigger]\nversion = \"V1_0\"\nexec = \"pets.py\""), async |it: Served| {
            it.tokens("ada").await;
        });
        serve(with("[trigger]\nversion = \"V1_0\"\nexec = \"nothing.mjs\""), async |it: Served| {
            told(&it, "bob").await;
        });
    });
    assert!(log.contains("WARN") && log.contains("change to sub of the access token is dropped"), "{log}");
    assert!(log.contains("trigger: asked for ada@amazon.com"), "{log}");
    assert!(
        log.contains("ERROR") && log.contains("PreTokenGeneration failed with error index.handler"),
        "{log}"
    );
    assert!(log.contains("user=\"bob\""), "{log}");
}

#[test]
fn a_node_handler_in_the_callback_style_changes_scopes_and_cannot_forge_the_subject() {
    serve(with("[trigger]\nversion = \"V2_0\"\nexec = \"membership.cjs\""), async |it: Served| {
        let (id, access) = both(&it.tokens("ada").await);
        assert_eq!(
            (&id["demo:membershipLevel"], &access["demo:membershipLevel"]),
            (&json!("Premium"), &json!("Premium"))
        );
        assert_eq!(access["scope"], "openid email membership:USA.Premium");
        assert_eq!(access["sub"], id["sub"]);
        assert_ne!(access["sub"], "somebody-else");
        assert_eq!(both(&it.tokens("bob").await).1["scope"], "openid email membership:USA.Basic");
    });
}

#[test]
fn a_python_handler_of_version_one_changes_the_id_token_alone() {
    serve(with("[trigger]\nversion = \"V1_0\"\nexec = \"pets.py\""), async |it: Served| {
        let (id, access) = both(&it.tokens("ada").await);
        assert_eq!((&id["pet_preference"], &id["lives"]), (&json!("dogs"), &json!("9")));
        assert!(!access.contains_key("pet_preference"));
        assert!(!both(&it.tokens("bob").await).0.contains_key("pet_preference"));
    });
}

#[test]
fn a_handler_of_another_version_changes_nothing() {
    serve(with("[trigger]\nversion = \"V1_0\"\nexec = \"roles.mjs\""), async |it: Served| {
        let (id, access) = both(&it.tokens("ada").await);
        assert!(
            !id.contains_key("https://flexai.de/roles") && !access.contains_key("https://flexai.de/roles")
        );
    });
}

/// What the login form says when someone signs in, and whether they are signed in afterwards.
async fn told(it: &Served, name: &str) -> String {
    let mut browser = it.browser();
    let reply = browser.sign_in(&it.authorize(&[]), name, name).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{name}");
    assert!(!browser.cookies.contains_key("cognito"), "{name}");
    let error = reply.body.split_once("role=\"alert\">").unwrap().1;
    error.split_once("</p>").unwrap().0.to_owned()
}

#[test]
fn a_trigger_that_misbehaves_fails_the_sign_in_and_the_form_says_why() {
    let names = ["throws", "exits", "says-nothing", "forgets", "lists", "prints"];
    let mut seed = with("[trigger]\nversion = \"V2_0\"\nexec = \"misbehaves.mjs\"");
    seed.users.extend(super::seed(&people(&names)).users);
    serve(seed, async |it: Served| {
        assert_eq!(told(&it, "throws").await, "PreTokenGeneration failed with error No pets allowed.");
        let exits = told(&it, "exits").await;
        assert!(exits.starts_with("PreTokenGeneration failed with error RequestId: "), "{exits}");
        assert!(exits.ends_with(" Error: Runtime exited with error: exit status 3."), "{exits}");
        for name in ["says-nothing", "forgets", "lists"] {
            assert!(told(&it, name).await.starts_with("Unrecognizable lambda output ("), "{name}");
        }
        // What a handler prints is not its answer.
        it.tokens("prints").await;
    });
}

#[test]
fn a_handler_has_five_seconds_then_it_is_killed_and_what_it_said_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let handler = "import { writeFileSync } from \"node:fs\";\nexport const handler = () => {\n  \
         console.log(\"waiting\");\n  writeFileSync(new URL(\"pid\", import.meta.url), `${process.pid}`);\n  \
         setInterval(() => {}, 1000);\n};\n";
    std::fs::write(folder.path().join("index.mjs"), handler).unwrap();
    let text = "[trigger]\nversion = \"V1_0\"\nexec = \"index.mjs\"\n";
    let seed = Seed::from_text(&folder.path().join("pool.toml"), text).unwrap();
    let log = logged(|| {
        serve(seed, async |it: Served| {
            let begun = std::time::Instant::now();
            let told = told(&it, "viewer").await;
            assert!(told.contains("Socket timeout while invoking Lambda function"), "{told}");
            assert!(begun.elapsed() >= std::time::Duration::from_secs(5));
            let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
            let lives = || {
                let kill = std::process::Command::new("kill").args(["-0", &pid]).output().unwrap();
                kill.status.success()
            };
            // Until it is reaped it has its number.
            for _ in 0..200 {
                if !lives() {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            panic!("the child lives on");
        });
    });
    assert!(log.contains("trigger: waiting"), "{log}");
}

#[test]
fn a_python_handler_that_misbehaves_is_told_too() {
    let mut seed = with("[trigger]\nversion = \"V1_0\"\nexec = \"misbehaves.py\"");
    seed.users.extend(super::seed(&people(&["throws", "exits", "none"])).users);
    serve(seed, async |it: Served| {
        assert_eq!(told(&it, "throws").await, "PreTokenGeneration failed with error No pets allowed.");
        assert!(told(&it, "exits").await.ends_with("exit status 4."));
        assert!(told(&it, "none").await.starts_with("Unrecognizable lambda output"));
    });
    serve(with("[trigger]\nversion = \"V1_0\"\nexec = \"nothing.mjs\""), async |it: Served| {
        assert!(told(&it, "ada").await.contains("index.handler is undefined or not exported"));
    });
}

#[test]
fn rules_do_what_a_function_would() {
    let rules = "
[trigger]
version = \"V2_0\"
[[trigger.claims]]
claim = \"https://flexai.de/roles\"
groups_with = \"flexai-\"
[[trigger.claims]]
claim = \"demo:membershipLevel\"
attribute = \"custom:level\"
token = \"id\"
[[trigger.claims]]
claim = \"pet_preference\"
value = \"dogs\"
add_scopes = [\"membership:USA.Premium\"]
suppress = [\"email\"]
when = { attribute = \"email\", ends_with = \"@amazon.com\" }
[[trigger.claims]]
claim = \"level\"
value = { number = 3, list = [true] }
token = \"access\"
when = { user = \"BOB\" }
[[trigger.claims]]
groups = [\"replaced\"]
when = { group = \"other\" }
";
    serve(with(rules), async |it: Served| {
        let (id, access) = both(&it.tokens("ada").await);
        assert_eq!(id["https://flexai.de/roles"], json!(["flexai-editor"]));
        assert_eq!(access["https://flexai.de/roles"], json!(["flexai-editor"]));
        assert_eq!(
            (&id["demo:membershipLevel"], access.get("demo:membershipLevel")),
            (&json!("Premium"), None)
        );
        assert_eq!((&id["pet_preference"], id.get("email")), (&json!("dogs"), None));
        assert_eq!(access["scope"], "openid email profile membership:USA.Premium");
        assert_eq!(
            (&id["cognito:groups"], &access["cognito:groups"]),
            (&json!(["replaced"]), &json!(["replaced"]))
        );
        assert!(!id.contains_key("cognito:roles") && !access.contains_key("level"));

        let (id, access) = both(&it.tokens("bob").await);
        assert_eq!(access["level"], json!({ "number": 3, "list": [true] }));
        assert_eq!((id.get("pet_preference"), id.get("demo:membershipLevel")), (None, None));
        assert_eq!(id["email"], "bob@example.com");
    });
}

#[test]
fn version_three_has_its_say_in_the_tokens_of_machines_and_the_others_have_not() {
    let machine = "
[[clients]]
id = \"people\"
secrets = [\"s\"]
[[clients]]
id = \"machine\"
secrets = [\"s\"]
flows = [\"client_credentials\"]
[[resource_servers]]
identifier = \"reports\"
scopes = [\"read\"]
";
    for (version, asked) in [("V3_0", true), ("V2_0", false)] {
        let trigger = format!("[trigger]\nversion = \"{version}\"\nexec = \"machines.mjs\"\n{machine}");
        serve(with(&trigger), async |it: Served| {
            let form = [
                ("grant_type", "client_credentials"),
                ("client_id", "machine"),
                ("client_secret", "s"),
                ("aws_client_metadata", "{\"tenant\":\"acme\"}"),
            ];
            let reply = it.browser().post("/oauth2/token", &encode(&form), &[]).await.json();
            let access = claims(reply["access_token"].as_str().unwrap());
            if asked {
                assert_eq!(
                    (&access["tenant"], &access["scope"]),
                    (&json!("acme"), &json!("reports/read reports/export"))
                );
                assert_eq!(access["asked"], json!(["ClientCredentials", {}, null]));
            } else {
                assert_eq!((access.get("tenant"), &access["scope"]), (None, &json!("reports/read")));
            }
        });
    }
}

#[test]
fn wrong_triggers_are_told_with_their_place_and_mend() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/triggers/pool.toml");
    for (text, expected) in [
        ("[trigger]\nversion = \"V4\"\n", "2:11: expected \"V1_0\", \"V2_0\" or \"V3_0\", found \"V4\""),
        ("[trigger]\nversion = \"V1_0\"\n", "1:1: a trigger is one of exec, url and [[trigger.claims]]"),
        ("[trigger]\nversion = \"V1_0\"\nexec = \"a.rb\"\n", "3:8: "),
        ("[trigger]\nversion = \"V1_0\"\nexec = \"absent.mjs\"\n", "3:8: there is no file "),
        (
            "[trigger]\nversion = \"V1_0\"\nurl = \"https://a/\"\n",
            "3:7: \"https://a/\" is not an address like",
        ),
        (
            "[trigger]\nversion = \"V2_0\"\nexec = \"roles.mjs\"\n[pool]\nplan = \"lite\"\n",
            "2:11: the plan lite",
        ),
        ("[trigger]\nversion = \"V1_0\"\n[[trigger.claims]]\nclaim = \"a\"\n", "4:9: the claim has no value"),
        (
            "[trigger]\nversion = \"V1_0\"\n[[trigger.claims]]\nvalue = \"a\"\n",
            "4:9: the value is of no claim",
        ),
        (
            "[trigger]\nversion = \"V1_0\"\n[[trigger.claims]]\nclaim = \"a\"\nvalue = [1]\n",
            "5:9: version V1_0 adds strings only",
        ),
        (
            "[trigger]\nversion = \"V1_0\"\n[[trigger.claims]]\nclaim = \"a\"\nvalue = \"1\"\ntoken = \"access\"\n",
            "6:9: version V1_0 changes the ID token only",
        ),
        (
            "[trigger]\nversion = \"V2_0\"\n[[trigger.claims]]\nadd_scopes = [\"a b\"]\n",
            "4:14: a scope is not empty",
        ),
        ("[trigger]\nversion = \"V2_0\"\n[[trigger.claims]]\nclaims = 1\n", "4:1: unknown field `claims`"),
    ] {
        let told = Seed::from_text(&file, text).unwrap_err().to_string();
        let told = told.rsplit_once("pool.toml:").unwrap().1;
        assert!(told.starts_with(expected), "{text:?}: {told}");
    }
}
