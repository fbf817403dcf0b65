//! The shape of the TOML: what may be written, before anything is judged. Private to `config`. ★
//!
//! The doc comments here are the descriptions in `config/schema.json`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

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

/// `[gateway]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Gateway {
    /// Networks of the gateways: the peers of their connections, whatever headers say. To everybody else `/oauth2/auth` is
    /// 404. Default: none.
    pub(super) peers: Option<Vec<String>>,
    /// How they say what they ask about: `nginx` (`X-Original-Method` and `-URL`), `forward_auth` (`X-Forwarded-Method`,
    /// `-Proto`, `-Host` and `-Uri`: Traefik, Caddy) or `envoy` (the path after `/oauth2/auth`). Nothing else is read.
    /// Mandatory with `peers`.
    pub(super) kind: Option<GatewayKind>,
}

/// What a gateway is.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum GatewayKind {
    Nginx,
    ForwardAuth,
    Envoy,
}

/// `[[upstreams]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Upstream {
    /// What `upstream` calls it: lower-case letters, digits, `-` and `_`. Mandatory.
    pub(super) name: Option<String>,
    /// Where it is, each a URL as `upstream` takes it, never a name; any of them answers for the whole.
    /// Mandatory.
    pub(super) addresses: Option<Vec<String>>,
    /// Which address gets a request: `least_connections` or `round_robin`. Default `least_connections`.
    pub(super) balance: Option<Balance>,
    /// So many failures in a row and an address is left out for a while; 0: never. Default 3.
    pub(super) max_fails: Option<u64>,
    /// For how long the first time; each time in a row longer, up to ten times this. Default `10s`.
    pub(super) eject_time: Option<String>,
    /// How often names are resolved, each address that one has counting by itself; or `off`: at each new connection,
    /// as one address. Default `30s`.
    pub(super) resolve: Option<String>,
    /// Requests of the gate's own by which it knows whether an address answers. Default: none.
    pub(super) check: Option<UpstreamCheck>,
    /// PEM file that replaces the system's roots for its https:// and h2:// addresses. Default: `upstream_ca_file`.
    pub(super) ca_file: Option<String>,
    /// PEM file with the certificate that the gate shows there.
    pub(super) client_certificate_file: Option<String>,
    /// PEM file with that certificate's private key.
    pub(super) client_key_file: Option<String>,
    /// The name that its certificates must cover. Default: each address' host.
    pub(super) server_name: Option<String>,
    /// As at the top level. Default: as there.
    pub(super) pass_host: Option<bool>,
    /// A prefix that is taken off the path; a path that does not lie below it is 404.
    pub(super) strip_prefix: Option<String>,
    /// A prefix that is put in front of the path, after `strip_prefix`.
    pub(super) add_prefix: Option<String>,
}

/// Which address gets a request.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Balance {
    LeastConnections,
    RoundRobin,
}

/// `[upstreams.check]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UpstreamCheck {
    /// The target that is asked for with GET. Mandatory.
    pub(super) path: Option<String>,
    /// From one check of an address to the next. Default `10s`.
    pub(super) interval: Option<String>,
    /// How long one may take. Default `2s`.
    pub(super) timeout: Option<String>,
    /// The statuses that are well: one, such as `200`, or from one to another. Default `200-399`.
    pub(super) status: Option<String>,
    /// So many that fail in a row and an address is left out; one that passes brings it back. Default 2.
    pub(super) fails: Option<u64>,
}

/// `[tls]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    /// PEM file with the certificate and, after it, those that lead to its authority. Mandatory.
    pub(super) cert_file: Option<String>,
    /// PEM file with the certificate's private key: PKCS#8, SEC1 or PKCS#1. Mandatory.
    pub(super) key_file: Option<String>,
    /// Further certificates. The first whose names cover the host that a client asks for is shown, else the first.
    pub(super) certificates: Option<Vec<TlsCertificate>>,
    /// The oldest version spoken: `1.2` or `1.3`. Default `1.2`.
    pub(super) min_version: Option<TlsVersion>,
    /// Offer HTTP/2 beside HTTP/1.1. Default true.
    pub(super) http2: Option<bool>,
    /// A listener in cleartext that sends browsers to `public_url` and forwards nothing. Default: none.
    pub(super) redirect_listen: Option<String>,
    /// PEM file with the authorities whose clients' certificates count. Default: no client is asked for one.
    pub(super) client_ca_file: Option<String>,
    /// PEM file with their lists of revoked certificates. Default: none is looked at.
    pub(super) client_crl_file: Option<String>,
    /// Whether a handshake ends well without one: `optional` (rules may ask for it) or `required`.
    /// Default `optional`.
    pub(super) client_certificates: Option<ClientCertificates>,
    /// The header with the verified certificate's subject. Default `X-Client-Subject`.
    pub(super) client_subject_header: Option<String>,
    /// Hand the upstream the whole certificate too, as `Client-Cert` (RFC 9440). Default false.
    pub(super) client_cert_header: Option<bool>,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClientCertificates {
    Optional,
    Required,
}

/// `[[tls.certificates]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsCertificate {
    /// As in `[tls]`. Mandatory.
    pub(super) cert_file: Option<String>,
    /// As in `[tls]`. Mandatory.
    pub(super) key_file: Option<String>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub(super) enum TlsVersion {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

/// `[cognito]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cognito {
    /// The pool's id, such as `eu-central-1_AbCdEf123`. The issuer is derived from it. Mandatory.
    pub(super) user_pool_id: Option<String>,
    /// Replaces the derived issuer: a dev pool, or a private endpoint.
    pub(super) issuer: Option<String>,
    /// The pool's domain, such as `https://login.example.com`. Default: what discovery says.
    pub(super) domain: Option<String>,
    /// Further issuers that tokens may name.
    pub(super) additional_issuers: Option<Vec<String>>,
    /// The app client's id. Mandatory.
    pub(super) client_id: Option<String>,
    /// The app client's secret. Better: `client_secret_file`.
    pub(super) client_secret: Option<String>,
    /// A file holding the app client's secret.
    pub(super) client_secret_file: Option<String>,
    /// A file with a secret a line while they are rotated: where one is rejected the next is tried.
    pub(super) client_secrets_file: Option<String>,
    /// Scopes asked for. Default `openid email profile`.
    pub(super) scopes: Option<Vec<String>>,
    /// Go straight to this identity provider; a list: `start?identity_provider=` may choose one of these.
    pub(super) identity_provider: Option<OneOrMany>,
    /// The same by an identifier, such as an e-mail domain; a list: `start?idp_identifier=` may choose.
    pub(super) idp_identifier: Option<OneOrMany>,
    /// The language of the pool's pages; a list: `start?lang=` may choose one of these.
    pub(super) lang: Option<OneOrMany>,
    /// Who is about to sign in; a list: `start?login_hint=` may choose one of these.
    pub(super) login_hint: Option<OneOrMany>,
    /// `none`, `login`, `select_account`, `consent`; a list: `start?prompt=` may choose one of these.
    pub(super) prompt: Option<OneOrMany>,
    /// The URL that access tokens are bound to (RFC 8707); Cognito binds one.
    pub(super) resources: Option<Vec<String>>,
    /// PEM file that replaces the system's roots for calls to the pool.
    pub(super) ca_file: Option<String>,
}

/// `[oidc]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Oidc {
    /// The provider's issuer, exactly as its discovery document has it. Mandatory.
    pub(super) issuer: Option<String>,
    /// The client's id. Mandatory.
    pub(super) client_id: Option<String>,
    /// The client's secret. Better: `client_secret_file`.
    pub(super) client_secret: Option<String>,
    /// A file holding the client's secret.
    pub(super) client_secret_file: Option<String>,
    /// A file with a secret a line while they are rotated: where one is rejected the next is tried.
    pub(super) client_secrets_file: Option<String>,
    /// Scopes asked for. Default `openid email profile`.
    pub(super) scopes: Option<Vec<String>>,
    /// The language of the provider's pages; a list: `start?lang=` may choose one of these.
    pub(super) lang: Option<OneOrMany>,
    /// Who is about to sign in; a list: `start?login_hint=` may choose one of these.
    pub(super) login_hint: Option<OneOrMany>,
    /// `none`, `login`, `select_account`, `consent`; a list: `start?prompt=` may choose one of these.
    pub(super) prompt: Option<OneOrMany>,
    /// The URLs that access tokens are bound to (RFC 8707).
    pub(super) resources: Option<Vec<String>>,
    /// PEM file that replaces the system's roots for calls to the provider.
    pub(super) ca_file: Option<String>,
    /// Further issuers that tokens may name.
    pub(super) additional_issuers: Option<Vec<String>>,
}

/// `[session]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Session {
    /// Sealing keys, 32 random bytes each as base64 or hex; the first seals, all open. Better: `keys_file`.
    pub(super) keys: Option<Vec<String>>,
    /// A file with a key a line; the first seals, all open. `rolegate secret` makes one.
    /// Mandatory, unless `keys` is written.
    pub(super) keys_file: Option<String>,
    /// A session ends this long after the login. Default `12h`.
    pub(super) max_age: Option<String>,
    /// A session ends this long after its last use, such as `30m`, or `off`. Default `off`.
    pub(super) idle: Option<String>,
    /// Roles older than this are asked for anew. Default `15m`.
    pub(super) max_role_age: Option<String>,
    /// How long roles are still served while the provider is down. Default `1h`.
    pub(super) outage_grace: Option<String>,
    /// Base of the cookie names. Default `rolegate`.
    pub(super) cookie_name: Option<String>,
    /// A Redis or Valkey that all replicas share: `redis://host:6379/0`, or `rediss://…` for TLS; a list for Sentinel
    /// and Cluster. Default: none, cookies alone.
    pub(super) store: Option<OneOrMany>,
    /// What stands at these addresses: `single`, `sentinel` or `cluster`. Default `single`.
    pub(super) store_mode: Option<StoreMode>,
    /// The name of the master that the sentinels watch.
    pub(super) store_service: Option<String>,
    /// The user that signs in at the store (an ACL user). Default: none, a password alone.
    pub(super) store_user: Option<String>,
    /// The password for the store. Better: `store_password_file`.
    pub(super) store_password: Option<String>,
    /// A file with the password for the store.
    pub(super) store_password_file: Option<String>,
    /// A file with the password for the sentinels, where they ask for one.
    pub(super) store_sentinel_password_file: Option<String>,
    /// PEM bundle that replaces the system's roots for the store.
    pub(super) store_ca_file: Option<String>,
    /// PEM file with the certificate that the gate shows to the store.
    pub(super) store_certificate_file: Option<String>,
    /// PEM file with that certificate's private key.
    pub(super) store_key_file: Option<String>,
    /// What every key in the store begins with. Default `rolegate:`.
    pub(super) store_prefix: Option<String>,
    /// How long one call to the store may take. Default `1s`.
    pub(super) store_timeout: Option<String>,
    /// While the store is away: `refuse` what needs it, or `serve-fresh`: passes that are still fresh count.
    /// Default `refuse`.
    pub(super) store_outage: Option<StoreOutage>,
}

/// What stands at the store's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StoreMode {
    Single,
    Sentinel,
    Cluster,
}

/// What becomes of requests while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StoreOutage {
    Refuse,
    ServeFresh,
}

/// `[identity]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Identity {
    /// The claim that becomes X-User. Default `cognito:username` for Cognito, `sub` for others.
    pub(super) user: Option<String>,
    /// Where roles come from; sources add up. Default for Cognito: `cognito:groups`.
    pub(super) roles: Option<Vec<RoleSource>>,
    /// Further claims handed to the upstream as headers.
    pub(super) headers: Option<Vec<ClaimHeader>>,
    /// Further headers with the user, beside X-User, for an upstream that reads another name.
    pub(super) user_headers: Option<Vec<String>>,
    /// Further headers with the roles, beside X-Roles.
    pub(super) roles_headers: Option<Vec<String>>,
    /// How roles are written: `list` (comma-separated) or `json` (an array). Default `list`.
    pub(super) roles_format: Option<RolesFormat>,
    /// Authentication context classes from the weakest to the strongest, for `min_acr`. Not needed for
    /// `urn:cognito:loa:1` to `:4`.
    pub(super) acr_order: Option<Vec<String>>,
}

/// How roles are written.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RolesFormat {
    List,
    Json,
}

/// `[[identity.roles]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RoleSource {
    /// The claim's literal name; never a path. Mandatory.
    pub(super) claim: Option<String>,
    /// Which token it is read from; `either`: every verified token that carries it. Default `either`.
    pub(super) token: Option<Token>,
    /// Cut a string at this separator.
    pub(super) split: Option<String>,
    /// Grant `role` where the claim is exactly this: a text, a number, true or false, a list, a table.
    pub(super) equals: Option<serde_json::Value>,
    /// Grant `role` where the claim is a list with this element, or a table with these members.
    pub(super) contains: Option<serde_json::Value>,
    /// The role that `equals` or `contains` grants.
    pub(super) role: Option<String>,
    /// Keep only these values.
    pub(super) only: Option<Vec<String>>,
    /// What a value is called as a role; values that are not named keep their own name.
    pub(super) rename: Option<BTreeMap<String, String>>,
}

/// Which token a claim is read from.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Token {
    Either,
    Id,
    Access,
}

/// `[[identity.headers]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ClaimHeader {
    /// The claim's literal name. Mandatory.
    pub(super) claim: Option<String>,
    /// The header's name as the upstream sees it. Mandatory.
    pub(super) header: Option<String>,
    /// Which token it is read from. Default `either`.
    pub(super) token: Option<Token>,
}

/// `[[rules]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rule {
    /// `/exact`, or `/prefix/**`, which covers `/prefix` too. Mandatory.
    pub(super) path: Option<String>,
    /// Only on this host. Default: any.
    pub(super) host: Option<String>,
    /// Only these methods; `GET` covers `HEAD`. Methods that no rule of the path names are refused. Default: every method.
    pub(super) methods: Option<Vec<String>>,
    /// At least one of these roles.
    pub(super) any_role: Option<Vec<String>>,
    /// All of these roles.
    pub(super) all_roles: Option<Vec<String>>,
    /// At least one of these scopes of the access token, matched whole.
    pub(super) any_scope: Option<Vec<String>>,
    /// One of these users (the value of X-User).
    pub(super) any_user: Option<Vec<String>>,
    /// A verified e-mail address at one of these domains; subdomains are domains of their own.
    pub(super) any_email_domain: Option<Vec<String>>,
    /// At least this authentication context class, such as `urn:cognito:loa:3`; else a step-up login.
    pub(super) min_acr: Option<String>,
    /// Signed in with credentials no longer ago than this, such as `10m`; else a step-up login.
    pub(super) max_auth_age: Option<String>,
    /// Anybody, without a session. Default false.
    pub(super) public: Option<bool>,
    /// What a navigation without a session gets: `login` or `401`. Default `login`.
    pub(super) unauthenticated: Option<Unauthenticated>,
    /// Says that this public rule lies inside a rule that asks for more (a role, a certificate, an address), and is
    /// meant to. Default false.
    pub(super) over_role: Option<bool>,
    /// Let true CORS preflights through without identity. Default false.
    pub(super) preflight: Option<bool>,
    /// Only from these networks, in addition to everything else.
    pub(super) from: Option<Vec<String>>,
    /// `required`: only with a verified client certificate (`[tls] client_ca_file`), in addition to everything else.
    pub(super) client_certificate: Option<ClientCertificate>,
    /// Leave the answer's cacheability alone. Default false.
    pub(super) cacheable: Option<bool>,
    /// Hand the upstream this token of the person as `Authorization: Bearer`: `access` or `id`. Default: none.
    pub(super) pass_token: Option<PassToken>,
    /// Which bearer tokens count here instead of what `[bearer] tokens` says; or `off`: `Authorization` passes untouched.
    /// Default: as there.
    pub(super) bearer: Option<RuleBearer>,
    /// `refuse` or `keep` an escaped slash (`%2F`) in a path. Default `refuse`.
    pub(super) encoded_slash: Option<EncodedSlash>,
    /// Where allowed requests go instead of the top level's `upstream`, written the same way: a URL, or a name.
    /// Default: that one.
    pub(super) upstream: Option<String>,
}

/// What a rule asks of the handshake.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClientCertificate {
    Required,
}

/// Which token an upstream is handed.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PassToken {
    Access,
    Id,
}

/// Which bearer tokens count on a rule.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RuleBearer {
    Access,
    Id,
    Either,
    Off,
}

/// What becomes of an escaped slash.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum EncodedSlash {
    Refuse,
    Keep,
}

/// What a navigation without a session gets.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub(super) enum Unauthenticated {
    #[serde(rename = "login")]
    Login,
    #[serde(rename = "401")]
    Refuse,
}

/// `[assertion]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Assertion {
    /// `rolegate`: `X-Rolegate-Assertion`. `alb`: `x-amzn-oidc-data`, `-identity` and `-accesstoken`, as an
    /// Application Load Balancer writes them. Default `rolegate`.
    pub(super) kind: Option<AssertionKind>,
    /// PEM file with EC P-256 private keys: the first signs, all are published. Default: a key made at the start.
    pub(super) key_file: Option<String>,
    /// The `aud` claim: what the upstream takes for its own name. Mandatory, but for `alb`.
    pub(super) audience: Option<String>,
    /// How long an assertion counts, at most `60s`. Default `30s`.
    pub(super) lifetime: Option<String>,
    /// The load balancer's ARN that the application expects as `signer`. Mandatory for `alb`.
    pub(super) signer: Option<String>,
}

/// Which form an assertion has.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AssertionKind {
    Rolegate,
    Alb,
}

/// `[bearer]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Bearer {
    /// Which tokens count: `access`, `id` or `either`. Default `access`.
    pub(super) tokens: Option<Token>,
    /// The app clients whose tokens count. Default: the one that people sign in with.
    pub(super) clients: Option<Vec<String>>,
    /// Resources that an access token may be bound to by its `aud`. Default: the `resources` that logins ask for.
    pub(super) audiences: Option<Vec<String>>,
    /// Pass `Authorization` on to the upstream. Default false.
    pub(super) pass: Option<bool>,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    /// Bytes of a request target before 414. Default 8192.
    pub(super) target: Option<u64>,
    /// Bytes of a request's header lines before 431. Default 32768.
    pub(super) header_bytes: Option<u64>,
    /// Header lines before 431. For more than 100 the parser takes memory with every request. Default 100.
    pub(super) header_count: Option<u64>,
    /// Bytes of a request's body before 413. Default: any number.
    pub(super) body: Option<u64>,
    /// Connections at once; one more is reset. Default 16384.
    pub(super) connections: Option<u64>,
    /// Of these, from one client address; from `trusted_proxies` any number. Default 8192.
    pub(super) connections_per_address: Option<u64>,
    /// For a whole request head to arrive. Default `10s`.
    pub(super) header_timeout: Option<String>,
    /// For a TLS handshake to be finished. Default `5s`.
    pub(super) handshake_timeout: Option<String>,
    /// Idle keep-alive connections are closed after this. Default `60s`.
    pub(super) idle_timeout: Option<String>,
    /// To connect to the upstream. Default `5s`.
    pub(super) connect_timeout: Option<String>,
    /// For the upstream's head to arrive. Default `60s`.
    pub(super) response_timeout: Option<String>,
    /// Between two pieces of a body, either way; not of an event stream. Default `60s`.
    pub(super) body_idle_timeout: Option<String>,
    /// Idle upstream connections are dropped after this. Default `4s`.
    pub(super) upstream_idle: Option<String>,
    /// Connections to one upstream's address, or requests at once where it speaks HTTP/2. Default 10000.
    pub(super) upstream_connections: Option<u64>,
    /// Requests that may wait for one of them. Default 1000.
    pub(super) upstream_queue: Option<u64>,
    /// And for how long, before 503. Default `1s`.
    pub(super) upstream_queue_time: Option<String>,
    /// How long everything is served after SIGTERM while `/readyz` says no. Default `0s`.
    pub(super) drain_delay: Option<String>,
    /// How long a stop waits for open requests, after that. Default `20s`.
    pub(super) drain: Option<String>,
    /// A WebSocket or event stream on which nothing moves is ended after this, such as `30m`, or `off`. Default `off`.
    pub(super) stream_idle: Option<String>,
    /// Logins that one client address may begin, and finish, a minute, before 429. Default: any number.
    pub(super) login_rate: Option<u64>,
    /// Requests at once on an HTTP/2 connection. Default 128.
    pub(super) http2_streams: Option<u64>,
    /// Bytes of a request's body that may come over HTTP/2 before the upstream takes them. Default 262144.
    pub(super) http2_window: Option<u64>,
    /// Bytes of an answer that may wait for its client over HTTP/2. Default 262144.
    pub(super) http2_send_buffer: Option<u64>,
    /// An HTTP/2 client that was silent for so long is asked whether it is there, or `off`. Default `60s`.
    pub(super) http2_ping: Option<String>,
}

/// `[pages]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Pages {
    /// Folder of templates that replace the built-in pages. Default: the built-in ones.
    pub(super) folder: Option<String>,
    /// A deep link's `#fragment` survives the login, by a script on the way there and back. Default false.
    pub(super) keep_fragment: Option<bool>,
}

/// `[telemetry]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Telemetry {
    /// The collector that spans go to, such as `http://127.0.0.1:4318`: OTLP over HTTP. Default: none, and no traces.
    pub(super) otlp_endpoint: Option<String>,
    /// PEM file that replaces the system's roots for an https collector.
    pub(super) otlp_ca_file: Option<String>,
    /// A file with a header a line, `Name: value`, that is sent to the collector: its key.
    pub(super) otlp_headers_file: Option<String>,
    /// What the gate is called in traces. Default `rolegate`.
    pub(super) service_name: Option<String>,
    /// How many of the traces that begin here are recorded: 0 to 1. Default 1.
    pub(super) sample_ratio: Option<f64>,
    /// Whose `traceparent` goes on: that of `trusted_proxies` (`trusted`), of `any`, or of `none`.
    /// Default `trusted`.
    pub(super) trace_parent: Option<TraceParent>,
}

/// Whose `traceparent` goes on.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TraceParent {
    Trusted,
    Any,
    None,
}

/// `[log]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    /// How log lines look: `json` or `text`. Default `json`.
    pub(super) format: Option<Format>,
    /// How much is said. Default `info`.
    pub(super) level: Option<Level>,
    /// One access record a request on standard output. Default true.
    pub(super) access: Option<bool>,
    /// Sign-ins, refusals, sign-outs, refreshes and changes on standard output as well. Default true.
    pub(super) audit: Option<bool>,
    /// Each audit line is authenticated together with the one before it, under a subkey of the first session key.
    /// Default false.
    pub(super) audit_chain: Option<bool>,
}

/// The headers of trusted proxies.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TrustedHeaders {
    XForwarded,
    Forwarded,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Json,
    Text,
}

/// How much is said.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
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
