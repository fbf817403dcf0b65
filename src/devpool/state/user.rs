//! A person in the pool.

use std::collections::{BTreeMap, HashSet};

use super::fingerprint;
use crate::devpool::account::Status;
use crate::devpool::federation::{Identity, Provider};
use crate::devpool::seed::{FederatedSeed, UserSeed};
use crate::devpool::{random, totp};

/// A person.
pub(in crate::devpool) struct User {
    pub(in crate::devpool) name: String,
    pub(in crate::devpool) password: String,
    pub(in crate::devpool) sub: String,
    pub(in crate::devpool) attributes: BTreeMap<String, String>,
    pub(in crate::devpool) groups: Vec<String>,
    pub(in crate::devpool) disabled: bool,
    pub(in crate::devpool) pick: bool,
    /// Of who signs in elsewhere.
    pub(in crate::devpool) identity: Option<Identity>,
    pub(in crate::devpool) status: Status,
    /// With it, every sign-in asks for a code.
    pub(in crate::devpool) totp: Option<totp::Factor>,
    /// A key that was given out, and not yet proved to have arrived.
    pub(in crate::devpool) totp_offered: Option<totp::Key>,
    /// Seconds since 1970.
    pub(in crate::devpool) created: u64,
    pub(in crate::devpool) modified: u64,
}

impl User {
    pub(in crate::devpool) fn new(seed: UserSeed, pool_id: &str) -> Self {
        let sub = seed.sub.unwrap_or_else(|| sub(pool_id, &seed.name));
        Self {
            sub,
            name: seed.name,
            password: seed.password,
            attributes: seed.attributes.into_iter().map(|(name, value)| (name, value.0)).collect(),
            groups: once_each(seed.groups),
            disabled: seed.disabled,
            pick: seed.pick,
            identity: None,
            status: seed.status,
            totp: seed.totp_secret.map(totp::Factor::new),
            totp_offered: None,
            created: 0,
            modified: 0,
        }
    }

    /// Someone whom another provider knows: no password of the pool's is theirs.
    pub(super) fn federated(seed: FederatedSeed, provider: &Provider, pool_id: &str) -> Self {
        let name = seed.user_name();
        let mut groups = vec![provider.group(pool_id)];
        groups.extend(seed.groups);
        Self {
            sub: sub(pool_id, &name),
            name,
            password: random::token::<32>(),
            attributes: seed.attributes.into_iter().map(|(name, value)| (name, value.0)).collect(),
            groups: once_each(groups),
            disabled: seed.disabled,
            pick: false,
            identity: Some(Identity::new(seed.id, provider)),
            status: Status::Confirmed,
            totp: None,
            totp_offered: None,
            created: 0,
            modified: 0,
        }
    }

    /// They sign in there.
    pub(in crate::devpool) fn comes_from(&self, provider: &str) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.provider == provider)
    }

    /// `cognito:user_status`.
    pub(in crate::devpool) fn status_name(&self) -> &'static str {
        if self.identity.is_some() { "EXTERNAL_PROVIDER" } else { self.status.name() }
    }
}

/// The same at every start, so that what an application stored under it stays the user's.
fn sub(pool_id: &str, name: &str) -> String {
    let mut first = [0; 16];
    first.copy_from_slice(&fingerprint(&format!("{pool_id}\0{name}"))[..16]);
    random::uuid_from(first)
}

pub(in crate::devpool) fn once_each(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}
