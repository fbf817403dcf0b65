//! What rules may ask beside user and roles: scopes, e-mail domain, and how and when someone signed in. ★

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Tokens, is_verified};
use crate::config::settings::Asked;
use crate::identity::json::Claims;

/// What is known of someone, as far as some rule asks for it. What is not known fulfils nothing. Kept in sessions, whose
/// form is the order of the fields, none left out ([`crate::session::pass`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// Those scopes of the access token that rules name.
    #[serde(rename = "s")]
    pub scopes: Vec<String>,
    /// The domain of a verified e-mail address, lower-case.
    #[serde(rename = "d")]
    pub email_domain: Option<String>,
    /// The authentication context class (OpenID Connect Core §2).
    #[serde(rename = "c")]
    pub acr: Option<String>,
    /// When the person signed in with credentials, seconds since 1970.
    #[serde(rename = "t")]
    pub auth_time: Option<u64>,
}

// === impl Facts ===

impl Facts {
    /// Reads what is `asked` out of verified claims.
    pub fn of(tokens: &Tokens<'_>, asked: &Asked) -> Self {
        let mut facts = Self::default();
        if let Some(access) = tokens.access {
            let has = scopes(access);
            facts.scopes =
                asked.scopes.iter().filter(|scope| has.contains(&scope.as_str())).cloned().collect();
        }
        // Each token by itself: an address of one and the word of the other would prove nothing.
        let each = || tokens.id.into_iter().chain(tokens.access);
        if asked.email_domain {
            facts.email_domain = each().filter(|claims| is_verified(claims)).find_map(email_domain);
        }
        if asked.strength {
            let acr = |claims: &Claims| claims.get("acr").and_then(Value::as_str).map(str::to_owned);
            facts.acr = each().find_map(acr);
            facts.auth_time = each().find_map(|claims| claims.get("auth_time").and_then(Value::as_u64));
        }
        facts
    }
}

/// The scopes of an access token: one string, separated by spaces (RFC 9068 §2.2.3), or a list.
fn scopes(access: &Claims) -> Vec<&str> {
    match access.get("scope") {
        Some(Value::String(list)) => list.split(' ').filter(|scope| !scope.is_empty()).collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

/// The domain of an address with exactly one `@` and nothing unusual behind it. Quoted local parts may hold
/// another `@`, and parsers differ about which one counts.
fn email_domain(claims: &Claims) -> Option<String> {
    let (local, domain) = claims.get("email")?.as_str()?.split_once('@')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let labels = domain.split('.').all(|label| !label.is_empty());
    let usual = !local.is_empty() && !local.contains(['"', ' ', ',', ';', '<', '>', '(', ')', '\\']);
    (usual && labels && domain.bytes().all(plain)).then(|| domain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(id: &Value, access: &Value, asked: &Asked) -> Facts {
        let (id, access) = (id.as_object().unwrap(), access.as_object().unwrap());
        Facts::of(&Tokens { id: Some(id), access: Some(access) }, asked)
    }

    fn domain(email: &str, verified: Value) -> Option<String> {
        let asked = Asked { email_domain: true, ..Asked::default() };
        read(&json!({"email": email, "email_verified": verified}), &json!({}), &asked).email_domain
    }

    #[test]
    fn scopes_count_whole_and_only_where_a_rule_names_them() {
        let asked = Asked { scopes: vec!["membership:USA.Premium".into()], ..Asked::default() };
        let with = |scope: &str| read(&json!({}), &json!({"scope": scope}), &asked).scopes;
        assert_eq!(with("openid membership:USA.Premium"), ["membership:USA.Premium"]);
        assert!(with("openid membership:USA.PremiumPlus").is_empty());
        assert!(with("xmembership:USA.Premium").is_empty());
        assert!(with("membership:usa.premium").is_empty());
    }

    #[test]
    fn scopes_are_the_access_tokens_alone() {
        let asked = Asked { scopes: vec!["api/read".into()], ..Asked::default() };
        assert!(read(&json!({"scope": "api/read"}), &json!({}), &asked).scopes.is_empty());
    }

    #[test]
    fn an_address_counts_only_verified_and_with_one_at_sign() {
        assert_eq!(domain("a@Corp.com", json!(true)).as_deref(), Some("corp.com"));
        assert_eq!(domain("a@corp.com", json!("true")).as_deref(), Some("corp.com"));
        for (email, verified) in [
            ("a@corp.com", json!(false)),
            ("a@corp.com", json!("false")),
            ("a@corp.com", json!(1)),
            ("a@corp.com", json!(null)),
            ("a@evil.com@corp.com", json!(true)),
            ("\"a@corp.com\"@evil.com", json!(true)),
            ("a@corp.com,", json!(true)),
            ("a@corp.com.", json!(true)),
            ("@corp.com", json!(true)),
            ("a@", json!(true)),
            ("corp.com", json!(true)),
            ("a@ corp.com", json!(true)),
            ("a@c\u{43e}rp.com", json!(true)),
        ] {
            assert_eq!(domain(email, verified), None, "{email}");
        }
    }

    #[test]
    fn an_address_of_one_token_is_not_verified_by_the_other() {
        let asked = Asked { email_domain: true, ..Asked::default() };
        let found = read(&json!({"email": "a@corp.com"}), &json!({"email_verified": true}), &asked);
        assert_eq!(found.email_domain, None);
    }

    #[test]
    fn what_no_rule_asks_is_not_kept() {
        let id =
            json!({"acr": "urn:cognito:loa:3", "auth_time": 5, "email": "a@b.c", "email_verified": true});
        assert_eq!(read(&id, &json!({"scope": "api/read"}), &Asked::default()), Facts::default());
        let asked = Asked { strength: true, ..Asked::default() };
        let found = read(&id, &json!({}), &asked);
        assert_eq!((found.acr.as_deref(), found.auth_time), (Some("urn:cognito:loa:3"), Some(5)));
    }
}
