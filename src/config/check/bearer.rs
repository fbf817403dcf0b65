//! `[bearer]`: whose tokens count, and where. ★

use super::Context;
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{Bearer, BearerUse, Provider, ProviderKind, TokenChoice};

/// The table; `None` where it is not written.
pub(super) fn bearer(
    raw: Option<&raw::Bearer>,
    provider: Option<&Provider>,
    cx: &mut Context<'_>,
) -> Option<Bearer> {
    let raw = raw?;
    let key = Key::of("bearer");
    if let (Some(raw::Token::Either), Some(Provider { kind: ProviderKind::Oidc, .. })) =
        (raw.tokens, provider)
    {
        let fix = "write tokens = \"access\" or \"id\"";
        cx.error(&key.name("tokens"), "nothing in the tokens of this provider tells the two apart", fix);
    }
    for (name, list) in [("clients", &raw.clients), ("audiences", &raw.audiences)] {
        let Some(list) = list else { continue };
        let key = key.name(name);
        if list.is_empty() && name == "clients" {
            cx.error(&key, "the list is empty, so no token could count", "name app clients or leave it out");
        }
        cx.names(&key, list);
    }
    let own = || provider.map(|provider| vec![provider.client_id.clone()]);
    let resources = || provider.map(|provider| provider.resources.clone());
    Some(Bearer {
        tokens: match raw.tokens {
            None | Some(raw::Token::Access) => TokenChoice::Access,
            Some(raw::Token::Id) => TokenChoice::Id,
            Some(raw::Token::Either) => TokenChoice::Either,
        },
        clients: raw.clients.clone().or_else(own).unwrap_or_default(),
        audiences: raw.audiences.clone().or_else(resources).unwrap_or_default(),
        pass: raw.pass.unwrap_or(false),
    })
}

/// What rules say about it, in order.
pub(super) fn of_rules(
    written: &[raw::Rule],
    bearer: Option<&Bearer>,
    provider: Option<&Provider>,
    cx: &mut Context<'_>,
) {
    for (at, rule) in written.iter().enumerate() {
        let Some(choice) = rule.bearer else { continue };
        let key = Key::of("rules").index(at).name("bearer");
        if bearer.is_none() {
            cx.error(&key, "bearer tokens are not turned on", "write a table [bearer], or leave it out");
        }
        if let (false, Some(Provider { kind: ProviderKind::Oidc, .. })) =
            (matches!(choice, raw::RuleBearer::Off), provider)
        {
            let fix = "say it for all rules in [bearer] tokens, or write \"off\" here";
            cx.error(&key, "nothing in the tokens of this provider tells the two apart", fix);
        }
    }
}

/// What a rule says.
pub(super) fn of_rule(raw: raw::RuleBearer) -> BearerUse {
    match raw {
        raw::RuleBearer::Off => BearerUse::Off,
        raw::RuleBearer::Access => BearerUse::Of(TokenChoice::Access),
        raw::RuleBearer::Id => BearerUse::Of(TokenChoice::Id),
        raw::RuleBearer::Either => BearerUse::Of(TokenChoice::Either),
    }
}
