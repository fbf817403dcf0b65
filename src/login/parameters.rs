//! The parameters of the gate's own pages: decoded once, strictly, and never the first of several. ★

use std::borrow::Cow;

use crate::config::settings::Parameter;

/// Decoded names and values, in order.
#[derive(Debug, Default)]
pub(super) struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// A query that cannot be decoded, or a parameter that stands there twice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A choice that is not offered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotOffered;

// === impl Parameters ===

impl<'a> Parameters<'a> {
    /// Decodes a query (`application/x-www-form-urlencoded`). Broken escapes and bytes that are no UTF-8 are
    /// refused, not repaired.
    pub(super) fn read(query: Option<&'a str>) -> Result<Self, Malformed> {
        let query = query.unwrap_or_default();
        let bytes = query.as_bytes();
        for (at, _) in query.match_indices('%') {
            let hex = |offset: usize| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
            if !hex(1) || !hex(2) {
                return Err(Malformed);
            }
        }
        let pairs: Vec<_> = url::form_urlencoded::parse(bytes).collect();
        // The decoder puts U+FFFD where there was no UTF-8.
        let broken = |text: &str| text.chars().any(|char| char == '\u{fffd}');
        if pairs.len() > MAX_PARAMETERS || pairs.iter().any(|(name, value)| broken(name) || broken(value)) {
            return Err(Malformed);
        }
        Ok(Self(pairs))
    }

    /// Whether any name stands there twice (RFC 6749 §3.1: none may).
    pub(super) fn repeats(&self) -> bool {
        self.0.iter().enumerate().any(|(at, (name, _))| self.0[..at].iter().any(|(other, _)| other == name))
    }

    /// The value of `name`, which may stand there once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Malformed> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_ref());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Malformed),
            (value, None) => Ok(value),
        }
    }

    /// What is to be sent as `name`: never what stands here, but what is configured, chosen by it. A name that
    /// is not configured is as good as unknown, and says nothing.
    pub(super) fn choice<'c>(
        &self,
        name: &str,
        configured: &'c Parameter,
    ) -> Result<Option<&'c str>, NotOffered> {
        let (always, offered) = match configured {
            Parameter::Never => return Ok(None),
            Parameter::Always(value) => (Some(value.as_str()), std::slice::from_ref(value)),
            Parameter::OneOf(values) => (None, values.as_slice()),
        };
        match self.one(name).map_err(|Malformed| NotOffered)? {
            None => Ok(always),
            Some(wanted) => offered
                .iter()
                .find(|value| *value == wanted)
                .map(|value| Some(value.as_str()))
                .ok_or(NotOffered),
        }
    }
}

const MAX_PARAMETERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_stands_there_twice_is_malformed() {
        let parameters = Parameters::read(Some("rd=/a&rd=/b&x=1")).unwrap();
        assert_eq!(parameters.one("rd"), Err(Malformed));
        assert_eq!(parameters.one("x"), Ok(Some("1")));
        assert_eq!(parameters.one("y"), Ok(None));
        assert!(Parameters::read(Some("%72d=/a&rd=/b")).unwrap().one("rd").is_err());
    }

    #[test]
    fn a_choice_is_one_of_those_that_are_configured_or_refused() {
        let offered = Parameter::OneOf(vec!["Google".into(), "Corp".into()]);
        let always = Parameter::Always("Google".into());
        for (query, configured, chosen) in [
            ("", &offered, Ok(None)),
            ("idp=Corp", &offered, Ok(Some("Corp"))),
            ("idp=corp", &offered, Err(NotOffered)),
            ("idp=", &offered, Err(NotOffered)),
            ("idp=Corp&idp=Corp", &offered, Err(NotOffered)),
            ("idp=Corp+Google", &offered, Err(NotOffered)),
            ("", &always, Ok(Some("Google"))),
            ("idp=Google", &always, Ok(Some("Google"))),
            ("idp=Corp", &always, Err(NotOffered)),
            ("idp=Corp", &Parameter::Never, Ok(None)),
        ] {
            let parameters = Parameters::read(Some(query)).unwrap();
            assert_eq!(parameters.choice("idp", configured), chosen, "{query} {configured:?}");
        }
    }

    #[test]
    fn what_does_not_decode_is_malformed() {
        for query in ["rd=%", "rd=%2", "rd=%zz", "rd=%ff"] {
            assert!(Parameters::read(Some(query)).is_err(), "{query}");
        }
        assert_eq!(Parameters::read(Some("rd=%2Fa%3Fb%3D%2525")).unwrap().one("rd"), Ok(Some("/a?b=%25")));
    }
}
