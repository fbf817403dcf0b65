//! A user pool whose every answer a test can script: an honest imitation of Amazon Cognito's endpoints until
//! told otherwise. Shares no code with the gate or its dev pool, so that no mistake is made twice.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::PATIENCE;
use super::token::{Key, Mint, Use, b64, jwk, kid, random, sha256};
use super::wire::{Head, Wire, latin1};

/// The pool's id.
pub const POOL_ID: &str = "eu-central-1_SuitePool";
/// The one app client.
pub const CLIENT_ID: &str = "1h57kf5cpq17m0eml12EXAMPLE";
/// Its secret.
pub const CLIENT_SECRET: &str = "c2VjcmV0LW9mLXRoZS1zdWl0ZS1hcHAtY2xpZW50LTAwMQ";

/// A running pool.
#[derive(Clone)]
pub struct FakePool {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

/// What a pool can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// `/.well-known/openid-configuration`
    Discovery,
    /// `/.well-known/jwks.json`
    Jwks,
    /// `/oauth2/authorize`
    Authorize,
    /// `/oauth2/token`
    Token,
    /// `/oauth2/revoke`
    Revoke,
    /// `/logout`
    Logout,
    /// Any other path.
    Other,
}

/// What an endpoint answers instead of the truth.
#[derive(Debug, Clone)]
pub enum Reply {
    /// This status, content type and body, well framed.
    Status(u16, &'static str, Vec<u8>),
    /// A 302 to there.
    Redirect(String),
    /// Exactly these bytes, then the connection's end.
    Raw(Vec<u8>),
    /// A 200 with this JSON text, a byte each pause.
    Drip(Vec<u8>, Duration),
    /// A 200 whose body never stops: this many bytes of it.
    Endless(usize),
    /// Half of a well framed answer, then the connection's end.
    HalfClosed,
    /// Nothing, until the other side gives up.
    Silence,
    /// The connection's end at once.
    Hangup,
    /// The truth after this long.
    Late(Duration),
    /// The truth of this moment, told after this long: what it does is done even if nobody hears of it.
    Withheld(Duration),
}

/// What becomes of refresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// They stay.
    Off,
    /// A refresh hands out a new one, and the old one counts this long from then on; after that it is
    /// `invalid_grant`, and showing it spoils nothing else.
    Grace(Duration),
}

/// Somebody who can sign in.
#[derive(Debug, Clone, Default)]
pub struct User {
    /// `cognito:username`.
    pub name: String,
    /// `sub`.
    pub sub: String,
    /// `cognito:groups`; absent from the tokens when empty, as Cognito does.
    pub groups: Vec<String>,
    /// Further claims of the ID token, over the usual ones.
    pub id_claims: Map<String, Value>,
    /// Further claims of the access token, over the usual ones.
    pub access_claims: Map<String, Value>,
}

/// A request to the pool.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Of whom.
    pub endpoint: Endpoint,
    /// Method.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Head lines.
    pub head: Head,
    /// Query and form parameters, in order, duplicates kept.
    pub parameters: Vec<(String, String)>,
}

type Tamper = Arc<dyn Fn(&mut Mint) + Send + Sync>;
type TamperAnswer = Arc<dyn Fn(&mut Value) + Send + Sync>;

struct Shared {
    origin: String,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    users: HashMap<String, User>,
    replies: HashMap<Endpoint, Reply>,
    once: HashMap<Endpoint, Vec<Reply>>,
    codes: HashMap<String, Code>,
    refresh_tokens: HashMap<String, Grant>,
    /// Those that a refresh has replaced, and until when they still count.
    replaced: HashMap<String, Instant>,
    asked: Vec<Asked>,
    grants: BTreeMap<String, usize>,
    revoked: Vec<String>,
    secrets: Vec<String>,
    client_secrets: Vec<String>,
    tamper: Option<Tamper>,
    tamper_answer: Option<TamperAnswer>,
    tamper_discovery: Option<TamperAnswer>,
    keys: Vec<Value>,
    id_key: Key,
    access_key: Key,
    life: i64,
    clock: i64,
    rotation: Rotation,
    check_pkce: bool,
    under_way: HashMap<Endpoint, (usize, usize)>,
}

#[derive(Clone)]
struct Grant {
    user: String,
    nonce: Option<String>,
    scope: String,
    auth_time: i64,
}

struct Code {
    grant: Grant,
    challenge: Option<String>,
    redirect_uri: String,
}

// === impl User ===

impl User {
    /// A member of these groups whose sub follows from the name.
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let digest = sha256(name.as_bytes());
        let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        let sub = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        Self {
            name: name.to_owned(),
            sub,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// With one more claim in the ID token.
    pub fn with(mut self, claim: &str, value: impl Into<Value>) -> Self {
        self.id_claims.insert(claim.to_owned(), value.into());
        self
    }

    /// With one more claim in the access token.
    pub fn with_access(mut self, claim: &str, value: impl Into<Value>) -> Self {
        self.access_claims.insert(claim.to_owned(), value.into());
        self
    }
}

// === impl Asked ===

impl Asked {
    /// A parameter that is there exactly once.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|(n, _)| n == name);
        let value = found.next().map(|(_, value)| value.as_str());
        if found.next().is_some() { None } else { value }
    }
}

// === impl FakePool ===

impl FakePool {
    /// Listens on a free port, knows `user` (group user) and `admin` (groups admin, user).
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let users = [User::new("user", &["user"]), User::new("admin", &["admin", "user"])];
        let shared = Arc::new(Shared {
            origin: format!("http://{address}"),
            state: Mutex::new(State {
                users: users.into_iter().map(|user| (user.name.clone(), user)).collect(),
                replies: HashMap::new(),
                once: HashMap::new(),
                codes: HashMap::new(),
                refresh_tokens: HashMap::new(),
                replaced: HashMap::new(),
                asked: Vec::new(),
                grants: BTreeMap::new(),
                revoked: Vec::new(),
                secrets: vec![CLIENT_SECRET.to_owned()],
                client_secrets: vec![CLIENT_SECRET.to_owned()],
                tamper: None,
                tamper_answer: None,
                tamper_discovery: None,
                keys: vec![jwk(&Key::ForId), jwk(&Key::ForAccess)],
                id_key: Key::ForId,
                access_key: Key::ForAccess,
                life: 3600,
                clock: 0,
                rotation: Rotation::Off,
                check_pkce: true,
                under_way: HashMap::new(),
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::downgrade(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), Some(shared)) = (stream, accepting.upgrade()) else { return };
                std::thread::spawn(move || shared.serve(Wire::over(stream)));
            }
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:PORT`: also the pool's domain.
    pub fn origin(&self) -> String {
        self.shared.origin.clone()
    }

    /// The issuer.
    pub fn issuer(&self) -> String {
        self.shared.issuer()
    }

    /// Adds or replaces somebody.
    pub fn user(&self, user: User) {
        self.state(|state| state.users.insert(user.name.clone(), user));
    }

    /// Changes somebody.
    pub fn change_user(&self, name: &str, change: impl FnOnce(&mut User)) {
        self.state(|state| change(state.users.get_mut(name).expect("a known user")));
    }

    /// From now on this endpoint answers so.
    pub fn script(&self, endpoint: Endpoint, reply: Reply) {
        self.state(|state| state.replies.insert(endpoint, reply));
    }

    /// The next request to this endpoint is answered so.
    pub fn script_once(&self, endpoint: Endpoint, reply: Reply) {
        self.state(|state| state.once.entry(endpoint).or_default().push(reply));
    }

    /// Honest again, at every endpoint and in every token.
    pub fn be_honest(&self) {
        self.state(|state| {
            state.replies.clear();
            state.once.clear();
            (state.tamper, state.tamper_answer, state.tamper_discovery) = (None, None, None);
            state.keys = vec![jwk(&Key::ForId), jwk(&Key::ForAccess)];
            (state.id_key, state.access_key) = (Key::ForId, Key::ForAccess);
            (state.life, state.clock, state.check_pkce) = (3600, 0, true);
            state.rotation = Rotation::Off;
        });
    }

    /// Changes every token before it is signed.
    pub fn tamper(&self, change: impl Fn(&mut Mint) + Send + Sync + 'static) {
        self.state(|state| state.tamper = Some(Arc::new(change)));
    }

    /// Changes the token endpoint's JSON before it is sent.
    pub fn tamper_answer(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.state(|state| state.tamper_answer = Some(Arc::new(change)));
    }

    /// Changes the discovery document before it is sent.
    pub fn tamper_discovery(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.state(|state| state.tamper_discovery = Some(Arc::new(change)));
    }

    /// What the JWKS shows.
    pub fn show_keys(&self, keys: Vec<Value>) {
        self.state(|state| state.keys = keys);
    }

    /// What signs ID and access tokens.
    pub fn sign_with(&self, id: Key, access: Key) {
        self.state(|state| (state.id_key, state.access_key) = (id, access));
    }

    /// How many seconds ID and access tokens live.
    pub fn set_life(&self, seconds: i64) {
        self.state(|state| state.life = seconds);
    }

    /// How far the pool's clock is ahead, in seconds.
    pub fn set_clock(&self, ahead: i64) {
        self.state(|state| state.clock = ahead);
    }

    /// Whether a refresh hands out a new refresh token and ends the old one.
    pub fn set_rotation(&self, rotate: bool) {
        self.rotate(if rotate { Rotation::Grace(Duration::ZERO) } else { Rotation::Off });
    }

    /// What becomes of refresh tokens from now on.
    pub fn rotate(&self, rotation: Rotation) {
        self.state(|state| state.rotation = rotation);
    }

    /// Whether the PKCE verifier is looked at.
    pub fn set_pkce_check(&self, check: bool) {
        self.state(|state| state.check_pkce = check);
    }

    /// The app client's secrets from now on.
    pub fn set_client_secrets(&self, secrets: &[&str]) {
        self.state(|state| {
            state.client_secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
            let fresh = state.client_secrets.clone();
            state.secrets.extend(fresh);
        });
    }

    /// Forgets every refresh token: the next refresh is `invalid_grant`.
    pub fn revoke_all(&self) {
        self.state(|state| state.refresh_tokens.clear());
    }

    /// Forgets this refresh token.
    pub fn revoke(&self, refresh_token: &str) {
        let known = self.state(|state| state.refresh_tokens.remove(refresh_token));
        assert!(known.is_some(), "no refresh token of this pool's");
    }

    /// Forgets every refresh token of somebody, as a global sign-out does.
    pub fn sign_out_everywhere(&self, user: &str) {
        self.state(|state| state.refresh_tokens.retain(|_, grant| grant.user != user));
    }

    /// From now on this user does not count: no sign-in, no refresh.
    pub fn disable(&self, user: &str) {
        self.state(|state| state.users.remove(user));
    }

    /// Refresh tokens of somebody, each as of a login of its own.
    pub fn issue_refresh_tokens(&self, user: &str, count: usize) -> Vec<String> {
        self.state(|state| {
            let grant = Grant {
                user: user.to_owned(),
                nonce: None,
                scope: "openid email profile".into(),
                auth_time: now() + state.clock,
            };
            let tokens: Vec<String> = (0..count).map(|_| random(96)).collect();
            state.refresh_tokens.extend(tokens.iter().map(|token| (token.clone(), grant.clone())));
            state.secrets.extend(tokens.iter().cloned());
            tokens
        })
    }

    /// A token for somebody as the pool would write it, changed by `change`.
    pub fn mint(&self, kind: Use, user: &str, change: impl FnOnce(&mut Mint)) -> String {
        self.state(|state| {
            let grant = Grant {
                user: user.to_owned(),
                nonce: None,
                scope: "openid email profile".into(),
                auth_time: now() + state.clock,
            };
            let mut mint = self.shared.mint(state, kind, &grant, false);
            change(&mut mint);
            let token = mint.write();
            state.secrets.push(token.clone());
            token
        })
    }

    /// A code for somebody, as if he had just signed in with these authorize parameters.
    pub fn issue_code(&self, user: &str, authorize: &Asked) -> String {
        self.state(|state| self.shared.issue_code(state, user, authorize))
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state(|state| state.asked.clone())
    }

    /// The requests to one endpoint so far.
    pub fn asked_of(&self, endpoint: Endpoint) -> Vec<Asked> {
        self.state(|state| state.asked.iter().filter(|asked| asked.endpoint == endpoint).cloned().collect())
    }

    /// How many requests one endpoint has had.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.state(|state| state.asked.iter().filter(|asked| asked.endpoint == endpoint).count())
    }

    /// How often the token endpoint was asked for this grant type.
    pub fn grants(&self, grant_type: &str) -> usize {
        self.state(|state| state.grants.get(grant_type).copied().unwrap_or(0))
    }

    /// The most requests that one endpoint ever had unanswered at the same time.
    pub fn most_at_once(&self, endpoint: Endpoint) -> usize {
        self.state(|state| state.under_way.get(&endpoint).map_or(0, |(_, most)| *most))
    }

    /// The refresh tokens that were revoked.
    pub fn revoked(&self) -> Vec<String> {
        self.state(|state| state.revoked.clone())
    }

    /// Every code, token and client secret that this pool has handed out or knows.
    pub fn secrets(&self) -> Vec<String> {
        self.state(|state| state.secrets.clone())
    }

    /// Waits until an endpoint has had this many requests.
    pub fn wait_for(&self, endpoint: Endpoint, count: usize) {
        let end = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        while state.asked.iter().filter(|asked| asked.endpoint == endpoint).count() < count {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for request {count} to {endpoint:?}");
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.shared.state.lock().unwrap())
    }
}

// === impl Shared ===

impl Shared {
    fn issuer(&self) -> String {
        format!("{}/{POOL_ID}", self.origin)
    }

    fn serve(&self, mut wire: Wire) {
        // Longer than the gate keeps an idle connection: a call must not meet one that is just being given up here.
        wire.set_patience(Duration::from_secs(120));
        while let Ok(head) = wire.head() {
            let Ok(framing) = head.request_framing() else { return };
            let Ok((body, _)) = wire.body(framing) else { return };
            let asked = Asked::read(head, &body);
            let endpoint = asked.endpoint;
            let reply = {
                let mut state = self.state.lock().unwrap();
                state.asked.push(asked.clone());
                let (now, most) = state.under_way.entry(endpoint).or_default();
                *now += 1;
                *most = (*most).max(*now);
                if endpoint == Endpoint::Token {
                    let grant = asked.parameter("grant_type").unwrap_or("none").to_owned();
                    *state.grants.entry(grant).or_default() += 1;
                }
                let once = state.once.get_mut(&endpoint).filter(|once| !once.is_empty());
                let once = once.map(|once| once.remove(0));
                once.or_else(|| state.replies.get(&endpoint).cloned())
            };
            self.changed.notify_all();
            if !self.reply(&mut wire, &asked, reply) {
                return;
            }
        }
    }

    /// Ends one request's being under way: before its answer is written, so that the next one that this answer
    /// makes room for is never counted beside it.
    fn answered(&self, endpoint: Endpoint) {
        if let Some((now, _)) = self.state.lock().unwrap().under_way.get_mut(&endpoint) {
            *now -= 1;
        }
    }

    /// Whether the connection goes on.
    fn reply(&self, wire: &mut Wire, asked: &Asked, reply: Option<Reply>) -> bool {
        let truth = match reply {
            Some(Reply::Late(pause)) => {
                std::thread::sleep(pause);
                self.truth(asked)
            }
            Some(Reply::Withheld(pause)) => {
                let truth = self.truth(asked);
                std::thread::sleep(pause);
                truth
            }
            Some(other) => {
                let goes_on = self.misbehave(wire, asked, other);
                self.answered(asked.endpoint);
                return goes_on;
            }
            None => self.truth(asked),
        };
        self.answered(asked.endpoint);
        wire.write(&truth)
    }

    fn misbehave(&self, wire: &mut Wire, asked: &Asked, reply: Reply) -> bool {
        match reply {
            Reply::Late(_) | Reply::Withheld(_) => unreachable!("these are the truth"),
            Reply::Status(status, kind, body) => wire.write(&answer(status, kind, "", &body)),
            Reply::Redirect(to) => wire.write(&redirect(&to, "")),
            Reply::Raw(bytes) => {
                wire.write(&bytes);
                false
            }
            Reply::Drip(body, every) => {
                let head = answer(200, "application/json", "", &body);
                let head = &head[..head.len() - body.len()];
                wire.write(head)
                    && body.iter().all(|byte| {
                        std::thread::sleep(every);
                        wire.write(&[*byte])
                    })
            }
            Reply::Endless(bytes) => {
                wire.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"x\":\"");
                let piece = vec![b'x'; 64 * 1024];
                let mut left = bytes;
                while left > 0 && wire.write(&piece) {
                    left = left.saturating_sub(piece.len());
                }
                false
            }
            Reply::HalfClosed => {
                let truth = self.truth(asked);
                wire.write(&truth[..truth.len() / 2]);
                false
            }
            Reply::Silence => {
                wire.set_patience(Duration::from_secs(120));
                let _ = wire.rest();
                false
            }
            Reply::Hangup => false,
        }
    }

    fn truth(&self, asked: &Asked) -> Vec<u8> {
        let state = &mut *self.state.lock().unwrap();
        match asked.endpoint {
            Endpoint::Discovery => {
                let mut document = self.discovery();
                if let Some(tamper) = &state.tamper_discovery {
                    tamper(&mut document);
                }
                json_answer(200, &document)
            }
            Endpoint::Jwks => json_answer(200, &json!({ "keys": state.keys })),
            Endpoint::Authorize => self.authorize(state, asked),
            Endpoint::Token => self.token(state, asked),
            Endpoint::Revoke => {
                if !client_authenticated(asked, &state.client_secrets) {
                    return oauth_error("invalid_client");
                }
                if let Some(token) = asked.parameter("token") {
                    state.revoked.push(token.to_owned());
                    state.refresh_tokens.remove(token);
                }
                answer(200, "text/plain", "", b"")
            }
            Endpoint::Logout => match asked.parameter("logout_uri") {
                Some(to) => {
                    redirect(to, "Set-Cookie: fakepool=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax\r\n")
                }
                None => {
                    answer(400, "text/html", "", b"Required String parameter 'redirect_uri' is not present")
                }
            },
            Endpoint::Other => answer(404, "text/plain", "", b"not here"),
        }
    }

    fn discovery(&self) -> Value {
        let origin = &self.origin;
        json!({
            "authorization_endpoint": format!("{origin}/oauth2/authorize"),
            "end_session_endpoint": format!("{origin}/logout"),
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": self.issuer(),
            "jwks_uri": format!("{}/.well-known/jwks.json", self.issuer()),
            "response_types_supported": ["code", "token"],
            "revocation_endpoint": format!("{origin}/oauth2/revoke"),
            "scopes_supported": ["openid", "email", "phone", "profile"],
            "subject_types_supported": ["public"],
            "token_endpoint": format!("{origin}/oauth2/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "userinfo_endpoint": format!("{origin}/oauth2/userInfo"),
        })
    }

    /// Sends straight back whoever the header `X-Sign-In-As` or the pool's own cookie names.
    fn authorize(&self, state: &mut State, asked: &Asked) -> Vec<u8> {
        let cookies = asked.head.all("cookie").join("; ");
        let remembered = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("fakepool="));
        let name = asked.head.one("x-sign-in-as").or(remembered).unwrap_or_default().to_owned();
        let Some(back) = asked.parameter("redirect_uri") else {
            return answer(400, "text/html", "", b"redirect_uri");
        };
        let parameter = |name| asked.parameter(name).unwrap_or_default().to_owned();
        let mut back = url::Url::parse(back).expect("a redirect_uri that is a URL");
        let well = parameter("client_id") == CLIENT_ID && parameter("response_type") == "code";
        if !well || !state.users.contains_key(&name) {
            back.query_pairs_mut().append_pair("error", "access_denied");
        } else {
            let code = self.issue_code(state, &name, asked);
            back.query_pairs_mut().append_pair("code", &code);
        }
        back.query_pairs_mut().append_pair("state", &parameter("state"));
        let cookie = format!("Set-Cookie: fakepool={name}; Path=/; HttpOnly; SameSite=Lax\r\n");
        redirect(back.as_str(), &cookie)
    }

    fn issue_code(&self, state: &mut State, user: &str, asked: &Asked) -> String {
        let code = random(24);
        let parameter = |name| asked.parameter(name).map(str::to_owned);
        let grant = Grant {
            user: user.to_owned(),
            nonce: parameter("nonce"),
            scope: parameter("scope").unwrap_or_default(),
            auth_time: now() + state.clock,
        };
        let challenge =
            parameter("code_challenge").filter(|_| asked.parameter("code_challenge_method") == Some("S256"));
        let redirect_uri = parameter("redirect_uri").unwrap_or_default();
        state.secrets.push(code.clone());
        state.codes.insert(code.clone(), Code { grant, challenge, redirect_uri });
        code
    }

    fn token(&self, state: &mut State, asked: &Asked) -> Vec<u8> {
        if asked.method != "POST" {
            return answer(405, "text/plain", "", b"");
        }
        if !client_authenticated(asked, &state.client_secrets) {
            return oauth_error("invalid_client");
        }
        let (grant, refresh_token, refreshed) = match asked.parameter("grant_type") {
            Some("authorization_code") => {
                let code = asked.parameter("code").and_then(|code| state.codes.remove(code));
                let Some(code) = code else { return oauth_error("invalid_grant") };
                if asked.parameter("redirect_uri") != Some(&code.redirect_uri) {
                    let error =
                        json!({"error": "unauthorized_client", "error_description": "invalid_redirect"});
                    return json_answer(400, &error);
                }
                let verifier = asked.parameter("code_verifier").unwrap_or_default();
                let proven = code.challenge.as_deref() == Some(&b64(sha256(verifier.as_bytes())));
                if state.check_pkce && !proven {
                    return oauth_error("invalid_grant");
                }
                let refresh_token = random(96);
                state.refresh_tokens.insert(refresh_token.clone(), code.grant.clone());
                (code.grant, Some(refresh_token), false)
            }
            Some("refresh_token") => {
                let token = asked.parameter("refresh_token").unwrap_or_default().to_owned();
                if state.replaced.get(&token).is_some_and(|end| *end <= Instant::now()) {
                    state.refresh_tokens.remove(&token);
                }
                let Some(grant) = state.refresh_tokens.get(&token).cloned() else {
                    return oauth_error("invalid_grant");
                };
                if !state.users.contains_key(&grant.user) {
                    return oauth_error("invalid_grant");
                }
                let rotated = match state.rotation {
                    Rotation::Off => None,
                    Rotation::Grace(grace) => {
                        // Showing it again within its grace does not prolong that.
                        state.replaced.entry(token).or_insert_with(|| Instant::now() + grace);
                        let fresh = random(96);
                        state.refresh_tokens.insert(fresh.clone(), grant.clone());
                        Some(fresh)
                    }
                };
                (grant, rotated, true)
            }
            _ => return oauth_error("unsupported_grant_type"),
        };

        let mut written = Vec::new();
        let mut access_token = String::new();
        for kind in [Use::Access, Use::Id] {
            let mut mint = self.mint(state, kind, &grant, refreshed);
            if kind == Use::Id {
                mint.claim("at_hash", b64(&sha256(access_token.as_bytes())[..16]));
            }
            if let Some(tamper) = &state.tamper {
                tamper(&mut mint);
            }
            let token = mint.write();
            if kind == Use::Access {
                access_token.clone_from(&token);
            }
            written.push(token);
        }
        let mut body = json!({
            "access_token": written[0],
            "id_token": written[1],
            "token_type": "Bearer",
            "expires_in": state.life,
        });
        state.secrets.extend(written);
        if let Some(token) = refresh_token {
            body["refresh_token"] = json!(token);
            state.secrets.push(token);
        }
        if let Some(tamper) = &state.tamper_answer {
            tamper(&mut body);
        }
        json_answer(200, &body)
    }

    fn mint(&self, state: &State, kind: Use, grant: &Grant, refreshed: bool) -> Mint {
        let user = state.users.get(&grant.user).cloned().unwrap_or_else(|| User::new(&grant.user, &[]));
        let key = if kind == Use::Id { &state.id_key } else { &state.access_key };
        let issued = now() + state.clock;
        let mut claims = json!({
            "sub": user.sub,
            "iss": self.issuer(),
            "origin_jti": random(16),
            "event_id": random(16),
            "auth_time": grant.auth_time,
            "iat": issued,
            "exp": issued + state.life,
            "jti": random(16),
        });
        if !user.groups.is_empty() {
            claims["cognito:groups"] = json!(user.groups);
        }
        let (usual, further) = match kind {
            Use::Id => (
                json!({
                    "token_use": "id",
                    "aud": CLIENT_ID,
                    "cognito:username": user.name,
                    "email": format!("{}@example.com", user.name),
                    "email_verified": true,
                }),
                &user.id_claims,
            ),
            Use::Access => (
                json!({
                    "token_use": "access",
                    "client_id": CLIENT_ID,
                    "username": user.name,
                    "scope": grant.scope,
                    "version": 2,
                }),
                &user.access_claims,
            ),
        };
        let Value::Object(mut claims) = claims else { unreachable!() };
        claims.extend(usual.as_object().unwrap().clone());
        if let (Use::Id, Some(nonce), false) = (kind, &grant.nonce, refreshed) {
            claims.insert("nonce".into(), json!(nonce));
        }
        claims.extend(further.clone());
        let Value::Object(header) = json!({ "kid": kid(key), "alg": "RS256" }) else { unreachable!() };
        Mint { kind, refreshed, header, claims, key: key.clone(), payload: None, raw_header: None, raw: None }
    }
}

impl Asked {
    fn read(head: Head, body: &[u8]) -> Self {
        let mut words = head.start.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let endpoint = match path.strip_prefix(&format!("/{POOL_ID}")).unwrap_or(path) {
            "/.well-known/openid-configuration" => Endpoint::Discovery,
            "/.well-known/jwks.json" => Endpoint::Jwks,
            "/oauth2/authorize" => Endpoint::Authorize,
            "/oauth2/token" => Endpoint::Token,
            "/oauth2/revoke" => Endpoint::Revoke,
            "/logout" => Endpoint::Logout,
            _ => Endpoint::Other,
        };
        let form = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
        let parameters = form.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        Self { endpoint, method, target, head, parameters }
    }
}

fn client_authenticated(asked: &Asked, secrets: &[String]) -> bool {
    if let Some(basic) = asked.head.one("authorization").and_then(|value| value.strip_prefix("Basic ")) {
        let pair = STANDARD.decode(basic).map(|pair| latin1(&pair)).unwrap_or_default();
        return secrets.iter().any(|secret| pair == format!("{CLIENT_ID}:{secret}"));
    }
    let secret = asked.parameter("client_secret").unwrap_or_default();
    asked.parameter("client_id") == Some(CLIENT_ID) && secrets.iter().any(|known| known == secret)
}

fn answer(status: u16, kind: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{lines}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn json_answer(status: u16, body: &Value) -> Vec<u8> {
    answer(status, "application/json;charset=UTF-8", "", body.to_string().as_bytes())
}

fn redirect(to: &str, lines: &str) -> Vec<u8> {
    answer(302, "text/html", &format!("Location: {to}\r\n{lines}"), b"")
}

fn oauth_error(error: &str) -> Vec<u8> {
    json_answer(400, &json!({ "error": error }))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
