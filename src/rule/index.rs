//! Which rules can fit a path at all: looked up, so that the thousandth rule costs what the first one does. ★
//!
//! It leaves rules out and decides nothing: whatever fits is among what it names, in the order of the file.

use std::collections::HashMap;

use super::path::CanonicalPath;
use crate::config::settings::Rule;

/// Rules by host and by the text that their paths begin with.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    any_host: Table,
    hosts: HashMap<String, Table>,
}

/// Rules by the text of their paths, in lower case: public ones are compared byte by byte afterwards.
#[derive(Debug, Clone, Default)]
struct Table {
    bases: HashMap<String, Vec<usize>>,
    /// The lengths that occur, ascending: no more is looked up, however many slashes a path has.
    lengths: Vec<usize>,
}

// === impl Index ===

impl Index {
    /// `None` for so few that going through them is cheaper.
    pub(super) fn of(rules: &[Rule]) -> Option<Self> {
        if rules.len() <= FEW {
            return None;
        }
        let mut index = Self::default();
        for (number, rule) in rules.iter().enumerate() {
            let table = match &rule.host {
                Some(host) => index.hosts.entry(host.clone()).or_default(),
                None => &mut index.any_host,
            };
            table.add(rule.path.base(), number);
        }
        Some(index)
    }

    /// The numbers of the rules that may fit, ascending.
    pub(super) fn candidates(&self, host: &str, path: &CanonicalPath<'_>) -> Vec<usize> {
        let path = path.for_role_rules().to_ascii_lowercase();
        let mut numbers = Vec::new();
        for table in [Some(&self.any_host), self.hosts.get(host)].into_iter().flatten() {
            table.find(&path, &mut numbers);
        }
        numbers.sort_unstable();
        numbers
    }
}

// === impl Table ===

impl Table {
    fn add(&mut self, base: &str, number: usize) {
        if let Err(place) = self.lengths.binary_search(&base.len()) {
            self.lengths.insert(place, base.len());
        }
        self.bases.entry(base.to_ascii_lowercase()).or_default().push(number);
    }

    /// What ends where a segment of `path` ends; behind a final slash as well.
    fn find(&self, path: &str, numbers: &mut Vec<usize>) {
        for &length in self.lengths.iter().take_while(|length| **length <= path.len()) {
            if matches!(path.as_bytes().get(length), None | Some(b'/'))
                && let Some(found) = path.get(..length).and_then(|head| self.bases.get(head))
            {
                numbers.extend(found);
            }
        }
    }
}

/// Up to so many rules are gone through.
const FEW: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::path::{Pattern, canonical};
    use super::super::tests::{needs, rule};
    use super::super::{Found, Rules};
    use crate::config::settings::{Access, Requirement};

    fn paths() -> impl Strategy<Value = String> {
        proptest::collection::vec("[abA]{1,2}", 0..4).prop_map(|parts| format!("/{}", parts.join("/")))
    }

    proptest! {
        #[test]
        fn what_is_looked_up_is_what_going_through_all_rules_finds(
            patterns in proptest::collection::vec((paths(), any::<[bool; 4]>()), 9..30),
            asked in proptest::collection::vec((paths(), "(/|;x|;x/)?", any::<bool>()), 1..20),
        ) {
            let all: Vec<_> = patterns.iter().enumerate().map(|(number, (path, [prefix, public, host, get]))| {
                let pattern = if *prefix { format!("{}/**", path.trim_end_matches('/')) } else { path.clone() };
                prop_assume!(Pattern::parse(&pattern).is_ok());
                let mut rule = rule(&number.to_string(), &pattern, if *public { Access::Public } else { needs("x") });
                rule.host = host.then(|| "h".to_owned());
                rule.methods = get.then(|| vec!["GET".to_owned()]);
                Ok(rule)
            }).collect::<Result<_, TestCaseError>>()?;
            let indexed = Rules::new(all, Requirement::default());
            let through_all = Rules { index: None, ..indexed.clone() };
            prop_assert!(indexed.index.is_some());
            for (path, end, host) in asked {
                let Ok(path) = canonical(&format!("{path}{end}")).map(|path| path.into_owned()) else { continue };
                let host = if host { "h" } else { "other" };
                for method in ["GET", "POST"] {
                    let [one, other] = [&indexed, &through_all].map(|rules| match rules.find(host, &path, method) {
                        Found::MethodNotNamed(rule) => format!("method of {}", rule.name),
                        found => found.name().to_string(),
                    });
                    prop_assert_eq!(one, other, "{} {:?}", method, path);
                }
            }
        }
    }
}
