//! The Content-Security-Policy of the gate's own answers: nothing but what stands in the page, by its hash. ★

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use super::{onward, page};

/// The pages' one style sheet is allowed by its hash, and nothing else is.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy(""));

/// And on the one page that goes on by itself, its one script.
pub(super) static ONWARD_POLICY: LazyLock<HeaderValue> =
    LazyLock::new(|| policy(&format!("script-src 'sha256-{}'; ", hash(onward::SCRIPT))));

fn policy(script: &str) -> HeaderValue {
    let style = hash(page::STYLE);
    let policy = format!(
        "default-src 'none'; {script}style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

fn hash(text: &str) -> String {
    STANDARD.encode(digest(&SHA256, text.as_bytes()))
}
