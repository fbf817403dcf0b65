//! `rolegate doctor`: asks the real provider whether this configuration would work there, a line a finding.
//!
//! It only reads: the two documents, the first redirect of a login and of a sign-out without a cookie, and one
//! call of the token endpoint for each configured secret, with a code that nobody was ever given. Asking is here,
//! judging is below, pure.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use http::Request;
use http::header::{ACCEPT, AGE, DATE, LOCATION, USER_AGENT};
use url::Url;

use crate::clock;
use crate::command::check::{EX_CONFIG, write_problems};
use crate::config::secret::Secret;
use crate::config::settings::{Config, Parameter, Provider};
use crate::config::{self, Overrides};
use crate::login::attempt::Attempt;
use crate::provider::client::{self, AttemptValues, Caller, TokenEndpointFault, Wishes};
use crate::provider::discovery::Endpoints;
use crate::provider::outbound::{Outbound, OutboundFault};
use crate::session::keyring::Keyring;
use crate::site::{Site, sites};

mod answers;
mod aws;
mod judge;
mod pages;
mod pool;
mod report;
mod skew;
mod unseen;

use answers::{Answer, Heard, Sample, Silence, TokenAnswer, Tried, Why};
use judge::{INVALID_SCOPE, Page, Seen};
use pages::{Begun, begun, ended};
use report::{Finding, Level, Report};

/// Prints the report. 0 if nothing failed, 78 for a configuration that cannot be run, else 1.
pub fn run(path: Option<&Path>, env: &[(String, String)], as_json: bool) -> ExitCode {
    let loaded = match config::load(path, env, &Overrides::default()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            let carets = std::io::stderr().is_terminal();
            let _ = write_problems(&problems, carets, &mut std::io::stderr());
            return ExitCode::from(EX_CONFIG);
        }
    };
    let _ = write_problems(&loaded.warnings, false, &mut std::io::stderr());
    let report = match examine(&loaded.config) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("rolegate: {error}");
            return ExitCode::FAILURE;
        }
    };
    let plain = env.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    let mut out = std::io::stdout();
    // Nobody is left to tell if standard output is closed; the exit code still says it.
    let _ = match as_json {
        true => writeln!(out, "{:#}", report.json()),
        false => write!(out, "{}", report.text(out.is_terminal() && !plain)),
    };
    if report.count(Level::Fail) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Asks the provider and judges the answers.
fn examine(config: &Config) -> Result<Report, Box<dyn std::error::Error>> {
    let provider = &config.provider;
    let outbound = Outbound::new(provider.ca_file.as_deref())?.with_shortcut(provider.shortcut.clone());
    let sites = sites(config, &Arc::new(Keyring::new(&config.session.keys)?));
    let attempt = Attempt::new(clock::random()?, clock::now_millis(), false, "/".into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut doctor = Doctor { config, outbound, sites, attempt, samples: Vec::new() };
    let report = runtime.block_on(doctor.report());
    let each = each_secret(provider);
    let secrets: Vec<&str> = each.iter().filter_map(|secret| secret.as_ref()?.expose_text()).collect();
    Ok(report.without(&secrets))
}

/// Who asks.
struct Doctor<'a> {
    config: &'a Config,
    outbound: Outbound,
    sites: Vec<Site>,
    attempt: Attempt,
    samples: Vec<Sample>,
}

// === impl Doctor ===

impl Doctor<'_> {
    /// Each question needs the answer of the one before.
    async fn report(&mut self) -> Report {
        let provider = &self.config.provider;
        let discovery = self.get(&pool::discovery_url(provider)).await;
        let mut reach = pool::read(provider, &discovery);
        let keys = match &reach.jwks {
            Some(jwks) => pool::keys(jwks, &self.get(jwks.as_str()).await, pool::table(provider)),
            None => Finding::unseen(pool::KEYS, reach.hidden.clone()),
        };
        let mut seen = Seen {
            provider,
            pages: self.sites.iter().map(unasked).collect(),
            scopes: Vec::new(),
            tried: Vec::new(),
            hidden: reach.hidden,
            signs_out: true,
        };
        if let Some(endpoints) = &reach.endpoints {
            match self.begin_logins(endpoints, &mut seen).await {
                Ok(()) => {
                    self.end_sessions(endpoints, &mut seen).await;
                    if reach.trusted {
                        seen.tried = self.try_secrets(endpoints).await;
                    }
                }
                Err(silence) => {
                    seen.hidden = format!("not looked at: {} does not answer", silence.host);
                    let what = pool::domain_word(provider);
                    reach.findings.retain(|finding| finding.what != what);
                    reach.findings.push(pool::silent_domain(provider, &silence));
                }
            }
        }
        let mut findings = reach.findings;
        findings.extend([keys, skew::judge(&self.samples)]);
        findings.extend(seen.judge());
        findings.extend(unseen::findings(self.config));
        let register = self
            .sites
            .iter()
            .flat_map(|site| [("callback", site.callback.clone()), ("sign-out", site.landing.clone())]);
        Report { endpoints: reach.addresses, register: register.collect(), findings }
    }

    /// A login begun for each origin, and for each scope alone where all together are refused.
    async fn begin_logins(&mut self, endpoints: &Endpoints, seen: &mut Seen<'_>) -> Result<(), Silence> {
        let provider = &self.config.provider;
        for at in 0..seen.pages.len() {
            let callback = seen.pages[at].callback.clone();
            let begun = self.begin(provider, endpoints, &callback).await;
            match begun {
                Some(Begun::Silent(silence)) if at == 0 => return Err(silence),
                begun => seen.pages[at].begun = begun,
            }
        }
        let refused =
            |page: &&Page| matches!(&page.begun, Some(Begun::Told { error, .. }) if error == INVALID_SCOPE);
        let Some(callback) = seen.pages.iter().find(refused).map(|page| page.callback.clone()) else {
            return Ok(());
        };
        for scope in provider.scopes.iter().take(MOST_SCOPES) {
            // `openid` is always asked for: without it the others say nothing.
            let alone = Provider { scopes: vec![scope.clone()], ..provider.clone() };
            let begun = self.begin(&alone, endpoints, &callback).await;
            let stop = scope == "openid" && !matches!(begun, Some(Begun::Login));
            seen.scopes.extend(begun.map(|begun| (scope.clone(), begun)));
            if stop {
                break;
            }
        }
        Ok(())
    }

    /// The gate's own authorize address, without a cookie and not followed.
    async fn begin(&mut self, provider: &Provider, endpoints: &Endpoints, callback: &str) -> Option<Begun> {
        let (state, nonce, verifier) = (self.attempt.state(), self.attempt.nonce(), self.attempt.verifier());
        let values = AttemptValues { state: &state, nonce: &nonce, verifier: &verifier };
        let url = client::authorize_url(provider, endpoints, callback, &values, &usual(provider))?;
        let answer = self.get(url.as_str()).await;
        Some(begun(&provider.kind, &url, callback, &answer))
    }

    /// The gate's own sign-out address for each origin. Without a cookie nobody is signed out by it.
    async fn end_sessions(&mut self, endpoints: &Endpoints, seen: &mut Seen<'_>) {
        let provider = &self.config.provider;
        for page in &mut seen.pages {
            let Some(url) = client::logout_url(provider, endpoints, &page.landing) else {
                seen.signs_out = false;
                return;
            };
            let answer = self.get(url.as_str()).await;
            page.ended = Some(ended(&provider.kind, &url, &page.landing, &answer));
        }
    }

    /// One call for each secret: the client proves to be one before the code is looked at, so a code that was
    /// never given says whether it did, and uses nothing up.
    async fn try_secrets(&self, endpoints: &Endpoints) -> Vec<Tried> {
        let Some(site) = self.sites.first() else { return Vec::new() };
        let mut tried = Vec::new();
        for secret in each_secret(&self.config.provider) {
            let verifier = self.attempt.verifier();
            let caller =
                Caller { provider: &self.config.provider, endpoints, outbound: &self.outbound, secret };
            let answer = match caller.redeem(&site.callback, MADE_UP_CODE, &verifier).await {
                Ok(_) => TokenAnswer::Granted,
                Err(TokenEndpointFault::Refused { error, description, .. }) => {
                    TokenAnswer::Refused { error, description }
                }
                Err(fault) => TokenAnswer::Other(fault.to_string()),
            };
            tried.push(Tried { with_secret: secret.is_some(), answer });
        }
        tried
    }

    async fn get(&mut self, url: &str) -> Answer {
        let base = Url::parse(url).ok();
        let host = base.as_ref().map(Url::authority).unwrap_or(url).to_owned();
        let other = |text: String| Silence { host: host.clone(), kind: Why::Other, text };
        let request = Request::get(url)
            .header(ACCEPT, "text/html, application/json")
            .header(USER_AGENT, concat!("rolegate/", env!("CARGO_PKG_VERSION"), " doctor"))
            .body(Vec::new())
            .map_err(|error| other(error.to_string()))?;
        let sent = clock::now_millis();
        let answer = match self.outbound.exchange(request).await {
            Ok(answer) => answer,
            Err(fault) => return Err(silence(host, &fault)),
        };
        let received = clock::now_millis();
        let header =
            |name| answer.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        // A copy out of a cache has the time at which it was made.
        if let Some(date) = header(DATE).filter(|_| header(AGE).is_none()).and_then(skew::date) {
            self.samples.push(Sample { date, sent, received });
        }
        let location = header(LOCATION).and_then(|location| base?.join(location).ok());
        let status = answer.status().as_u16();
        Ok(Heard { status, location, body: answer.into_body() })
    }
}

fn unasked(site: &Site) -> Page {
    Page { callback: site.callback.clone(), landing: site.landing.clone(), begun: None, ended: None }
}

/// Every secret that is configured; once without any for a public client.
fn each_secret(provider: &Provider) -> Vec<Option<&Secret>> {
    match provider.client_secrets.as_slice() {
        [] => vec![None],
        secrets => secrets.iter().map(Some).collect(),
    }
}

/// What goes with every login and may be wrong. `prompt` is left out: without a cookie `none` says nothing.
fn usual(provider: &Provider) -> Wishes<'_> {
    fn always(parameter: &Parameter) -> Option<&str> {
        match parameter {
            Parameter::Always(value) => Some(value),
            Parameter::Never | Parameter::OneOf(_) => None,
        }
    }
    let configured = &provider.parameters;
    Wishes {
        identity_provider: always(&configured.identity_provider),
        idp_identifier: always(&configured.idp_identifier),
        lang: always(&configured.lang),
        ..Wishes::default()
    }
}

/// What kind it is can only be read out of the libraries' words.
fn silence(host: String, fault: &OutboundFault) -> Silence {
    let text = fault.to_string();
    let kind = match fault {
        OutboundFault::Timeout => Why::Timeout,
        OutboundFault::Unreachable(text) if text.contains("dns error") => Why::Name,
        OutboundFault::Unreachable(text)
            if text.contains("certificate") || text.contains("corrupt message") =>
        {
            Why::Tls
        }
        OutboundFault::Unreachable(text) if text.contains("refused") => Why::Refused,
        _ => Why::Other,
    };
    Silence { host, kind, text }
}

/// Of the form that codes have.
const MADE_UP_CODE: &str = "00000000-0000-4000-8000-000000000000";
const MOST_SCOPES: usize = 50;
