//! From what was written to what the gate uses: every problem at once, or a `Config`. ★
//!
//! Each table has its file below. What is wrong is pushed and a stand-in takes its place, so that the rest
//! is still judged; the stand-ins never leave this module, because one error means no `Config`.

mod assertion;
mod bearer;
mod duration;
mod gateway;
pub(crate) mod identity;
mod limits;
mod network;
mod origin;
mod overlap;
mod pages;
mod parameters;
mod provider;
mod requirement;
mod rewritten;
mod rules;
mod secrets;
mod session;
mod store;
mod telemetry;
mod tls;
mod upstream;
mod upstreams;

use std::io;
use std::path::{Path, PathBuf};

use super::places::Places;
use super::problem::{Key, Place, Problem, Problems, Severity};
use super::raw::{OneOrMany, Raw};
use super::settings::{Config, Identity, Log, LogFormat, ProviderKind, Requirement};

/// What the judgement needs from outside.
pub struct Surroundings<'a> {
    /// Reads a file that the configuration names.
    pub read: &'a dyn Fn(&Path) -> io::Result<Contents>,
    /// The names of the files in a folder, folders among them left out.
    pub list: &'a dyn Fn(&Path) -> io::Result<Vec<String>>,
    /// What relative file names are relative to.
    pub folder: PathBuf,
    /// How many cores this process may use.
    pub cores: usize,
    /// Seconds since 1970: certificates count for a time.
    pub now: u64,
}

/// A file that the configuration names.
pub struct Contents {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Whether any user of the machine may read it.
    pub world_readable: bool,
}

/// What every check is handed.
struct Context<'a> {
    places: &'a Places,
    problems: Problems,
    around: &'a Surroundings<'a>,
}

/// Judges what was written. `problems` holds what the walk over the shape found already.
pub(super) fn check(
    raw: &Raw,
    places: &Places,
    problems: Problems,
    around: &Surroundings<'_>,
) -> (Option<Config>, Problems) {
    let mut cx = Context { places, problems, around };
    let config = config(raw, &mut cx);
    let config = if cx.problems.has_errors() { None } else { config };
    (config, cx.problems)
}

fn config(raw: &Raw, cx: &mut Context<'_>) -> Option<Config> {
    let origins = origin::origins(raw.public_url.as_ref(), cx);
    let listen = network::listen(raw.listen.as_deref(), &Key::of("listen"), 4180, cx);
    let admin_listen = network::listen(raw.admin_listen.as_deref(), &Key::of("admin_listen"), 4181, cx);
    if listen == admin_listen && listen.port() != 0 {
        cx.error(&Key::of("admin_listen"), "the same address as listen", "give it a port of its own");
    }
    let control_socket = network::control_socket(raw.control_socket.as_deref(), cx);
    let tls = tls::tls(raw.tls.as_ref(), &origins, [listen, admin_listen], cx);
    let http2_cleartext = network::http2_cleartext(raw, cx);
    let redirect_listen = tls.as_ref().and_then(|tls| tls.redirect_listen);
    let auth_prefix = rules::auth_prefix(raw.auth_prefix.as_deref(), cx);
    let written_rules = raw.rules.as_deref().unwrap_or_default();
    let upstreams = upstream::upstreams(
        raw,
        written_rules,
        &[Some(listen), Some(admin_listen), redirect_listen].into_iter().flatten().collect::<Vec<_>>(),
        cx,
    );
    let default = default_requirement(raw.required_roles.as_ref(), cx);
    let provider = provider::provider(raw.cognito.as_ref(), raw.oidc.as_ref(), cx);
    let client_secrets = provider.as_ref().map_or(&[][..], |provider| &provider.client_secrets);
    let session = session::session(raw.session.as_ref(), client_secrets, cx);
    let acr_order = identity::acr_order(raw.identity.as_ref(), cx);
    let rules = rules::rules(written_rules, &acr_order, &upstreams, cx);
    tls::clients::asked_by_rules(raw, cx);
    rules::against_prefix(&rules, &auth_prefix, cx);
    rules::against_origins(&rules, &origins, cx);
    overlap::overlaps(&rules, &origins, cx);
    rewritten::rewritten(&rules, &default, &upstreams, cx);
    // Without a provider there is no telling which defaults apply: that is an error of its own.
    let kind = provider.as_ref().map(|provider| &provider.kind);
    let assertion = assertion::assertion(raw.assertion.as_ref(), cx);
    let needs_roles = requirement::need_roles(&default, &rules);
    let asked = requirement::asked(&rules);
    assertion::for_one_upstream(raw.assertion.as_ref(), &upstreams, cx);
    let bearer = bearer::bearer(raw.bearer.as_ref(), provider.as_ref(), cx);
    bearer::of_rules(written_rules, bearer.as_ref(), provider.as_ref(), cx);
    let machines = bearer.as_ref().map(|bearer| bearer.clients.clone()).unwrap_or_default();
    let identity = identity::identity(raw.identity.as_ref(), kind, needs_roles, asked, cx);
    let identity = Identity { machines, ..identity };
    requirement::against_sources(&default, &rules, &identity.roles, cx);
    tls::clients::against_identity(tls.as_ref(), &identity, cx);
    let trusted_proxies = network::trusted(raw.trusted_proxies.as_deref().unwrap_or_default(), cx);
    let gateway = gateway::gateway(raw.gateway.as_ref(), cx);
    gateway::against_rules(gateway.as_ref(), rules.iter().map(|judged| &judged.rule), &trusted_proxies, cx);
    let proxy_protocol = network::proxy_protocol(raw, cx);
    let trusted_headers = network::trusted_headers(raw, cx);
    let admin_hosts = origin::admin_hosts(raw.admin_hosts.as_deref().unwrap_or_default(), cx);
    let allowed_return_hosts =
        origin::return_hosts(raw.allowed_return_hosts.as_deref().unwrap_or_default(), cx);
    let limits = limits::limits(raw.limits.as_ref(), cx);
    let pages = pages::pages(raw.pages.as_ref(), cx);
    let traces = telemetry::traces(raw.telemetry.as_ref(), cx);
    let workers = workers(raw.workers, cx);

    Some(Config {
        origins,
        listen,
        admin_listen,
        admin_hosts,
        control_socket,
        http2_cleartext,
        tls,
        auth_prefix,
        upstreams: upstreams.found()?,
        pass_host: raw.pass_host.unwrap_or(true),
        rules: rules.into_iter().map(|judged| judged.rule).collect(),
        default,
        provider: provider?,
        session,
        identity,
        assertion,
        bearer,
        gateway,
        trusted_proxies,
        proxy_protocol,
        trusted_headers,
        allowed_return_hosts,
        limits,
        pages,
        log: log(raw),
        traces,
        workers,
    })
}

fn default_requirement(required: Option<&OneOrMany>, cx: &mut Context<'_>) -> Requirement {
    let key = Key::of("required_roles");
    let fix = "name the roles, any of which is enough: required_roles = [\"…\"]; \
               or write required_roles = \"signed-in\" if being signed in is enough";
    let any_role = match required {
        None => {
            cx.missing(&key, fix);
            Vec::new()
        }
        Some(OneOrMany::One(word)) if word == "signed-in" => return Requirement::default(),
        Some(OneOrMany::One(_)) => {
            cx.error(&key, "expected a list of roles or the word \"signed-in\"", fix);
            Vec::new()
        }
        Some(OneOrMany::Many(roles)) if roles.is_empty() => {
            cx.error(&key, "the list is empty, which no role can fulfil", fix);
            Vec::new()
        }
        Some(OneOrMany::Many(roles)) => {
            cx.names(&key, roles);
            if roles.iter().any(|role| role == "signed-in") {
                cx.warning(
                    &key,
                    "\"signed-in\" in a list is a role of that name",
                    "write required_roles = \"signed-in\" if being signed in is enough",
                );
            }
            roles.clone()
        }
    };
    Requirement { any_role, ..Requirement::default() }
}

fn workers(raw: Option<u64>, cx: &mut Context<'_>) -> usize {
    match raw {
        None => cx.around.cores.max(1),
        Some(count @ 1..=1024) => usize::try_from(count).unwrap_or(1),
        Some(count) => {
            cx.error(
                &Key::of("workers"),
                &format!("{count} is not between 1 and 1024"),
                "leave it out: one a core",
            );
            1
        }
    }
}

fn log(raw: &Raw) -> Log {
    use super::raw::{Format, Level};
    let default = Log::default();
    let Some(log) = &raw.log else { return default };
    Log {
        format: match log.format {
            Some(Format::Text) => LogFormat::Text,
            Some(Format::Json) | None => LogFormat::Json,
        },
        level: match log.level {
            Some(Level::Error) => "error",
            Some(Level::Warn) => "warn",
            Some(Level::Info) | None => "info",
            Some(Level::Debug) => "debug",
        }
        .into(),
        access: log.access.unwrap_or(default.access),
        audit: log.audit.unwrap_or(default.audit),
        audit_chain: log.audit_chain.unwrap_or(default.audit_chain),
    }
}

// === impl Context ===

impl Context<'_> {
    fn error(&mut self, key: &Key, message: &str, fix: &str) {
        self.push(Severity::Error, self.places.value(key), key, message, fix);
    }

    fn warning(&mut self, key: &Key, message: &str, fix: &str) {
        self.push(Severity::Warning, self.places.value(key), key, message, fix);
    }

    /// A key that must be there. Says nothing if it is there but unreadable, or if a slip of it was found.
    fn missing(&mut self, key: &Key, fix: &str) {
        let slip = |problem: &Problem| match (problem.key.0.split_last(), key.0.split_last()) {
            (Some((_, theirs)), Some((super::problem::Step::Name(name), ours))) => {
                theirs == ours && problem.fix.as_deref() == Some(&format!("did you mean {name}?"))
            }
            _ => false,
        };
        if self.problems.touches(key) || self.problems.iter().any(slip) {
            return;
        }
        let place = self.places.value(key);
        self.push(Severity::Error, place, key, "missing", fix);
    }

    fn push(&mut self, severity: Severity, place: Place, key: &Key, message: &str, fix: &str) {
        let fix = (!fix.is_empty()).then(|| fix.to_owned());
        let problem = Problem { severity, place, key: key.clone(), message: message.to_owned(), fix };
        self.problems.push(problem);
    }

    /// Texts that stand for roles or users: not empty, and not blank at the ends, where nobody sees it.
    fn names(&mut self, key: &Key, names: &[String]) {
        for (at, name) in names.iter().enumerate() {
            if name.trim().is_empty() {
                self.error(&key.index(at), "an empty name, which nobody has", "leave it out");
            } else if name.trim() != name {
                self.error(&key.index(at), "blank at the beginning or end", "take the blanks away");
            }
        }
    }

    /// A file name, relative to the folder of the configuration.
    fn path(&self, name: &str) -> PathBuf {
        self.around.folder.join(name)
    }

    /// A PEM file with certificates: it must be there now, not at the first request.
    fn certificates(&mut self, key: &Key, name: Option<&str>) -> Option<PathBuf> {
        let path = self.path(name?);
        match (self.around.read)(&path) {
            Err(error) => self.error(
                key,
                &format!("cannot read {}: {error}", path.display()),
                "check the name and the rights",
            ),
            Ok(contents) if !holds(&contents.bytes, b"-----BEGIN CERTIFICATE-----") => {
                self.error(
                    key,
                    &format!("{} holds no certificate", path.display()),
                    "name a PEM file with -----BEGIN CERTIFICATE-----",
                );
            }
            Ok(_) => {}
        }
        Some(path)
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether the provider is Cognito; unknown counts as Cognito, the default.
fn is_cognito(kind: Option<&ProviderKind>) -> bool {
    !matches!(kind, Some(ProviderKind::Oidc))
}
