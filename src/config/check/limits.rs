//! `[limits]`: bounds that are bounds. ★

use std::time::Duration;

use super::Context;
use super::duration::{duration, duration_or_off};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{Http2Limits, Limits};

/// The table, with its defaults.
pub(super) fn limits(raw: Option<&raw::Limits>, cx: &mut Context<'_>) -> Limits {
    let default = Limits::default();
    let Some(raw) = raw else { return default };
    let mut time = |text: &Option<String>, name: &str, default: Duration| {
        duration(text.as_deref(), &Key::of("limits").name(name), default, cx)
    };
    let header_timeout = time(&raw.header_timeout, "header_timeout", default.header_timeout);
    let handshake_timeout = time(&raw.handshake_timeout, "handshake_timeout", default.handshake_timeout);
    let idle_timeout = time(&raw.idle_timeout, "idle_timeout", default.idle_timeout);
    let connect_timeout = time(&raw.connect_timeout, "connect_timeout", default.connect_timeout);
    let response_timeout = time(&raw.response_timeout, "response_timeout", default.response_timeout);
    let body_idle_timeout = time(&raw.body_idle_timeout, "body_idle_timeout", default.body_idle_timeout);
    let upstream_idle = time(&raw.upstream_idle, "upstream_idle", default.upstream_idle);
    let upstream_queue_time =
        time(&raw.upstream_queue_time, "upstream_queue_time", default.upstream_queue_time);
    let drain = time(&raw.drain, "drain", default.drain);
    let drain_delay = drain_delay(raw.drain_delay.as_deref(), cx);
    let stream_idle = duration_or_off(raw.stream_idle.as_deref(), &Key::of("limits").name("stream_idle"), cx);
    let ping = match raw.http2_ping.as_deref() {
        None => Http2Limits::default().ping,
        text => duration_or_off(text, &Key::of("limits").name("http2_ping"), cx),
    };
    let mut count = |number: Option<u64>,
                     name: &str,
                     default: usize,
                     range: std::ops::RangeInclusive<u64>| {
        match number {
            None => default,
            Some(number) if range.contains(&number) => usize::try_from(number).unwrap_or(default),
            Some(number) => {
                let message = format!("{number} is not between {} and {}", range.start(), range.end());
                cx.error(&Key::of("limits").name(name), &message, &format!("the default is {default}"));
                default
            }
        }
    };
    let of_http2 = Http2Limits::default();
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let http2 = Http2Limits {
        streams: small(count(raw.http2_streams, "http2_streams", of_http2.streams as usize, 1..=1_000)),
        // Every client may count on the lower one until it hears of another (RFC 9113 §6.9.2).
        window: small(count(raw.http2_window, "http2_window", of_http2.window as usize, 65_535..=16_777_216)),
        send_buffer: count(
            raw.http2_send_buffer,
            "http2_send_buffer",
            of_http2.send_buffer,
            16_384..=16_777_216,
        ),
        ping,
    };
    // The upper bounds stay below what the HTTP parser itself refuses, so that refusals are ours.
    Limits {
        target: count(raw.target, "target", default.target, 256..=32_768),
        header_bytes: count(raw.header_bytes, "header_bytes", default.header_bytes, 1_024..=262_144),
        header_count: count(raw.header_count, "header_count", default.header_count, 10..=500),
        connections: count(raw.connections, "connections", default.connections, CONNECTIONS),
        connections_per_address: count(
            raw.connections_per_address,
            "connections_per_address",
            default.connections_per_address,
            CONNECTIONS,
        ),
        header_timeout,
        handshake_timeout,
        idle_timeout,
        connect_timeout,
        response_timeout,
        body_idle_timeout,
        upstream_idle,
        upstream_connections: count(
            raw.upstream_connections,
            "upstream_connections",
            default.upstream_connections,
            1..=1_000_000,
        ),
        upstream_queue: count(raw.upstream_queue, "upstream_queue", default.upstream_queue, 0..=1_000_000),
        upstream_queue_time,
        drain_delay,
        drain,
        stream_idle,
        http2,
        login_rate: login_rate(raw.login_rate, cx),
        body: body(raw.body, cx),
    }
}

/// Nothing, unless there is a balancer that needs a moment.
fn drain_delay(text: Option<&str>, cx: &mut Context<'_>) -> Duration {
    let text = text.filter(|text| *text != "0s");
    duration_or_off(text, &Key::of("limits.drain_delay"), cx).unwrap_or_default()
}

/// Without the key there is no bound; 0 would be a gate that nobody can pass.
fn login_rate(rate: Option<u64>, cx: &mut Context<'_>) -> Option<u32> {
    match rate? {
        rate @ 1..=MOST_LOGINS => u32::try_from(rate).ok(),
        rate => {
            let message = format!("{rate} is not between 1 and {MOST_LOGINS}");
            cx.error(&Key::of("limits.login_rate"), &message, "leave the key out for any number");
            None
        }
    }
}

/// Without the key there is no bound: what is too large is the application's to say, and bodies pass through without
/// being held. 0 would be for a method, which rules are for.
fn body(bytes: Option<u64>, cx: &mut Context<'_>) -> Option<u64> {
    match bytes? {
        bytes @ 1..=LARGEST_BODY => Some(bytes),
        bytes => {
            let message = format!("{bytes} is not between 1 and {LARGEST_BODY}");
            cx.error(&Key::of("limits.body"), &message, "leave the key out for any number");
            None
        }
    }
}

/// A million; more have no room in a process.
const CONNECTIONS: std::ops::RangeInclusive<u64> = 1..=1_000_000;
/// A petabyte: whoever means more means any.
const LARGEST_BODY: u64 = 1_000_000_000_000_000;
/// A minute, from one address.
const MOST_LOGINS: u64 = 100_000;
