//! Cookies, lifetimes and the shared store. ★

use std::time::Duration;

use url::Url;

use super::super::bag::Bag;
use super::super::options::Fate;
use super::super::page::{Page, duration, list};

const TABLE: &str = "[session]";
const KEYS: &str = "/run/secrets/session-keys";
const STORE_PASSWORD: &str = "/run/secrets/store-password";
const SENTINEL_PASSWORD: &str = "/run/secrets/sentinel-password";

pub(super) fn session(bag: &mut Bag<'_>, page: &mut Page) {
    page.key(
        TABLE,
        "keys_file",
        KEYS,
        "A key of its own: `rolegate secret`. The cookie secret has no use here.",
    );
    bag.todo(format!(
        "{KEYS}: `rolegate secret > {KEYS}`, readable by the gate alone, the same for all replicas"
    ));
    lifetimes(bag, page);
    if let Some(name) = bag.text("cookie-name") {
        match cookie_name(&name) {
            Some(name) => page.key(TABLE, "cookie_name", name, ""),
            None => bag.say(
                "cookie-name",
                Fate::Missing,
                "a name that no cookie of the gate can have; it is `__Host-rolegate`",
            ),
        }
    }
    if bag.text("cookie-samesite").is_some_and(|value| !value.eq_ignore_ascii_case("lax")) {
        let says =
            "always Lax: a link from elsewhere finds the session, a form and a frame from elsewhere do not";
        bag.say("cookie-samesite", Fate::Stricter, says);
    }
    if bag.text("session-store-type").as_deref() == Some("redis") || bag.has("redis-connection-url") {
        store(bag, page);
    }
}

fn lifetimes(bag: &mut Bag<'_>, page: &mut Page) {
    match bag.duration("cookie-expire") {
        Some(Duration::ZERO) => {
            bag.say(
                "cookie-expire",
                Fate::Missing,
                "a session ends after [session] max_age, 12h, and not with the browser",
            );
        }
        Some(time) => {
            page.key(
                TABLE,
                "max_age",
                duration(time),
                "From the sign-in on; a refresh does not make it longer.",
            );
        }
        None if bag.has("cookie-expire") => {
            bag.say("cookie-expire", Fate::Missing, "no duration; [session] max_age is 12h")
        }
        None => {}
    }
    match bag.duration("cookie-refresh") {
        Some(time) if time >= Duration::from_secs(1) => {
            page.key(TABLE, "max_role_age", duration(time), "");
        }
        _ if bag.has("cookie-refresh") => {
            bag.say(
                "cookie-refresh",
                Fate::Stricter,
                "[session] max_role_age: roles are asked for anew after 15m, and cannot stay for ever",
            );
        }
        _ => {}
    }
}

/// Without the prefix, which the gate adds itself.
fn cookie_name(written: &str) -> Option<String> {
    let folded = written.to_ascii_lowercase();
    let bare = ["__host-", "__secure-"]
        .iter()
        .find_map(|prefix| folded.strip_prefix(prefix))
        .map_or(written, |rest| &written[written.len() - rest.len()..]);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let bare = bare.trim_start_matches('_');
    (!bare.is_empty() && bare.len() <= 40 && bare.bytes().all(plain)).then(|| bare.to_owned())
}

/// An address of Redis, and the same without what a password can be part of. An unescaped `/`, `?` or `#` in one ends the
/// host for whoever parses it, and leaves the rest of the password, up to an `@`, at another place.
fn server(text: &str) -> Option<(Url, String)> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "redis" | "rediss"))?;
    let number = url.path().trim_start_matches('/');
    let torn = url.fragment().is_some() || url.query().is_some_and(|query| query.contains('@'));
    if !url.has_host() || torn || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_username("").ok()?;
    bare.set_password(None).ok()?;
    let address = bare.as_str().trim_end_matches('/').to_owned();
    Some((url, address))
}

fn store(bag: &mut Bag<'_>, page: &mut Page) {
    let (mode, flag) = match (bag.on("redis-use-sentinel"), bag.on("redis-use-cluster")) {
        (Some(true), _) => (Some("sentinel"), "redis-sentinel-connection-urls"),
        (_, Some(true)) => (Some("cluster"), "redis-cluster-connection-urls"),
        _ => (None, "redis-connection-url"),
    };
    // One address is no list: a comma in it may be part of a password.
    let written = if mode.is_some() { bag.list(flag) } else { bag.text(flag).into_iter().collect() };
    let mut addresses = Vec::new();
    let (mut user, mut password, mut tls) = (bag.text("redis-username"), bag.has("redis-password"), false);
    for text in &written {
        let Some((url, address)) = server(text) else {
            bag.say(flag, Fate::Missing, "no URL of a server");
            continue;
        };
        if !url.username().is_empty() && user.is_none() {
            user = Some(url.username().to_owned());
        }
        password |= url.password().is_some();
        tls |= url.scheme() == "rediss";
        addresses.push(address);
    }
    if addresses.is_empty() {
        page.open(TABLE, "store = \"rediss://…:6379/0\"", "");
        bag.todo("[session] store: the sessions were in Redis, but its address is not in what was read. Without a store they are in cookies alone, which needs no Redis");
        return;
    }
    if let (None, [one]) = (mode, addresses.as_slice()) {
        page.key(
            TABLE,
            "store",
            one.as_str(),
            "Not needed for one gate, nor for replicas that share the keys: docs/sessions.md.",
        );
    } else {
        page.key(TABLE, "store", list(&addresses), "");
    }
    if let Some(mode) = mode {
        page.key(TABLE, "store_mode", mode, "");
    }
    if let (Some("sentinel"), Some(name)) = (mode, bag.text("redis-sentinel-master-name")) {
        page.key(TABLE, "store_service", name, "");
    }
    if let Some(user) = user.filter(|user| user != "default") {
        page.key(TABLE, "store_user", user, "");
    }
    if password {
        page.key(TABLE, "store_password_file", STORE_PASSWORD, "The password was not copied.");
        bag.todo(format!("{STORE_PASSWORD}: put the store's password there"));
    }
    if mode == Some("sentinel") && bag.has("redis-sentinel-password") {
        page.key(TABLE, "store_sentinel_password_file", SENTINEL_PASSWORD, "The password was not copied.");
        bag.todo(format!("{SENTINEL_PASSWORD}: put the sentinels' password there"));
    }
    if let Some(file) = bag.text("redis-ca-path").filter(|_| tls) {
        page.key(TABLE, "store_ca_file", file, "");
    }
}
