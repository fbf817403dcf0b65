//! The shape of the TOML: what may be written, before anything is judged. Private to `config`. ★
//!
//! The doc comments here are the descriptions in `config/schema.json`.

use schemars::JsonSchema;
use serde::Deserialize;

mod gateway;
mod handed;
mod identity;
mod limits;
mod pages;
mod provider;
mod rule;
mod session;
mod telemetry;
mod tls;
mod upstream;

pub(super) use gateway::{Gateway, GatewayKind};
pub(super) use handed::{Assertion, AssertionKind, PassToken};
pub(super) use identity::{ClaimHeader, Identity, RoleSource, RolesFormat, Token};
pub(super) use limits::Limits;
pub(super) use pages::Pages;
pub(super) use provider::{Cognito, Oidc};
pub(super) use rule::{Bearer, EncodedSlash, Rule, RuleBearer, Unauthenticated};
pub(super) use session::{Session, StoreMode, StoreOutage};
pub(super) use telemetry::{Format, Level, Log, Telemetry, TraceParent};
pub(super) use tls::{ClientCertificates, Tls, TlsVersion};
pub(super) use upstream::{Balance, Upstream, UpstreamCheck};

/// The configuration of rolegate. `config/rolegate.toml` shows every key with its default.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    /// The origin, or list of origins, that browsers use. The callback is this + `/oauth2/callback`. Mandatory.
    pub(super) public_url: Option<OneOrMany>,
    /// Where allowed requests go: `http://host:port`, `https://host:port`, `unix:/path`, over HTTP/2 `h2c://host:port` or
    /// `h2://host:port` (with TLS), or the name of one of `[[upstreams]]`. Mandatory.
    pub(super) upstream: Option<String>,
    /// PEM file that replaces the system's roots for an https:// or h2:// upstream.
    pub(super) upstream_ca_file: Option<String>,
    /// Upstreams by name, for `upstream` here and on rules: several addresses, TLS of their own, another path.
    pub(super) upstreams: Option<Vec<Upstream>>,
    /// Forward the client's Host, or with `false` the upstream's own. Default `true`.
    pub(super) pass_host: Option<bool>,
    /// Any of these roles is needed where no rule says otherwise; or the word `signed-in`. Mandatory.
    pub(super) required_roles: Option<OneOrMany>,
    /// The public listener. Default `127.0.0.1:4180`.
    pub(super) listen: Option<String>,
    /// The admin listener. Default `127.0.0.1:4181`.
    pub(super) admin_listen: Option<String>,
    /// Hosts that the admin listener answers to beside addresses and private names. Default: none.
    pub(super) admin_hosts: Option<Vec<String>>,
    /// The unix socket that `rolegate sessions` asks: a file of the gate's own user. Default: none.
    pub(super) control_socket: Option<String>,
    /// Speak HTTP/2 on `listen` in cleartext to clients that know so beforehand, such as a proxy. Default false.
    pub(super) http2_cleartext: Option<bool>,
    /// TLS on the public listener: there with this table, cleartext without it.
    pub(super) tls: Option<Tls>,
    /// Where the gate's own pages live. Default `/oauth2`.
    pub(super) auth_prefix: Option<String>,
    /// Networks whose `X-Forwarded-*` headers are believed. Default: none.
    pub(super) trusted_proxies: Option<Vec<String>>,
    /// Connections from `trusted_proxies` begin with a PROXY header, version 1 or 2. Default false.
    pub(super) proxy_protocol: Option<bool>,
    /// Which headers of `trusted_proxies` are read: `x-forwarded`, or `forwarded` (RFC 7239); never both.
    /// Default `x-forwarded`.
    pub(super) trusted_headers: Option<TrustedHeaders>,
    /// Hosts that a return address may name beside `public_url`: `host`, `.suffix`, `host:port`, `host:*`.
    /// Default: none.
    pub(super) allowed_return_hosts: Option<Vec<String>>,
    /// Worker threads. Default: the cores this process may use.
    pub(super) workers: Option<u64>,
    /// The Amazon Cognito user pool. Either this table or `[oidc]`.
    pub(super) cognito: Option<Cognito>,
    /// Any other OpenID provider. Either this table or `[cognito]`.
    pub(super) oidc: Option<Oidc>,
    /// How long a session lives, and what it is sealed with.
    pub(super) session: Option<Session>,
    /// How claims become a user, roles and headers.
    pub(super) identity: Option<Identity>,
    /// What a path needs. The most specific rule wins, not the first.
    pub(super) rules: Option<Vec<Rule>>,
    /// A signed statement of who asks, which the upstream can verify for itself. The table turns it on.
    pub(super) assertion: Option<Assertion>,
    /// Bearer tokens instead of a session, for programs. The table's presence turns them on.
    pub(super) bearer: Option<Bearer>,
    /// Gateways that ask for the decision alone, at `/oauth2/auth`, and send requests on by themselves.
    pub(super) gateway: Option<Gateway>,
    /// Bounds on what a client or an upstream may do.
    pub(super) limits: Option<Limits>,
    /// The gate's own pages: templates of yours, and what a login keeps.
    pub(super) pages: Option<Pages>,
    /// What is written about each request, and how.
    pub(super) log: Option<Log>,
    /// Where traces go.
    pub(super) telemetry: Option<Telemetry>,
}

/// One text or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// The headers of trusted proxies.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TrustedHeaders {
    XForwarded,
    Forwarded,
}

/// The JSON schema of the configuration, with what TOML cannot express (null) left out.
pub(super) fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Raw).to_value();
    without_null(&mut schema);
    schema
}

/// `Option` is written as "or null"; a TOML key is either there or not.
fn without_null(node: &mut serde_json::Value) {
    use serde_json::Value;
    match node {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(map) => {
            map.remove("default");
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    map.remove("anyOf");
                    map.extend(only);
                }
            }
            map.values_mut().for_each(without_null);
        }
        _ => {}
    }
}
