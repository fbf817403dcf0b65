//! A request's head as its client sent it, while it may have to be sent again. ★
//!
//! What leaves is made of that head itself: to build another beside it costs a request more than anything else here. Of
//! each line no more than its name and a hold of its value is kept.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A head, line by line.
pub(super) struct Kept(Vec<(HeaderName, HeaderValue)>);

// === impl Kept ===

impl Kept {
    pub(super) fn of(head: &HeaderMap) -> Self {
        Self(head.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// The whole head once more.
    pub(super) fn head(&self) -> HeaderMap {
        let mut head = HeaderMap::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            head.append(name, value.clone());
        }
        head
    }

    /// All lines of this name.
    pub(super) fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        self.0.iter().filter(move |(kept, _)| kept == name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use http::header::{COOKIE, TE};

    use super::*;

    #[test]
    fn a_head_is_the_same_once_more_and_lines_of_a_name_keep_their_order() {
        let mut head = HeaderMap::new();
        for (name, value) in [(COOKIE, "a=1"), (TE, "trailers"), (COOKIE, "b=2")] {
            head.append(name, HeaderValue::from_static(value));
        }
        let kept = Kept::of(&head);
        assert_eq!(kept.head(), head);
        assert_eq!(kept.lines(&COOKIE).collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(kept.lines(&TE).count(), 1);
    }
}
