//! What a login asks of the provider: texts that are always sent, lists that a link may choose from. ★
//!
//! Threat: a link to `start` that decides where somebody signs in, or as whom. Nothing of a query goes to the
//! provider unless it stands here.

use url::Url;

use super::Context;
use super::origin::is_loopback;
use crate::config::problem::Key;
use crate::config::raw::OneOrMany;
use crate::config::settings::{LoginParameters, Parameter};

/// The keys as written.
pub(super) struct Written<'a> {
    pub(super) identity_provider: Option<&'a OneOrMany>,
    pub(super) idp_identifier: Option<&'a OneOrMany>,
    pub(super) lang: Option<&'a OneOrMany>,
    pub(super) login_hint: Option<&'a OneOrMany>,
    pub(super) prompt: Option<&'a OneOrMany>,
}

/// The keys of `table` as the gate uses them.
pub(super) fn parameters(
    written: &Written<'_>,
    table: &Key,
    cognito: bool,
    cx: &mut Context<'_>,
) -> LoginParameters {
    if written.identity_provider.is_some() && written.idp_identifier.is_some() {
        let message = "beside identity_provider, which says the same otherwise";
        cx.error(&table.name("idp_identifier"), message, "keep one");
    }
    let lang_key = table.name("lang");
    let lang = parameter(written.lang, &lang_key, cx);
    if cognito {
        for (value, key) in values(&lang, &lang_key) {
            if !LANGUAGES.contains(&value) {
                let message = format!("{value:?} is no language of Cognito's managed login");
                cx.warning(&key, &message, &format!("one of {}", LANGUAGES.join(" ")));
            }
        }
    }
    let prompt_key = table.name("prompt");
    let prompt = parameter(written.prompt, &prompt_key, cx);
    for (value, key) in values(&prompt, &prompt_key) {
        if let Some(wrong) = wrong_prompt(value) {
            let fix = "none; or any of login, select_account, consent, separated by a blank";
            cx.error(&key, &format!("{value:?}: {wrong}"), fix);
        }
    }
    LoginParameters {
        identity_provider: parameter(written.identity_provider, &table.name("identity_provider"), cx),
        idp_identifier: parameter(written.idp_identifier, &table.name("idp_identifier"), cx),
        lang,
        login_hint: parameter(written.login_hint, &table.name("login_hint"), cx),
        prompt,
    }
}

/// What access tokens are to be bound to. Compared with what they say byte by byte, so nothing is normalised.
pub(super) fn resources(
    written: Option<&[String]>,
    key: &Key,
    cognito: bool,
    cx: &mut Context<'_>,
) -> Vec<String> {
    let written = written.unwrap_or_default();
    if cognito && written.len() > 1 {
        cx.error(key, "more than one: Cognito binds an access token to one resource", "keep one");
    }
    for (at, text) in written.iter().enumerate() {
        if let Some(wrong) = wrong_resource(text) {
            let fix = "write an absolute URL such as \"https://api.example.com\"";
            cx.error(&key.index(at), &format!("{text:?} {wrong}"), fix);
        }
    }
    written.to_vec()
}

fn parameter(written: Option<&OneOrMany>, key: &Key, cx: &mut Context<'_>) -> Parameter {
    let parameter = match written {
        None => return Parameter::Never,
        Some(OneOrMany::One(text)) => Parameter::Always(text.clone()),
        Some(OneOrMany::Many(texts)) if texts.is_empty() => {
            cx.error(key, "an empty list", "leave the key out, or name what a link may choose");
            return Parameter::Never;
        }
        Some(OneOrMany::Many(texts)) => Parameter::OneOf(texts.clone()),
    };
    for (value, key) in values(&parameter, key) {
        if value.trim() != value || value.is_empty() || value.chars().any(char::is_control) {
            let message = format!("{value:?} is empty, begins or ends with a blank, or holds a control");
            cx.error(&key, &message, "write the value as the provider knows it");
        } else if value.len() > LONGEST {
            cx.error(&key, &format!("longer than {LONGEST} bytes"), "make it shorter");
        }
    }
    parameter
}

/// Each value with its key.
fn values<'a>(parameter: &'a Parameter, key: &Key) -> Vec<(&'a str, Key)> {
    match parameter {
        Parameter::Never => Vec::new(),
        Parameter::Always(value) => vec![(value, key.clone())],
        Parameter::OneOf(values) => {
            values.iter().enumerate().map(|(at, value)| (value.as_str(), key.index(at))).collect()
        }
    }
}

/// OpenID Connect Core §3.1.2.1.
fn wrong_prompt(value: &str) -> Option<&'static str> {
    let words: Vec<&str> = value.split(' ').collect();
    if words.iter().any(|word| !["none", "login", "select_account", "consent"].contains(word)) {
        Some("not a prompt")
    } else if words.contains(&"none") && words.len() > 1 {
        Some("none stands alone")
    } else {
        None
    }
}

/// RFC 8707 §2: an absolute URI without a fragment.
fn wrong_resource(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else { return Some("is not an absolute URL") };
    if text.bytes().any(|byte| !(0x21..=0x7e).contains(&byte)) {
        Some("holds blanks or is not ASCII")
    } else if text.contains('#') {
        Some("has a fragment")
    } else if url.scheme() == "http" && !is_loopback(url.host_str().unwrap_or_default()) {
        Some("is cleartext on a host that is not this machine")
    } else {
        None
    }
}

/// Of managed login's pages.
const LANGUAGES: [&str; 12] =
    ["de", "en", "es", "fr", "id", "it", "ja", "ko", "nl", "pt-BR", "zh-CN", "zh-TW"];
/// All of them together fit into an address.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_none_alone_or_any_of_the_others() {
        for value in ["none", "login", "select_account", "consent", "login consent", "select_account login"] {
            assert_eq!(wrong_prompt(value), None, "{value}");
        }
        for value in ["", "None", "none login", "login  consent", "login,consent", "create", "login none"] {
            assert!(wrong_prompt(value).is_some(), "{value}");
        }
    }

    #[test]
    fn a_resource_is_an_absolute_url_without_a_fragment() {
        for text in [
            "https://api.example.com",
            "https://api.example.com/v1?x=1",
            "http://localhost:3000",
            "myapp://api",
        ] {
            assert_eq!(wrong_resource(text), None, "{text}");
        }
        for text in [
            "",
            "api.example.com",
            "/v1",
            "https://a.example/#x",
            "https://a.example/#",
            "http://a.example",
            "https://a.example/ä",
        ] {
            assert!(wrong_resource(text).is_some(), "{text}");
        }
    }
}
