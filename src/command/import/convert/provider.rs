//! Who signs people in: `[cognito]`, or `[oidc]` for any other OpenID provider. ★

use url::Url;

use super::super::bag::Bag;
use super::super::options::Fate;
use super::super::page::{Page, list};

/// As far as it is known.
pub(super) struct Provider {
    pub(super) cognito: bool,
    /// As its tokens have it.
    pub(super) issuer: Option<String>,
    /// Its tokens do not say whether an address is verified.
    pub(super) silent_on_email: bool,
    pub(super) client_id: Option<String>,
}

pub(super) fn provider(bag: &mut Bag<'_>, page: &mut Page) -> Provider {
    let unread = |flag| bag.has(flag) && bag.text(flag).is_none();
    let elsewhere = unread("provider") || unread("oidc-issuer-url");
    // A value that is elsewhere is not the one that holds where there is none.
    let kind = match bag.text("provider") {
        None if !bag.has("provider") => "google".to_owned(),
        kind => kind.unwrap_or_default(),
    };
    let written = bag.text("oidc-issuer-url");
    let pool = written.as_deref().and_then(pool_id);
    let issuer = match &pool {
        Some(_) => written.as_deref().map(|text| text.trim_end_matches('/').to_owned()),
        None if bag.has("oidc-issuer-url") => written,
        None => known_issuer(&kind, bag),
    };
    let table = if pool.is_some() { "[cognito]" } else { "[oidc]" };
    match (&pool, &issuer) {
        (Some(pool), _) => {
            page.key(table, "user_pool_id", pool.as_str(), "");
            bag.say("oidc-issuer-url", Fate::Taken, format!("[cognito] user_pool_id = {pool:?}"));
        }
        (None, Some(issuer)) => page.key(table, "issuer", issuer.as_str(), ""),
        (None, None) if elsewhere => {
            page.open(table, ISSUER, "");
            bag.todo("[oidc] issuer: it is not in what was read; for a user pool write [cognito] user_pool_id instead");
            for flag in ["provider", "oidc-issuer-url"] {
                if bag.has(flag) && bag.text(flag).is_none() {
                    bag.say(flag, Fate::Missing, "its value is elsewhere");
                }
            }
        }
        (None, None) => {
            page.open(table, ISSUER, "Write it exactly as the discovery document has it.");
            bag.todo(format!(
                "[oidc] issuer: nothing says it. The provider {kind:?} may speak no OpenID Connect; then put its accounts \
                 behind a user pool, or behind another provider that does"
            ));
            bag.say("provider", Fate::Missing, "no OpenID provider as far as is known here");
        }
    }
    let client_id = client(table, bag, page);
    requests(table, pool.is_some(), bag, page);
    Provider {
        cognito: pool.is_some(),
        silent_on_email: ["azure", "entra-id", "adfs"].contains(&kind.as_str())
            || issuer.as_deref().is_some_and(|issuer| issuer.contains("microsoftonline.")),
        issuer,
        client_id,
    }
}

/// `https://cognito-idp.REGION.amazonaws.com/POOL`
fn pool_id(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok().filter(|url| url.scheme() == "https" && url.query().is_none())?;
    let host = url.host_str()?;
    let region = host.strip_prefix("cognito-idp.").and_then(|rest| {
        rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))
    })?;
    let pool = url.path().trim_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (pool.starts_with(&format!("{region}_")) && pool.chars().all(plain)).then(|| pool.to_owned())
}

/// What oauth2-proxy itself knows of a provider that has one address.
fn known_issuer(kind: &str, bag: &mut Bag<'_>) -> Option<String> {
    match kind {
        "google" => {
            if !bag.has("provider") {
                bag.todo("[oidc] issuer: no provider was named, which is Google to oauth2-proxy; if the provider stands in another file, write its issuer");
            }
            Some("https://accounts.google.com".to_owned())
        }
        "gitlab" => Some("https://gitlab.com".to_owned()),
        "azure" | "entra-id" => {
            let tenant = bag.text("azure-tenant").filter(|tenant| tenant != "common")?;
            let plain = tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
            plain.then(|| format!("https://login.microsoftonline.com/{tenant}/v2.0"))
        }
        _ => None,
    }
}

fn client(table: &'static str, bag: &mut Bag<'_>, page: &mut Page) -> Option<String> {
    let id = bag.text("client-id");
    match &id {
        Some(id) => page.key(table, "client_id", id.as_str(), ""),
        None => {
            page.open(table, "client_id = \"…\"", "");
            bag.todo(format!("{table} client_id: it is not in what was read"));
            if bag.has("client-id") {
                bag.say("client-id", Fate::Taken, "client_id, but its value is elsewhere");
            }
        }
    }
    if let Some(file) = bag.text("client-secret-file").filter(|_| !bag.has("client-secret")) {
        page.key(table, "client_secret_file", file, "");
    } else if bag.has("client-secret") || bag.has("client-secret-file") {
        page.key(
            table,
            "client_secret_file",
            SECRET,
            "The secret was not copied: put it there, readable by the gate alone.",
        );
        bag.todo(format!(
            "{SECRET}: put the client secret there (line {} of what was read); nobody but the gate should be able to read it",
            bag.line("client-secret").max(bag.line("client-secret-file"))
        ));
    }
    id
}

const ISSUER: &str = "issuer = \"https://…\"";
const SECRET: &str = "/run/secrets/client-secret";

/// What goes along with a login, and what verifies the provider.
fn requests(table: &'static str, cognito: bool, bag: &mut Bag<'_>, page: &mut Page) {
    if let Some(scope) = bag.text("scope") {
        // Cognito has no scope `groups`, and answers invalid_scope.
        let scopes: Vec<&str> =
            scope.split_whitespace().filter(|scope| !(cognito && *scope == "groups")).collect();
        if scopes.len() < scope.split_whitespace().count() {
            bag.say("scope", Fate::Taken, "scopes, without `groups`, which Cognito does not know");
        }
        page.key(table, "scopes", list(scopes), "");
    }
    if let Some(prompt) = bag.text("prompt") {
        page.key(table, "prompt", prompt, "");
    }
    if let Some(resource) = bag.text("resource") {
        page.key(table, "resources", list([resource]), "");
    }
    let bundles = bag.list("provider-ca-file");
    if let Some(first) = bundles.first() {
        page.key(table, "ca_file", first.as_str(), "");
        if bundles.len() > 1 {
            bag.todo(format!("{table} ca_file: one bundle; put what {} files hold into it", bundles.len()));
        }
    }
}
