//! rolegate: an authenticating reverse proxy for Amazon Cognito user pools.
//!
//! The way of one request, and the reading order of these modules:
//!
//! ```text
//! listen → http1 → gate ┬ path        one meaning for the path, or 400
//!                       ├ own page?   /oauth2/* is answered here: login
//!                       ├ rule        which rule covers this host, method, path? the strictest default if none
//!                       ├ session     who came in before? (cookie → open; refresh when due)
//!                       ├ identity    claims → user + roles, ready header values
//!                       ├ authorize   Forward · Login · Challenge · Forbid
//!                       └ forward     headers rebuilt from an allow-list, identity put in last → pool → upstream
//! ```
//!
//! `docs/architecture.md` is the long form: what may import what, and why each part is as it is.

#![forbid(unsafe_code)]

pub mod ask;
pub mod authorize;
pub mod background;
pub mod bearer;
pub mod body;
pub mod calendar;
pub mod caller;
pub mod clock;
pub mod command;
pub mod config;
pub mod control;
pub mod devpool;
pub mod forward;
pub mod forwarded;
#[doc(hidden)]
pub mod fuzz;
pub mod gate;
pub mod gateway;
mod gather;
pub mod identity;
pub mod listen;
pub mod login;
pub mod provider;
pub mod redirect;
pub mod refusal;
pub mod reply;
pub mod rule;
pub mod run;
pub mod session;
pub mod site;
pub mod streams;
pub mod tally;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod vouch;
