//! The gate's own pages: starting a login, its callback, signing out, and who is signed in.

use std::sync::Arc;

use http::{HeaderValue, Method};

use crate::ask::{Ask, Kind};
use crate::background::Background;
use crate::clock;
use crate::config::settings::Config;
use crate::provider::{AttemptValues, Provider, Wishes};
use crate::refusal::{LoginRefusal, Refusal};
use crate::reply::{Carry, Reply};
use crate::rule::Rules;
use crate::session::cookie::Jar;
use crate::session::visit::Sessions;
use crate::site::{Site, seal_nonce};

pub mod attempt;
mod callback;
mod parameters;
mod rate;
pub mod return_to;
mod revocation;
mod signout;
mod stronger;
mod told;
mod used;
mod userinfo;
mod wishes;

use attempt::Attempt;
use parameters::Parameters;
use rate::Rate;
use return_to::{Bounds, ReturnTo};
use revocation::Revocations;

/// Everything that signing in and out needs.
pub struct Login {
    config: Arc<Config>,
    rules: Arc<Rules>,
    provider: Arc<Provider>,
    sessions: Arc<Sessions>,
    /// Where calls to the pool run: a tab that is closed does not lose a redeemed code.
    background: Background,
    revocations: Revocations,
    used: Arc<used::States>,
    rates: Arc<Rates>,
}

/// `login_rate`, for logins that are begun and for those that are finished: one of each is one login.
struct Rates {
    begun: Rate,
    finished: Rate,
}

/// A request for one of the gate's own pages.
#[derive(Clone, Copy)]
pub struct Visitor<'a> {
    /// What is asked.
    pub ask: &'a Ask,
    /// The origin it is asked on.
    pub site: &'a Site,
    /// The gate's cookies that came with it.
    pub jar: &'a Jar<'a>,
    /// Whether it is nobody's doing: a browser fetches it before anybody wants it, or as a part of a page.
    pub unasked: bool,
    /// By which the access record names it.
    pub request_id: &'a HeaderValue,
}

/// An answer of the gate's own, and the cookies that go with it.
pub type Answered = Result<(Reply, Vec<HeaderValue>), Box<Refused>>;

/// No such answer: why, the cookies that go with the page that says so, and where its links lead.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// Cookies for the answer.
    pub cookies: Vec<HeaderValue>,
    /// Path and query that the visitor meant to reach.
    pub target: Option<String>,
}

/// One of the gate's own pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnPage {
    /// Begins a login.
    Start,
    /// Finishes one.
    Callback,
    /// Signs out, and what is shown afterwards.
    SignOut,
    /// Who is signed in.
    UserInfo,
    /// The keys of what is asserted to the upstream: all of them, or one by its id.
    Keys,
    /// The decision alone: only gateways ever see it, whose questions never come this far.
    Auth,
    /// Nothing that there is; never the upstream's.
    Unknown,
}

// === impl OwnPage ===

impl OwnPage {
    /// Which page of the gate `ask` is for; `None` if it is none. Whatever an upstream might take for the
    /// prefix counts as under it; a page itself has exactly one spelling.
    pub fn of(ask: &Ask, prefix: &str) -> Option<Self> {
        if !ask.path.is_under(prefix) {
            return None;
        }
        let page = ask.path.as_str().strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
        Some(match page {
            Some("start") => Self::Start,
            Some("callback") => Self::Callback,
            Some("signout" | "sign_out") => Self::SignOut,
            Some("userinfo") => Self::UserInfo,
            Some(page) if page == "auth" || page.starts_with("auth/") => Self::Auth,
            Some(page) if page == "keys" || page.starts_with("keys/") => Self::Keys,
            _ => Self::Unknown,
        })
    }
}

// === impl Rates ===

impl Rates {
    fn new(rate: Option<u32>) -> Self {
        Self { begun: Rate::new(rate), finished: Rate::new(rate) }
    }
}

// === impl Login ===

impl Login {
    /// The login desk of a gate.
    pub fn new(
        config: Arc<Config>,
        rules: Arc<Rules>,
        provider: Arc<Provider>,
        sessions: Arc<Sessions>,
        background: Background,
    ) -> Self {
        let rates = Arc::new(Rates::new(config.limits.login_rate));
        let revocations = Revocations::new(provider.clone(), sessions.clone(), background.clone());
        Self { config, rules, provider, sessions, background, revocations, used: Arc::default(), rates }
    }

    /// The same desk by another configuration: what it remembers of logins and of revocations under way goes on.
    pub fn with(
        &self,
        config: Arc<Config>,
        rules: Arc<Rules>,
        provider: Arc<Provider>,
        sessions: Arc<Sessions>,
    ) -> Self {
        let rates = if config.limits.login_rate == self.config.limits.login_rate {
            self.rates.clone()
        } else {
            Arc::new(Rates::new(config.limits.login_rate))
        };
        let revocations = self.revocations.with(provider.clone(), sessions.clone());
        let (background, used) = (self.background.clone(), self.used.clone());
        Self { config, rules, provider, sessions, background, revocations, used, rates }
    }

    /// Answers one of the gate's own pages.
    pub async fn answer(&self, page: OwnPage, visitor: &Visitor<'_>) -> Answered {
        let answered = match page {
            OwnPage::Start => self.start(visitor),
            OwnPage::Callback => self.callback(visitor).await,
            OwnPage::SignOut => self.sign_out(visitor).await,
            OwnPage::UserInfo => self.user_info(visitor).await,
            // Keys are the gate's to show, on any host.
            OwnPage::Keys | OwnPage::Auth | OwnPage::Unknown => Err(Refusal::NotFound.into()),
        };
        self.tell(page, visitor, &answered);
        answered
    }

    /// Sends a navigation to the pool; it comes back to what it asked for.
    pub fn send_to_pool(&self, visitor: &Visitor<'_>) -> Answered {
        let target = self.acceptable(&visitor.ask.target(), visitor.site);
        let answered = self.begin(visitor, &target, false, &self.usual());
        self.tell(OwnPage::Start, visitor, &answered);
        answered
    }

    fn start(&self, visitor: &Visitor<'_>) -> Answered {
        only(visitor, &[Method::GET], "GET")?;
        let parameters = Parameters::read(visitor.ask.query.as_deref())
            .map_err(|_| LoginRefusal::Parameters("start_parameters"))?;
        let rd = parameters.one("rd").map_err(|_| LoginRefusal::Parameters("start_rd_repeated"))?;
        if rd.is_some_and(|rd| rd.len() > return_to::MAX_LEN) {
            return Err(LoginRefusal::Parameters("start_rd_too_long").into());
        }
        let wishes = self.chosen(&parameters)?;
        let target = self.acceptable(rd.unwrap_or("/"), visitor.site);
        // Only what can go to the pool and come back gets a login cookie.
        if visitor.ask.kind != Kind::Navigation {
            return Err(Refused::on_the_way_to(&target, visitor.site, Refusal::LoginRequired));
        }
        self.begin(visitor, &target, false, &wishes)
    }

    /// Begins an attempt: a sealed cookie here, a redirect to the pool there.
    fn begin(
        &self,
        visitor: &Visitor<'_>,
        target: &ReturnTo,
        restarted: bool,
        wishes: &Wishes<'_>,
    ) -> Answered {
        let Visitor { site, jar, .. } = visitor;
        // Whoever signs in now could not be kept.
        if self.sessions.store().is_some_and(|store| !store.is_heard()) {
            return Err(Refused::on_the_way_to(target, site, Refusal::StoreOutage));
        }
        let now = clock::now_millis();
        self.rates.begun.take(visitor.ask.client, now).map_err(|seconds| {
            Refused::on_the_way_to(target, site, LoginRefusal::TooMany { seconds }.into())
        })?;
        let random = clock::random().map_err(|_| Refusal::NoEntropy)?;
        let kept = target.relative_to(&site.origin).to_owned();
        let attempt = Attempt::new(random, now, restarted, kept);
        let values =
            AttemptValues { state: &attempt.state(), nonce: &attempt.nonce(), verifier: &attempt.verifier() };
        let wishes = self.demanding(*wishes, target, site);
        let url = self.provider.authorize_url(&site.callback, &values, &wishes).map_err(|fault| {
            tracing::warn!(reason = fault.code(), %fault, "a login could not begin");
            Refused::on_the_way_to(target, site, LoginRefusal::PoolUnreachable(fault.code()).into())
        })?;

        let nonce = seal_nonce().map_err(|_| Refusal::NoEntropy)?;
        let text = attempt.seal(&site.sealer, &site.names, nonce).ok_or(LoginRefusal::TooLarge)?;
        let name = attempt.cookie_name(&site.names);
        let crowded_out = attempt::crowded_out(jar, &site.names, &site.sealer, name.len() + text.len(), now);
        let mut cookies: Vec<_> = crowded_out.iter().filter_map(|name| site.names.forget(name)).collect();
        cookies.extend(site.names.keep(&Jar::default(), &name, &text, attempt::LIFE));
        self.provider.tally().login(if restarted { "restarted" } else { "begun" });
        Ok((self.onward(&attempt, url.to_string(), Carry::Keep), cookies))
    }

    /// A redirect, or where a fragment has to survive it, the page that does the same and minds the fragment.
    fn onward(&self, attempt: &Attempt, to: String, carry: Carry) -> Reply {
        // A restart knows its target no more; another origin is not told; a fragment that `rd` names wins.
        let minds = self.config.pages.keep_fragment
            && !attempt.restarted
            && attempt.target.starts_with('/')
            && !attempt.target.contains('#');
        if minds { Reply::Onward { to, carry, key: attempt.state() } } else { Reply::Redirect(to) }
    }

    /// A return address, or the start page where it is not acceptable.
    fn acceptable(&self, given: &str, site: &Site) -> ReturnTo {
        let bounds = Bounds {
            origin: &site.origin,
            origins: &self.config.origins,
            hosts: &self.config.allowed_return_hosts,
            auth_prefix: &self.config.auth_prefix,
            keeps_slashes: self.config.keeps_slashes(),
        };
        ReturnTo::parse(given, &bounds).unwrap_or_else(|| ReturnTo::home(&site.origin))
    }
}

// === impl Refused ===

impl Refused {
    /// A refusal that does not forget where the visitor was going.
    fn on_the_way_to(target: &ReturnTo, site: &Site, refusal: Refusal) -> Box<Self> {
        let target = Some(target.relative_to(&site.origin).to_owned()).filter(|path| path.starts_with('/'));
        Box::new(Self { refusal, cookies: vec![], target })
    }
}

impl<R: Into<Refusal>> From<R> for Box<Refused> {
    fn from(refusal: R) -> Self {
        Self::new(Refused { refusal: refusal.into(), cookies: vec![], target: None })
    }
}

fn only(visitor: &Visitor<'_>, methods: &[Method], allow: &'static str) -> Result<(), Refusal> {
    if methods.contains(&visitor.ask.method) { Ok(()) } else { Err(Refusal::MethodNotAllowed { allow }) }
}
