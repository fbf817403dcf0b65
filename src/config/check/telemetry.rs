//! `[telemetry]`: a collector that can be reached, and headers that can be sent to it. ★

use http::{HeaderName, HeaderValue};
use url::Url;

use super::Context;
use super::origin::is_loopback;
use super::secrets;
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::secret::Secret;
use crate::config::settings::{TraceParent, Traces};

const FIX: &str =
    "write \"http://127.0.0.1:4318\", or \"https://…\" of a collector that takes OTLP over HTTP";

/// The table, with its defaults; `None` without a collector.
pub(super) fn traces(raw: Option<&raw::Telemetry>, cx: &mut Context<'_>) -> Option<Traces> {
    let raw = raw?;
    let Some(text) = raw.otlp_endpoint.as_deref() else {
        without_collector(raw, cx);
        return None;
    };
    if cfg!(not(feature = "otel")) {
        cx.error(
            &key("otlp_endpoint"),
            "this rolegate was built without traces (feature otel)",
            "leave it out",
        );
    }
    let url = endpoint(text).map_err(|(why, fix)| cx.error(&key("otlp_endpoint"), why, fix)).ok();
    let ca_file = cx.certificates(&key("otlp_ca_file"), raw.otlp_ca_file.as_deref());
    let headers = headers(raw.otlp_headers_file.as_deref(), cx);
    if let Some(url) = url.as_ref().filter(|url| url.scheme() == "http") {
        if ca_file.is_some() {
            cx.error(&key("otlp_ca_file"), "otlp_endpoint is cleartext", "write https://, or leave it out");
        }
        if !headers.is_empty() && !url.host_str().is_some_and(is_loopback) {
            cx.warning(
                &key("otlp_headers_file"),
                "what it holds is sent in cleartext to another machine",
                "use https:// for otlp_endpoint",
            );
        }
    }
    Some(Traces {
        address: url
            .map(|url| format!("{}/v1/traces", url.as_str().trim_end_matches('/')))
            .unwrap_or_default(),
        ca_file,
        headers,
        service_name: service_name(raw.service_name.as_deref(), cx),
        sample_ratio: sample_ratio(raw.sample_ratio, cx),
        parent: match raw.trace_parent {
            Some(raw::TraceParent::Any) => TraceParent::Any,
            Some(raw::TraceParent::None) => TraceParent::None,
            Some(raw::TraceParent::Trusted) | None => TraceParent::Trusted,
        },
    })
}

fn key(name: &str) -> Key {
    Key::of("telemetry").name(name)
}

/// Whoever gives the collector's key and forgets its address would run without traces.
fn without_collector(raw: &raw::Telemetry, cx: &mut Context<'_>) {
    if cx.problems.touches(&key("otlp_endpoint")) {
        return;
    }
    let given = [
        ("otlp_ca_file", raw.otlp_ca_file.is_some()),
        ("otlp_headers_file", raw.otlp_headers_file.is_some()),
    ];
    for (name, _) in given.iter().filter(|(_, given)| *given) {
        cx.error(&key(name), "there is no collector for it: otlp_endpoint is missing", FIX);
    }
}

/// What stands in the address may be shown: it holds no password.
fn endpoint(text: &str) -> Result<Url, (&'static str, &'static str)> {
    let url = Url::parse(text).map_err(|_| ("not a URL", FIX))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(("neither http:// nor https://", FIX));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("holds a user or a password", "send it as a header: otlp_headers_file"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(("holds a query or a fragment", "leave it out"));
    }
    if url.path().trim_end_matches('/').ends_with("/v1/traces") {
        return Err(("ends in /v1/traces, which is put behind it", "leave /v1/traces out"));
    }
    Ok(url)
}

/// `Name: value`, one a line.
fn headers(file: Option<&str>, cx: &mut Context<'_>) -> Vec<(HeaderName, Secret)> {
    let key = key("otlp_headers_file");
    let Some(secret) = file.and_then(|file| secrets::from_file(file, &key, cx)) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, line) in secret.expose().split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match header(line) {
            Some(header) => found.push(header),
            // The line itself is a secret.
            None => cx.error(
                &key,
                &format!("line {} is no header that can be sent", at + 1),
                "write Name: value; Host, Content-Type and the like are the gate's own",
            ),
        }
    }
    found
}

fn header(line: &[u8]) -> Option<(HeaderName, Secret)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = line[colon + 1..].trim_ascii();
    let own = ["host", "content-type", "content-length", "transfer-encoding", "connection", "user-agent"];
    let sendable =
        HeaderValue::from_bytes(value).is_ok() && !value.is_empty() && !own.contains(&name.as_str());
    sendable.then(|| (name, Secret::new(value)))
}

fn service_name(text: Option<&str>, cx: &mut Context<'_>) -> String {
    let text = text.unwrap_or("rolegate");
    if text.trim().is_empty() || text.len() > 255 {
        cx.error(&key("service_name"), "empty, or longer than 255 bytes", "leave it out: \"rolegate\"");
    }
    text.to_owned()
}

fn sample_ratio(ratio: Option<f64>, cx: &mut Context<'_>) -> f64 {
    let ratio = ratio.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&ratio) {
        cx.error(
            &key("sample_ratio"),
            &format!("{ratio} is not between 0 and 1"),
            "0.1 records every tenth trace",
        );
    }
    ratio
}
