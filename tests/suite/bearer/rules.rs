//! What rules ask of a bearer token: which of the two it is, how strongly its bearer signed in, and where from.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{access, ask, bench, line, record, refused};
use crate::support::browser::Kind;
use crate::support::token::Use;
use crate::support::world::{Setup, Who};

#[test]
fn a_rule_says_which_of_the_two_tokens_count() {
    let rules: String = ["access", "id", "either"]
        .map(|choice| {
            format!("[[rules]]\npath = \"/{choice}/**\"\nbearer = \"{choice}\"\nany_role = [\"user\"]\n")
        })
        .concat();
    let public = "[[rules]]\npath = \"/open/**\"\npublic = true\nbearer = \"id\"\n";
    for usual in ["access", "id", "either"] {
        let table = format!("[bearer]\ntokens = \"{usual}\"");
        let world = Setup::bench().tables(&table).rules(&rules).rules(public).start();
        for (kind, name) in [(Use::Access, "access"), (Use::Id, "id")] {
            let token = world.pool.mint(kind, "user", |_| {});
            for (target, choice) in [
                ("/x", usual),
                ("/public/x", usual),
                ("/access/x", "access"),
                ("/id/x", "id"),
                ("/either/x", "either"),
                ("/open/x", "id"),
            ] {
                // Twice: what is kept of a token does not outrule a rule.
                for _ in 0..2 {
                    let mark = world.mark();
                    let answer = ask(&world, target, &(line(&token) + &world.session(Who::Admin).line()));
                    if choice == "either" || choice == name {
                        assert_eq!(answer.status, 200, "{usual} {name} {target}: {answer:#?}");
                        assert_eq!(world.seen_since(mark)[0].head.one("x-user"), Some("user"));
                    } else {
                        let answer_to_wrong = ask(&world, "/x", &line("garbage"));
                        assert_eq!(refused(&world, &answer, mark), "token_use", "{usual} {name} {target}");
                        let shape = crate::cookies::shape;
                        assert_eq!(
                            shape(&answer),
                            shape(&answer_to_wrong),
                            "as any other that does not count"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_sign_in_that_was_too_weak_is_challenged_as_rfc_9470_has_it() {
    let rules = "[[rules]]\npath = \"/fresh/**\"\nany_role = [\"user\"]\nmax_auth_age = \"5m\"\n\
        [[rules]]\npath = \"/strong/**\"\nany_role = [\"user\"]\nmin_acr = \"urn:cognito:loa:3\"\nmax_auth_age = \"1h\"\n";
    let world = bench().rules(rules).start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = |ago: u64, acr: Option<&str>| {
        let acr = acr.map(str::to_owned);
        world.pool.mint(Use::Access, "user", move |mint| {
            mint.claim("auth_time", now - ago);
            if let Some(acr) = acr {
                mint.claim("acr", acr);
            }
        })
    };
    let fresh = "Bearer error=\"insufficient_user_authentication\", max_age=\"300\"";
    let strong = "Bearer error=\"insufficient_user_authentication\", \
        acr_values=\"urn:cognito:loa:3\", max_age=\"3600\"";
    for (target, token, challenge) in [
        ("/fresh/x", token(10, None), None),
        ("/fresh/x", token(400, None), Some(fresh)),
        ("/strong/x", token(400, Some("urn:cognito:loa:3")), None),
        ("/strong/x", token(400, Some("urn:cognito:loa:4")), None),
        ("/strong/x", token(400, Some("urn:cognito:loa:2")), Some(strong)),
        ("/strong/x", token(400, None), Some(strong)),
        ("/strong/x", token(4_000, Some("urn:cognito:loa:3")), Some(strong)),
    ] {
        for kind in [Kind::Program, Kind::Fetch, Kind::Navigate] {
            let mark = world.mark();
            let answer = ask(&world, target, &(line(&token) + kind.lines()));
            let Some(challenge) = challenge else {
                assert_eq!(answer.status, 200, "{target}: {answer:#?}");
                continue;
            };
            assert_eq!(answer.status, 401, "{target}: {answer:#?}");
            assert_eq!(answer.head.all("www-authenticate"), [challenge]);
            assert!(answer.head.all("location").is_empty() && answer.head.all("set-cookie").is_empty());
            assert!(world.seen_since(mark).is_empty());
            let access = record(&world, &answer);
            assert_eq!(access.text("reason"), "insufficient_user_authentication");
            assert_eq!(access.text("user"), "user");
            if kind == Kind::Program {
                assert_eq!(answer.json()["error"], "insufficient_user_authentication");
                assert_eq!(answer.json().get("login_url"), None);
            }
        }
    }
    // What is missing is told before how strong the sign-in was: signing in again would not help.
    let outsider = world.pool.mint(Use::Access, "guest", |mint| mint.claim("auth_time", now - 9_000));
    assert_eq!(ask(&world, "/fresh/x", &line(&outsider)).status, 403);
}

#[test]
fn scopes_are_the_access_tokens_and_count_whole() {
    let rule = "[[rules]]\npath = \"/api/**\"\nany_scope = [\"api/read\", \"api/admin\"]";
    let world = Setup::bench().tables("[bearer]\ntokens = \"either\"").rules(rule).start();
    for (kind, scope, status) in [
        (Use::Access, json!("openid api/read"), 200),
        (Use::Access, json!("api/admin"), 200),
        (Use::Access, json!("api/readx xapi/read api"), 403),
        (Use::Access, json!("API/READ"), 403),
        (Use::Access, json!("api/read,api/admin"), 403),
        (Use::Access, json!(null), 403),
        (Use::Id, json!("api/read"), 403),
    ] {
        let value = scope.clone();
        let token = world.pool.mint(kind, "user", move |mint| mint.claim("scope", value));
        let answer = ask(&world, "/api/x", &line(&token));
        assert_eq!(answer.status, status, "{kind:?} {scope}: {answer:#?}");
        if status == 403 {
            let challenge = "Bearer error=\"insufficient_scope\", scope=\"api/read api/admin\"";
            assert_eq!(answer.head.all("www-authenticate"), [challenge]);
            assert_eq!(record(&world, &answer).text("reason"), "role_missing");
        }
    }
}

#[test]
fn roles_come_from_the_token_that_came_and_from_no_other() {
    let sources = "[[identity.roles]]\nclaim = \"custom:role\"\ntoken = \"id\"\n\
        [[identity.roles]]\nclaim = \"tenant\"\ntoken = \"access\"\n[[identity.roles]]\nclaim = \"cognito:groups\"\n";
    let world = Setup::bench().tables(&format!("[bearer]\ntokens = \"either\"\n{sources}")).start();
    for (kind, roles) in [(Use::Id, "from-id,user"), (Use::Access, "from-access,user")] {
        let token = world.pool.mint(kind, "user", |mint| {
            mint.claim("custom:role", "from-id");
            mint.claim("tenant", "from-access");
        });
        let mark = world.mark();
        assert_eq!(ask(&world, "/x", &line(&token)).status, 200);
        assert_eq!(world.seen_since(mark)[0].head.one("x-roles"), Some(roles));
    }
}

#[test]
fn where_a_request_comes_from_and_its_method_bind_a_token_too() {
    let rules = "[[rules]]\npath = \"/near/**\"\nany_role = [\"user\"]\nfrom = [\"10.0.0.0/8\"]\n\
        [[rules]]\npath = \"/read/**\"\nmethods = [\"GET\"]\nany_role = [\"user\"]\n";
    let world = bench().rules(rules).start();
    let lines = line(&access(&world, "user"));
    let mark = world.mark();
    let near = ask(&world, "/near/x", &lines);
    assert_eq!((near.status, &near.json()["error"]), (403, &json!("address")));
    let written = super::send(&world, "DELETE", "/read/x", &lines);
    assert_eq!((written.status, &written.json()["error"]), (403, &json!("method_not_named")));
    assert!(world.seen_since(mark).is_empty());
    assert_eq!(ask(&world, "/read/x", &lines).status, 200);
}

#[test]
fn who_sent_nothing_is_told_that_a_token_would_do() {
    let world = bench().start();
    let answer = ask(&world, "/x", "");
    assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("login_required")));
    // RFC 6750 §3.1: no error code where no token was sent.
    assert_eq!(answer.head.all("www-authenticate"), ["Session", "Bearer"]);
    let answer = ask(&Setup::bench().start(), "/x", "");
    assert_eq!(answer.head.all("www-authenticate"), ["Session"]);
}

#[test]
fn at_another_provider_an_access_token_is_ours_by_its_audience_or_its_client() {
    const ID: &str = crate::support::pool::CLIENT_ID;
    let provider = |tokens: &str| {
        let mut setup = Setup::bench().tables(&format!(
            "[bearer]\ntokens = \"{tokens}\"\naudiences = [\"https://api.test\"]\n[[identity.roles]]\nclaim = \"roles\""
        ));
        setup.provider = setup.provider.replace("[cognito]", "[oidc]");
        setup.provider = setup
            .provider
            .lines()
            .filter(|line| !line.starts_with("user_pool_id"))
            .fold(String::new(), |text, line| text + line + "\n");
        setup.start()
    };
    let (access, id) = (provider("access"), provider("id"));
    for (world, claims, reason) in [
        (&access, json!({"client_id": ID}), None),
        (&access, json!({"azp": ID}), None),
        (&access, json!({"client_id": ID, "aud": ["https://other.test", "https://api.test"]}), None),
        // RFC 9068 §4: it is for us, whoever it was issued to.
        (&access, json!({"client_id": "another", "aud": "https://api.test"}), None),
        (&access, json!({"aud": ID}), None),
        (&access, json!({"client_id": ID, "aud": "https://other.test"}), Some("token_audience")),
        (&access, json!({"client_id": "another"}), Some("token_client_id")),
        (&access, json!({"client_id": "another", "aud": ID}), Some("token_client_id")),
        (&access, json!({"azp": "another", "aud": ID}), Some("token_client_id")),
        (&access, json!({"aud": "https://other.test"}), Some("token_audience")),
        (&access, json!({}), Some("token_audience")),
        (&id, json!({"aud": ID}), None),
        (&id, json!({"aud": [ID, "another"], "azp": ID}), None),
        (&id, json!({"aud": "https://api.test"}), Some("token_audience")),
        (&id, json!({"client_id": ID}), Some("token_audience")),
        (&id, json!({"aud": [ID, "another"]}), Some("token_azp")),
        (&id, json!({"aud": ID, "azp": "another"}), Some("token_azp")),
    ] {
        let said = claims.clone();
        let token = world.pool.mint(Use::Access, "user", move |mint| {
            for name in ["token_use", "client_id", "username", "cognito:groups"] {
                mint.without(name);
            }
            mint.claim("sub", "subject-1");
            mint.claim("roles", "user");
            for (name, value) in said.as_object().unwrap() {
                mint.claim(name, value.clone());
            }
        });
        let mark = world.mark();
        let answer = ask(world, "/x", &line(&token));
        match reason {
            None => {
                assert_eq!(answer.status, 200, "{claims}: {answer:#?}");
                assert_eq!(world.seen_since(mark)[0].head.one("x-user"), Some("subject-1"));
            }
            Some(reason) => assert_eq!(refused(world, &answer, mark), reason, "{claims}"),
        }
    }
}
