//! The corpus' verdicts as checks over an exchange: REJ, DENY, STRIP, ONE.

use crate::support::browser::Kind;
use crate::support::world::{EVERYBODY, End, Exchange, Who, World};

/// What a path may be decided as, for everybody alike. The text is the target that the upstream must then see.
#[derive(Debug, Clone)]
pub enum Decided {
    /// REJ: 400 and not a byte of it upstream.
    Refused,
    /// As something that only `admin` may see.
    Admin(String),
    /// As something that every signed-in user of the bench may see.
    Protected(String),
    /// As something that anybody may see.
    Public(String),
}

/// See [`Decided::Refused`].
pub const REFUSED: Decided = Decided::Refused;

/// See [`Decided::Admin`].
pub fn admin(target: &str) -> Decided {
    Decided::Admin(target.to_owned())
}

/// See [`Decided::Protected`].
pub fn protected(target: &str) -> Decided {
    Decided::Protected(target.to_owned())
}

/// See [`Decided::Public`].
pub fn public(target: &str) -> Decided {
    Decided::Public(target.to_owned())
}

/// Asks for `target` as each of the three, as a program and as a browser, and wants one and the same of `allowed`
/// to hold for all of them.
pub fn is_decided(world: &World, target: impl AsRef<[u8]>, allowed: &[Decided]) {
    let target = target.as_ref();
    let asked: Vec<_> = EVERYBODY
        .into_iter()
        .flat_map(|who| [(who, Kind::Program), (who, Kind::Navigate)])
        .map(|(who, kind)| {
            let lines = format!(" HTTP/1.1\r\nHost: app.test\r\n{}{{session}}\r\n", kind.lines());
            (who, kind, world.attack(who, [b"GET ", target, lines.as_bytes()].concat()))
        })
        .collect();
    let verdicts: Vec<Result<(), String>> = allowed
        .iter()
        .map(|decided| {
            asked.iter().try_for_each(|(who, kind, exchange)| decided.check(*who, *kind, exchange))
        })
        .collect();
    if !verdicts.iter().any(Result::is_ok) {
        let shown = String::from_utf8_lossy(target);
        let cut: String = shown.chars().take(200).collect();
        panic!(
            "{cut:?} is none of {allowed:?}: {:#?}",
            verdicts.into_iter().filter_map(Result::err).collect::<Vec<_>>()
        );
    }
}

// === impl Decided ===

impl Decided {
    fn check(&self, who: Who, kind: Kind, exchange: &Exchange) -> Result<(), String> {
        let forwarded = match (self, who) {
            (Self::Refused, _) => None,
            (Self::Public(target), _)
            | (Self::Admin(target), Who::Admin)
            | (Self::Protected(target), Who::User | Who::Admin) => Some(target),
            (Self::Admin(_), Who::Nobody | Who::User) | (Self::Protected(_), Who::Nobody) => None,
        };
        let status = match (self, who, kind) {
            (Self::Refused, ..) => 400,
            (_, _, _) if forwarded.is_some() => 200,
            (_, Who::Nobody, Kind::Navigate) => 302,
            (_, Who::Nobody, _) => 401,
            _ => 403,
        };
        let targets: Vec<&str> = exchange.seen.iter().map(|seen| seen.target()).collect();
        let wanted: Vec<&str> = forwarded.into_iter().map(String::as_str).collect();
        if exchange.statuses() == [status] && targets == wanted {
            return Ok(());
        }
        Err(format!(
            "{who:?}, {kind:?}: wanted {status} and the upstream to see {wanted:?}; was {:?} and {targets:?}{}",
            exchange.statuses(),
            exchange.reasons()
        ))
    }
}

// === impl Exchange ===

impl Exchange {
    /// REJ with one of these statuses. Fails with what was sent and seen.
    pub fn must_be_refused(&self, statuses: &[u16]) {
        assert!(
            self.is_refused(statuses),
            "wanted one of {statuses:?} and nothing upstream: {}",
            self.told()
        );
    }

    /// REJ where it is in doubt where the message ends: refused, and nothing more is read from the connection.
    pub fn must_be_refused_and_closed(&self, statuses: &[u16]) {
        self.must_be_refused(statuses);
        assert_eq!(self.end, End::Closed, "wanted the connection to be closed: {}", self.told());
    }

    /// STRIP or REJ: what was forwarded, if anything, shows `value` nowhere.
    pub fn must_not_show(&self, value: &str) {
        let forwarded = !self.seen.is_empty() && self.status() != 0;
        assert!(
            forwarded || self.is_refused(&[400, 401, 403, 405, 417, 421, 426, 431, 501]),
            "neither forwarded nor refused: {}",
            self.told()
        );
        for seen in &self.seen {
            let shown = seen.head.headers.iter().chain(&seen.trailers).find(|(_, v)| v.contains(value));
            assert!(shown.is_none(), "the upstream saw {shown:?}: {}", self.told());
        }
    }

    /// STRIP: forwarded once, answered 200, `value` shown nowhere.
    pub fn must_be_stripped_of(&self, value: &str) {
        assert!(self.one().is_some() && self.status() == 200, "not forwarded: {}", self.told());
        self.must_not_show(value);
    }

    /// Reasons that the gate wrote into its access records.
    pub fn reasons(&self) -> String {
        let told = self
            .access
            .iter()
            .map(|a| format!(" [{} {} {}]", a.decision(), a.text("reason"), a.text("rule")));
        told.collect()
    }

    /// Everything, for a failure's words; long texts cut.
    pub fn told(&self) -> String {
        let cut = |text: String| -> String {
            let short: String = text.chars().take(400).collect();
            if short.len() < text.len() { format!("{short}… ({} bytes)", text.len()) } else { text }
        };
        let answers: Vec<String> = self
            .answers
            .iter()
            .map(|answer| {
                format!("{:?} {:?} {:?}", answer.head.start, answer.head.headers, cut(answer.text()))
            })
            .collect();
        let seen: Vec<String> = self
            .seen
            .iter()
            .map(|seen| {
                let body = cut(crate::support::wire::latin1(&seen.body));
                format!("{:?} {:?} body {body:?} whole {}", seen.head.start, seen.head.headers, seen.complete)
            })
            .collect();
        format!(
            "\n  sent     {:?}\n  answers  {answers:#?}\n  end      {:?}\n  upstream {seen:#?}{}",
            cut(crate::support::wire::latin1(&self.sent)),
            self.end,
            self.reasons()
        )
    }
}
