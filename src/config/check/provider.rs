//! `[cognito]` or `[oidc]`: one of the two, and the issuer that follows from it. ★

use url::Url;

use super::Context;
use super::origin::is_loopback;
use super::parameters::{self, Written};
use super::secrets::{self, Pair};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::secret::Secret;
use crate::config::settings::{Provider, ProviderKind};

/// What both tables have.
struct Client<'a> {
    table: Key,
    id: Option<&'a str>,
    secret: Option<&'a str>,
    secret_file: Option<&'a str>,
    secrets_file: Option<&'a str>,
    scopes: Option<&'a [String]>,
    ca_file: Option<&'a str>,
    additional_issuers: Option<&'a [String]>,
    resources: Option<&'a [String]>,
    parameters: Written<'a>,
    cognito: bool,
}

/// The one provider.
pub(super) fn provider(
    cognito: Option<&raw::Cognito>,
    oidc: Option<&raw::Oidc>,
    cx: &mut Context<'_>,
) -> Option<Provider> {
    match (cognito, oidc) {
        (None, None) => {
            if !cx.problems.touches(&Key::of("cognito")) && !cx.problems.touches(&Key::of("oidc")) {
                let fix = "write a table [cognito] with user_pool_id and client_id, or [oidc] with issuer and client_id";
                cx.error(&Key::default(), "no identity provider", fix);
            }
            None
        }
        (Some(_), Some(_)) => {
            let fix = "keep the one that people sign in at";
            cx.error(&Key::of("oidc"), "both [cognito] and [oidc]: there is one provider", fix);
            None
        }
        (Some(table), None) => from_cognito(table, cx),
        (None, Some(table)) => from_oidc(table, cx),
    }
}

fn from_cognito(table: &raw::Cognito, cx: &mut Context<'_>) -> Option<Provider> {
    let key = Key::of("cognito");
    let pool_key = key.name("user_pool_id");
    let issuer_key = key.name("issuer");
    let written = table.issuer.as_deref().and_then(|text| issuer(text, &issuer_key, cx));
    let fix = "it looks like eu-central-1_AbCdEf123; the console shows it on the pool's overview";
    let pool_id = match table.user_pool_id.as_deref() {
        None => {
            cx.missing(&pool_key, fix);
            None
        }
        Some(id) => match region(id) {
            None => {
                cx.error(&pool_key, &format!("{id:?} is not a user pool id"), fix);
                None
            }
            Some(region) if written.is_none() && !is_region(region) => {
                cx.error(&pool_key, &format!("{region:?}, up to the first _, is not a region"), fix);
                None
            }
            Some(_) => Some(id),
        },
    };
    let domain = table.domain.as_deref().and_then(|text| domain(text, &key.name("domain"), cx));
    let client = client(
        Client {
            table: key,
            id: table.client_id.as_deref(),
            secret: table.client_secret.as_deref(),
            secret_file: table.client_secret_file.as_deref(),
            secrets_file: table.client_secrets_file.as_deref(),
            scopes: table.scopes.as_deref(),
            ca_file: table.ca_file.as_deref(),
            additional_issuers: table.additional_issuers.as_deref(),
            resources: table.resources.as_deref(),
            parameters: Written {
                identity_provider: table.identity_provider.as_ref(),
                idp_identifier: table.idp_identifier.as_ref(),
                lang: table.lang.as_ref(),
                login_hint: table.login_hint.as_ref(),
                prompt: table.prompt.as_ref(),
            },
            cognito: true,
        },
        cx,
    );
    let pool_id = pool_id?;
    let issuer = written.unwrap_or_else(|| derived_issuer(pool_id));
    let kind = ProviderKind::Cognito { pool_id: pool_id.to_owned(), domain };
    Some(Provider { kind, issuer, ..client })
}

fn from_oidc(table: &raw::Oidc, cx: &mut Context<'_>) -> Option<Provider> {
    let key = Key::of("oidc");
    let issuer_key = key.name("issuer");
    let found = match table.issuer.as_deref() {
        None => {
            cx.missing(&issuer_key, "write it exactly as the provider's discovery document has it");
            None
        }
        Some(text) => issuer(text, &issuer_key, cx),
    };
    let client = client(
        Client {
            table: key,
            id: table.client_id.as_deref(),
            secret: table.client_secret.as_deref(),
            secret_file: table.client_secret_file.as_deref(),
            secrets_file: table.client_secrets_file.as_deref(),
            scopes: table.scopes.as_deref(),
            ca_file: table.ca_file.as_deref(),
            additional_issuers: table.additional_issuers.as_deref(),
            resources: table.resources.as_deref(),
            parameters: Written {
                identity_provider: None,
                idp_identifier: None,
                lang: table.lang.as_ref(),
                login_hint: table.login_hint.as_ref(),
                prompt: table.prompt.as_ref(),
            },
            cognito: false,
        },
        cx,
    );
    Some(Provider { issuer: found?, ..client })
}

/// Everything but the kind and the issuer.
fn client(client: Client<'_>, cx: &mut Context<'_>) -> Provider {
    let id_key = client.table.name("client_id");
    let client_id = match client.id {
        None => {
            cx.missing(&id_key, "the app client's id");
            ""
        }
        Some(id) if secrets::is_placeholder(id) => {
            cx.error(&id_key, &format!("{id:?} is a placeholder"), "copy the app client's id");
            ""
        }
        Some(id) if id.is_empty() || id.bytes().any(|b| !(0x21..=0x7e).contains(&b)) => {
            cx.error(&id_key, "empty, blank or not ASCII", "copy the app client's id");
            ""
        }
        Some(id) => id,
    };
    let pair = Pair {
        value: client.secret,
        value_key: client.table.name("client_secret"),
        file: client.secret_file,
        file_key: client.table.name("client_secret_file"),
    };
    let client_secrets = client_secrets(&pair, client.secrets_file, &client.table, cx);
    let issuers_key = client.table.name("additional_issuers");
    let mut additional_issuers = Vec::new();
    for (at, text) in client.additional_issuers.unwrap_or_default().iter().enumerate() {
        additional_issuers.extend(issuer(text, &issuers_key.index(at), cx));
    }
    Provider {
        kind: ProviderKind::Oidc,
        issuer: String::new(),
        additional_issuers,
        client_id: client_id.to_owned(),
        client_secrets,
        scopes: scopes(client.scopes, &client.table.name("scopes"), cx),
        resources: parameters::resources(
            client.resources,
            &client.table.name("resources"),
            client.cognito,
            cx,
        ),
        parameters: parameters::parameters(&client.parameters, &client.table, client.cognito, cx),
        ca_file: cx.certificates(&client.table.name("ca_file"), client.ca_file),
        shortcut: None,
    }
}

/// The one secret, or those of a file that holds several.
fn client_secrets(one: &Pair<'_>, several: Option<&str>, table: &Key, cx: &mut Context<'_>) -> Vec<Secret> {
    let Some(file) = several else {
        let one = secrets::one_of(one, cx);
        return one.and_then(|(text, key)| client_secret(&text, "", &key, cx)).into_iter().collect();
    };
    let key = table.name("client_secrets_file");
    let other = one.value.map(|_| &one.value_key).or(one.file.map(|_| &one.file_key));
    if let Some(other) = other {
        cx.error(&key, &format!("both {other} and {key} are given"), "keep one");
        return Vec::new();
    }
    let Some(text) = secrets::from_file(file, &key, cx) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, line) in text.expose().split(|byte| *byte == b'\n').enumerate() {
        let line = Secret::new(line.trim_ascii());
        if line.expose().is_empty() {
            continue;
        }
        let which = format!("line {}: ", at + 1);
        let Some(secret) = client_secret(&line, &which, &key, cx) else { continue };
        if found.contains(&secret) {
            cx.warning(&key, &format!("{which}the same secret again"), "leave it out");
        } else {
            found.push(secret);
        }
    }
    found
}

/// `which`: the line it stands in, if it is one of several.
fn client_secret(text: &Secret, which: &str, key: &Key, cx: &mut Context<'_>) -> Option<Secret> {
    let fix = "copy the app client's secret; leave the key out for a client without one";
    let wrong = match text.expose_text() {
        Some(secret) if secrets::is_placeholder(secret) => "a placeholder",
        Some(secret) if secret.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            "holds blanks or several lines"
        }
        Some(_) => return Some(text.clone()),
        None => "not text",
    };
    cx.error(key, &format!("{which}{wrong}"), fix);
    None
}

fn scopes(written: Option<&[String]>, key: &Key, cx: &mut Context<'_>) -> Vec<String> {
    let Some(scopes) = written else { return ["openid", "email", "profile"].map(String::from).to_vec() };
    // RFC 6749 §3.3.
    let is_token = |scope: &str| {
        !scope.is_empty() && scope.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'"' && b != b'\\')
    };
    for (at, scope) in scopes.iter().enumerate() {
        if !is_token(scope) {
            cx.error(
                &key.index(at),
                &format!("{scope:?} is not one scope"),
                "write each scope as an element of its own",
            );
        }
    }
    if !scopes.iter().any(|scope| scope == "openid") {
        cx.error(key, "lacks \"openid\", without which there is no ID token", "add \"openid\"");
    }
    scopes.to_vec()
}

/// An issuer is compared byte by byte with what tokens say, so nothing is normalised here.
fn issuer(text: &str, key: &Key, cx: &mut Context<'_>) -> Option<String> {
    let fix = "write it exactly as the discovery document has it";
    let url = match Url::parse(text) {
        Ok(url) if text.trim() == text && matches!(url.scheme(), "http" | "https") && url.has_host() => url,
        _ => {
            cx.error(key, &format!("{text:?} is not an https URL"), fix);
            return None;
        }
    };
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        cx.error(key, "an issuer has no query, fragment, user name or password", fix);
        return None;
    }
    if url.scheme() == "http" && !is_loopback(url.host_str().unwrap_or_default()) {
        cx.error(
            key,
            "cleartext on a host that is not this machine: whoever is on the way could sign anybody in",
            "use https://",
        );
        return None;
    }
    if text.contains("/.well-known/") {
        cx.error(
            key,
            "is the discovery document's address, not the issuer",
            "leave out /.well-known/… and what follows",
        );
        return None;
    }
    Some(text.to_owned())
}

/// The pool's domain as an origin: a bare host is taken as https.
fn domain(text: &str, key: &Key, cx: &mut Context<'_>) -> Option<String> {
    let spelled = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let fix =
        "write it as \"https://login.example.com\" or \"https://<prefix>.auth.<region>.amazoncognito.com\"";
    match Url::parse(&spelled) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty() =>
        {
            if url.scheme() == "http" && !is_loopback(url.host_str().unwrap_or_default()) {
                cx.error(key, "cleartext on a host that is not this machine", "use https://");
                return None;
            }
            Some(url.origin().ascii_serialization())
        }
        _ => {
            cx.error(key, &format!("{text:?} is not a domain"), fix);
            None
        }
    }
}

/// The region of a pool id `[\w-]+_[0-9a-zA-Z]+` of at most 55 characters: what stands before the first `_`.
fn region(pool_id: &str) -> Option<&str> {
    let (region, rest) = pool_id.split_once('_')?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let whole = pool_id.len() <= 55 && !region.is_empty() && pool_id.chars().all(word);
    let tail = rest.rsplit('_').next().unwrap_or_default();
    (whole && !tail.is_empty() && tail.chars().all(|c| c.is_ascii_alphanumeric())).then_some(region)
}

/// `eu-central-1`, `us-gov-west-1`, `eusc-de-east-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// The pool's ORIGINAL issuer. China and the EU Sovereign Cloud have a suffix of their own; in GovCloud, where
/// the API has FIPS endpoints only, tokens still name the plain host.
fn derived_issuer(pool_id: &str) -> String {
    let region = pool_id.split('_').next().unwrap_or_default();
    let suffix = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else if region.starts_with("eusc-") {
        "amazonaws.eu"
    } else {
        "amazonaws.com"
    };
    format!("https://cognito-idp.{region}.{suffix}/{pool_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_what_stands_before_the_first_underscore() {
        assert_eq!(region("eu-central-1_AbCdEf123"), Some("eu-central-1"));
        for id in ["", "eu-central-1", "_AbC", "eu-central-1_", "eu central_Ab", "eu-central-1_Ab-c"] {
            assert_eq!(region(id), None, "{id}");
        }
        assert_eq!(region(&format!("eu-central-1_{}", "a".repeat(43))), None);
    }

    #[test]
    fn each_partition_has_its_own_issuer() {
        for (pool, issuer) in [
            ("eu-central-1_Ab1", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab1"),
            ("cn-north-1_Ab1", "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Ab1"),
            ("eusc-de-east-1_Ab1", "https://cognito-idp.eusc-de-east-1.amazonaws.eu/eusc-de-east-1_Ab1"),
            ("us-gov-west-1_Ab1", "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_Ab1"),
        ] {
            assert_eq!(derived_issuer(pool), issuer);
        }
    }
}
