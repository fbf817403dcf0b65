//! `[trigger]` of a pool file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::{Address, PATIENCE, Rule, Version};

/// `[trigger]`, checked.
#[derive(Debug, Clone)]
pub(in crate::devpool) struct TriggerSeed {
    pub(in crate::devpool) version: Version,
    pub(in crate::devpool) kind: Kind,
    /// Five seconds, but for tests.
    pub(in crate::devpool) patience: Duration,
}

/// Who answers.
#[derive(Debug, Clone)]
pub(in crate::devpool) enum Kind {
    Rules(Vec<Rule>),
    Exec(PathBuf),
    Url(Address),
}

/// `[trigger]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::devpool) struct TriggerTable {
    pub(in crate::devpool) version: Version,
    pub(in crate::devpool) exec: Option<PathBuf>,
    pub(in crate::devpool) url: Option<String>,
    pub(in crate::devpool) claims: Option<Vec<Rule>>,
}

// === impl TriggerTable ===

impl TriggerTable {
    /// The trigger, or the key that is wrong and how to mend it. `folder` is the pool file's.
    pub(in crate::devpool) fn check(
        self,
        folder: &Path,
    ) -> Result<TriggerSeed, (Option<&'static str>, String)> {
        let kind = match (self.exec, self.url, self.claims) {
            (Some(file), None, None) => Kind::Exec(exec(folder.join(file))?),
            (None, Some(url), None) => {
                let address = Address::parse(&url);
                Kind::Url(address.ok_or_else(|| {
                    let mend = "is not an address like http://127.0.0.1:9000/2015-03-31/functions/function/invocations";
                    (Some("url"), format!("{url:?} {mend}"))
                })?)
            }
            (None, None, Some(rules)) => Kind::Rules(rules),
            _ => {
                return Err((
                    None,
                    "a trigger is one of exec, url and [[trigger.claims]]; write one of them".into(),
                ));
            }
        };
        Ok(TriggerSeed { version: self.version, kind, patience: PATIENCE })
    }
}

fn exec(file: PathBuf) -> Result<PathBuf, (Option<&'static str>, String)> {
    let shown = file.display();
    let known =
        file.extension().is_some_and(|end| ["mjs", "cjs", "js", "py"].iter().any(|known| end == *known));
    if !known {
        let message = format!("{shown} is no Node module (.mjs, .cjs, .js) and no Python module (.py)");
        return Err((Some("exec"), message));
    }
    if !file.is_file() {
        let message = format!("there is no file {shown}; the path is taken from the pool file's folder");
        return Err((Some("exec"), message));
    }
    Ok(file)
}

// === impl Version ===

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let known = Self::ALL.iter().find(|(name, _)| *name == text);
        known.map(|(_, version)| *version).ok_or_else(|| {
            serde::de::Error::custom(format!("expected \"V1_0\", \"V2_0\" or \"V3_0\", found {text:?}"))
        })
    }
}
