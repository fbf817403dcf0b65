//! Addresses: where browsers come to, where the gate listens, who is in front of it, and what lies behind. ★

use std::net::SocketAddr;

use url::Url;

use super::super::bag::Bag;
use super::super::options::Fate;
use super::super::page::{Page, duration, list};
use crate::rule::path::{Pattern, PatternProblem};

/// Where requests go: paths that have an upstream of their own, the longest first.
pub(super) struct Places {
    /// As a rule writes the path, and the address.
    pub(super) mapped: Vec<(String, String)>,
}

pub(super) fn places(bag: &mut Bag<'_>, page: &mut Page) -> Places {
    public_url(bag, page);
    let places = upstreams(bag, page);
    listeners(bag, page);
    in_front(bag, page);
    places
}

fn public_url(bag: &mut Bag<'_>, page: &mut Page) {
    let prefix = bag.text("proxy-prefix").unwrap_or_else(|| "/oauth2".to_owned());
    let prefix = format!("/{}", prefix.trim_matches('/'));
    let url = bag.text("redirect-url").and_then(|text| Url::parse(&text).ok()).filter(Url::has_host);
    match url.filter(|url| matches!(url.scheme(), "http" | "https")) {
        Some(url) => {
            let origin = url.origin().ascii_serialization();
            page.key("", "public_url", origin.as_str(), "");
            let callback = format!("{prefix}/callback");
            if url.path() == callback {
                bag.say(
                    "redirect-url",
                    Fate::Taken,
                    format!("public_url; the callback stays {origin}{callback}"),
                );
            } else {
                bag.say(
                    "redirect-url",
                    Fate::Taken,
                    format!("public_url; the callback is {origin}{callback} now"),
                );
                bag.todo(format!("at the provider: allow the callback {origin}{callback}"));
            }
        }
        None => {
            let why = "The address that browsers use; oauth2-proxy took it from the request.";
            page.open("", "public_url = \"https://app.example.com\"", why);
            bag.todo(
                "public_url: write the address that browsers use; oauth2-proxy took it from the request",
            );
            if bag.has("redirect-url") {
                bag.say("redirect-url", Fate::Missing, "no address of its own: write public_url");
            }
        }
    }
    if prefix != "/oauth2" {
        page.key("", "auth_prefix", prefix, "");
    }
}

fn upstreams(bag: &mut Bag<'_>, page: &mut Page) -> Places {
    let mut first: Option<String> = None;
    let mut mapped: Vec<(String, String)> = Vec::new();
    let mut left_out: Vec<&str> = Vec::new();
    for text in bag.list("upstream") {
        match upstream(&text) {
            Ok((None, address)) if first.is_none() => first = Some(address),
            Ok((Some(path), address))
                if !mapped.iter().any(|(known, _)| known.eq_ignore_ascii_case(&path)) =>
            {
                mapped.push((path, address))
            }
            Ok(_) => left_out.push("a second one for the same path"),
            Err(why) => left_out.push(why),
        }
    }
    mapped.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    let said = match (&first, mapped.last()) {
        (Some(_), _) => "upstream, and a rule for each path that has one of its own".to_owned(),
        (None, Some((path, address))) => {
            first = Some(address.clone());
            bag.todo(format!("upstream: none answered for /, and what was 404 there goes to the upstream of {path} now; look whether it may"));
            "rules; the one of the shortest path is upstream, too".to_owned()
        }
        (None, None) => "none of them is an address that requests go to".to_owned(),
    };
    match first {
        Some(address) => page.key("", "upstream", address, ""),
        None => {
            page.open("", "upstream = \"http://127.0.0.1:8080\"", "Where allowed requests go.");
            bag.todo("upstream: write where allowed requests go; beside a gateway that asks at /oauth2/auth, what it guards");
        }
    }
    if !left_out.is_empty() {
        left_out.dedup();
        bag.say("upstream", Fate::Missing, format!("{said}; left out: {}", left_out.join(", ")));
    } else {
        bag.say("upstream", Fate::Taken, said);
    }
    if bag.on("pass-host-header") == Some(false) {
        page.key("", "pass_host", false, "");
    }
    match bag.duration("upstream-timeout").filter(|time| !time.is_zero()) {
        Some(time) => page.key("[limits]", "response_timeout", duration(time), ""),
        None if bag.has("upstream-timeout") => {
            bag.say("upstream-timeout", Fate::Missing, "no duration; [limits] response_timeout is 60s")
        }
        None => {}
    }
    Places { mapped }
}

/// The path that it answers for, as a rule writes it, if that is not all; and its address.
fn upstream(text: &str) -> Result<(Option<String>, String), &'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok((None, format!("unix:/{}", path.trim_start_matches('/'))));
    }
    let url = Url::parse(text).map_err(|_| "what is no URL")?;
    match url.scheme() {
        "file" => return Err("files, which a web server must serve"),
        "static" => {
            return Err(
                "a fixed answer, which a proxy that asks at /oauth2/auth does not need ([gateway] peers and kind)",
            );
        }
        "http" | "https" => {}
        _ => return Err("another kind of address"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("one with a password in it");
    }
    let path = match url.path() {
        "/" => None,
        path if path.ends_with('/') => Some(pattern(&format!("{path}**"))?),
        path => Some(pattern(path)?),
    };
    Ok((path, url.origin().ascii_serialization()))
}

/// In the spelling that requests are brought to.
fn pattern(written: &str) -> Result<String, &'static str> {
    let spelled = match Pattern::parse(written) {
        Err(PatternProblem::NotCanonical(spelled)) => spelled,
        _ => written.to_owned(),
    };
    Pattern::parse(&spelled).map(|_| spelled).map_err(|_| "one for a path that no rule can name")
}

fn listeners(bag: &mut Bag<'_>, page: &mut Page) {
    let http = bag.text("http-address").map(|text| address(&text));
    if let (Some(cert), Some(key)) = (bag.text("tls-cert-file"), bag.text("tls-key-file")) {
        let https = bag.text("https-address").unwrap_or_else(|| ":443".to_owned());
        match address(&https) {
            Some(address) => page.key("", "listen", address, ""),
            None => {
                bag.say("https-address", Fate::Missing, "no address with a port; listen is 127.0.0.1:4180")
            }
        }
        page.key("[tls]", "cert_file", cert, "");
        page.key("[tls]", "key_file", key, "");
        match bag.text("tls-min-version").as_deref() {
            Some("TLS1.3") => page.key("[tls]", "min_version", "1.3", ""),
            Some(_) => bag.say("tls-min-version", Fate::Needless, "1.2 is the least anyway"),
            None => {}
        }
        let redirected = bag.on("force-https") == Some(true);
        match http.flatten().filter(|_| redirected) {
            Some(address) => page.key("[tls]", "redirect_listen", address, ""),
            None => bag.say(
                "http-address",
                Fate::Needless,
                "with a certificate only TLS is spoken, there as here",
            ),
        }
        return;
    }
    bag.say("https-address", Fate::Needless, "there is no certificate, and nothing listened there");
    if bag.on("force-https") == Some(true) {
        bag.say("force-https", Fate::Missing, "TLS ends in front of the gate, and what ends it redirects");
    }
    let written = bag.text("http-address").unwrap_or_default();
    match http {
        Some(Some(address)) => page.key("", "listen", address, ""),
        Some(None) if written.to_ascii_lowercase().starts_with("fd:") => {
            bag.say("http-address", Fate::Needless, "a socket that the service manager hands over is taken");
        }
        Some(None) => {
            bag.say("http-address", Fate::Missing, "no address with a port; listen is 127.0.0.1:4180")
        }
        None => {}
    }
}

/// As `listen` has it; every interface where only a port is written.
fn address(text: &str) -> Option<String> {
    let bare = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let bare = if bare.starts_with(':') { format!("0.0.0.0{bare}") } else { bare.to_owned() };
    let spelled = match bare.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => bare,
    };
    spelled.parse::<SocketAddr>().ok().map(|address| address.to_string())
}

fn in_front(bag: &mut Bag<'_>, page: &mut Page) {
    if let Some(text) = bag.text("metrics-address") {
        match address(&text) {
            Some(address) => page.key("", "admin_listen", address, "/livez, /readyz and /metrics."),
            None => bag.say(
                "metrics-address",
                Fate::Missing,
                "no address with a port; admin_listen is 127.0.0.1:4181",
            ),
        }
    }
    let proxies: Vec<String> =
        bag.list("trusted-proxy-ip").into_iter().filter(|text| !text.ends_with("/0")).collect();
    if bag.on("reverse-proxy") == Some(true) {
        if proxies.is_empty() {
            page.open(
                "",
                "trusted_proxies = [\"10.0.0.0/8\"]",
                "Whose X-Forwarded-* is believed: oauth2-proxy believed everybody's.",
            );
            bag.todo("trusted_proxies: name the networks of what stands in front; until then its X-Forwarded-* is not believed, and every client has its address");
        } else {
            page.key("", "trusted_proxies", list(&proxies), "");
            bag.say("reverse-proxy", Fate::Taken, "trusted_proxies");
        }
    } else if bag.has("trusted-proxy-ip") {
        bag.say("trusted-proxy-ip", Fate::Needless, "without reverse_proxy nobody was believed");
    }
    let (mut hosts, mut left_out) = (Vec::new(), 0);
    for text in bag.list("whitelist-domain") {
        let bare = text.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(&text);
        let name = bare.split(':').next().unwrap_or_default();
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        if plain && name.trim_matches('.').contains(|c: char| c != '.') {
            hosts.push(bare.to_owned());
        } else {
            left_out += 1;
        }
    }
    if !hosts.is_empty() {
        page.key("", "allowed_return_hosts", list(&hosts), "");
    }
    if left_out > 0 {
        bag.say(
            "whitelist-domain",
            Fate::Missing,
            format!("allowed_return_hosts, but for {left_out} that name no host"),
        );
    }
}
