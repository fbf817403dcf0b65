//! Sessions by the thousand, and of any age: a real one's cookies opened, changed and sealed again with the gate's own
//! key. What a session looks like inside is taken from that real one, so that nothing here repeats it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rolegate::config::secret::Secret;
use rolegate::session::cookie::{Names, PART_LEN};
use rolegate::session::keyring::{Keyring, Sealer};
use rolegate::session::seal::Purpose;
use rolegate::session::{Session as Pass, pass};
use serde_json::{Value, json};

use super::browser::ORIGIN;
use super::pool::{CLIENT_ID, FakePool};
use super::token::random;
use super::world::{Session, Setup};

/// A session opened, from which others are made.
pub struct Mould {
    sealer: Sealer,
    names: Names,
    pass: Pass,
    ticket: Value,
    identity: Option<(String, String)>,
    pool: FakePool,
    user: String,
}

/// Where a session is in its life: seconds, seen from now.
#[derive(Debug, Clone, Copy)]
pub struct Age {
    /// Since its last refresh, or since its login.
    pub refreshed: i64,
    /// Until its access token ends; negative once it has.
    pub left: i64,
}

impl Mould {
    /// From this session of a bench with this setup.
    pub fn of(setup: &Setup, pool: &FakePool, session: &Session) -> Self {
        let key = URL_SAFE_NO_PAD.decode(setup.keys.lines().next().unwrap()).unwrap();
        let keyring = Keyring::new(&[Secret::new(<[u8; 32]>::try_from(key).unwrap())]).unwrap();
        let sealer = Sealer::new(Arc::new(keyring), &pool.issuer(), CLIENT_ID, ORIGIN);
        let names = Names::new("rolegate", true);
        let pass = open(&sealer, &names, Purpose::Pass, session, pass::read);
        let ticket = open(&sealer, &names, Purpose::Ticket, session, of_json);
        let user = session.identity.as_ref().expect("a session of somebody").0.clone();
        Self { pass, ticket, identity: session.identity.clone(), pool: pool.clone(), user, sealer, names }
    }

    /// Sessions of that user, each as of a login of its own, of this age.
    pub fn cast(&self, count: usize, age: Age) -> Vec<Session> {
        let tokens = self.pool.issue_refresh_tokens(&self.user, count);
        tokens.iter().map(|token| self.one(token, age)).collect()
    }

    fn one(&self, refresh_token: &str, age: Age) -> Session {
        let now = rolegate::clock::now();
        let begun = now.saturating_add_signed(-age.refreshed);
        let pass = Pass {
            id: random(16),
            begun,
            refreshed: begun,
            seen: now,
            access_ends: now.saturating_add_signed(age.left),
            ..self.pass.clone()
        };
        let mut ticket = self.ticket.clone();
        let of_pass = [("i", json!(pass.id)), ("b", json!(pass.begun)), ("e", json!(pass.ends))];
        for (key, value) in of_pass.into_iter().chain([("r", json!(refresh_token))]) {
            assert!(ticket.get(key).is_some(), "a ticket looks otherwise: {key:?} is gone");
            ticket[key] = value;
        }
        let pair = |purpose, name: &str, plain: Vec<u8>| {
            let nonce = rolegate::clock::random().unwrap();
            let text = self.sealer.seal(purpose, name, &plain, PART_LEN, nonce).unwrap();
            assert!(text.len() <= PART_LEN, "more than one part");
            format!("{name}={text}")
        };
        let pass = pair(Purpose::Pass, &self.names.pass, pass::write(&pass).unwrap());
        let ticket = pair(Purpose::Ticket, &self.names.ticket, serde_json::to_vec(&ticket).unwrap());
        Session { cookie: format!("{pass}; {ticket}"), identity: self.identity.clone() }
    }

    /// When the session in these cookies was last refreshed, seconds since 1970.
    pub fn refreshed(&self, session: &Session) -> u64 {
        open(&self.sealer, &self.names, Purpose::Pass, session, pass::read).refreshed
    }

    /// The refresh token in these cookies.
    pub fn refresh_token(&self, session: &Session) -> String {
        let ticket: Value = open(&self.sealer, &self.names, Purpose::Ticket, session, of_json);
        ticket["r"].as_str().expect("a token").to_owned()
    }
}

fn open<T>(
    sealer: &Sealer,
    names: &Names,
    purpose: Purpose,
    session: &Session,
    read: fn(&[u8]) -> Option<T>,
) -> T {
    let name = if purpose == Purpose::Pass { &names.pass } else { &names.ticket };
    let mut pairs = session.cookie.split("; ").filter_map(|pair| pair.split_once('='));
    let text = pairs.find(|(own, _)| own == name).expect("a small session's cookie").1;
    read(&sealer.open(purpose, name, text).expect("it opens").plain).expect("it is read")
}

fn of_json(plain: &[u8]) -> Option<Value> {
    serde_json::from_slice(plain).ok()
}
