//! What the keys in the store are called. ★

/// The names, all with the configured prefix.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

// === impl Keys ===

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// A session's value. The braces keep it beside its lock in a cluster.
    pub(super) fn value(&self, name: &str) -> String {
        format!("{}s:{{{name}}}", self.prefix)
    }

    /// A session's lock.
    pub(super) fn lock(&self, name: &str) -> String {
        format!("{}l:{{{name}}}", self.prefix)
    }

    /// The sessions of one person.
    pub(super) fn person(&self, person: &str) -> String {
        format!("{}p:{{{person}}}", self.prefix)
    }

    /// Who has sessions, by when the last of them ends.
    pub(super) fn people(&self) -> String {
        format!("{}people", self.prefix)
    }

    /// The log of revocations.
    pub(super) fn log(&self) -> String {
        format!("{}log", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::super::slots::slot;
    use super::*;

    #[test]
    fn a_lock_stands_beside_its_value() {
        let keys = Keys::new("rolegate:");
        assert_eq!(keys.value("n-1"), "rolegate:s:{n-1}");
        for name in ["n-1", "", "}", "a{b}c"] {
            let same = slot(keys.value(name).as_bytes()) == slot(keys.lock(name).as_bytes());
            assert!(same || name.is_empty() || name.starts_with('}'), "{name}");
        }
    }
}
