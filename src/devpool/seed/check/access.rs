//! What is wrong with scopes, flows, identity providers and their people, and the issuer.

use std::collections::BTreeSet;

use super::{At, Check, PoolTable, Seed};
use crate::devpool::seed::{Flow, ResourceServerSeed, all_scopes};

// === impl Check ===

impl Check<'_> {
    /// `aws_issuer` needs a pool id of which one can be made.
    pub(in crate::devpool::seed) fn issuer(&mut self, pool: &PoolTable) {
        let region = pool.id.as_deref().and_then(|id| id.split('_').next()).unwrap_or_default();
        let shaped = region.split('-').count() >= 3 && region.ends_with(|last: char| last.is_ascii_digit());
        if pool.aws_issuer && !shaped {
            let message = "aws_issuer needs a region of AWS's in [pool] id, like \"eu-central-1_AbCdEf123\"";
            self.problem(&[At::Key("pool"), At::Key("aws_issuer")], message.to_owned());
        }
    }

    pub(in crate::devpool::seed) fn resource_servers(&mut self, servers: &[ResourceServerSeed]) {
        let mut seen = BTreeSet::new();
        for (index, server) in servers.iter().enumerate() {
            let at = |key| [At::Key("resource_servers"), At::Index(index), At::Key(key)];
            if server.identifier.is_empty() || server.identifier.contains(char::is_whitespace) {
                self.problem(&at("identifier"), "an identifier is not empty and has no blanks".to_owned());
            }
            if !seen.insert(&server.identifier) {
                let message = format!("there are two resource servers {:?}; rename one", server.identifier);
                self.problem(&at("identifier"), message);
            }
            for scope in &server.scopes {
                if scope.is_empty() || scope.contains(|c: char| c.is_whitespace() || c == '/') {
                    let message =
                        format!("{scope:?} is no scope: it is not empty and has no blanks and no slash");
                    self.problem(&at("scopes"), message);
                }
            }
        }
    }

    /// Scopes, flows and providers of the clients.
    pub(in crate::devpool::seed) fn access(&mut self, seed: &Seed) {
        let custom: Vec<_> = seed.resource_servers.iter().flat_map(|server| server.full_scopes()).collect();
        let reserved = all_scopes();
        for (index, client) in seed.clients.iter().enumerate() {
            let at = |key| [At::Key("clients"), At::Index(index), At::Key(key)];
            let machine = client.flows.contains(&Flow::ClientCredentials);
            if machine && client.flows.contains(&Flow::Code) {
                let message =
                    "client_credentials stands alone, as at Cognito; make a second client for people";
                self.problem(&at("flows"), message.to_owned());
            }
            if machine && client.secrets.is_empty() {
                self.problem(&at("flows"), "client_credentials needs a client with secrets".to_owned());
            }
            for scope in client.scopes.iter().flatten() {
                if machine && reserved.contains(scope) {
                    let message =
                        format!("{scope:?} is for people; a machine has scopes of resource servers only");
                    self.problem(&at("scopes"), message);
                } else if !reserved.contains(scope) && !custom.contains(scope) {
                    let message = format!(
                        "there is no scope {scope:?}; add it under [[resource_servers]], whose scopes are written \
                         identifier/scope"
                    );
                    self.problem(&at("scopes"), message);
                }
            }
            for name in client.identity_providers.iter().flatten() {
                if name != "COGNITO" && !seed.providers.iter().any(|provider| provider.name == *name) {
                    let message = format!(
                        "there is no identity provider {name:?}; add it under [[identity_providers]]"
                    );
                    self.problem(&at("identity_providers"), message);
                }
            }
        }
    }

    /// Providers and the people who come from them.
    pub(in crate::devpool::seed) fn federation(&mut self, seed: &Seed) {
        let mut seen = BTreeSet::new();
        for (index, provider) in seed.providers.iter().enumerate() {
            let at = [At::Key("identity_providers"), At::Index(index), At::Key("name")];
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if provider.name.is_empty() || provider.name.len() > 32 || !provider.name.chars().all(plain) {
                self.problem(&at, "a provider's name has 1 to 32 letters, digits and -".to_owned());
            }
            if provider.name == "COGNITO" {
                self.problem(&at, "COGNITO is the pool itself; choose another name".to_owned());
            }
            if !seen.insert(&provider.name) {
                self.problem(&at, format!("there are two providers {:?}; rename one", provider.name));
            }
        }
        let mut seen: BTreeSet<_> = seed.users.iter().map(|user| user.name.to_lowercase()).collect();
        for (index, user) in seed.federated_users.iter().enumerate() {
            let at = |key| [At::Key("federated_users"), At::Index(index), At::Key(key)];
            if !seed.providers.iter().any(|provider| provider.name == user.provider) {
                let message = format!(
                    "there is no identity provider {:?}; add it under [[identity_providers]]",
                    user.provider
                );
                self.problem(&at("provider"), message);
            }
            if user.id.is_empty() || user.id.chars().any(|c| c.is_whitespace() || c.is_control()) {
                self.problem(&at("id"), "an id is not empty and has no spaces".to_owned());
            }
            if !seen.insert(user.user_name().to_lowercase()) {
                let message =
                    format!("there are two users of the name {:?}; change the id of one", user.user_name());
                self.problem(&at("id"), message);
            }
            for name in &user.groups {
                if !seed.groups.iter().any(|group| group.name == *name) {
                    self.problem(
                        &at("groups"),
                        format!("there is no group {name:?}; add it under [[groups]]"),
                    );
                }
            }
        }
    }
}
