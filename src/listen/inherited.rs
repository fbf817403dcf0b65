//! Sockets that whoever starts the process hands over (systemd's socket activation): which of them is which listener.
//!
//! What cannot be told apart is refused: an address that was meant for probes must not become the public one.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// The listeners that were handed over. Those that are not here are bound as configured.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The public one.
    pub public: Option<TcpListener>,
    /// The admin one.
    pub admin: Option<TcpListener>,
    /// The one in cleartext beside TLS.
    pub redirect: Option<TcpListener>,
}

/// Why what was handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritFault {
    /// A name that no listener has.
    #[error("a socket called `{0}` was handed over; FileDescriptorName= is public, admin or redirect")]
    Unknown(String),
    /// Two sockets for one listener.
    #[error("two sockets were handed over for `{0}`: it has one address ([::]:443 takes IPv4 as well)")]
    Twice(&'static str),
    /// Not a name for each socket.
    #[error("{sockets} sockets were handed over with {names} names (LISTEN_FDNAMES)")]
    Names {
        /// How many sockets.
        sockets: usize,
        /// How many names.
        names: usize,
    },
    /// The system's reason, such as a socket that is not TCP.
    #[error("the socket handed over for `{name}` cannot be used: {error}")]
    System {
        /// Which one.
        name: &'static str,
        /// Why.
        error: io::Error,
    },
}

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Public,
    Admin,
    Redirect,
}

// === impl Inherited ===

impl Inherited {
    /// Takes all of `sockets`; `names` is LISTEN_FDNAMES, one for each, colons between.
    pub fn take(mut sockets: ListenFd, names: Option<&str>) -> Result<Self, InheritFault> {
        let mut inherited = Self::default();
        for (index, role) in roles(sockets.len(), names)?.into_iter().enumerate() {
            let system = |error| InheritFault::System { name: role.name(), error };
            let Some(socket) = sockets.take_tcp_listener(index).map_err(system)? else { continue };
            socket.set_nonblocking(true).map_err(system)?;
            let place = match role {
                Role::Public => &mut inherited.public,
                Role::Admin => &mut inherited.admin,
                Role::Redirect => &mut inherited.redirect,
            };
            if place.replace(socket).is_some() {
                return Err(InheritFault::Twice(role.name()));
            }
        }
        Ok(inherited)
    }
}

fn roles(sockets: usize, names: Option<&str>) -> Result<Vec<Role>, InheritFault> {
    // The number of sockets is text of the environment too.
    let names: Vec<_> = match names {
        Some(names) => names.split(':').collect(),
        None => vec![""; sockets.min(MOST)],
    };
    if sockets == 0 {
        return Ok(vec![]);
    }
    if names.len() != sockets {
        return Err(InheritFault::Names { sockets, names: names.len() });
    }
    let roles = names.into_iter().map(|name| match name {
        "public" => Ok(Role::Public),
        "admin" => Ok(Role::Admin),
        "redirect" => Ok(Role::Redirect),
        // Who says nothing means the service itself: systemd then says the name of the socket unit.
        "" | "unknown" => Ok(Role::Public),
        unit if unit.ends_with(".socket") => Ok(Role::Public),
        other => Err(InheritFault::Unknown(other.to_owned())),
    });
    roles.collect()
}

// === impl Role ===

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Admin => "admin",
            Self::Redirect => "redirect",
        }
    }
}

/// Nobody hands over more.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_what_its_name_says_and_without_one_it_is_the_public_one() {
        use Role::{Admin, Public, Redirect};
        for (sockets, names, expected) in [
            (0, None, vec![]),
            (0, Some(""), vec![]),
            (1, None, vec![Public]),
            (1, Some(""), vec![Public]),
            (1, Some("unknown"), vec![Public]),
            (1, Some("rolegate.socket"), vec![Public]),
            (1, Some("admin"), vec![Admin]),
            (3, Some("redirect:public:admin"), vec![Redirect, Public, Admin]),
            (2, Some("rolegate.socket:redirect"), vec![Public, Redirect]),
        ] {
            assert_eq!(roles(sockets, names).unwrap(), expected, "{names:?}");
        }
    }

    #[test]
    fn names_that_say_nothing_certain_are_refused() {
        for (sockets, names) in
            [(1, "pubic"), (1, "connection"), (1, "Public"), (2, "public"), (1, "public:admin")]
        {
            assert!(roles(sockets, Some(names)).is_err(), "{sockets} {names}");
        }
        assert!(roles(usize::MAX, None).is_err());
    }
}
