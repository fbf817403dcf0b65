use super::*;
use crate::config::settings::Unauthenticated;

pub(super) fn rule(name: &str, path: &str, access: Access) -> Rule {
    Rule {
        name: name.into(),
        host: None,
        path: path::Pattern::parse(path).unwrap(),
        methods: None,
        access,
        unauthenticated: Unauthenticated::Login,
        preflight: false,
        from: vec![],
        client_certificate: false,
        cacheable: false,
        pass_token: None,
        bearer: None,
        keeps_slashes: false,
        upstream: 0,
    }
}

pub(super) fn needs(role: &str) -> Access {
    Access::Needs(Requirement { any_role: vec![role.into()], ..Requirement::default() })
}

fn found(rules: Vec<Rule>, host: &str, raw: &str, method: &str) -> String {
    let rules = Rules::new(rules, Requirement::default());
    match rules.find(host, &path::canonical(raw).unwrap(), method) {
        Found::MethodNotNamed(rule) => format!("method of {}", rule.name),
        found => found.name().to_string(),
    }
}

#[test]
fn the_longest_prefix_wins_and_an_exact_path_beats_it_in_any_order() {
    let rules = || {
        vec![
            rule("exact", "/a/b", needs("x")),
            rule("short", "/a/**", needs("x")),
            rule("long", "/a/b/**", needs("x")),
        ]
    };
    let mut reversed = rules();
    reversed.reverse();
    for rules in [rules(), reversed] {
        assert_eq!(found(rules.clone(), "h", "/a/b", "GET"), "exact");
        assert_eq!(found(rules.clone(), "h", "/a/b/c", "GET"), "long");
        assert_eq!(found(rules.clone(), "h", "/a/c", "GET"), "short");
        assert_eq!(found(rules, "h", "/c", "GET"), "default");
    }
}

#[test]
fn an_exact_host_wins_over_any_path() {
    let mut hosted = rule("hosted", "/**", needs("x"));
    hosted.host = Some("admin.test".into());
    let rules = vec![rule("path", "/a", needs("x")), hosted];
    assert_eq!(found(rules.clone(), "admin.test", "/a", "GET"), "hosted");
    assert_eq!(found(rules, "app.test", "/a", "GET"), "path");
}

#[test]
fn a_method_that_no_owner_names_is_refused_and_not_decided_by_a_shorter_path() {
    let mut get = rule("get", "/a/**", needs("x"));
    get.methods = Some(vec!["GET".into()]);
    let rules = vec![get, rule("all", "/**", Access::Public)];
    assert_eq!(found(rules.clone(), "h", "/a/x", "HEAD"), "get");
    assert_eq!(found(rules.clone(), "h", "/a/x", "POST"), "method of get");
    assert_eq!(found(rules, "h", "/a/x", "get"), "method of get");
}

#[test]
fn of_two_rules_that_fit_alike_the_one_that_asks_for_something_decides() {
    let rules = vec![rule("public", "/a", Access::Public), rule("role", "/A", needs("x"))];
    assert_eq!(found(rules.clone(), "h", "/a", "GET"), "role");
    assert_eq!(found(rules, "h", "/A", "GET"), "role");
}

#[test]
fn another_case_is_never_public() {
    let rules = vec![rule("public", "/public/**", Access::Public), rule("role", "/admin/**", needs("x"))];
    assert_eq!(found(rules.clone(), "h", "/Public/x", "GET"), "default");
    assert_eq!(found(rules, "h", "/ADMIN/x", "GET"), "role");
}

fn covered(rules: &Rules, raw: &str) -> Result<String, PathRefusal> {
    let path = path::canonical_with_slashes(raw).unwrap();
    rules.cover("h", &path, "GET").map(|found| found.name().to_string())
}

#[test]
fn an_escaped_slash_passes_only_where_one_rule_that_keeps_it_owns_both_readings() {
    let mut repos = rule("repos", "/repos/**", needs("x"));
    repos.keeps_slashes = true;
    let mut open = rule("open", "/open/**", Access::Public);
    open.keeps_slashes = true;
    let admin = rule("admin", "/repos/admin/**", needs("admin"));
    let rules =
        Rules::new(vec![repos, open, admin, rule("plain", "/plain/**", needs("x"))], Requirement::default());
    assert_eq!(covered(&rules, "/repos/a%2fb/c").as_deref(), Ok("repos"));
    assert_eq!(covered(&rules, "/open/a%2Fb").as_deref(), Ok("open"));
    assert_eq!(covered(&rules, "/repos/a/b").as_deref(), Ok("repos"));
    for raw in [
        "/repos/admin%2Fx",
        "/repos%2Fx",
        "/repos/..%2Fadmin",
        "/repos/a%2F..%2F..%2Fadmin",
        "/repos/a%2F%2Fb",
        "/repos/a%2F.",
        "/open/..%2Fplain/x",
        "/plain/a%2Fb",
        "/else/a%2Fb",
        "/open%2F..%2Fplain",
    ] {
        assert_eq!(covered(&rules, raw), Err(PathRefusal::AmbiguousEscape), "{raw}");
    }
}

#[test]
fn a_public_rule_that_narrows_owns_every_spelling_and_opens_one() {
    let from = vec![crate::config::settings::Network { address: [10, 0, 0, 0].into(), prefix: 8 }];
    let inner = rule("inner", "/api/internal/**", Access::Public);
    for inner in [Rule { client_certificate: true, ..inner.clone() }, Rule { from, ..inner }] {
        let rules = || vec![rule("outer", "/api/**", Access::Public), inner.clone()];
        assert_eq!(found(rules(), "app.test", "/api/internal/x", "GET"), "inner");
        assert_eq!(found(rules(), "app.test", "/api/x", "GET"), "outer");
        for spelling in ["/api/Internal/x", "/api/internal;a=b/x", "/API/internal/x"] {
            assert_eq!(found(rules(), "app.test", spelling, "GET"), "method of inner", "{spelling}");
        }
    }
}
