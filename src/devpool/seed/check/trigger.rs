//! What is wrong with `[trigger]`.

use std::path::Path;

use serde_json::Value;

use super::{At, Check};
use crate::devpool::seed::Plan;
use crate::devpool::trigger::{Rule, SeedKind, TriggerSeed, TriggerTable, Version, Which};

// === impl Check ===

impl Check<'_> {
    pub(in crate::devpool::seed) fn trigger(
        &mut self,
        table: TriggerTable,
        folder: &Path,
        plan: Plan,
    ) -> Option<TriggerSeed> {
        let seed = match table.check(folder) {
            Ok(seed) => seed,
            Err((key, message)) => {
                let at: Vec<_> = [Some("trigger"), key].into_iter().flatten().map(At::Key).collect();
                self.problem(&at, message);
                return None;
            }
        };
        if plan == Plan::Lite && seed.version > Version::One {
            let message = "the plan lite has triggers of version V1_0 only; write V1_0, or [pool] plan = \"essentials\"";
            self.problem(&[At::Key("trigger"), At::Key("version")], message.to_owned());
        }
        if let SeedKind::Rules(rules) = &seed.kind {
            for (index, rule) in rules.iter().enumerate() {
                let wrong = rule_problem(rule)
                    .or_else(|| (seed.version == Version::One).then(|| version_one_problem(rule)).flatten());
                if let Some((key, message)) = wrong {
                    let at = [At::Key("trigger"), At::Key("claims"), At::Index(index), At::Key(key)];
                    self.problem(&at, message.to_owned());
                }
            }
        }
        Some(seed)
    }
}

fn rule_problem(rule: &Rule) -> Option<(&'static str, &'static str)> {
    let values = [rule.value.is_some(), rule.attribute.is_some(), rule.groups_with.is_some()];
    let values = values.into_iter().filter(|given| *given).count();
    let scope = rule.add_scopes.iter().find(|scope| scope.is_empty() || scope.contains(char::is_whitespace));
    match (&rule.claim, values) {
        (Some(_), 0) => {
            Some(("claim", "the claim has no value: add one of value, attribute and groups_with"))
        }
        (_, 2..) => {
            Some(("claim", "the claim has several values: keep one of value, attribute and groups_with"))
        }
        (None, 1) => Some(("value", "the value is of no claim: add claim = \"…\"")),
        _ if scope.is_some() => Some(("add_scopes", "a scope is not empty and has no blanks")),
        _ if rule.when.lacks_attribute() => {
            Some(("when", "equals and ends_with need attribute = \"…\" beside them"))
        }
        _ => None,
    }
}

/// What version one cannot, however much a rule asks for it.
fn version_one_problem(rule: &Rule) -> Option<(&'static str, &'static str)> {
    if matches!(rule.token, Some(Which::Access | Which::Both)) {
        return Some((
            "token",
            "version V1_0 changes the ID token only; write token = \"id\", or version V2_0",
        ));
    }
    if !rule.add_scopes.is_empty() {
        return Some(("add_scopes", "version V1_0 changes no scopes; V2_0 does"));
    }
    if !rule.suppress_scopes.is_empty() {
        return Some(("suppress_scopes", "version V1_0 changes no scopes; V2_0 does"));
    }
    if rule.groups_with.is_some() {
        return Some(("groups_with", "version V1_0 adds strings only, and this is a list; V2_0 adds lists"));
    }
    let typed = rule.value.as_ref().is_some_and(|value| !matches!(value, Value::String(_)));
    typed.then_some(("value", "version V1_0 adds strings only; write a string, or version V2_0"))
}
