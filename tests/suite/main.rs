//! The integration suite: one binary, the real gate, real sockets.
//!
//! `corpus` holds the gate to `tests/fixtures/attacks.md`, case by case; `CORPUS=HDR-0 cargo test --test suite
//! corpus` runs the cases whose id begins so. `SHOW_GATE=1` prints each gate's log at its end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may look at the clock")]
#![allow(unreachable_pub, reason = "modules of a binary: pub says what they offer each other")]

mod acceptance;
mod alb;
mod architecture;
mod assertion;
mod audit;
mod authorize;
mod backends;
mod bearer;
mod browser;
mod clients;
mod cognito;
mod concurrency;
mod configuration;
mod connections;
mod container;
mod cookies;
mod corpus;
mod cost;
mod crowd;
mod crowded;
mod debian;
mod doctor;
mod drain;
mod explain;
mod floods;
mod forwarded;
mod forwarding;
mod framing;
mod front;
mod fuzz;
mod gateways;
mod grpc;
mod headers;
mod http2;
mod import;
mod issuers;
mod key_roll;
mod keys;
mod kubernetes;
mod languages;
mod login;
mod logout;
mod machine;
mod manual;
mod metrics;
mod monitoring;
mod operation;
mod pages;
mod pass_token;
mod paths;
mod pool_and_gate;
mod provider;
mod proxy_protocol;
mod random;
mod rate;
mod redirects;
mod refresh;
mod release;
mod reload;
mod replicas;
mod rest;
mod secrets;
mod sessions_command;
mod shared_store;
mod soak;
mod store;
mod streams;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "a library: not every test needs all of it")]
mod support;
mod support_itself;
mod systemd;
mod tls;
mod tokens;
mod traces;
mod upstreams;
mod verdict;
mod verifier;
