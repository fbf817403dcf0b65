//! The pass as it is written: what a browser keeps of a session. ★
//!
//! It is read with each request whose pass is not remembered, so nothing in it has to be looked for: after a byte that
//! says which form this is, each field of [`Session`] in its order, numbers and lengths as varints
//! (<https://postcard.jamesmunns.com/wire-format>). Whoever adds a field gives the form with it another number and reads
//! this one still; and from the first release on, a version reads a form before one writes it: gates that are replaced one
//! by one serve each other's sessions.

use super::Session;

/// What is sealed of `session`.
pub fn write(session: &Session) -> Option<Vec<u8>> {
    postcard::to_extend(session, vec![FORM]).ok()
}

/// The session in what was sealed; `None` if no version wrote that.
pub fn read(plain: &[u8]) -> Option<Session> {
    match plain.split_first()? {
        (&FORM, fields) => match postcard::take_from_bytes(fields) {
            Ok((session, [])) => Some(session),
            _ => None,
        },
        // JSON, as it was first.
        _ => serde_json::from_slice(plain).ok(),
    }
}

/// No JSON begins with it.
const FORM: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Facts;

    fn whole() -> Session {
        let facts = Facts {
            scopes: vec!["api/read".into(), String::new()],
            email_domain: Some("example.com".into()),
            acr: Some("urn:cognito:loa:3".into()),
            auth_time: Some(u64::MAX),
        };
        Session {
            user: "名前".into(),
            roles: vec!["a".into(), "b".repeat(300)],
            headers: vec![("x-team".into(), "blue".into())],
            facts,
            ends: u64::MAX,
            ..Session::sample()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for session in [Session::sample(), whole(), Session { has_ticket: false, ..whole() }] {
            assert_eq!(read(&write(&session).unwrap()), Some(session));
        }
    }

    #[test]
    fn what_is_cut_lengthened_or_of_another_form_is_nothing() {
        let written = write(&whole()).unwrap();
        for end in 0..written.len() {
            assert_eq!(read(&written[..end]), None, "{end} bytes");
        }
        assert_eq!(read(&[&written[..], b"\0"].concat()), None);
        for form in (0..=u8::MAX).filter(|form| *form != FORM) {
            assert_eq!(read(&[&[form], &written[1..]].concat()), None, "form {form}");
        }
    }

    #[test]
    fn a_length_that_nothing_follows_takes_no_memory() {
        let long = [FORM, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(read(&long), None);
        // As the number of roles, after three empty texts.
        assert_eq!(read(&[&[FORM, 0, 0, 0], &long[1..]].concat()), None);
    }
}
