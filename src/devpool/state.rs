//! What a pool remembers while it runs: users, clients, and what it has given out; all of it bounded.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;

use super::bound::Bound;
use super::challenge::Challenge;
use super::faults::Faults;
use super::federation::Provider;
use super::keys::Keys;
use super::seed::{Flow, GroupSeed, Plan, Seed};
use super::trigger::Overrides;

mod bounded;
mod client;
mod user;

pub(super) use bounded::Bounded;
pub(super) use client::Client;
pub(super) use user::{User, once_each};

/// Everything that changes, behind the pool's one lock.
pub(super) struct State {
    pub(super) keys: Keys,
    /// By lower-cased name: user names do not know case.
    pub(super) users: BTreeMap<String, User>,
    pub(super) groups: Vec<GroupSeed>,
    pub(super) clients: Vec<Client>,
    pub(super) plan: Plan,
    pub(super) providers: Vec<Provider>,
    /// Authorization codes not yet redeemed.
    pub(super) codes: Bounded<String, Code>,
    /// Who is signed in at the pool, by the value of the `cognito` cookie.
    pub(super) sessions: Bounded<String, PoolSession>,
    /// Sign-ins, by `origin_jti`.
    pub(super) grants: Bounded<String, Grant>,
    /// Refresh tokens by their SHA-256.
    pub(super) refresh_tokens: Bounded<[u8; 32], RefreshToken>,
    /// Steps of sign-ins that wait for their answer, by session.
    pub(super) challenges: Bounded<String, Challenge>,
    pub(super) faults: Faults,
    pub(super) stats: Stats,
    /// Seconds that `/_dev/clock` has put the pool's clock ahead; below zero, behind.
    pub(super) ahead: i64,
    /// Whether the pool has a domain: `/_dev/domain` takes it away, and with it all pages but the two documents.
    pub(super) domain: bool,
}

/// What a code stands for.
pub(super) struct Code {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) expires: u64,
    pub(super) grant: Grant,
    /// What the trigger said at the sign-in.
    pub(super) overrides: Overrides,
}

/// One sign-in of a user at a client, with all tokens that come of it.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) origin_jti: String,
    pub(super) event_id: String,
    pub(super) client_id: String,
    /// Lower-cased name.
    pub(super) user: String,
    pub(super) scopes: Vec<String>,
    /// Through the JSON API: there is an ID token without the scope `openid`.
    pub(super) by_api: bool,
    pub(super) auth_time: u64,
    pub(super) bound: Bound,
    /// End of the refresh tokens; rotation does not move it.
    pub(super) expires: u64,
    pub(super) revoked: bool,
}

/// A refresh token that was given out.
pub(super) struct RefreshToken {
    pub(super) origin_jti: String,
    /// When rotation replaced it.
    pub(super) replaced: Option<u64>,
}

/// A browser that is signed in at the pool: an hour, and use does not prolong it.
pub(super) struct PoolSession {
    pub(super) user: String,
    pub(super) auth_time: u64,
    /// How they proved who they are.
    pub(super) amr: &'static [&'static str],
    pub(super) expires: u64,
}

/// How often what was called.
#[derive(Default)]
pub(super) struct Stats {
    pub(super) token_calls: BTreeMap<&'static str, u64>,
    pub(super) discovery: u64,
    pub(super) jwks: u64,
    pub(super) revoke: u64,
    pub(super) user_info: u64,
    pub(super) sign_ins: u64,
}

// === impl State ===

impl State {
    /// The state a seed describes. Clients get `addresses` added: the first is the one the gate is given.
    pub(super) fn new(seed: Seed, keys: Keys, callbacks: Vec<String>, logouts: Vec<String>) -> Self {
        let custom: Vec<String> =
            seed.resource_servers.iter().flat_map(|server| server.full_scopes()).collect();
        let providers: Vec<_> = seed.providers.into_iter().map(Provider::from).collect();
        let federated: Vec<_> = seed
            .federated_users
            .into_iter()
            .filter_map(|user| {
                let provider = providers.iter().find(|provider| provider.name == user.provider)?;
                Some(User::federated(user, provider, &seed.pool_id))
            })
            .collect();
        let users = seed.users.into_iter().map(|user| User::new(user, &seed.pool_id)).chain(federated);
        let mut groups = seed.groups;
        for provider in &providers {
            // Cognito makes a group of each provider's people.
            let name = provider.group(&seed.pool_id);
            if !groups.iter().any(|group| group.name == name) {
                groups.push(GroupSeed { name, precedence: None, role_arn: None });
            }
        }
        let mut clients: Vec<Client> =
            seed.clients.into_iter().map(|client| Client::new(client, &custom)).collect();
        if clients.is_empty() {
            clients.push(Client::builtin());
        }
        if let Some(first) = clients.iter_mut().find(|client| client.flows.contains(&Flow::Code)) {
            first.callback_urls.extend(callbacks);
            first.logout_urls.extend(logouts);
        }
        let mut state = Self {
            keys,
            users: users.map(|user| (user.name.to_lowercase(), user)).collect(),
            groups,
            clients,
            plan: seed.plan,
            providers,
            codes: Bounded::new(10_000),
            sessions: Bounded::new(10_000),
            grants: Bounded::new(50_000),
            refresh_tokens: Bounded::new(100_000),
            challenges: Bounded::new(10_000),
            faults: Faults::default(),
            stats: Stats::default(),
            ahead: 0,
            domain: true,
        };
        let now = state.now();
        for user in state.users.values_mut() {
            (user.created, user.modified) = (now, now);
        }
        state
    }

    /// Seconds since 1970 by the pool's clock.
    pub(super) fn now(&self) -> u64 {
        self.now_ms() / 1_000
    }

    /// Milliseconds since 1970 by the pool's clock: the one place that reads a clock.
    #[allow(
        clippy::disallowed_methods,
        reason = "the dev pool can be told the time, so it has a clock of its own"
    )]
    pub(super) fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        now.saturating_add_signed(self.ahead.saturating_mul(1_000))
    }

    /// The pool's time as the `Date` of its answers.
    pub(super) fn date(&self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(self.now_ms()))
    }

    pub(super) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The first client that people sign in at: the gate's.
    pub(super) fn first_client(&self) -> Option<&Client> {
        self.clients.iter().find(|client| client.flows.contains(&Flow::Code))
    }

    /// A user who may sign in.
    pub(super) fn active_user(&self, name: &str) -> Option<&User> {
        self.users.get(name).filter(|user| !user.disabled)
    }

    /// The pool's session behind a cookie, while it lasts and its user may sign in.
    pub(super) fn session(&self, cookie: &str) -> Option<&PoolSession> {
        let session = self.sessions.find(cookie)?;
        (session.expires > self.now() && self.active_user(&session.user).is_some()).then_some(session)
    }

    /// Ends every sign-in of a user for the pool: refresh tokens die, userInfo refuses.
    pub(super) fn revoke_user(&mut self, name: &str) -> usize {
        let mut ended = 0;
        for grant in self.grants.values_mut().filter(|grant| grant.user == name && !grant.revoked) {
            grant.revoked = true;
            ended += 1;
        }
        ended
    }
}

/// What stands for a refresh token in the pool's memory.
pub(super) fn fingerprint(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    bytes
}
