//! Another path for the upstream: a prefix taken off, another put in front of the one path that was decided on. ★
//!
//! Threat: two paths of clients that become one at the upstream, by the laxer rule of the two. So what is sent follows
//! from the canonical path alone, no two paths become the same below one upstream, and a path that does not lie below
//! the prefix, byte for byte, is not sent at all.

use std::borrow::Cow;

use super::{CanonicalPath, PathRefusal, Pattern, PatternProblem, canonical_with_slashes};

/// What becomes of a path on its way to one upstream. Default: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// Canonical, without a final slash; empty: nothing is taken off.
    strip: String,
    /// The same of what is put in front.
    add: String,
}

// === impl Rewrite ===

impl Rewrite {
    /// Takes `strip` off and puts `add` in front; both as [`Rewrite::prefix`] has them, or empty.
    pub fn new(strip: String, add: String) -> Self {
        Self { strip, add }
    }

    /// Reads a prefix as it is written: a path in its only spelling, without a final slash.
    pub fn prefix(text: &str) -> Result<String, PatternProblem> {
        if text.contains('*') {
            return Err(PatternProblem::Star);
        }
        if text.ends_with('/') {
            return Err(PatternProblem::NotCanonical(text.trim_end_matches('/').to_owned()));
        }
        Pattern::parse(text)?;
        Ok(text.to_owned())
    }

    /// What is taken off, if anything is.
    pub fn stripped(&self) -> Option<&str> {
        Some(self.strip.as_str()).filter(|strip| !strip.is_empty())
    }

    /// Whether paths are sent as they are.
    pub fn is_none(&self) -> bool {
        self.strip.is_empty() && self.add.is_empty()
    }

    /// The path that the upstream is sent. Canonical itself, whatever is taken off or put in front.
    pub fn sent<'p>(&self, path: &'p CanonicalPath<'_>) -> Result<Cow<'p, str>, PathRefusal> {
        let path = path.as_str();
        if self.is_none() {
            return Ok(Cow::Borrowed(path));
        }
        let rest = path.strip_prefix(self.strip.as_str());
        let rest =
            rest.filter(|rest| rest.is_empty() || rest.starts_with('/')).ok_or(PathRefusal::Outside)?;
        let sent = match (self.add.as_str(), rest) {
            ("", "") => Cow::Borrowed("/"),
            ("", rest) => Cow::Borrowed(rest),
            (add, rest) => Cow::Owned(format!("{add}{rest}")),
        };
        // It follows from how both were read. Were it otherwise, the upstream would read what nobody decided on.
        match canonical_with_slashes(&sent) {
            Ok(again) if again.as_str() == sent => Ok(sent),
            _ => Err(PathRefusal::Outside),
        }
    }

    /// What the paths of `pattern` are at the upstream; `None`: none of them is sent.
    pub fn image(&self, pattern: &Pattern) -> Option<Pattern> {
        pattern.moved(&self.strip, &self.add)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::canonical;
    use super::*;

    fn rewrite(strip: &str, add: &str) -> Rewrite {
        let read = |text: &str| if text.is_empty() { String::new() } else { Rewrite::prefix(text).unwrap() };
        Rewrite::new(read(strip), read(add))
    }

    #[test]
    fn a_prefix_is_taken_off_whole_segments_of_the_canonical_path() {
        for (strip, add, raw, sent) in [
            ("", "", "/app/x", Some("/app/x")),
            ("/app", "", "/app/x", Some("/x")),
            ("/app", "", "/app", Some("/")),
            ("/app", "", "/app/", Some("/")),
            ("/app", "", "/app//admin", Some("/admin")),
            ("/app", "", "//app/./x/../admin/", Some("/admin/")),
            ("/app", "", "/%61pp/%7ex", Some("/~x")),
            ("/app", "/v2", "/app", Some("/v2")),
            ("/app", "/v2", "/app/", Some("/v2/")),
            ("/app", "/v2", "/app/x", Some("/v2/x")),
            ("", "/v2", "/", Some("/v2/")),
            ("", "/v2", "/x", Some("/v2/x")),
            ("/a/b", "", "/a/b/c", Some("/c")),
            ("/app", "", "/app/x;y=z", Some("/x;y=z")),
            // Not at a boundary, not byte for byte, or elsewhere.
            ("/app", "", "/application", None),
            ("/app", "", "/app;x/admin", None),
            ("/app", "", "/APP/admin", None),
            ("/app", "", "/admin", None),
            ("/app", "", "/app/../admin", None),
            ("/app", "", "/", None),
        ] {
            let path = canonical(raw).unwrap();
            let is = rewrite(strip, add).sent(&path);
            assert_eq!(is.as_deref().ok(), sent, "{strip} {add} {raw}");
        }
        let slash = canonical_with_slashes("/app%2Fadmin").unwrap();
        assert_eq!(rewrite("/app", "").sent(&slash), Err(PathRefusal::Outside), "no boundary");
    }

    #[test]
    fn a_prefix_is_one_path_in_its_only_spelling() {
        for bad in ["app", "", "/", "/app/", "/a//b", "/a/../b", "/%61pp", "/a/**", "/a;x", "/a b", "/a%2fb"]
        {
            assert!(Rewrite::prefix(bad).is_err(), "{bad}");
        }
        assert_eq!(Rewrite::prefix("/a/b"), Ok("/a/b".into()));
    }

    #[test]
    fn a_patterns_image_is_where_its_paths_go() {
        for (strip, add, pattern, image) in [
            ("/app", "", "/app/**", Some("/**")),
            ("/app", "", "/app/admin/**", Some("/admin/**")),
            ("/app", "", "/app/x", Some("/x")),
            ("/app", "", "/app", Some("/")),
            ("/app", "/v2", "/**", Some("/v2/**")),
            ("/app", "", "/other/**", None),
            ("/app", "", "/application/**", None),
            ("", "/v2", "/x/**", Some("/v2/x/**")),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            let is = rewrite(strip, add).image(&pattern).map(|image| image.to_string());
            assert_eq!(is.as_deref(), image, "{strip} {add} {pattern}");
        }
    }

    fn paths() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "/", "//", "/./", "/../", "/..;/", "app", "/app", "/app/", "APP", "%61pp", "admin", "/admin",
            "%2e%2e", "%2f", "%2F", ";x", "%3b", "%", "%25", "%252e", "\\", "é", "x", "..", ".", "/v2",
            "%c3%a9",
        ]);
        prop::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_sent_is_canonical_and_no_two_paths_become_one(one in paths(), other in paths()) {
            for (strip, add) in [("/app", ""), ("/app", "/v2"), ("", "/v2"), ("/app/admin", "/x")] {
                let rewrite = rewrite(strip, add);
                let sent = |raw: &str| {
                    let path = canonical_with_slashes(raw).ok()?.into_owned();
                    let sent = rewrite.sent(&path).ok()?.into_owned();
                    Some((path.as_str().to_owned(), sent))
                };
                let (one, other) = (sent(&one), sent(&other));
                for (path, sent) in one.iter().chain(&other) {
                    let again = canonical_with_slashes(sent).unwrap();
                    prop_assert_eq!(again.as_str(), sent);
                    prop_assert!(path.starts_with(strip) && sent.starts_with(add));
                    prop_assert!(sent.starts_with('/') && !sent.contains("//"));
                }
                if let (Some((path, sent)), Some((other, others))) = (&one, &other) {
                    // `/app` and `/app/` alone: both are the root of what lies there.
                    let bare = |path: &str| path.trim_end_matches('/').to_owned();
                    prop_assert!(sent != others || bare(path) == bare(other), "{path} {other} {sent}");
                }
            }
        }
    }
}
