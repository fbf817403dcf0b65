//! `[[upstreams]]`, each by itself: addresses that answer for one another, and what is asked of them. ★

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;
use rustls::pki_types::ServerName;

use super::duration::{duration, duration_or_off};
use super::upstream::{Around, upstream};
use super::{Context, tls};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{Balance, Destination, HealthCheck, Spread, Upstream};
use crate::rule::path::{PatternProblem, Rewrite};
use crate::tls::certificate::Certificate;

/// One table, and whether anything names it.
pub(super) struct Table {
    /// What it is called.
    pub(super) name: String,
    /// `upstreams[1].name`.
    pub(super) key: Key,
    /// `None` where something in it is wrong.
    pub(super) destination: Option<Destination>,
    pub(super) named: bool,
}

/// Every table that has a name.
pub(super) fn tables(written: &[raw::Upstream], around: &Around<'_>, cx: &mut Context<'_>) -> Vec<Table> {
    let mut found: Vec<Table> = Vec::new();
    for (at, raw) in written.iter().enumerate() {
        let key = Key::of("upstreams").index(at);
        let name_key = key.name("name");
        let Some(name) = name(raw.name.as_deref(), &name_key, cx) else { continue };
        if found.iter().any(|other| other.name == name) {
            cx.error(
                &name_key,
                &format!("two [[upstreams]] are called {name:?}"),
                "give each a name of its own",
            );
            continue;
        }
        let destination = destination(raw, &name, &key, around, cx);
        found.push(Table { name, key: name_key, destination, named: false });
    }
    found
}

/// No colon and no slash: an address is told from it by them.
fn name(text: Option<&str>, key: &Key, cx: &mut Context<'_>) -> Option<String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let fix = "write at most 63 lower-case letters, digits, - and _, such as \"app\"";
    match text {
        None => cx.missing(key, fix),
        Some(text) if text.is_empty() || text.len() > 63 || !text.bytes().all(plain) => {
            cx.error(key, &format!("{text:?} is no name"), fix);
        }
        Some(text) => return Some(text.to_owned()),
    }
    None
}

fn destination(
    raw: &raw::Upstream,
    name: &str,
    key: &Key,
    around: &Around<'_>,
    cx: &mut Context<'_>,
) -> Option<Destination> {
    let ca_key = key.name("ca_file");
    let own_bundle = cx.certificates(&ca_key, raw.ca_file.as_deref());
    let bundle = own_bundle.as_ref().or(around.ca_file.as_ref());
    let addresses = addresses(raw.addresses.as_deref(), &key.name("addresses"), bundle, around, cx);
    let (certificate, server_name) = (certificate(raw, key, cx), server_name(raw, key, cx));
    let https = addresses.iter().any(|address| matches!(address, Upstream::Https { .. }));
    for (name, given) in [
        ("ca_file", raw.ca_file.is_some()),
        ("client_certificate_file", raw.client_certificate_file.is_some()),
        ("client_key_file", raw.client_key_file.is_some()),
        ("server_name", raw.server_name.is_some()),
    ] {
        if given && !https && !addresses.is_empty() {
            cx.error(
                &key.name(name),
                "has a meaning for https:// and h2:// only",
                "leave it out, or use https://",
            );
        }
    }
    let strip = prefix(raw.strip_prefix.as_deref(), &key.name("strip_prefix"), cx);
    let add = prefix(raw.add_prefix.as_deref(), &key.name("add_prefix"), cx);
    let spread = spread(raw, key, &addresses, cx);
    (!addresses.is_empty()).then(|| Destination {
        name: name.to_owned(),
        addresses,
        pass_host: raw.pass_host.unwrap_or(around.pass_host),
        rewrite: Rewrite::new(strip, add),
        certificate,
        server_name,
        spread: Some(spread),
    })
}

fn addresses(
    written: Option<&[String]>,
    key: &Key,
    bundle: Option<&PathBuf>,
    around: &Around<'_>,
    cx: &mut Context<'_>,
) -> Vec<Upstream> {
    let fix = "write addresses = [\"http://10.0.0.1:8080\", \"http://10.0.0.2:8080\"]";
    let Some(written) = written else {
        cx.missing(key, fix);
        return vec![];
    };
    if written.is_empty() {
        cx.error(key, "the list is empty, so nothing could be reached", fix);
    }
    let mut found: Vec<Upstream> = Vec::new();
    for (at, text) in written.iter().enumerate() {
        let key = key.index(at);
        let Some(address) = upstream(text, &key, bundle, around.own, cx) else { continue };
        if found.contains(&address) {
            cx.error(&key, &format!("{text:?} again"), "leave it out");
        } else {
            found.push(address);
        }
    }
    found
}

fn certificate(raw: &raw::Upstream, key: &Key, cx: &mut Context<'_>) -> Option<Certificate> {
    let (cert_key, key_key) = (key.name("client_certificate_file"), key.name("client_key_file"));
    match (raw.client_certificate_file.as_deref(), raw.client_key_file.as_deref()) {
        (Some(cert), Some(key)) => return tls::shown((&cert_key, cert), (&key_key, key), cx),
        (Some(_), None) => cx.missing(&key_key, "name the PEM file with the certificate's private key"),
        (None, Some(_)) => cx.missing(&cert_key, "name the PEM file with the certificate of this key"),
        (None, None) => {}
    }
    None
}

fn server_name(raw: &raw::Upstream, key: &Key, cx: &mut Context<'_>) -> Option<String> {
    let text = raw.server_name.as_deref()?;
    if ServerName::try_from(text).is_err() {
        let fix = "write the name that the certificates cover, such as \"app.internal\"";
        cx.error(&key.name("server_name"), &format!("{text:?} is no host"), fix);
    }
    Some(text.to_owned())
}

/// Empty where none is written.
fn prefix(text: Option<&str>, key: &Key, cx: &mut Context<'_>) -> String {
    let Some(text) = text else { return String::new() };
    let fix = "write a path without a final slash, such as \"/app\"";
    match Rewrite::prefix(text) {
        Ok(prefix) => return prefix,
        Err(PatternProblem::NotCanonical(spelling)) if !spelling.is_empty() => {
            cx.error(
                key,
                &format!("{text:?} is no prefix as requests have it"),
                &format!("write it as {spelling:?}"),
            );
        }
        Err(PatternProblem::NotCanonical(_)) => {
            cx.error(key, "a lone / takes nothing off and adds nothing", fix)
        }
        Err(problem) => cx.error(key, &format!("{text:?}: {problem}"), fix),
    }
    String::new()
}

fn spread(raw: &raw::Upstream, key: &Key, addresses: &[Upstream], cx: &mut Context<'_>) -> Spread {
    let default = Spread::default();
    let resolve_key = key.name("resolve");
    let resolve = match raw.resolve.as_deref() {
        None => default.resolve,
        text => duration_or_off(text, &resolve_key, cx),
    };
    if resolve.is_some_and(|resolve| resolve < Duration::from_secs(1)) {
        cx.error(&resolve_key, "more often than once a second", "write at least \"1s\"");
    }
    let named = addresses.iter().any(|address| address.host_to_resolve().is_some());
    if raw.resolve.is_some() && !named && !addresses.is_empty() {
        cx.warning(&resolve_key, "does nothing: no address is a name", "leave it out");
    }
    Spread {
        balance: match raw.balance {
            Some(raw::Balance::RoundRobin) => Balance::RoundRobin,
            Some(raw::Balance::LeastConnections) | None => Balance::LeastConnections,
        },
        max_fails: count(raw.max_fails, 0, default.max_fails, &key.name("max_fails"), cx),
        eject_time: duration(raw.eject_time.as_deref(), &key.name("eject_time"), default.eject_time, cx),
        resolve,
        check: raw.check.as_ref().and_then(|check| health_check(check, &key.name("check"), cx)),
    }
}

fn health_check(raw: &raw::UpstreamCheck, key: &Key, cx: &mut Context<'_>) -> Option<HealthCheck> {
    let path_key = key.name("path");
    let interval = duration(raw.interval.as_deref(), &key.name("interval"), Duration::from_secs(10), cx);
    let timeout = duration(raw.timeout.as_deref(), &key.name("timeout"), Duration::from_secs(2), cx);
    if interval < Duration::from_millis(100) {
        cx.error(&key.name("interval"), "more often than ten times a second", "write at least \"100ms\"");
    }
    let status = status(raw.status.as_deref(), &key.name("status"), cx);
    let fails = count(raw.fails, 1, 2, &key.name("fails"), cx);
    let fix = "write a path such as \"/healthz\"";
    match raw.path.as_deref() {
        None => cx.missing(&path_key, fix),
        Some(path)
            if !path.starts_with('/') || PathAndQuery::try_from(path).is_err() || path.contains('#') =>
        {
            cx.error(&path_key, &format!("{path:?} is no path"), fix);
        }
        Some(path) => return Some(HealthCheck { path: path.to_owned(), interval, timeout, status, fails }),
    }
    None
}

fn status(text: Option<&str>, key: &Key, cx: &mut Context<'_>) -> RangeInclusive<u16> {
    let Some(text) = text else { return 200..=399 };
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|number| (100..600).contains(number));
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => from..=to,
        _ => {
            cx.error(
                key,
                &format!("{text:?} is no status"),
                "write one such as \"200\", or a range such as \"200-399\"",
            );
            200..=399
        }
    }
}

fn count(written: Option<u64>, least: u64, default: u32, key: &Key, cx: &mut Context<'_>) -> u32 {
    match written {
        None => default,
        Some(count) if (least..=1000).contains(&count) => u32::try_from(count).unwrap_or(default),
        Some(count) => {
            cx.error(
                key,
                &format!("{count} is not between {least} and 1000"),
                "leave it out for the default",
            );
            default
        }
    }
}
