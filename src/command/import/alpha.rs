//! oauth2-proxy's structured ("alpha") configuration, as the flags that say the same. ★

use super::read::{Given, Source, given};
use super::yaml::Node;

const HEADERS: &str = "injectRequestHeaders";
/// The same as an option, which it is none of: `Name=claim` each.
pub(super) const HEADERS_FLAG: &str = "injectrequestheaders";

/// Whether a table is such a configuration.
pub(super) fn is_alpha(node: &Node) -> bool {
    let list = |key| matches!(node.at(key), Some(Node::List(items)) if items.iter().all(|item| matches!(item, Node::Table(_))));
    node.at("upstreamConfig").is_some()
        || list(HEADERS)
        || list("injectResponseHeaders")
        || (list("providers")
            && matches!(node.at("providers"), Some(Node::List(items)) if items.iter().any(|item| item.at("clientID").is_some() || item.at("provider").is_some())))
}

/// Its fields, one by one; what nothing is known of goes on under its own name.
pub(super) fn read(node: &Node, found: &mut Vec<Given>) {
    let Node::Table(entries) = node else { return };
    for (name, line, value) in entries {
        match name.as_str() {
            "providers" => providers(value, *line, found),
            "upstreamConfig" => upstreams(value, found),
            "upstreams" => upstream_list(value, found),
            HEADERS => headers(value, *line, found),
            "injectResponseHeaders" => {
                found.push(given("set-xauthrequest", vec!["true".into()], *line, Source::Alpha))
            }
            "server" => fields(value, "server", SERVER, found),
            "metricsServer" => fields(value, "metricsServer", METRICS, found),
            _ => found.push(given(name, Vec::new(), *line, Source::Alpha)),
        }
    }
}

const SERVER: &[(&str, &str)] = &[
    ("bindAddress", "http-address"),
    ("secureBindAddress", "https-address"),
    ("tls.cert.fromFile", "tls-cert-file"),
    ("tls.key.fromFile", "tls-key-file"),
    ("tls.minVersion", "tls-min-version"),
    ("tls.cipherSuites", "tls-cipher-suite"),
];

const METRICS: &[(&str, &str)] = &[
    ("bindAddress", "metrics-address"),
    ("secureBindAddress", "metrics-secure-address"),
    ("tls.cert.fromFile", "metrics-tls-cert-file"),
    ("tls.key.fromFile", "metrics-tls-key-file"),
];

const PROVIDER: &[(&str, &str)] = &[
    ("id", ""),
    ("provider", "provider"),
    ("name", "provider-display-name"),
    ("clientID", "client-id"),
    ("clientSecret", "client-secret"),
    ("clientSecretFile", "client-secret-file"),
    ("caFiles", "provider-ca-file"),
    ("useSystemTrustStore", "use-system-trust-store"),
    ("loginURL", "login-url"),
    ("redeemURL", "redeem-url"),
    ("profileURL", "profile-url"),
    ("skipClaimsFromProfileURL", "skip-claims-from-profile-url"),
    ("validateURL", "validate-url"),
    ("resource", "resource"),
    ("scope", "scope"),
    ("allowedGroups", "allowed-group"),
    ("code_challenge_method", "code-challenge-method"),
    ("backendLogoutURL", "backend-logout-url"),
    ("oidcConfig.issuerURL", "oidc-issuer-url"),
    ("oidcConfig.insecureAllowUnverifiedEmail", "insecure-oidc-allow-unverified-email"),
    ("oidcConfig.insecureSkipIssuerVerification", "insecure-oidc-skip-issuer-verification"),
    ("oidcConfig.insecureSkipNonce", "insecure-oidc-skip-nonce"),
    ("oidcConfig.skipDiscovery", "skip-oidc-discovery"),
    ("oidcConfig.jwksURL", "oidc-jwks-url"),
    ("oidcConfig.publicKeyFiles", "oidc-public-key-file"),
    ("oidcConfig.emailClaim", "oidc-email-claim"),
    ("oidcConfig.groupsClaim", "oidc-groups-claim"),
    ("oidcConfig.userIDClaim", "user-id-claim"),
    ("oidcConfig.audienceClaims", "oidc-audience-claim"),
    ("oidcConfig.extraAudiences", "oidc-extra-audience"),
    ("oidcConfig.enabledSigningAlgs", "oidc-enabled-signing-alg"),
    ("keycloakConfig.groups", "keycloak-group"),
    ("keycloakConfig.roles", "allowed-role"),
    ("azureConfig.tenant", "azure-tenant"),
    ("azureConfig.graphGroupField", "azure-graph-group-field"),
    ("microsoftEntraIDConfig.allowedTenants", "entra-id-allowed-tenant"),
    ("googleConfig.group", "google-group"),
    ("githubConfig.org", "github-org"),
    ("githubConfig.team", "github-team"),
    ("githubConfig.repo", "github-repo"),
    ("githubConfig.token", "github-token"),
    ("githubConfig.users", "github-user"),
    ("gitlabConfig.group", "gitlab-group"),
    ("gitlabConfig.projects", "gitlab-project"),
    ("bitbucketConfig.team", "bitbucket-team"),
    ("bitbucketConfig.repository", "bitbucket-repository"),
];

/// The fields of a table, down to the texts, under the flags that mean the same.
fn fields(node: &Node, path: &str, known: &[(&str, &str)], found: &mut Vec<Given>) {
    // In any case, as Go reads a field's name.
    let flag = |field: &str| known.iter().find(|(name, _)| name.eq_ignore_ascii_case(field));
    walk(node, "", 0, &mut |field, line, values| match flag(field) {
        Some((_, "")) => {}
        Some((_, flag)) => found.push(given(flag, values, line, Source::Alpha)),
        None => found.push(given(&format!("{path}.{field}"), Vec::new(), line, Source::Alpha)),
    });
}

fn walk(node: &Node, path: &str, line: usize, see: &mut dyn FnMut(&str, usize, Vec<String>)) {
    match node {
        Node::Table(entries) => {
            for (name, line, value) in entries {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(value, &path, *line, see);
            }
        }
        _ => see(path, line, node.texts()),
    }
}

fn providers(node: &Node, line: usize, found: &mut Vec<Given>) {
    let Node::List(items) = node else { return };
    for (at, item) in items.iter().enumerate() {
        if at == 0 {
            fields(item, "providers", PROVIDER, found);
        } else {
            found.push(given(&format!("providers[{at}]"), Vec::new(), line, Source::Alpha));
        }
    }
}

fn upstreams(node: &Node, found: &mut Vec<Given>) {
    let Node::Table(entries) = node else { return };
    for (name, line, value) in entries {
        match name.as_str() {
            "upstreams" => upstream_list(value, found),
            _ => found.push(given(&format!("upstreamConfig.{name}"), Vec::new(), *line, Source::Alpha)),
        }
    }
}

/// Each as `--upstream` has it: the path that it answers for stands behind its address.
fn upstream_list(node: &Node, found: &mut Vec<Given>) {
    let Node::List(items) = node else { return };
    for item in items {
        let Node::Table(entries) = item else { continue };
        let text = |key: &str| item.at(key).and_then(|value| value.texts().into_iter().next());
        let line = entries.first().map_or(1, |(_, line, _)| *line);
        let path = text("path").unwrap_or_else(|| "/".to_owned());
        if item.at("rewriteTarget").is_some() || path.starts_with('^') {
            found.push(given("upstreamConfig.upstreams.rewriteTarget", Vec::new(), line, Source::Alpha));
            continue;
        }
        let uri = text("uri").unwrap_or_default();
        let uri = match uri.split_once("://") {
            _ if text("static").as_deref() == Some("true") => "static://200".to_owned(),
            Some((scheme @ ("http" | "https"), rest)) => {
                format!("{scheme}://{}{path}", rest.split('/').next().unwrap_or_default())
            }
            Some(("file", rest)) => format!("file://{rest}#{path}"),
            _ => uri,
        };
        found.push(given("upstream", vec![uri], line, Source::Alpha));
        for (name, line, value) in entries {
            let flag = match name.as_str() {
                "insecureSkipTLSVerify" => "ssl-upstream-insecure-skip-verify",
                "passHostHeader" => "pass-host-header",
                "proxyWebSockets" => "proxy-websockets",
                "flushInterval" => "flush-interval",
                "timeout" => "upstream-timeout",
                "disableKeepAlives" => "disable-keep-alives",
                _ => continue,
            };
            found.push(given(flag, value.texts(), *line, Source::Alpha));
        }
    }
}

/// `Name=claim`, one a header; without a claim where the value is a secret or has something before it.
fn headers(node: &Node, line: usize, found: &mut Vec<Given>) {
    let Node::List(items) = node else { return };
    let mut values = Vec::new();
    for item in items {
        let Some(Node::Text(name, _)) = item.at("name") else { continue };
        let first = match item.at("values") {
            Some(Node::List(values)) if values.len() == 1 => values.first(),
            _ => None,
        };
        let source = first.map(|value| value.at("claimSource").unwrap_or(value));
        let claim = source
            .filter(|source| source.at("prefix").is_none() && source.at("basicAuthPassword").is_none())
            .and_then(|source| source.at("claim"))
            .and_then(|claim| claim.texts().into_iter().next());
        values.push(format!("{name}={}", claim.unwrap_or_default()));
    }
    found.push(given(HEADERS, values, line, Source::Alpha));
}
