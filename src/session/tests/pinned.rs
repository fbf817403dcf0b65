//! Sessions that browsers hold from this version and those before it: each must go on through an upgrade.

use std::collections::BTreeMap;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::config::settings::PassedOn;
use crate::identity::{Issued, json};
use crate::session::cookie::{Jar, Names, PART_LEN};
use crate::session::seal::{Place, Purpose, Ring};
use crate::session::tokens::TokenBox;

/// The files of `tests/fixtures/sessions`, and whether what they hold is still sealed to the same bytes.
const PINNED: [(&str, &str, bool); 2] = [
    ("0.1.toml", include_str!("../../../tests/fixtures/sessions/0.1.toml"), false),
    ("0.1-fields.toml", include_str!("../../../tests/fixtures/sessions/0.1-fields.toml"), true),
];

#[test]
fn sessions_of_every_version_so_far_still_open() {
    for (file, text, _) in PINNED {
        let pinned = Pinned::read(text);
        assert!(!pinned.sessions.is_empty());
        for kept in &pinned.sessions {
            let what = format!("{file}: {}", kept.what);
            let Kept { session, ticket, tokens, .. } = kept;
            let expected = session.session(ticket.is_some());
            assert_eq!(pinned.open(kept, Purpose::Pass, pass::read), Some(expected.clone()), "{what}");
            let opened: Option<Ticket> = pinned.open(kept, Purpose::Ticket, of_json);
            assert_eq!(opened, ticket.as_ref().map(|ticket| ticket.ticket(&expected)), "{what}");
            assert!(opened.is_none_or(|ticket| ticket.belongs_to(&expected)), "{what}");
            let opened: Option<TokenBox> = pinned.open(kept, Purpose::Token, of_json);
            assert_eq!(opened, tokens.as_ref().and_then(|tokens| tokens.tokens(&expected)), "{what}");
            assert!(
                opened.is_none_or(|tokens| {
                    tokens.counts(&expected, PassedOn::default(), expected.refreshed)
                }),
                "{what}"
            );
        }
    }
}

#[test]
fn the_same_session_under_the_same_nonce_is_sealed_to_the_same_cookies() {
    let mut others = String::new();
    for (file, text, _) in PINNED.into_iter().filter(|(_, _, same)| *same) {
        let pinned = Pinned::read(text);
        for kept in &pinned.sessions {
            let cookies = pinned.seal(kept);
            if cookies != kept.cookies {
                let lines = cookies.iter().map(|(name, value)| format!("{name:?} = {value:?}\n"));
                others += &format!("{file}: {}\n{}\n", kept.what, lines.collect::<String>());
            }
        }
    }
    assert!(others.is_empty(), "these are sealed as\n\n{others}");
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pinned {
    key: String,
    issuer: String,
    client_id: String,
    origin: String,
    sessions: Vec<Kept>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    what: String,
    nonce: String,
    session: Values,
    ticket: Option<TicketValues>,
    tokens: Option<TokenValues>,
    cookies: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    id: String,
    sub: String,
    user: String,
    roles: Vec<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    scopes: Vec<String>,
    email_domain: Option<String>,
    acr: Option<String>,
    auth_time: Option<u64>,
    begun: u64,
    ends: u64,
    refreshed: u64,
    access_ends: u64,
    seen: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketValues {
    refresh_token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenValues {
    access: Option<String>,
    id: Option<String>,
    id_ends: Option<u64>,
    profile: Option<String>,
}

impl Pinned {
    fn read(text: &str) -> Self {
        toml_edit::de::from_str(text).unwrap()
    }

    fn names() -> Names {
        Names::new("rolegate", true)
    }

    fn name_of(purpose: Purpose) -> String {
        let names = Self::names();
        match purpose {
            Purpose::Pass => names.pass,
            Purpose::Ticket => names.ticket,
            _ => names.token,
        }
    }

    fn ring(&self) -> (Ring, Place) {
        let ring = Ring::new(&[Secret::new(bytes(&self.key))]).unwrap();
        (ring, Place::new(&self.issuer, &self.client_id, &self.origin))
    }

    /// As a request brings it back.
    fn open<T>(&self, kept: &Kept, purpose: Purpose, read: fn(&[u8]) -> Option<T>) -> Option<T> {
        let pairs: Vec<_> = kept.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut head = HeaderMap::new();
        head.insert(COOKIE, HeaderValue::try_from(pairs.join("; ")).unwrap());
        let name = Self::name_of(purpose);
        let names = Self::names();
        let text = Jar::read(&head, &names).candidates(&name).next()?;
        let (ring, place) = self.ring();
        let opened = ring.open(&place, purpose, &name, &text).expect("it opens");
        Some(read(&opened.plain).expect("it is read"))
    }

    /// As an answer sets them.
    fn seal(&self, kept: &Kept) -> BTreeMap<String, String> {
        let session = kept.session.session(kept.ticket.is_some());
        let json = |value: Option<serde_json::Result<Vec<u8>>>| value.map(Result::unwrap);
        let ticket = kept.ticket.as_ref().map(|ticket| ticket.ticket(&session));
        let tokens = kept.tokens.as_ref().and_then(|tokens| tokens.tokens(&session));
        let plain = [
            (Purpose::Pass, pass::write(&session)),
            (Purpose::Ticket, json(ticket.as_ref().map(serde_json::to_vec))),
            (Purpose::Token, json(tokens.as_ref().map(serde_json::to_vec))),
        ];
        let (ring, place) = self.ring();
        let mut cookies = BTreeMap::new();
        for (purpose, plain) in plain {
            let Some(plain) = plain else { continue };
            let name = Self::name_of(purpose);
            let nonce = bytes(&kept.nonce).try_into().unwrap();
            let sealed = ring.seal(&place, purpose, &name, &plain, PART_LEN, nonce).unwrap();
            for line in Self::names().keep(&Jar::default(), &name, &sealed, 60) {
                let (name, value) = line.to_str().unwrap().split_once('=').unwrap();
                cookies.insert(name.to_owned(), value.split(';').next().unwrap().to_owned());
            }
        }
        cookies
    }
}

impl Values {
    fn session(&self, has_ticket: bool) -> Session {
        let Self { id, sub, user, roles, headers, scopes, email_domain, acr, .. } = self;
        let facts = Facts {
            scopes: scopes.clone(),
            email_domain: email_domain.clone(),
            acr: acr.clone(),
            auth_time: self.auth_time,
        };
        Session {
            id: id.clone(),
            sub: sub.clone(),
            user: user.clone(),
            roles: roles.clone(),
            headers: headers.clone(),
            facts,
            begun: self.begun,
            ends: self.ends,
            refreshed: self.refreshed,
            access_ends: self.access_ends,
            seen: self.seen,
            has_ticket,
        }
    }
}

impl TicketValues {
    fn ticket(&self, session: &Session) -> Ticket {
        Ticket::new(session, Grant::Token(self.refresh_token.clone()))
    }
}

impl TokenValues {
    fn tokens(&self, session: &Session) -> Option<TokenBox> {
        let Self { access, id, id_ends, profile } = self;
        let passed_on = PassedOn { access: access.is_some(), id: id.is_some(), profile: profile.is_some() };
        let issued = Issued {
            access: access.clone().unwrap_or_default(),
            id: id.clone().unwrap_or_default(),
            id_ends: id_ends.unwrap_or_default(),
            profile: json::object(profile.as_deref().unwrap_or("{}").as_bytes()).unwrap(),
        };
        TokenBox::new(session, issued, passed_on)
    }
}

fn of_json<T: DeserializeOwned>(plain: &[u8]) -> Option<T> {
    serde_json::from_slice(plain).ok()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}
