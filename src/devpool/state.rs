//! What a pool remembers while it runs: users, clients, and what it has given out; all of it bounded.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;

use super::account::Status;
use super::bound::Bound;
use super::challenge::Challenge;
use super::faults::Faults;
use super::federation::{Identity, Provider};
use super::keys::Keys;
use super::seed::{
    AuthFlow, ClientSeed, FederatedSeed, Flow, GroupSeed, Lifetime, Plan, Seed, UserSeed, all_flows,
    all_scopes,
};
use super::trigger::Overrides;
use super::{random, totp};

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

/// A person.
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
    pub(super) sub: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) groups: Vec<String>,
    pub(super) disabled: bool,
    pub(super) pick: bool,
    /// Of who signs in elsewhere.
    pub(super) identity: Option<Identity>,
    pub(super) status: Status,
    /// With it, every sign-in asks for a code.
    pub(super) totp: Option<totp::Factor>,
    /// A key that was given out, and not yet proved to have arrived.
    pub(super) totp_offered: Option<totp::Key>,
    /// Seconds since 1970.
    pub(super) created: u64,
    pub(super) modified: u64,
}

/// An app client.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secrets: Vec<String>,
    pub(super) callback_urls: Vec<String>,
    pub(super) logout_urls: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) id_lifetime: u64,
    pub(super) access_lifetime: u64,
    pub(super) refresh_lifetime: u64,
    pub(super) rotation: bool,
    pub(super) grace: u64,
    pub(super) read_attributes: Option<Vec<String>>,
    pub(super) flows: Vec<Flow>,
    /// None: every one, and the pool's own users.
    pub(super) identity_providers: Option<Vec<String>>,
    pub(super) write_attributes: Option<Vec<String>>,
    pub(super) auth_flows: Vec<AuthFlow>,
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

/// A map that forgets its oldest entry when full.
pub(super) struct Bounded<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
    most: usize,
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

// === impl User ===

impl User {
    pub(super) fn new(seed: UserSeed, pool_id: &str) -> Self {
        let sub = seed.sub.unwrap_or_else(|| sub(pool_id, &seed.name));
        Self {
            sub,
            name: seed.name,
            password: seed.password,
            attributes: seed.attributes.into_iter().map(|(name, value)| (name, value.0)).collect(),
            groups: once_each(seed.groups),
            disabled: seed.disabled,
            pick: seed.pick,
            identity: None,
            status: seed.status,
            totp: seed.totp_secret.map(totp::Factor::new),
            totp_offered: None,
            created: 0,
            modified: 0,
        }
    }

    /// Someone whom another provider knows: no password of the pool's is theirs.
    fn federated(seed: FederatedSeed, provider: &Provider, pool_id: &str) -> Self {
        let name = seed.user_name();
        let mut groups = vec![provider.group(pool_id)];
        groups.extend(seed.groups);
        Self {
            sub: sub(pool_id, &name),
            name,
            password: random::token::<32>(),
            attributes: seed.attributes.into_iter().map(|(name, value)| (name, value.0)).collect(),
            groups: once_each(groups),
            disabled: seed.disabled,
            pick: false,
            identity: Some(Identity::new(seed.id, provider)),
            status: Status::Confirmed,
            totp: None,
            totp_offered: None,
            created: 0,
            modified: 0,
        }
    }

    /// They sign in there.
    pub(super) fn comes_from(&self, provider: &str) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.provider == provider)
    }

    /// `cognito:user_status`.
    pub(super) fn status_name(&self) -> &'static str {
        if self.identity.is_some() { "EXTERNAL_PROVIDER" } else { self.status.name() }
    }
}

/// The same at every start, so that what an application stored under it stays the user's.
fn sub(pool_id: &str, name: &str) -> String {
    let mut first = [0; 16];
    first.copy_from_slice(&fingerprint(&format!("{pool_id}\0{name}"))[..16]);
    random::uuid_from(first)
}

pub(super) fn once_each(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

// === impl Client ===

impl Client {
    fn builtin() -> Self {
        let seed = ClientSeed {
            id: CLIENT_ID.to_owned(),
            secrets: vec![random::secret()],
            callback_urls: Vec::new(),
            logout_urls: Vec::new(),
            scopes: None,
            flows: vec![Flow::Code],
            identity_providers: None,
            id_token_lifetime: Lifetime(3_600),
            access_token_lifetime: Lifetime(3_600),
            refresh_token_lifetime: Lifetime(30 * 86_400),
            refresh_rotation: false,
            rotation_grace: Lifetime(0),
            read_attributes: None,
            write_attributes: None,
            auth_flows: all_flows(),
        };
        Self::new(seed, &[])
    }

    /// A client as seeded; `custom` are the scopes of all resource servers.
    fn new(seed: ClientSeed, custom: &[String]) -> Self {
        let machine = seed.flows.contains(&Flow::ClientCredentials);
        let usual = || if machine { custom.to_vec() } else { all_scopes() };
        Self {
            id: seed.id,
            secrets: seed.secrets,
            callback_urls: seed.callback_urls,
            logout_urls: seed.logout_urls,
            scopes: seed.scopes.unwrap_or_else(usual),
            id_lifetime: seed.id_token_lifetime.0,
            access_lifetime: seed.access_token_lifetime.0,
            refresh_lifetime: seed.refresh_token_lifetime.0,
            rotation: seed.refresh_rotation,
            grace: seed.rotation_grace.0,
            read_attributes: seed.read_attributes,
            flows: seed.flows,
            identity_providers: seed.identity_providers,
            write_attributes: seed.write_attributes,
            auth_flows: seed.auth_flows,
        }
    }

    /// The client's people may come from there; `COGNITO` is the pool itself.
    pub(super) fn takes_people_of(&self, provider: &str) -> bool {
        self.identity_providers.as_ref().is_none_or(|names| names.iter().any(|name| name == provider))
    }

    /// The client's users may change an attribute.
    pub(super) fn may_write(&self, attribute: &str) -> bool {
        self.write_attributes.as_ref().is_none_or(|names| names.iter().any(|name| name == attribute))
    }

    /// The client may see an attribute.
    pub(super) fn may_read(&self, attribute: &str) -> bool {
        self.read_attributes.as_ref().is_none_or(|names| names.iter().any(|name| name == attribute))
    }
}

// === impl Bounded ===

impl<K: Hash + Eq + Clone, V> Bounded<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), most }
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        // Removed entries leave their key in the order until it comes to the front.
        while self.order.len() > self.most {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    pub(super) fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get(key)
    }

    pub(super) fn find_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get_mut(key)
    }

    pub(super) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.remove(key)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut()
    }
}

/// The built-in client: of Cognito's 26 letters and digits.
const CLIENT_ID: &str = "devclient4rolegate7local25";
