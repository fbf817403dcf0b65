//! `[assertion]`: what is signed for the upstream, for whom, and with which keys. ★

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroize;

use super::Context;
use super::duration::duration;
use super::secrets;
use super::upstream::Upstreams;
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::secret::Secret;
use crate::config::settings::{Assertion, AssertionKind};

/// The table; `None` where it is not written. Its presence turns the assertion on.
pub(super) fn assertion(raw: Option<&raw::Assertion>, cx: &mut Context<'_>) -> Option<Assertion> {
    let raw = raw?;
    let key = Key::of("assertion");
    let kind = match raw.kind {
        Some(raw::AssertionKind::Alb) => alb(raw, &key, cx),
        Some(raw::AssertionKind::Rolegate) | None => rolegate(raw, &key, cx),
    };
    let lifetime_key = key.name("lifetime");
    let lifetime = duration(raw.lifetime.as_deref(), &lifetime_key, DEFAULT_LIFETIME, cx);
    if lifetime > LONGEST_LIFETIME {
        cx.error(
            &lifetime_key,
            "longer than 60s: whoever sees an assertion can show it again until it ends",
            "write at most \"60s\"",
        );
    } else if lifetime.as_secs() == 0 || lifetime.subsec_nanos() != 0 {
        cx.error(&lifetime_key, "tokens count in whole seconds", "write such as \"30s\"");
    }
    let keys = keys(raw, &key.name("key_file"), cx);
    Some(Assertion { kind: kind?, keys, lifetime })
}

/// There is one audience, and what is said to one upstream another could show to it.
pub(super) fn for_one_upstream(raw: Option<&raw::Assertion>, upstreams: &Upstreams, cx: &mut Context<'_>) {
    if raw.is_some() && upstreams.has_others() {
        cx.warning(
            &Key::of("assertion"),
            "is handed to every upstream of the rules alike: each could show it to another until it ends",
            "give upstreams that do not trust each other a gate each, or a short lifetime",
        );
    }
}

/// A default for the audience would bind to nothing: the upstream's address is `127.0.0.1:8080` in every pod.
fn rolegate(raw: &raw::Assertion, key: &Key, cx: &mut Context<'_>) -> Option<AssertionKind> {
    if raw.signer.is_some() {
        cx.error(&key.name("signer"), "belongs to kind = \"alb\"", "leave it out");
    }
    let audience_key = key.name("audience");
    match raw.audience.as_deref() {
        None => cx.missing(
            &audience_key,
            "name the one application that should believe it, such as audience = \"reports\"",
        ),
        Some(audience) if audience.trim() != audience || audience.is_empty() => {
            cx.error(&audience_key, "empty, or blank at the beginning or end", "name the one application");
        }
        Some(audience) => return Some(AssertionKind::Rolegate { audience: audience.to_owned() }),
    }
    None
}

fn alb(raw: &raw::Assertion, key: &Key, cx: &mut Context<'_>) -> Option<AssertionKind> {
    if raw.audience.is_some() {
        let message = "x-amzn-oidc-data has no audience: an application knows it by signer and client";
        cx.error(&key.name("audience"), message, "leave it out");
    }
    if raw.key_file.is_none() {
        cx.missing(
            &key.name("key_file"),
            "an application fetches the key by its id: it must stay the same over replicas and restarts",
        );
    }
    cx.warning(
        &key.name("kind"),
        "the upstream gets each person's access token, and x-amzn-oidc-data is bound to no host and no path; \
         sessions take a third cookie",
        "use it for an application that was written for a load balancer alone, and let it check signer, iss and client",
    );
    let signer_key = key.name("signer");
    let fix = "write the ARN that the application expects, such as \
               \"arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/name/50dc6c495c0c9188\"";
    match raw.signer.as_deref() {
        None => cx.missing(&signer_key, fix),
        Some(signer) if is_arn(signer) => return Some(AssertionKind::Alb { signer: signer.to_owned() }),
        Some(signer) => {
            let message = format!("{signer:?} is no load balancer's ARN, and verifiers refuse any other");
            cx.error(&signer_key, &message, fix);
        }
    }
    None
}

fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "elasticloadbalancing", region, account, resource] = parts[..] else {
        return false;
    };
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    partition.starts_with("aws") && [partition, region, account, resource].into_iter().all(plain)
}

fn keys(raw: &raw::Assertion, key: &Key, cx: &mut Context<'_>) -> Vec<Secret> {
    let fix = "make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
    let Some(file) = raw.key_file.as_deref() else {
        if !matches!(raw.kind, Some(raw::AssertionKind::Alb)) {
            let message = "not given: a key is made at each start, so replicas have different ones and an \
                           upstream must fetch them anew after a restart";
            cx.warning(key, message, fix);
        }
        return Vec::new();
    };
    let Some(pem) = secrets::from_file(file, key, cx) else { return Vec::new() };
    let mut found: Vec<Secret> = Vec::new();
    for (at, section) in PrivateKeyDer::pem_slice_iter(pem.expose()).enumerate() {
        let number = at + 1;
        let Ok(mut section) = section else {
            cx.error(key, &format!("{file}: private key {number} cannot be read as PEM"), fix);
            continue;
        };
        let der = Secret::new(section.secret_der());
        section.zeroize();
        if EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.expose()).is_err() {
            cx.error(key, &format!("{file}: private key {number} is not of the curve P-256"), fix);
        } else if found.contains(&der) {
            cx.warning(key, &format!("{file}: private key {number} is there twice"), "take one out");
        } else {
            found.push(der);
        }
    }
    if found.is_empty() && !cx.problems.touches(key) {
        cx.error(key, &format!("{file} holds no private key"), fix);
    }
    found
}

const DEFAULT_LIFETIME: Duration = Duration::from_secs(30);
const LONGEST_LIFETIME: Duration = Duration::from_secs(60);
