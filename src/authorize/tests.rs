use http::Method;

use super::*;
use crate::config::settings::{Rule, Scheme};
use crate::rule::path::{Pattern, canonical};

fn ask(kind: Kind, origin: Option<usize>) -> Ask {
    Ask {
        method: Method::GET,
        host: "app.test".into(),
        authority: "app.test".into(),
        origin,
        path: canonical("/a").unwrap().into_owned(),
        query: None,
        kind,
        client: "203.0.113.7".parse().unwrap(),
        scheme: Scheme::Https,
        websocket: false,
        from: From::Nowhere,
        preflight: None,
    }
}

fn needs(any: &[&str], all: &[&str], users: &[&str]) -> Requirement {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Requirement { any_role: own(any), all_roles: own(all), any_user: own(users) }
}

fn rule(access: Access) -> Rule {
    Rule {
        name: "rule".into(),
        host: None,
        path: Pattern::parse("/a").unwrap(),
        methods: None,
        access,
        unauthenticated: Unauthenticated::Login,
        preflight: false,
        from: vec![],
        cacheable: false,
        pass_token: None,
    }
}

const ROLES: &[&str] = &["user", "editor"];

fn roles() -> Vec<String> {
    ROLES.iter().map(|role| (*role).to_owned()).collect()
}

#[test]
fn every_part_of_a_requirement_must_hold() {
    let roles = roles();
    let person = Person { user: "ann", roles: &roles };
    for (requirement, allowed) in [
        (needs(&[], &[], &[]), true),
        (needs(&["admin", "user"], &[], &[]), true),
        (needs(&["admin"], &[], &[]), false),
        (needs(&["USER"], &[], &[]), false),
        (needs(&[], &["user", "editor"], &[]), true),
        (needs(&[], &["user", "admin"], &[]), false),
        (needs(&["user"], &[], &["ann"]), true),
        (needs(&["user"], &[], &["bob"]), false),
        (needs(&["admin"], &[], &["ann"]), false),
    ] {
        let decision = decide(&Found::Default(&requirement), Some(&person), &ask(Kind::Other, Some(0)));
        let expected = if allowed { Decision::Forward } else { Decision::Forbid(Why::Missing(&requirement)) };
        assert_eq!(decision, expected, "{requirement:?}");
    }
}

#[test]
fn without_a_session_only_a_navigation_on_a_public_origin_is_sent_to_log_in() {
    let requirement = needs(&["user"], &[], &[]);
    for (kind, origin, expected) in [
        (Kind::Navigation, Some(0), Decision::Login),
        (Kind::Document, Some(0), Decision::Challenge),
        (Kind::Other, Some(0), Decision::Challenge),
        (Kind::Navigation, None, Decision::Elsewhere),
        (Kind::Document, None, Decision::Misdirected),
        (Kind::Other, None, Decision::Misdirected),
    ] {
        assert_eq!(decide(&Found::Default(&requirement), None, &ask(kind, origin)), expected, "{kind:?}");
    }
    let mut websocket = ask(Kind::Navigation, Some(0));
    websocket.websocket = true;
    assert_eq!(decide(&Found::Default(&requirement), None, &websocket), Decision::Challenge);
    let mut refuse = rule(Access::Needs(requirement));
    refuse.unauthenticated = Unauthenticated::Refuse;
    assert_eq!(decide(&Found::Rule(&refuse), None, &ask(Kind::Navigation, Some(0))), Decision::Challenge);
}

#[test]
fn public_is_public_for_everyone_and_carries_whoever_is_signed_in() {
    let public = rule(Access::Public);
    for origin in [Some(0), None] {
        assert_eq!(decide(&Found::Rule(&public), None, &ask(Kind::Other, origin)), Decision::Forward);
    }
}

#[test]
fn a_method_that_no_owner_names_is_forbidden_whoever_asks() {
    let (owner, roles) = (rule(Access::Public), roles());
    let person = Person { user: "ann", roles: &roles };
    let found = Found::MethodNotNamed(&owner);
    assert_eq!(decide(&found, Some(&person), &ask(Kind::Other, Some(0))), Decision::Forbid(Why::Method));
    assert_eq!(decide(&found, None, &ask(Kind::Navigation, Some(0))), Decision::Login);
    assert_eq!(decide(&found, None, &ask(Kind::Other, Some(0))), Decision::Challenge);
}

#[test]
fn an_address_list_narrows_and_never_opens() {
    let roles = roles();
    let person = Person { user: "ann", roles: &roles };
    let mut inside = rule(Access::Needs(needs(&["admin"], &[], &[])));
    inside.from = vec![Network { address: "203.0.113.0".parse().unwrap(), prefix: 24 }];
    let decision = decide(&Found::Rule(&inside), Some(&person), &ask(Kind::Other, Some(0)));
    assert!(matches!(decision, Decision::Forbid(Why::Missing(_))));
    let mut outside = rule(Access::Public);
    outside.from = vec![Network { address: "10.0.0.0".parse().unwrap(), prefix: 8 }];
    let decision = decide(&Found::Rule(&outside), Some(&person), &ask(Kind::Other, Some(0)));
    assert_eq!(decision, Decision::Forbid(Why::Address));
}

#[test]
fn a_websocket_from_a_foreign_page_is_forbidden_with_a_session() {
    let (requirement, roles) = (needs(&["user"], &[], &[]), roles());
    let person = Person { user: "ann", roles: &roles };
    for (from, expected) in [
        (From::Nowhere, Decision::Forward),
        (From::Ours, Decision::Forward),
        (From::Elsewhere, Decision::Forbid(Why::Origin)),
    ] {
        let mut ask = ask(Kind::Other, Some(0));
        (ask.websocket, ask.from) = (true, from);
        assert_eq!(decide(&Found::Default(&requirement), Some(&person), &ask), expected);
    }
}

#[test]
fn a_preflight_passes_without_identity_where_the_rule_for_its_method_says_so() {
    let roles = roles();
    let person = Person { user: "ann", roles: &roles };
    let mut posts = rule(Access::Needs(needs(&["user"], &[], &[])));
    (posts.methods, posts.preflight) = (Some(vec!["POST".into()]), true);
    let rules = Rules::new(vec![posts], needs(&["user"], &[], &[]));
    let mut preflight = ask(Kind::Other, Some(0));
    (preflight.method, preflight.preflight) = (Method::OPTIONS, Some(Method::POST));
    let judge = |person, ask: &Ask| decide(&cover(&rules, ask), person, ask);
    assert_eq!(judge(Some(&person), &preflight), Decision::ForwardAnonymous);
    preflight.preflight = Some(Method::DELETE);
    assert_eq!(judge(None, &preflight), Decision::Challenge);
    preflight.preflight = None;
    assert_eq!(judge(None, &preflight), Decision::Challenge);
}
