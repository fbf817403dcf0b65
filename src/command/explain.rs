//! `rolegate explain`: which rule decides a request, and why, by the very code that decides at run time.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::ExitCode;

use http::{HeaderValue, Method, Request};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::authorize::{By, Decision, Person, Why, cover, decide};
use crate::clock;
use crate::command::check::{EX_CONFIG, write_problems};
use crate::config::settings::Config;
use crate::config::{self, Overrides};
use crate::identity::json::Claims;
use crate::identity::{Identity, Tokens, identify};
use crate::login::OwnPage;
use crate::refusal::Refusal;
use crate::rule::Rules;
use crate::rule::path::PathRefusal;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The method, byte-exact.
    pub method: String,
    /// `https://host/path?query`, or a path at the first public origin.
    pub url: String,
    /// The user, if anyone is signed in.
    pub user: Option<String>,
    /// Their roles.
    pub roles: Vec<String>,
    /// Claims of both their tokens, read as the configuration has it.
    pub claims: Claims,
    /// The client's address. Default: this machine's.
    pub from: Option<IpAddr>,
    /// A true CORS preflight that asks about `method`.
    pub preflight: bool,
    /// The client shows a certificate that counts.
    pub certificate: bool,
}

/// The answer: what happens, by which rule, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// `forward`, `login`, `challenge`, `forbid`, `redirect`, `own` or `refuse`.
    pub outcome: &'static str,
    /// The rule's name; `default` where `required_roles` decides.
    pub rule: Option<String>,
    /// The path in its only spelling, which is decided on.
    pub path: Option<String>,
    /// Where it is forwarded to, and path and query as they are sent there.
    pub sent: Option<(String, String)>,
    /// In words.
    pub because: String,
}

/// Prints the explanation; the exit code says the outcome.
pub fn run(path: Option<&Path>, env: &[(String, String)], question: &Question, as_json: bool) -> ExitCode {
    let loaded = match config::load(path, env, &Overrides::default()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            let _ = write_problems(&problems, false, &mut std::io::stderr());
            return ExitCode::from(EX_CONFIG);
        }
    };
    let explanation = explain(&loaded.config, question);
    if as_json {
        println!("{}", explanation.to_json());
    } else {
        println!("{explanation}");
    }
    ExitCode::from(explanation.exit_code())
}

/// Explains one request.
pub fn explain(config: &Config, question: &Question) -> Explanation {
    let ask = match ask(config, question) {
        Ok(ask) => ask,
        Err(refusal) => return Explanation::refused(&refusal),
    };
    let clients = config.client_certificates();
    if clients.is_some_and(|asked| asked.clients.required()) && !question.certificate {
        let because =
            "without a client certificate there is no connection: [tls] client_certificates = \"required\"";
        return Explanation {
            outcome: "refuse",
            rule: None,
            path: None,
            sent: None,
            because: because.into(),
        };
    }
    // Where no client is asked for one, none is looked at.
    let ask = ask.with_certificate(question.certificate && clients.is_some());
    if OwnPage::of(&ask, &config.auth_prefix).is_some() {
        let because = format!("{} is a page of the gate's own", ask.path.as_str());
        return Explanation {
            outcome: "own",
            rule: None,
            path: Some(ask.path.as_str().into()),
            sent: None,
            because,
        };
    }
    let who = match who(config, question) {
        Ok(who) => who,
        Err(because) => {
            let path = Some(ask.path.as_str().into());
            return Explanation { outcome: "forbid", rule: None, path, sent: None, because };
        }
    };
    // A session exists only at a public origin: elsewhere its cookie is not read.
    let person = who.as_ref().filter(|_| ask.origin.is_some());
    let person = person.map(|Identity { sub, user, roles, headers, facts, .. }| Person {
        sub,
        user,
        roles,
        headers,
        facts,
        by: By::Session,
    });
    let rules = Rules::new(config.rules.clone(), config.default.clone());
    let found = match cover(&rules, &ask) {
        Ok(found) => found,
        Err(refusal) => {
            let path = Some(ask.path.as_str().into());
            return Explanation { path, ..Explanation::refused(&Refusal::Path(refusal)) };
        }
    };
    let decision = decide(&found, person.as_ref(), &ask, clock::now());
    let forwards = matches!(decision, Decision::Forward | Decision::ForwardAnonymous);
    let to = config.destination(found.rule()).filter(|_| forwards);
    let sent = match to.map(|to| ask.sent(&to.rewrite).map(|target| (to.name.clone(), target.to_string()))) {
        Some(Err(refusal)) => {
            let (rule, path) = (Some(found.name().to_string()), Some(ask.path.as_str().into()));
            return Explanation { rule, path, ..Explanation::refused(&refusal) };
        }
        sent => sent.and_then(Result::ok),
    };
    Explanation {
        outcome: decision.name(),
        rule: Some(found.name().to_string()),
        path: Some(ask.path.as_str().into()),
        sent,
        because: because(&decision, person.as_ref()),
    }
}

// === impl Explanation ===

impl Explanation {
    /// 0 forward, 10 login, 11 forbid, 12 refused, 13 a page of the gate's own.
    pub fn exit_code(&self) -> u8 {
        match self.outcome {
            "forward" => 0,
            "login" | "challenge" | "redirect" => 10,
            "forbid" => 11,
            "own" => 13,
            _ => 12,
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        let because = match refusal {
            Refusal::Path(why) => why.to_string(),
            Refusal::Outside => PathRefusal::Outside.to_string(),
            other => format!("the request is refused: {}", other.code()),
        };
        Self { outcome: "refuse", rule: None, path: None, sent: None, because }
    }

    fn to_json(&self) -> Value {
        let (upstream, target) = self.sent.as_ref().map(|(upstream, target)| (upstream, target)).unzip();
        json!({
            "outcome": self.outcome,
            "rule": self.rule,
            "path": self.path,
            "upstream": upstream,
            "target": target,
            "because": self.because,
        })
    }
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "outcome  {}", self.outcome)?;
        if let Some(rule) = &self.rule {
            writeln!(f, "rule     {rule}")?;
        }
        if let Some(path) = &self.path {
            writeln!(f, "path     {path}")?;
        }
        if let Some((upstream, target)) = &self.sent {
            writeln!(f, "upstream {upstream}")?;
            writeln!(f, "target   {target}")?;
        }
        write!(f, "because  {}", self.because)
    }
}

/// The request as the gate would read it: a browser's navigation, straight from the client.
fn ask(config: &Config, question: &Question) -> Result<Ask, Refusal> {
    let url = question.url.as_str();
    let (host, target) = match url.split_once("://") {
        Some((_, rest)) => match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('/') => (rest[..at].to_owned(), rest[at..].to_owned()),
            Some(at) => (rest[..at].to_owned(), format!("/{}", &rest[at..])),
            None => (rest.to_owned(), "/".to_owned()),
        },
        None => (config.origins.first().map(|origin| origin.authority()).unwrap_or_default(), url.to_owned()),
    };
    // The parser would cut it off without a word.
    if target.contains('#') {
        return Err(Refusal::Target);
    }
    let asked = Method::from_bytes(question.method.as_bytes()).map_err(|_| Refusal::Method)?;
    let mut request = Request::builder()
        .uri(target)
        .header(http::header::HOST, HeaderValue::try_from(host).map_err(|_| Refusal::Host)?)
        .header(http::header::ACCEPT, "text/html");
    request = if question.preflight {
        let method = HeaderValue::try_from(asked.as_str()).map_err(|_| Refusal::Method)?;
        request
            .method(Method::OPTIONS)
            .header(http::header::ORIGIN, "https://elsewhere.example")
            .header(http::header::ACCESS_CONTROL_REQUEST_METHOD, method)
    } else {
        request.method(asked)
    };
    let request = request.body(()).map_err(|_| Refusal::Target)?;
    let (head, ()) = request.into_parts();
    Ask::read(&head, question.from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), false, config)
}

/// Who it is, from flags and claims; nobody if none are given. A claim counts as one of both tokens.
fn who(config: &Config, question: &Question) -> Result<Option<Identity>, String> {
    let Question { user, roles, claims, .. } = question;
    if user.is_none() && roles.is_empty() && claims.is_empty() {
        return Ok(None);
    }
    let mut id = claims.clone();
    let name = user.clone().unwrap_or_else(|| "someone".into());
    id.entry("sub").or_insert_with(|| name.clone().into());
    id.entry(config.identity.user.clone()).or_insert_with(|| name.clone().into());
    if user.is_some() || !claims.contains_key("email") {
        id.entry("email_verified").or_insert(Value::Bool(true));
    }
    let tokens = Tokens { id: Some(&id), access: Some(&id) };
    let mut identity = identify(&config.identity, &config.provider.kind, &tokens)
        .map_err(|fault| format!("no one could sign in with these claims: {fault}"))?;
    identity.roles.extend(roles.iter().cloned());
    identity.roles.sort();
    identity.roles.dedup();
    Ok(Some(identity))
}

fn because(decision: &Decision<'_>, person: Option<&Person<'_>>) -> String {
    let has = match person {
        Some(person) if person.roles.is_empty() => format!("{} has no role", person.user),
        Some(person) => format!("{} has {}", person.user, person.roles.join(", ")),
        None => "nobody is signed in".into(),
    };
    match decision {
        Decision::Forward => match person {
            Some(person) if person.roles.is_empty() => {
                format!("it is allowed: {} has all that is asked", person.user)
            }
            Some(_) => format!("it is allowed: {has}"),
            None => "it is public".into(),
        },
        Decision::ForwardAnonymous => "it is a CORS preflight, passed on without identity".into(),
        Decision::Login => format!("{has}: a browser is sent to sign in; anything else gets a 401"),
        Decision::Challenge => format!("{has}: this gets a 401"),
        Decision::StepUp(requirement) | Decision::Stronger(requirement) => {
            let class = requirement.min_acr.as_ref().map(|acr| format!("acr {} or stronger", acr.wanted));
            let age = requirement.max_auth_age.map(|age| format!("auth_time within {} s", age.as_secs()));
            let wants = class.into_iter().chain(age).collect::<Vec<_>>().join(" and ");
            format!(
                "{has}, and the sign-in is not strong or recent enough: it needs {wants}; a browser is sent to the pool for it"
            )
        }
        Decision::WrongToken => "the bearer token is of a kind that does not count here".into(),
        Decision::Elsewhere => "the host is no public_url: a browser is sent to the first one".into(),
        Decision::Misdirected => "the host is no public_url, and only a session could decide".into(),
        Decision::Forbid(Why::Missing(requirement)) => {
            let mut wants = Vec::new();
            for (what, names) in [
                ("one of", &requirement.any_role),
                ("all of", &requirement.all_roles),
                ("one of the scopes", &requirement.any_scope),
                ("one of the users", &requirement.any_user),
                ("a verified e-mail address at one of", &requirement.any_email_domain),
            ] {
                if !names.is_empty() {
                    wants.push(format!("{what} {}", names.join(", ")));
                }
            }
            format!("{has}, and it needs {}", wants.join(" and "))
        }
        Decision::Forbid(Why::Method) => "no rule that owns the path names this method".into(),
        Decision::Forbid(Why::Address) => "the rule is not for this client address".into(),
        Decision::Forbid(Why::Certificate) => "the rule is for clients that show a certificate".into(),
        Decision::Forbid(Why::Origin) => "a WebSocket from a page of another origin".into(),
    }
}
