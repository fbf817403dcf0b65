//! The language of a page: the first that the browser asks for of those that the gate speaks. ★
//!
//! RFC 9110 §12.5.4, looked up as RFC 4647 §3.4 has it: `de-AT` is served in German. What cannot be read asks for
//! nothing, and who asks for nothing that there is gets English.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// A language that the pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Also for whoever asks for none of these.
    #[default]
    English,
    /// Deutsch.
    German,
    /// Français.
    French,
    /// Español.
    Spanish,
    /// 日本語.
    Japanese,
}

// === impl Language ===

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::English, Self::German, Self::French, Self::Spanish, Self::Japanese];

    /// What a browser asks for. Of two that it likes as much, the first.
    pub fn asked(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|line| line.to_str().ok());
        let ranges = lines.flat_map(|line| line.split(',')).take(MOST).filter_map(range);
        let best = ranges.fold(None, |best: Option<(Self, u16)>, (language, weight)| match best {
            Some((_, so_far)) if so_far >= weight => best,
            _ => Some((language, weight)),
        });
        best.map_or(Self::default(), |(language, _)| language)
    }

    /// As BCP 47 has it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Japanese => "ja",
        }
    }
}

/// A language that there is, and how much it is liked, in thousandths; nothing of what is refused or malformed.
fn range(text: &str) -> Option<(Language, u16)> {
    let (tag, weight) = match text.split_once(';') {
        Some((tag, weight)) => (tag, quality(weight)?),
        None => (text, 1000),
    };
    let mut parts = tag.trim_matches(BLANK).split('-');
    let first = parts.next()?;
    let well_formed =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if weight == 0 || !parts.all(well_formed) {
        return None;
    }
    let language = Language::ALL.into_iter().find(|language| first.eq_ignore_ascii_case(language.tag()))?;
    Some((language, weight))
}

/// `q=0.875` (RFC 9110 §12.4.2) in thousandths.
fn quality(text: &str) -> Option<u16> {
    let (name, value) = text.trim_matches(BLANK).split_once('=')?;
    if !name.eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, rest) = value.split_once('.').unwrap_or((value, ""));
    if rest.len() > 3 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{rest:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

const BLANK: [char; 2] = [' ', '\t'];
/// Nobody reads more languages than this; the rest of a longer list is not looked at.
const MOST: usize = 64;

#[cfg(test)]
mod tests;
