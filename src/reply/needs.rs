//! What a rule asks and somebody does not have, each in a sentence of its own. ★

use super::sentences::Sentences;
use crate::config::settings::Requirement;

/// Nothing but what the configuration names anyway.
pub(super) fn missing(requirement: &Requirement, say: &Sentences) -> Vec<String> {
    let Requirement { any_role, all_roles, any_scope, any_user, any_email_domain, min_acr, max_auth_age } =
        requirement;
    let needs = &say.needs;
    let one_or_several = |names: &[String], one: fn(&str) -> String, several: fn(&str) -> String| match names
    {
        [] => None,
        [name] => Some(one(name)),
        names => Some(several(&names.join(say.comma))),
    };
    [
        one_or_several(any_role, needs.role, needs.one_of_roles),
        one_or_several(all_roles, needs.role, needs.all_roles),
        one_or_several(any_scope, needs.scope, needs.one_of_scopes),
        (!any_user.is_empty()).then(|| needs.certain_people.into()),
        one_or_several(any_email_domain, needs.email_domain, needs.one_of_email_domains),
        min_acr.as_ref().map(|acr| (needs.class)(&acr.wanted)),
        max_auth_age.map(|age| (needs.recent)(age.as_secs().div_ceil(60))),
    ]
    .into_iter()
    .flatten()
    .collect()
}
