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
        as_came: None,
        query: None,
        kind,
        client: "203.0.113.7".parse().unwrap(),
        scheme: Scheme::Https,
        websocket: false,
        from: From::Nowhere,
        foreign: false,
        preflight: None,
        certificate: false,
    }
}

fn needs(any: &[&str], all: &[&str], users: &[&str]) -> Requirement {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Requirement { any_role: own(any), all_roles: own(all), any_user: own(users), ..Requirement::default() }
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
        client_certificate: false,
        cacheable: false,
        pass_token: None,
        bearer: None,
        keeps_slashes: false,
        upstream: 0,
    }
}

static NO_FACTS: Facts = Facts { scopes: Vec::new(), email_domain: None, acr: None, auth_time: None };

fn person(roles: &[String]) -> Person<'_> {
    Person { sub: "s", user: "ann", roles, headers: &[], facts: &NO_FACTS, by: By::Session }
}

fn decide<'a>(found: &Found<'a>, person: Option<&Person<'_>>, ask: &Ask) -> Decision<'a> {
    super::decide(found, person, ask, NOW)
}

const NOW: u64 = 1_800_000_000;

const ROLES: &[&str] = &["user", "editor"];

fn roles() -> Vec<String> {
    ROLES.iter().map(|role| (*role).to_owned()).collect()
}

#[test]
fn every_part_of_a_requirement_must_hold() {
    let roles = roles();
    let person = person(&roles);
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
    let person = person(&roles);
    let found = Found::MethodNotNamed(&owner);
    assert_eq!(decide(&found, Some(&person), &ask(Kind::Other, Some(0))), Decision::Forbid(Why::Method));
    assert_eq!(decide(&found, None, &ask(Kind::Navigation, Some(0))), Decision::Login);
    assert_eq!(decide(&found, None, &ask(Kind::Other, Some(0))), Decision::Challenge);
}

#[test]
fn an_address_list_narrows_and_never_opens() {
    let roles = roles();
    let person = person(&roles);
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
    let person = person(&roles);
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
    let person = person(&roles);
    let mut posts = rule(Access::Needs(needs(&["user"], &[], &[])));
    (posts.methods, posts.preflight) = (Some(vec!["POST".into()]), true);
    let rules = Rules::new(vec![posts], needs(&["user"], &[], &[]));
    let mut preflight = ask(Kind::Other, Some(0));
    (preflight.method, preflight.preflight) = (Method::OPTIONS, Some(Method::POST));
    let judge = |person, ask: &Ask| decide(&cover(&rules, ask).unwrap(), person, ask);
    assert_eq!(judge(Some(&person), &preflight), Decision::ForwardAnonymous);
    preflight.preflight = Some(Method::DELETE);
    assert_eq!(judge(None, &preflight), Decision::Challenge);
    preflight.preflight = None;
    assert_eq!(judge(None, &preflight), Decision::Challenge);
}

/// What someone has, what a rule asks, whether that is enough.
#[test]
fn scopes_domains_and_users_are_asked_like_roles() {
    let facts =
        Facts { scopes: vec!["api/read".into()], email_domain: Some("corp.com".into()), ..Facts::default() };
    let roles = roles();
    let ann = Person { facts: &facts, ..person(&roles) };
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let scope = |names: &[&str]| Requirement { any_scope: own(names), ..Requirement::default() };
    let domain = |names: &[&str]| Requirement { any_email_domain: own(names), ..Requirement::default() };
    for (requirement, allowed) in [
        (scope(&["api/write", "api/read"]), true),
        (scope(&["api/write"]), false),
        (scope(&["api"]), false),
        (domain(&["corp.com"]), true),
        (domain(&["orp.com", "sub.corp.com"]), false),
        (Requirement { any_role: own(&["user"]), ..scope(&["api/write"]) }, false),
    ] {
        let allows = |person| decide(&Found::Default(&requirement), Some(person), &ask(Kind::Other, Some(0)));
        assert_eq!(allows(&ann) == Decision::Forward, allowed, "{requirement:?}");
        assert_ne!(allows(&person(&roles)), Decision::Forward, "{requirement:?}");
    }
}

fn strong(acr: Option<&str>, age: Option<u64>) -> Requirement {
    let enough = |acr: &str| {
        ["urn:cognito:loa:3", "urn:cognito:loa:4"]
            .map(String::from)
            .to_vec()
            .into_iter()
            .filter(|one| one.as_str() >= acr)
            .collect()
    };
    Requirement {
        any_role: vec!["user".into()],
        min_acr: acr.map(|acr| MinAcr { wanted: acr.into(), enough: enough(acr) }),
        max_auth_age: age.map(Duration::from_secs),
        ..Requirement::default()
    }
}

#[test]
fn who_is_not_known_to_have_signed_in_strongly_enough_is_not() {
    let facts =
        |acr: Option<&str>, auth_time| Facts { acr: acr.map(str::to_owned), auth_time, ..Facts::default() };
    let acr = strong(Some("urn:cognito:loa:3"), None);
    let age = strong(None, Some(300));
    for (requirement, facts, enough) in [
        (&acr, facts(Some("urn:cognito:loa:3"), None), true),
        (&acr, facts(Some("urn:cognito:loa:4"), None), true),
        (&acr, facts(Some("urn:cognito:loa:2"), None), false),
        (&acr, facts(Some("URN:cognito:loa:3"), None), false),
        (&acr, facts(None, Some(NOW)), false),
        (&age, facts(None, Some(NOW)), true),
        (&age, facts(None, Some(NOW - 300)), true),
        (&age, facts(None, Some(NOW - 301)), false),
        (&age, facts(None, Some(NOW + LEEWAY)), true),
        (&age, facts(None, Some(NOW + LEEWAY + 1)), false),
        (&age, facts(None, None), false),
    ] {
        assert_eq!(is_strong_enough(&facts, requirement, NOW), enough, "{facts:?} {requirement:?}");
    }
}

#[test]
fn only_a_browser_with_a_session_is_sent_to_sign_in_more_strongly_and_only_for_what_it_may_see() {
    let roles = roles();
    let session = person(&roles);
    let bearer = Person { by: BEARER, ..session };
    let requirement = strong(Some("urn:cognito:loa:3"), None);
    let found = Found::Default(&requirement);
    for (kind, person, expected) in [
        (Kind::Navigation, &session, Decision::StepUp(&requirement)),
        (Kind::Document, &session, Decision::Stronger(&requirement)),
        (Kind::Other, &session, Decision::Stronger(&requirement)),
        (Kind::Navigation, &bearer, Decision::Stronger(&requirement)),
        (Kind::Navigation, &super::tests::person(&[]), Decision::Forbid(Why::Missing(&requirement))),
    ] {
        assert_eq!(decide(&found, Some(person), &ask(kind, Some(0))), expected, "{kind:?}");
    }
    let mut refuse = rule(Access::Needs(requirement.clone()));
    refuse.unauthenticated = Unauthenticated::Refuse;
    let decision = decide(&Found::Rule(&refuse), Some(&session), &ask(Kind::Navigation, Some(0)));
    assert_eq!(decision, Decision::Stronger(&requirement));
}

#[test]
fn a_bearer_token_is_sent_by_nobody_unasked_so_its_websockets_need_no_origin() {
    let (requirement, roles) = (needs(&["user"], &[], &[]), roles());
    let bearer = Person { by: BEARER, ..person(&roles) };
    let mut ask = ask(Kind::Other, Some(0));
    (ask.websocket, ask.from) = (true, From::Elsewhere);
    assert_eq!(decide(&Found::Default(&requirement), Some(&bearer), &ask), Decision::Forward);
}

const BEARER: By = By::Bearer { token: TokenChoice::Access, usual: true };

#[test]
fn a_token_of_the_kind_that_does_not_count_on_a_rule_is_refused_there() {
    let roles = roles();
    let both = [TokenChoice::Access, TokenChoice::Id];
    for (bearer, counting) in [
        (Some(BearerUse::Off), &[][..]),
        (Some(BearerUse::Of(TokenChoice::Access)), &[TokenChoice::Access][..]),
        (Some(BearerUse::Of(TokenChoice::Id)), &[TokenChoice::Id]),
        (Some(BearerUse::Of(TokenChoice::Either)), &both),
        (None, &[TokenChoice::Access]),
    ] {
        let guarded = Rule { bearer, ..rule(Access::Needs(needs(&["user"], &[], &[]))) };
        for token in both {
            let usual = token == TokenChoice::Access;
            let someone = Person { by: By::Bearer { token, usual }, ..person(&roles) };
            let decision = decide(&Found::Rule(&guarded), Some(&someone), &ask(Kind::Other, Some(0)));
            let expected = if counting.contains(&token) { Decision::Forward } else { Decision::WrongToken };
            assert_eq!(decision, expected, "{bearer:?} {token:?}");
        }
    }
}

#[test]
fn who_is_refused_is_told_what_is_missing_and_nothing_that_is_there() {
    let roles = roles();
    let requirement = Requirement {
        any_role: vec!["admin".into(), "user".into()],
        all_roles: vec!["editor".into(), "auditor".into()],
        any_scope: vec!["api/read".into()],
        ..Requirement::default()
    };
    let missing = lacking(&person(&roles), &requirement);
    let expected = Requirement {
        all_roles: vec!["auditor".into()],
        any_scope: vec!["api/read".into()],
        ..Requirement::default()
    };
    assert_eq!(missing, expected);
}

#[test]
fn a_rule_for_clients_with_a_certificate_narrows_whatever_else_it_asks() {
    let roles = vec!["user".to_owned()];
    for access in [Access::Public, Access::Needs(needs(&["user"], &[], &[]))] {
        let guarded = Rule { client_certificate: true, ..rule(access.clone()) };
        for kind in [Kind::Navigation, Kind::Document, Kind::Other] {
            for origin in [Some(0), None] {
                for person in [None, Some(person(&roles))] {
                    let without = ask(kind, origin);
                    let decision = decide(&Found::Rule(&guarded), person.as_ref(), &without);
                    // Nobody is sent to sign in for what a sign-in does not open.
                    assert_eq!(decision, Decision::Forbid(Why::Certificate));
                    assert_eq!(decision.refusal(person.as_ref()), Refusal::ClientCertificate);
                    let with = without.with_certificate(true);
                    let open = rule(access.clone());
                    let (narrowed, as_ever) = (Found::Rule(&guarded), Found::Rule(&open));
                    assert_eq!(
                        decide(&narrowed, person.as_ref(), &with),
                        decide(&as_ever, person.as_ref(), &with)
                    );
                }
            }
        }
    }
    let preflight = Ask { preflight: Some(Method::GET), ..ask(Kind::Other, Some(0)) };
    let guarded = Rule { client_certificate: true, preflight: true, ..rule(Access::Public) };
    assert_eq!(decide(&Found::Rule(&guarded), None, &preflight), Decision::ForwardAnonymous);
}
