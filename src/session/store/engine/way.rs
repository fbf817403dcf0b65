//! The way to where a key is, whatever stands there: one server, a master behind sentinels, a cluster.

use std::sync::Arc;

use redis::{Cmd, RedisConnectionInfo, Value};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::cluster::Cluster;
use super::fault::EngineFault;
use super::line::Dial;
use super::link::{Link, Target};
use super::sentinel::Sentinels;
use crate::background::Background;
use crate::config::secret::Secret;
use crate::config::settings::{Store, StoreAddress, StoreKind};
use crate::tls::{self, TlsError};

pub(super) enum Way {
    One(Link),
    Cluster(Cluster),
}

// === impl Way ===

impl Way {
    /// As configured. Nobody is connected to yet.
    pub(super) fn new(store: &Store, background: Background) -> Result<Self, TlsError> {
        let tls = match &store.tls {
            None => None,
            Some(tls) => {
                let own = tls.certificate.as_ref().map(|certificate| certificate.key().clone());
                Some(TlsConnector::from(Arc::new(tls::client_as(tls.ca_file.as_deref(), own)?)))
            }
        };
        let dial = |user: Option<&str>, password: Option<&Secret>, database: u16| {
            // A client's name and version are of no use to the server, and would need one more right.
            let mut login =
                RedisConnectionInfo::default().set_db(i64::from(database)).set_skip_set_lib_name();
            if let Some(password) = password.and_then(Secret::expose_text) {
                login = login.set_password(password);
                if let Some(user) = user {
                    login = login.set_username(user);
                }
            }
            Dial::new(tls.clone(), login, store.timeout, background.clone())
        };
        let user = store.login.as_ref().and_then(|login| login.user.as_deref());
        let data = Arc::new(dial(user, store.login.as_ref().map(|login| &login.password), store.database));
        let addresses = store.addresses.clone();
        Ok(match &store.kind {
            StoreKind::Cluster => Self::Cluster(Cluster::new(data, addresses)),
            StoreKind::Sentinel { service, password } => {
                let ask = dial(None, password.as_ref(), 0);
                let sentinels = Sentinels::new(addresses, service.clone(), ask);
                Self::One(Link::new(data, Target::Master(sentinels)))
            }
            StoreKind::Single => {
                // `check` lets no empty list through; an address of nobody's is refused at once.
                let nobody = || StoreAddress { host: "127.0.0.1".into(), port: 0 };
                let server = addresses.into_iter().next().unwrap_or_else(nobody);
                Self::One(Link::new(data, Target::Server(server)))
            }
        })
    }

    /// Asks where the key is.
    pub(super) async fn ask(
        &self,
        key: &str,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<Value, EngineFault> {
        match self {
            Self::One(link) => link.ask(command, deadline).await,
            Self::Cluster(cluster) => cluster.ask(key, command, deadline).await,
        }
    }

    /// The way to the one server that has the key now.
    pub(super) async fn link_for(&self, key: &str, deadline: Instant) -> Result<Link, EngineFault> {
        match self {
            Self::One(link) => Ok(link.clone()),
            Self::Cluster(cluster) => cluster.link_for(key, deadline).await,
        }
    }

    /// What was believed about where a key is turned out to be wrong.
    pub(super) fn doubt(&self) {
        if let Self::Cluster(cluster) = self {
            cluster.doubt(None);
        }
    }
}
