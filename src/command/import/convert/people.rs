//! Who may come in, and what the upstream is told of whoever does. ★

use toml_edit::Value;

use super::super::alpha;
use super::super::bag::Bag;
use super::super::options::Fate;
use super::super::page::{Page, list};
use super::FILL_IN;
use super::provider::Provider;
use super::rules::Written;

/// A role of whoever has a verified address: oauth2-proxy refuses everybody else.
const VERIFIED: &str = "verified-email";
/// A role of whoever has signed in, for rules, which cannot ask for that alone.
const EVERYONE: &str = "everyone";

/// What is asked of everybody, where no path asks for less.
pub(super) struct Asked {
    /// Whether what was read says it at all.
    known: bool,
    roles: Vec<String>,
    domains: Vec<String>,
    verified: bool,
    /// Whether whoever has signed in can be told by the issuer.
    issuer: bool,
}

pub(super) fn asked(provider: &Provider, bag: &mut Bag<'_>) -> Asked {
    let mut roles = bag.list("allowed-group");
    for group in bag.list("keycloak-group") {
        if !roles.contains(&group) {
            roles.push(group);
        }
    }
    let apart = groups_count(bag);
    for role in bag.list("allowed-role") {
        roles.push(if apart { prefixed(&role) } else { role });
    }
    let (domains, emails) = domains(bag);
    let elsewhere = RESTRICTIONS.iter().any(|flag| bag.has(flag)) || bag.has_unread_provider_field();
    // Named, and not a word of what is asked for: less would be asked for than before.
    let unread = ["allowed-group", "keycloak-group", "allowed-role"]
        .iter()
        .any(|flag| bag.has(flag) && bag.list(flag).is_empty());
    let known = !elsewhere
        && !unread
        && match emails {
            Emails::Any | Emails::Domains => true,
            Emails::Unsaid => !roles.is_empty(),
            Emails::Unknown => false,
        };
    if !known {
        bag.todo("required_roles: who may come in cannot be taken over, or is not in what was read; until it is written the gate does not start, and rules ask for a role that nobody has");
    }
    let lax = bag.on("insecure-oidc-allow-unverified-email") == Some(true);
    let verified = !lax && !provider.silent_on_email && domains.is_empty();
    Asked { known, roles, domains, verified, issuer: provider.issuer.is_some() }
}

/// Whether groups let people in, beside whom a realm role of the same name must not be a role.
fn groups_count(bag: &Bag<'_>) -> bool {
    bag.has("allowed-group") || bag.has("keycloak-group")
}

/// A realm role's name among groups, as oauth2-proxy has it.
fn prefixed(role: &str) -> String {
    format!("role:{role}")
}

/// Restrictions of providers that nothing here can check.
const RESTRICTIONS: [&str; 10] = [
    "github-org",
    "github-team",
    "github-repo",
    "github-user",
    "google-group",
    "gitlab-group",
    "gitlab-project",
    "bitbucket-team",
    "bitbucket-repository",
    "entra-id-allowed-tenant",
];

enum Emails {
    Any,
    Domains,
    /// A restriction that cannot be written.
    Unknown,
    Unsaid,
}

fn domains(bag: &mut Bag<'_>) -> (Vec<String>, Emails) {
    let written = bag.list("email-domain");
    if written.iter().any(|domain| domain == "*") {
        bag.say("email-domain", Fate::Taken, "any address: required_roles alone decides");
        if bag.has("authenticated-emails-file") {
            bag.say("authenticated-emails-file", Fate::Needless, "any address could come in");
        }
        return (vec![], Emails::Any);
    }
    let whole = |domain: &&String| !domain.starts_with(['.', '*']);
    let exact: Vec<String> = written.iter().filter(whole).cloned().collect();
    if exact.len() < written.len() {
        bag.say("email-domain", Fate::Missing, "any_email_domain takes whole domains: name each subdomain instead of `.domain`; until then it stays out");
    }
    let emails = match (exact.is_empty(), written.is_empty() && !bag.has("authenticated-emails-file")) {
        (false, _) => Emails::Domains,
        (true, true) if !bag.has("email-domain") => Emails::Unsaid,
        (true, _) => Emails::Unknown,
    };
    (exact, emails)
}

// === impl Asked ===

impl Asked {
    /// Whether `required_roles` cannot say all of it, so that a rule for every path must.
    pub(super) fn needs_rule(&self) -> bool {
        self.known && (!self.domains.is_empty() || (self.verified && !self.roles.is_empty()))
    }

    /// As a rule asks for it.
    pub(super) fn of_rule(&self) -> Vec<(&'static str, Value)> {
        if !self.known {
            return vec![("any_role", list([FILL_IN]))];
        }
        let mut keys = Vec::new();
        match (self.roles.is_empty(), self.verified) {
            (false, verified) => {
                keys.push(("any_role", list(&self.roles)));
                if verified {
                    keys.push(("all_roles", list([VERIFIED])));
                }
            }
            (true, true) => keys.push(("any_role", list([VERIFIED]))),
            (true, false) if self.domains.is_empty() => {
                keys.push(("any_role", list([if self.issuer { EVERYONE } else { FILL_IN }])));
            }
            (true, false) => {}
        }
        if !self.domains.is_empty() {
            keys.push(("any_email_domain", list(&self.domains)));
        }
        keys
    }

    fn required(&self, page: &mut Page) {
        if !self.known {
            page.open("", "required_roles = [\"…\"]", "Who may come in: write the roles, or \"signed-in\".");
        } else if !self.roles.is_empty() {
            page.key("", "required_roles", list(&self.roles), "");
        } else if self.verified {
            let why = "oauth2-proxy lets in only whose address is verified; \"signed-in\" lets in everybody of the provider.";
            page.key("", "required_roles", list([VERIFIED]), why);
        } else {
            page.key("", "required_roles", "signed-in", "");
        }
    }

    /// Whether rules name the role of everybody.
    fn names_everyone(&self) -> bool {
        self.known && self.roles.is_empty() && !self.verified && self.domains.is_empty()
    }
}

/// `[identity]` with its sources, and `[bearer]`.
pub(super) fn identity(
    provider: &Provider,
    asked: &Asked,
    rules: &Written,
    bag: &mut Bag<'_>,
    page: &mut Page,
) {
    asked.required(page);
    let by_email = bag.on("prefer-email-to-user") == Some(true);
    if by_email {
        page.key(TABLE, "user", "email", "Only a verified one; without it 403.");
    } else if provider.cognito {
        page.key(
            TABLE,
            "user",
            "sub",
            "What X-Forwarded-User was; \"cognito:username\" is the default here.",
        );
    }
    sources(provider, asked, rules.asks, bag, page);
    let email = bag.text("oidc-email-claim").unwrap_or_else(|| "email".to_owned());
    // Open paths are told who has a session, and that may be somebody whose address nobody verified.
    let unverified = rules.open && bag.on("insecure-oidc-allow-unverified-email") != Some(true);
    let kept_back = |claim: &str| unverified && (claim == "email" || claim == email);
    if bag.is_alpha() {
        injected(&kept_back, bag, page);
    } else if bag.on("pass-user-headers") != Some(false) || bag.on("pass-basic-auth") != Some(false) {
        page.key(TABLE, "user_headers", list(["X-Forwarded-User"]), "Beside X-User and X-Roles.");
        page.key(TABLE, "roles_headers", list(["X-Forwarded-Groups"]), "");
        match (by_email, kept_back(&email)) {
            (true, _) => {}
            (_, false) => header(page, &email, "X-Forwarded-Email"),
            (_, true) => keep_back("X-Forwarded-Email", bag, page),
        }
        header(page, "preferred_username", "X-Forwarded-Preferred-Username");
    }
    bearer(provider, bag, page);
}

const TABLE: &str = "[identity]";
const SOURCE: &str = "[[identity.roles]]";

fn sources(provider: &Provider, asked: &Asked, asks: bool, bag: &mut Bag<'_>, page: &mut Page) {
    let usual = if provider.cognito { "cognito:groups" } else { "groups" };
    let claim = bag.text("oidc-groups-claim").unwrap_or_else(|| usual.to_owned());
    if claim.contains('.') && !claim.contains('/') {
        bag.say("oidc-groups-claim", Fate::Missing, "a claim's name is taken as it is, and never as a path: let the provider write the groups into a claim of their own");
    }
    const MAPPER: &str = "A mapper of Keycloak's must write the realm roles there.";
    let (groups, by_role) = (groups_count(bag), bag.has("allowed-role"));
    if groups || !by_role {
        page.block(SOURCE, "", vec![("claim", claim.into())]);
    } else {
        // Else a group of that name would let people in.
        page.block(SOURCE, MAPPER, vec![("claim", "roles".into())]);
        bag.say("allowed-role", Fate::Taken, "required_roles, from a claim `roles`: a mapper of Keycloak's must write realm roles there; groups are no roles then");
    }
    for role in bag.list("allowed-role").iter().filter(|_| groups) {
        let keys = vec![
            ("claim", "roles".into()),
            ("contains", role.as_str().into()),
            ("role", prefixed(role).into()),
        ];
        page.block(SOURCE, MAPPER, keys);
    }
    if asked.known && asked.verified {
        page.block(
            SOURCE,
            "",
            vec![("claim", "email_verified".into()), ("equals", "true".into()), ("role", VERIFIED.into())],
        );
    }
    if asks
        && asked.names_everyone()
        && let Some(issuer) = &provider.issuer
    {
        let why = "Whoever signed in: rules cannot ask for that alone.";
        page.block(
            SOURCE,
            why,
            vec![("claim", "iss".into()), ("equals", issuer.as_str().into()), ("role", EVERYONE.into())],
        );
    }
}

fn keep_back(name: &str, bag: &mut Bag<'_>, page: &mut Page) {
    // The gate drops a client's own copies of the names that it knows: all of X-Forwarded-*, and those written here.
    if !name.to_ascii_lowercase().starts_with("x-forwarded-") {
        header(page, FILL_IN, name);
    }
    bag.todo(format!("{name}: left out, since open paths would be told addresses that nobody verified; write [[identity.headers]] if no application takes it for more than a hint"));
}

fn header(page: &mut Page, claim: &str, name: &str) {
    page.block("[[identity.headers]]", "", vec![("claim", claim.into()), ("header", name.into())]);
}

/// The structured configuration's headers.
fn injected(kept_back: &dyn Fn(&str) -> bool, bag: &mut Bag<'_>, page: &mut Page) {
    let (mut users, mut roles, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for pair in bag.list(alpha::HEADERS_FLAG) {
        let Some((name, claim)) = pair.split_once('=') else { continue };
        match claim {
            "user" => users.push(name.to_owned()),
            "groups" => roles.push(name.to_owned()),
            "" | "access_token" | "id_token" | "refresh_token" | "created_at" | "expires_on" => {
                left_out.push(name.to_owned())
            }
            claim if kept_back(claim) => keep_back(name, bag, page),
            claim => header(page, claim, name),
        }
    }
    if !users.is_empty() {
        page.key(TABLE, "user_headers", list(&users), "Beside X-User and X-Roles.");
    }
    if !roles.is_empty() {
        page.key(TABLE, "roles_headers", list(&roles), "");
    }
    match left_out.as_slice() {
        [] => bag.say(
            alpha::HEADERS_FLAG,
            Fate::Taken,
            "[identity] user_headers, roles_headers, [[identity.headers]]",
        ),
        names => {
            let says = format!(
                "tokens, secrets and put-together values are no headers ({}); pass_token on a rule hands a token on",
                names.join(", ")
            );
            bag.say(alpha::HEADERS_FLAG, Fate::Missing, says);
        }
    }
}

fn bearer(provider: &Provider, bag: &mut Bag<'_>, page: &mut Page) {
    const TABLE: &str = "[bearer]";
    if bag.on("skip-jwt-bearer-tokens") != Some(true) {
        for flag in ["extra-jwt-issuers", "oidc-extra-audience", "bearer-token-login-fallback"] {
            bag.say(flag, Fate::Needless, "without skip_jwt_bearer_tokens no bearer token counts");
        }
        return;
    }
    let by_client =
        provider.cognito && bag.list("oidc-audience-claim").iter().any(|claim| claim == "client_id");
    page.key(TABLE, "tokens", if by_client { "either" } else { "id" }, "");
    let mut clients: Vec<String> = provider.client_id.iter().cloned().collect();
    clients.extend(bag.list("oidc-extra-audience"));
    let mut others = 0;
    for pair in bag.list("extra-jwt-issuers") {
        match pair.rsplit_once('=') {
            Some((issuer, audience))
                if Some(issuer.trim_end_matches('/'))
                    == provider.issuer.as_deref().map(|own| own.trim_end_matches('/')) =>
            {
                clients.push(audience.to_owned());
            }
            _ => others += 1,
        }
    }
    if others > 0 {
        let says = "tokens of another issuer do not count; a gate of its own can ask for them, or the pool can take that issuer in";
        bag.say("extra-jwt-issuers", Fate::Missing, says);
    }
    if clients.len() > 1 {
        clients.dedup();
        page.key(TABLE, "clients", list(&clients), "");
    }
    page.key(TABLE, "pass", true, "The upstream saw the token before; false where it needs none.");
}
