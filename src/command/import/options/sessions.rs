//! Options about cookies, sessions and their store, and about what the upstream is told of people. ★

use super::Fate::{Missing, Needless, Stricter, Taken};
use super::{Row, row, switch};

const CSRF: &str = "each login has a cookie of its own, a few at most, for as long as it lasts";
const KEY: &str = "[session] keys_file, with a fresh key from `rolegate secret`";
const RESPONSE: &str = "with [gateway] peers and kind, a proxy that asks at /oauth2/auth is told X-User, X-Roles and the mapped headers; no browser is";
const BASIC: &str = "no password is sent to the upstream: it trusts X-User, or verifies [assertion]";

pub(super) const ROWS: &[Row] = &[
    row("basic-auth-password", "basic_auth_password", Missing, BASIC),
    row("cookie-csrf-expire", "cookie_csrf_expire", Needless, CSRF),
    switch("cookie-csrf-per-request", "cookie_csrf_per_request", Needless, CSRF),
    row("cookie-csrf-per-request-limit", "cookie_csrf_per_request_limit", Needless, CSRF),
    row("cookie-csrf-samesite", "cookie_csrf_samesite", Needless, CSRF),
    row(
        "cookie-domain",
        "cookie_domains",
        Stricter,
        "cookies are one host's (`__Host-`); a list in public_url serves several, each with a sign-in of its own that the provider's session makes silent",
    ),
    row(
        "cookie-expire",
        "cookie_expire",
        Stricter,
        "[session] max_age, counted from the sign-in and not from the last refresh",
    ),
    switch("cookie-httponly", "cookie_httponly", Needless, "no script can ever read them"),
    row("cookie-name", "cookie_name", Taken, "[session] cookie_name, with `__Host-` before it"),
    row("cookie-path", "cookie_path", Stricter, "always /, which `__Host-` asks for"),
    row("cookie-refresh", "cookie_refresh", Taken, "[session] max_role_age"),
    row("cookie-samesite", "cookie_samesite", Needless, "always Lax"),
    row("cookie-secret", "cookie_secret", Needless, KEY),
    row("cookie-secret-file", "cookie_secret_file", Needless, KEY),
    switch("cookie-secure", "cookie_secure", Needless, "always, but for public_url = \"http://localhost…\""),
    switch(
        "pass-access-token",
        "pass_access_token",
        Missing,
        "pass_token = \"access\" on a rule hands it on, as Authorization: Bearer",
    ),
    switch(
        "pass-authorization-header",
        "pass_authorization_header",
        Taken,
        "pass_token = \"id\" on the rules",
    ),
    switch(
        "pass-basic-auth",
        "pass_basic_auth",
        Taken,
        "as pass-user-headers; Basic itself has no equivalent",
    ),
    switch(
        "pass-user-headers",
        "pass_user_headers",
        Taken,
        "[identity] user_headers and roles_headers, [[identity.headers]]",
    ),
    switch(
        "prefer-email-to-user",
        "prefer_email_to_user",
        Stricter,
        "[identity] user = \"email\": 403 without a verified one, and no second choice",
    ),
    row("redis-ca-path", "redis_ca_path", Taken, "[session] store_ca_file"),
    row("redis-cluster-connection-urls", "redis_cluster_connection_urls", Taken, "[session] store"),
    row(
        "redis-connection-idle-timeout",
        "redis_connection_idle_timeout",
        Needless,
        "a connection that was closed is made anew",
    ),
    row(
        "redis-connection-url",
        "redis_connection_url",
        Taken,
        "[session] store; a password in it is not copied",
    ),
    switch(
        "redis-insecure-skip-tls-verify",
        "redis_insecure_skip_tls_verify",
        Stricter,
        "certificates are always verified; store_ca_file names the authority",
    ),
    row(
        "redis-password",
        "redis_password",
        Taken,
        "[session] store_password_file; the password itself is not copied",
    ),
    row("redis-sentinel-connection-urls", "redis_sentinel_connection_urls", Taken, "[session] store"),
    row("redis-sentinel-master-name", "redis_sentinel_master_name", Taken, "[session] store_service"),
    row(
        "redis-sentinel-password",
        "redis_sentinel_password",
        Taken,
        "[session] store_sentinel_password_file; the password itself is not copied",
    ),
    switch("redis-use-cluster", "redis_use_cluster", Taken, "[session] store_mode = \"cluster\""),
    switch("redis-use-sentinel", "redis_use_sentinel", Taken, "[session] store_mode = \"sentinel\""),
    row("redis-username", "redis_username", Taken, "[session] store_user"),
    switch(
        "session-cookie-minimal",
        "session_cookie_minimal",
        Needless,
        "cookies hold what is needed, and tokens only where one is passed on",
    ),
    row("session-store-type", "session_store_type", Taken, "[session] store, where it is redis"),
    switch("set-authorization-header", "set_authorization_header", Missing, RESPONSE),
    switch("set-basic-auth", "set_basic_auth", Missing, BASIC),
    switch("set-xauthrequest", "set_xauthrequest", Missing, RESPONSE),
    row(
        "signature-key",
        "signature_key",
        Missing,
        "[assertion] signs who asks, and the upstream verifies it with a public key",
    ),
    switch(
        "skip-auth-strip-headers",
        "skip_auth_strip_headers",
        Stricter,
        "a client's copies of identity headers are always removed, under every spelling",
    ),
];
