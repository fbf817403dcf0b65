//! `[[rules]]`, each by itself: who may pass is written out, or it is an error. ★

use super::requirement::access;
use super::upstream::Upstreams;
use super::{Context, bearer, network, origin};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{Access, Origin, PassToken, Rule, Unauthenticated};
use crate::rule::path::{self, Pattern, PatternProblem};

/// A rule and its place in the file, from 0: rules that were refused leave gaps.
pub(super) struct Judged {
    pub(super) rule: Rule,
    pub(super) at: usize,
    /// It says that it is public over a role on purpose.
    pub(super) over_role: bool,
}

/// Every rule that can be read.
pub(super) fn rules(
    written: &[raw::Rule],
    acr_order: &[String],
    upstreams: &Upstreams,
    cx: &mut Context<'_>,
) -> Vec<Judged> {
    let mut found = Vec::new();
    for (at, raw) in written.iter().enumerate() {
        found.extend(rule(raw, at, acr_order, cx).map(|rule| Judged {
            rule: Rule { upstream: upstreams.of_rule(at), ..rule },
            at,
            over_role: raw.over_role == Some(true),
        }));
    }
    found
}

fn rule(raw: &raw::Rule, at: usize, acr_order: &[String], cx: &mut Context<'_>) -> Option<Rule> {
    let key = Key::of("rules").index(at);
    let access = access(raw, &key, acr_order, cx);
    let host = raw.host.as_deref().and_then(|text| {
        let host = origin::host_name(text);
        if host.is_none() {
            cx.error(
                &key.name("host"),
                &format!("{text:?} is no host"),
                "write a host without scheme and port",
            );
        }
        host
    });
    let methods = raw.methods.as_deref().map(|methods| checked_methods(methods, &key.name("methods"), cx));
    let from_key = key.name("from");
    let from = raw.from.as_deref().map(|from| {
        if from.is_empty() {
            cx.error(&from_key, "the list is empty, so nobody could pass", "name networks or leave it out");
        }
        network::networks(from, &from_key, cx).into_iter().map(|(_, network)| network).collect()
    });
    let pattern = pattern(raw.path.as_deref(), &key.name("path"), cx)?;
    let public = access == Access::Public;
    if public && raw.unauthenticated.is_some() {
        cx.warning(&key.name("unauthenticated"), "does nothing on a public rule", "leave it out");
    }
    Some(Rule {
        name: format!("rules[{}] {}{pattern}", at + 1, host.as_deref().unwrap_or_default()).into(),
        host,
        path: pattern,
        methods,
        access,
        unauthenticated: match raw.unauthenticated {
            Some(raw::Unauthenticated::Refuse) => Unauthenticated::Refuse,
            Some(raw::Unauthenticated::Login) | None => Unauthenticated::Login,
        },
        preflight: raw.preflight.unwrap_or(false),
        from: from.unwrap_or_default(),
        client_certificate: raw.client_certificate.is_some(),
        cacheable: raw.cacheable.unwrap_or(false),
        bearer: raw.bearer.map(bearer::of_rule),
        keeps_slashes: matches!(raw.encoded_slash, Some(raw::EncodedSlash::Keep)),
        upstream: 0,
        pass_token: pass_token(raw.pass_token, public, &key.name("pass_token"), cx),
    })
}

fn pass_token(
    raw: Option<raw::PassToken>,
    public: bool,
    key: &Key,
    cx: &mut Context<'_>,
) -> Option<PassToken> {
    let (token, what) = match raw? {
        raw::PassToken::Access => (PassToken::Access, "whoever holds it can act as the person until it ends"),
        raw::PassToken::Id => (PassToken::Id, "it is made for the app client, and an API should refuse it"),
    };
    if public {
        let message = "on a public rule there is nobody whose token could be handed on";
        cx.error(key, message, "leave it out, or ask for a role");
    } else {
        cx.warning(
            key,
            &format!("the upstream, and whoever reads what it logs, gets the token: {what}; sessions take a third cookie"),
            "leave it out where the upstream needs no token of its own",
        );
    }
    Some(token)
}

fn pattern(text: Option<&str>, key: &Key, cx: &mut Context<'_>) -> Option<Pattern> {
    let fix = "write \"/exact\" or \"/prefix/**\"";
    let Some(text) = text else {
        cx.missing(key, fix);
        return None;
    };
    match Pattern::parse(text) {
        Ok(pattern) => return Some(pattern),
        Err(PatternProblem::NotCanonical(spelling)) => {
            let message = format!("{text:?} is not how requests arrive here");
            cx.error(key, &message, &format!("write it as {spelling:?}"));
        }
        Err(problem) => cx.error(key, &format!("{text:?}: {problem}"), fix),
    }
    None
}

fn checked_methods(methods: &[String], key: &Key, cx: &mut Context<'_>) -> Vec<String> {
    if methods.is_empty() {
        cx.error(key, "the list is empty, so nothing could pass", "name methods, or leave it out for all");
    }
    let mut found: Vec<String> = Vec::new();
    for (at, method) in methods.iter().enumerate() {
        let key = key.index(at);
        let upper = method.to_ascii_uppercase();
        if http::Method::from_bytes(method.as_bytes()).is_err() {
            cx.error(&key, &format!("{method:?} is no method"), "write one such as \"GET\"");
        } else if *method != upper {
            cx.error(
                &key,
                &format!("{method:?}: methods are compared byte by byte"),
                &format!("write {upper:?}"),
            );
        } else if method == "CONNECT" {
            cx.error(&key, "CONNECT is never forwarded", "leave it out");
        } else if found.contains(method) {
            cx.warning(&key, &format!("{method:?} again"), "leave it out");
        } else {
            found.push(method.clone());
        }
    }
    found
}

/// `auth_prefix`: below it the gate answers itself.
pub(super) fn auth_prefix(text: Option<&str>, cx: &mut Context<'_>) -> String {
    let default = "/oauth2".to_owned();
    let Some(text) = text else { return default };
    let key = Key::of("auth_prefix");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
    if text == "/" || text.is_empty() {
        cx.error(&key, "nothing would be left for the upstream", "write a path such as \"/oauth2\"");
    } else if text.ends_with('/') && text.starts_with('/') {
        cx.error(&key, "ends in /", &format!("write {:?}", text.trim_end_matches('/')));
    } else if !text.starts_with('/') || !text.bytes().all(plain) {
        cx.error(&key, &format!("{text:?} is no plain path"), "write one such as \"/oauth2\"");
    } else if path::canonical(text).is_ok_and(|path| path.as_str() == text) {
        return text.to_owned();
    } else {
        cx.error(&key, &format!("{text:?} is not how requests arrive here"), "write one such as \"/oauth2\"");
    }
    default
}

/// A rule below the prefix can never decide: the gate answers there.
pub(super) fn against_prefix(rules: &[Judged], prefix: &str, cx: &mut Context<'_>) {
    let Ok(own) = Pattern::parse(&format!("{prefix}/**")) else { return };
    for judged in rules {
        if own.covers(&judged.rule.path) {
            cx.error(
                &Key::of("rules").index(judged.at).name("path"),
                &format!("can never decide: the gate answers everything under {prefix} itself"),
                "leave the rule out, or move the gate's pages with auth_prefix",
            );
        }
    }
}

/// On a host that is no origin no session is read: a rule that asks for one refuses everybody there.
pub(super) fn against_origins(rules: &[Judged], origins: &[Origin], cx: &mut Context<'_>) {
    if origins.is_empty() {
        return;
    }
    for judged in rules {
        let Some(host) = &judged.rule.host else { continue };
        if judged.rule.access != Access::Public && origins.iter().all(|origin| origin.host != *host) {
            cx.warning(
                &Key::of("rules").index(judged.at).name("host"),
                &format!("{host:?} is the host of no public_url: nobody can be signed in there"),
                "add it to public_url, or mend the name",
            );
        }
    }
}
