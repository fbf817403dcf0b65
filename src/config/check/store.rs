//! `[session] store…`: a shared store that can be reached, and only by whom it is for. ★

use std::time::Duration;

use url::{Host, Url};

use super::Context;
use super::duration::duration;
use super::origin::is_loopback;
use super::secrets::{self, Pair};
use super::tls;
use crate::config::problem::Key;
use crate::config::raw::{self, OneOrMany, StoreMode};
use crate::config::secret::Secret;
use crate::config::settings::{Store, StoreAddress, StoreKind, StoreLogin, StoreOutage, StoreTls};

const FIX: &str = "write \"redis://host:6379\", or \"rediss://host:6379\" for TLS";

/// Longer, and a request waits longer for the store than people wait for a page.
const LONGEST: Duration = Duration::from_secs(10);

/// One written address, taken apart.
struct Written {
    tls: bool,
    address: StoreAddress,
    user: Option<String>,
    password: Option<Secret>,
    database: Option<u16>,
}

/// The keys that begin with `store`, with their defaults; `None` without a store.
pub(super) fn store(raw: &raw::Session, cx: &mut Context<'_>) -> Option<Store> {
    let Some(texts) = &raw.store else {
        without_store(raw, cx);
        return None;
    };
    let texts = match texts {
        OneOrMany::One(text) => std::slice::from_ref(text),
        OneOrMany::Many(texts) => texts.as_slice(),
    };
    let mode = mode(raw, texts.len(), cx);
    let written = addresses(texts, mode, cx);
    let tls = tls(raw, written.first().is_none_or(|first| first.tls), cx);
    let login = login(raw, &written, cx);
    let kind = kind(raw, mode, cx);
    let timeout = duration(raw.store_timeout.as_deref(), &key("store_timeout"), Duration::from_secs(1), cx);
    if timeout > LONGEST {
        cx.error(
            &key("store_timeout"),
            "longer than 10s, for which nobody waits",
            "make it shorter: 1s is the default",
        );
    }
    let database = written.first().and_then(|first| first.database).unwrap_or(0);
    if database != 0 && mode == StoreMode::Cluster {
        cx.error(&key("store"), "a cluster has database 0 alone", "take the number away");
    }
    Some(Store {
        addresses: written.into_iter().map(|written| written.address).collect(),
        kind,
        database,
        login,
        tls,
        prefix: prefix(raw.store_prefix.as_deref(), cx),
        timeout,
        outage: match raw.store_outage {
            Some(raw::StoreOutage::ServeFresh) => StoreOutage::ServeFresh,
            Some(raw::StoreOutage::Refuse) | None => StoreOutage::Refuse,
        },
    })
}

fn key(name: &str) -> Key {
    Key::of("session").name(name)
}

/// Whoever configures a store and forgets its address would run without one.
fn without_store(raw: &raw::Session, cx: &mut Context<'_>) {
    let given = [
        ("store_mode", raw.store_mode.is_some()),
        ("store_service", raw.store_service.is_some()),
        ("store_user", raw.store_user.is_some()),
        ("store_password", raw.store_password.is_some()),
        ("store_password_file", raw.store_password_file.is_some()),
        ("store_sentinel_password_file", raw.store_sentinel_password_file.is_some()),
        ("store_ca_file", raw.store_ca_file.is_some()),
        ("store_certificate_file", raw.store_certificate_file.is_some()),
        ("store_key_file", raw.store_key_file.is_some()),
        ("store_prefix", raw.store_prefix.is_some()),
        ("store_timeout", raw.store_timeout.is_some()),
        ("store_outage", raw.store_outage.is_some()),
    ];
    if cx.problems.touches(&key("store")) {
        return;
    }
    for (name, _) in given.iter().filter(|(_, given)| *given) {
        cx.error(&key(name), "there is no store for it", FIX);
    }
}

fn mode(raw: &raw::Session, count: usize, cx: &mut Context<'_>) -> StoreMode {
    let mode = raw.store_mode.unwrap_or(StoreMode::Single);
    if count == 0 {
        cx.error(&key("store"), "the list is empty", FIX);
    } else if count > 1 && mode == StoreMode::Single {
        cx.error(
            &key("store"),
            "several addresses, and a single server has one",
            "say what they are: store_mode = \"sentinel\" or \"cluster\"",
        );
    }
    mode
}

fn kind(raw: &raw::Session, mode: StoreMode, cx: &mut Context<'_>) -> StoreKind {
    let password_key = key("store_sentinel_password_file");
    match mode {
        StoreMode::Sentinel => {
            let service = raw.store_service.clone().unwrap_or_default();
            if raw.store_service.is_none() {
                cx.missing(
                    &key("store_service"),
                    "name the master as the sentinels do (sentinel monitor NAME …)",
                );
            } else if service.trim().is_empty() {
                cx.error(&key("store_service"), "empty", "name the master as the sentinels do");
            }
            let file = raw.store_sentinel_password_file.as_deref();
            let password = file.and_then(|file| secrets::from_file(file, &password_key, cx));
            StoreKind::Sentinel { service, password }
        }
        StoreMode::Single | StoreMode::Cluster => {
            for (name, given) in [
                ("store_service", raw.store_service.is_some()),
                ("store_sentinel_password_file", raw.store_sentinel_password_file.is_some()),
            ] {
                if given {
                    cx.error(
                        &key(name),
                        "has a meaning with sentinels only",
                        "leave it out, or write store_mode = \"sentinel\"",
                    );
                }
            }
            if mode == StoreMode::Cluster { StoreKind::Cluster } else { StoreKind::Single }
        }
    }
}

fn addresses(texts: &[String], mode: StoreMode, cx: &mut Context<'_>) -> Vec<Written> {
    let mut found: Vec<Written> = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let place = if texts.len() == 1 { key("store") } else { key("store").index(at) };
        match written(text, if mode == StoreMode::Sentinel { 26379 } else { 6379 }) {
            Err(why) => cx.error(&place, why, FIX),
            Ok(written) => {
                judge(&written, found.first(), &place, cx);
                found.push(written);
            }
        }
    }
    found
}

/// What is weak in an address, or unlike the first. What is said never holds the address's password.
fn judge(written: &Written, first: Option<&Written>, place: &Key, cx: &mut Context<'_>) {
    if written.password.is_some() {
        cx.warning(
            place,
            "holds a password, which is then in every copy of this file",
            "put it into a file: store_password_file",
        );
    }
    if !written.tls && !is_loopback(&written.address.host) {
        cx.warning(
            place,
            &format!(
                "{} is spoken to in cleartext: what is kept there is sealed, the password and who is \
                 signed in how often are not",
                written.address
            ),
            "use rediss:// where the network is not yours alone",
        );
    }
    let Some(first) = first else { return };
    if written.tls != first.tls {
        cx.error(place, "redis:// and rediss:// in one list", "write them all alike");
    }
    if written.user != first.user || written.password != first.password || written.database != first.database
    {
        cx.error(
            place,
            "another user, password or database than the first address",
            "write store_user and store_password_file once, and the database into each",
        );
    }
}

/// `redis[s]://[user[:password]@]host[:port][/database]`.
fn written(text: &str, default_port: u16) -> Result<Written, &'static str> {
    let url = Url::parse(text).map_err(|_| "not an address")?;
    let tls = match url.scheme() {
        "redis" => false,
        "rediss" => true,
        "valkey" | "valkeys" => return Err("valkey:// is spelt redis://"),
        _ => return Err("neither redis:// nor rediss://"),
    };
    // `#insecure` turns verification off elsewhere; here nothing does.
    if url.query().is_some() || url.fragment().is_some() {
        return Err("holds a query or fragment, which nothing reads");
    }
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => name.to_ascii_lowercase(),
        Some(Host::Ipv4(v4)) => v4.to_string(),
        Some(Host::Ipv6(v6)) => v6.to_string(),
        _ => return Err("names no host"),
    };
    if host.contains('%') {
        return Err("names a host that is none");
    }
    let database = match url.path() {
        "" | "/" => None,
        path => Some(path.strip_prefix('/').and_then(number).ok_or("its path is not a database's number")?),
    };
    let port = url.port().unwrap_or(default_port);
    if port == 0 {
        return Err("port 0 is no port");
    }
    let decoded = |text: &str| decoded(text).ok_or("its user or password is not percent-encoded text");
    Ok(Written {
        tls,
        address: StoreAddress { host, port },
        user: Some(decoded(url.username())?).filter(|user| !user.is_empty()),
        password: url.password().map(decoded).transpose()?.map(Secret::new),
        database,
    })
}

/// Digits alone: `+1` and `01` would be read, too.
fn number(text: &str) -> Option<u16> {
    let number: u16 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// RFC 3986 §2.1.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(digits[0])? << 4 | digit(digits[1])?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn login(raw: &raw::Session, written: &[Written], cx: &mut Context<'_>) -> Option<StoreLogin> {
    let in_address = written.first();
    let pair = Pair {
        value: raw.store_password.as_deref(),
        value_key: key("store_password"),
        file: raw.store_password_file.as_deref(),
        file_key: key("store_password_file"),
    };
    let given = secrets::one_of(&pair, cx);
    if let (Some((_, at)), true) = (&given, in_address.is_some_and(|first| first.password.is_some())) {
        cx.error(at, "the address in store holds a password too", "keep one");
    }
    if let Some((password, at)) = &given
        && password.expose_text().is_none()
    {
        cx.error(at, "not UTF-8 text", "put the password into it as text");
    }
    let user_in_address = in_address.and_then(|first| first.user.clone());
    if raw.store_user.is_some() && user_in_address.is_some() {
        cx.error(&key("store_user"), "the address in store names a user too", "keep one");
    }
    if raw.store_user.as_deref().is_some_and(|user| user.trim().is_empty()) {
        cx.error(&key("store_user"), "empty", "leave the key out, or name the user");
    }
    let user = raw.store_user.clone().or(user_in_address);
    let password =
        given.map(|(password, _)| password).or_else(|| in_address.and_then(|first| first.password.clone()));
    if user.is_some() && password.is_none() && pair.value.is_none() && pair.file.is_none() {
        let at = if raw.store_user.is_some() { key("store_user") } else { key("store") };
        cx.error(&at, "a user without a password", "name the file with it: store_password_file");
    }
    password.map(|password| StoreLogin { user, password })
}

fn tls(raw: &raw::Session, tls: bool, cx: &mut Context<'_>) -> Option<StoreTls> {
    let (ca_key, cert_key, key_key) =
        (key("store_ca_file"), key("store_certificate_file"), key("store_key_file"));
    let files = [
        (&ca_key, &raw.store_ca_file),
        (&cert_key, &raw.store_certificate_file),
        (&key_key, &raw.store_key_file),
    ];
    if !tls {
        for (key, _) in files.iter().filter(|(_, file)| file.is_some()) {
            cx.error(key, "has a meaning for rediss:// only", "leave it out, or use rediss://");
        }
        return None;
    }
    let ca_file = cx.certificates(&ca_key, raw.store_ca_file.as_deref());
    let certificate = match (raw.store_certificate_file.as_deref(), raw.store_key_file.as_deref()) {
        (Some(cert), Some(key)) => tls::shown((&cert_key, cert), (&key_key, key), cx),
        (Some(_), None) => {
            cx.missing(&key_key, "name the PEM file with the certificate's private key");
            None
        }
        (None, Some(_)) => {
            cx.missing(&cert_key, "name the PEM file with the certificate of this key");
            None
        }
        (None, None) => None,
    };
    Some(StoreTls { ca_file, certificate })
}

/// Plain characters alone: a brace would decide where a cluster puts a key, and `*` is a pattern in an ACL.
fn prefix(text: Option<&str>, cx: &mut Context<'_>) -> String {
    let default = "rolegate:".to_owned();
    let Some(text) = text else { return default };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
        cx.error(
            &key("store_prefix"),
            &format!("{text:?} is no prefix"),
            "write at most 64 letters, digits, and - _ . : /, such as \"rolegate:\"",
        );
        return default;
    }
    text.to_owned()
}

#[cfg(test)]
mod tests;
