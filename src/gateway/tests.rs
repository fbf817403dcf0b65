use http::Request;

use super::*;
use crate::config::{Overrides, from_text};

fn config(kind: &str) -> Config {
    config_with(kind, "")
}

fn config_with(kind: &str, more: &str) -> Config {
    let text = format!(
        r#"
        public_url = "https://app.test"
        upstream = "http://127.0.0.1:8080"
        required_roles = ["user"]
        [cognito]
        user_pool_id = "eu-central-1_AbCdEf123"
        client_id = "3n4b5urk1ft4fl3mg5e62d9ado"
        [session]
        keys = ["l+5DhuNytDT8bl2udeysOelwAIaOIKt+hkg/IpmigIo="]
        [gateway]
        peers = ["10.0.0.0/8"]
        kind = {kind:?}
        {more}
        "#
    );
    from_text("test.toml", &text, &[], &Overrides::default()).unwrap().config
}

fn head(target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn sender(address: &str) -> Sender {
    Sender::from(address.parse::<IpAddr>().unwrap())
}

#[test]
fn a_question_is_known_by_its_peer_and_its_target_as_written() {
    for (kind, target, is) in [
        ("nginx", "/oauth2/auth", true),
        ("nginx", "/oauth2/auth/x", false),
        ("nginx", "/oauth2/%61uth", false),
        ("forward_auth", "/oauth2/auth?x", true),
        ("forward_auth", "/oauth2//auth", false),
        ("envoy", "/oauth2/auth", true),
        ("envoy", "/oauth2/auth/../../public", true),
        ("envoy", "/oauth2/authx", false),
        ("envoy", "/x/oauth2/auth/", false),
    ] {
        let (config, head) = (config(kind), head(target, &[]));
        assert_eq!(asks(&head, sender("10.1.2.3"), &config).is_some(), is, "{kind} {target}");
        assert_eq!(asks(&head, sender("11.1.2.3"), &config), None);
        let nameless = Sender { nameless: true, ..sender("10.1.2.3") };
        assert_eq!(asks(&head, nameless, &config), None);
    }
}

#[test]
fn the_head_is_that_of_the_request_that_is_asked_about() {
    let read = |kind: &str, head: Parts| {
        let config = config(kind);
        let gateway = config.gateway.clone().unwrap();
        Question::read(head, "10.1.2.3".parse().unwrap(), &gateway, &config)
    };
    let url =
        [("host", "gate"), ("x-original-method", "PUT"), ("x-original-url", "https://app.test:8443/a?b=/c?")];
    let question = read("nginx", head("http://gate/oauth2/auth", &url)).unwrap();
    assert_eq!((question.head.method, question.head.uri.to_string()), (Method::PUT, "/a?b=/c?".into()));
    assert_eq!(question.head.headers[HOST], "app.test:8443");

    let question = read("envoy", head("http://app.test/oauth2/auth/a?b", &[("host", "app.test")])).unwrap();
    assert_eq!(question.head.uri.to_string(), "http://app.test/a?b");
    assert_eq!(question.head.headers[HOST], "app.test");
    assert_eq!(question.client, "10.1.2.3".parse::<IpAddr>().unwrap());
}

#[test]
fn a_path_is_plain_where_only_escapes_were_respelled() {
    for plain in ["/", "/a", "/a/", "/a/b", "/%61", "/caf%c3%a9", "/a;b/c", "/a%2fb", "/..a/.b/c..", "/a/..."]
    {
        assert!(is_plain(plain), "{plain}");
    }
    for bent in [
        "//",
        "//a",
        "/a//b",
        "/a//",
        "/.",
        "/a/.",
        "/a/%2e",
        "/a/./b",
        "/a/../b",
        "/a/%2E%2e/b",
        "/a/b/..",
        "/..",
    ] {
        assert!(!is_plain(bent), "{bent}");
    }
}

#[test]
fn nothing_that_is_handed_on_makes_another_request_of_it() {
    const METHODS: &str = "[[rules]]\npath = \"/read/**\"\nmethods = [\"GET\"]\npublic = true";
    let url: &[_] = &[("x-original-method", "GET"), ("x-original-url", "https://app.test/x")];
    let parts: &[_] = &[
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.test"),
        ("x-forwarded-uri", "/x"),
    ];
    // Whether a question with this header is refused: without rules that name methods, and with one.
    for (kind, source, name, refused) in [
        ("nginx", url, "x-http-method-override", [false, true]),
        ("nginx", url, "x-http-method", [false, true]),
        ("nginx", url, "x-method-override", [false, true]),
        ("nginx", url, "x_http_method_override", [false, true]),
        ("nginx", url, "x-rewrite-url", [true, true]),
        ("nginx", url, "x_rewrite_url", [true, true]),
        ("nginx", url, "x_original_url", [true, true]),
        ("nginx", url, "x-rewrite", [false, false]),
        ("forward_auth", parts, "x-http-method-override", [false, true]),
        ("forward_auth", parts, "x.method.override", [false, true]),
        ("forward_auth", parts, "x-rewrite-url", [true, true]),
        ("forward_auth", parts, "x-original-url", [true, true]),
        ("forward_auth", parts, "x-original-urls", [false, false]),
    ] {
        for (rules, refused) in ["", METHODS].into_iter().zip(refused) {
            let config = config_with(kind, rules);
            let gateway = config.gateway.clone().unwrap();
            let head = head("/oauth2/auth", &[source, &[(name, "/admin")]].concat());
            let read = Question::read(head, "10.1.2.3".parse().unwrap(), &gateway, &config);
            let wrong = read.err();
            assert_eq!(
                wrong,
                refused.then_some(Refusal::Gateway("gateway_override")),
                "{kind} {name} {rules}"
            );
        }
    }
}

#[test]
fn what_is_not_the_clients_is_all_that_the_gate_says() {
    let rules = "[identity]\nuser_headers = [\"x-person\"]\n[[identity.headers]]\nclaim = \"email\"\nheader = \"x-mail\"\n\
                 [[rules]]\npath = \"/read/**\"\nmethods = [\"GET\"]\npublic = true";
    let names: Vec<_> = not_the_clients(&config_with("envoy", rules)).collect();
    for name in ["x-user", "x-person", "x-roles", "x-mail"]
        .into_iter()
        .chain(METHOD_OVERRIDES)
        .chain(SPEAKS)
        .chain(TARGET_OVERRIDES)
    {
        assert!(names.iter().any(|own| own == name), "{name}: {names:?}");
    }
    let plain = config("envoy");
    assert!(not_the_clients(&plain).all(|name| !METHOD_OVERRIDES.contains(&name.as_str())));
}
