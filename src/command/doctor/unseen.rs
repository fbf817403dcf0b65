//! What only an account at AWS can see: said to be unseen, with the command to look and what it should show. ★

use std::time::Duration;

use super::aws::Aws;
use super::report::Finding;
use crate::config::check::identity::is_attribute;
use crate::config::settings::{Config, TokenChoice};

/// For this configuration.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = at_the_provider(config);
    if config.session.store.is_some() {
        findings.push(
            Finding::unseen("store", "session.store is not asked by this command")
                .fix("a gate that has started says whether it is heard:")
                .fix(format!("curl http://{}/readyz", config.admin_listen)),
        );
    }
    findings
}

fn at_the_provider(config: &Config) -> Vec<Finding> {
    let Some(aws) = Aws::of(&config.provider) else {
        return vec![
            Finding::unseen("attributes", "which claims people can set themselves is the provider's to say")
                .fix(format!("none of these may be one: {}", claims(config, |_| true).join(" "))),
        ];
    };
    let writable = claims(config, is_attribute);
    let attributes = if writable.is_empty() {
        Finding::ok("attributes", "no role comes from an attribute that people could set themselves")
    } else {
        Finding::unseen(
            "attributes",
            format!("needs an AWS account: who may write {}, which roles come from", writable.join(" ")),
        )
        .fix(format!(
            "no client may list {}, and none may have no list at all (null), which can mean every attribute:",
            writable.join(" or ")
        ))
        .fix(aws.write_attributes())
    };
    let life = hours(config.session.max_age);
    vec![
        attributes,
        Finding::unseen("lifetimes", "needs an AWS account: how long tokens of this client live")
            .fix(format!(
                "a refresh token has to live as long as [session] max_age ({life}), else people sign in more often:"
            ))
            .fix(aws.describe_client(
                "[RefreshTokenValidity,AccessTokenValidity,IdTokenValidity,TokenValidityUnits]",
            )),
        Finding::unseen("rotation", "needs an AWS account: whether a refresh token is replaced at each use")
            .fix("both work; where it is ENABLED, RetryGracePeriodSeconds of 60 spares people a login:")
            .fix(aws.describe_client("RefreshTokenRotation")),
        Finding::unseen("trigger", "needs an AWS account: which version of the pre token generation trigger the pool has").fix(trigger(config)).fix(aws.describe_pool("LambdaConfig")),
    ]
}

fn trigger(config: &Config) -> String {
    let of_access = |claim: &str| {
        config.identity.roles.iter().any(|role| role.claim == claim && role.token == TokenChoice::Access)
    };
    let made = claims(config, |claim| of_access(claim) && !IN_ACCESS_TOKENS.contains(&claim));
    match made.as_slice() {
        [] => "PreTokenGenerationConfig.LambdaVersion: V1_0 changes ID tokens alone, V2_0 and V3_0 access tokens too:".into(),
        made => format!(
            "{} is read from access tokens, so PreTokenGenerationConfig.LambdaVersion has to be V2_0 or V3_0:",
            made.join(" ")
        ),
    }
}

/// Claims that roles come from, once each.
fn claims(config: &Config, keep: impl Fn(&str) -> bool) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for claim in config.identity.roles.iter().map(|role| role.claim.as_str()).filter(|claim| keep(claim)) {
        if !found.contains(&claim) {
            found.push(claim);
        }
    }
    found
}

fn hours(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// Without a trigger.
const IN_ACCESS_TOKENS: [&str; 4] = ["cognito:groups", "scope", "username", "client_id"];
