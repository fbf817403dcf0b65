//! The app client's secrets while they are rotated: which one is tried, and which one first next time.
//!
//! Threat: a second try burns a code or a refresh token that the first one used up. So only `invalid_client`
//! leads to one, which says that nothing was looked at but the secret (RFC 6749 §5.2), and never with another
//! way to authenticate.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::client::TokenEndpointFault;
use crate::config::secret::Secret;

/// The secrets, and which of them the provider took last.
pub(super) struct ClientSecrets {
    secrets: Vec<Secret>,
    taken: AtomicUsize,
}

/// The secrets for one call, one after another.
pub(super) struct Turn<'a> {
    all: &'a ClientSecrets,
    at: usize,
    tried: usize,
}

// === impl ClientSecrets ===

impl ClientSecrets {
    /// The preferred one first; none for a public client.
    pub(super) fn new(secrets: Vec<Secret>) -> Self {
        Self { secrets, taken: AtomicUsize::new(0) }
    }

    /// Begins with the one that was taken last.
    pub(super) fn turn(&self) -> Turn<'_> {
        Turn { all: self, at: self.taken.load(Ordering::Relaxed), tried: 1 }
    }
}

// === impl Turn ===

impl<'a> Turn<'a> {
    /// The secret to try now.
    pub(super) fn secret(&self) -> Option<&'a Secret> {
        self.all.secrets.get(self.at)
    }

    /// Whether the call is made again, with the next secret, after this answer to it.
    pub(super) fn goes_on<T>(&mut self, answer: &Result<T, TokenEndpointFault>) -> bool {
        match answer {
            Err(TokenEndpointFault::Refused { error, .. }) if error == "invalid_client" => {
                let count = self.all.secrets.len();
                if self.tried >= count {
                    return false;
                }
                (self.at, self.tried) = ((self.at + 1) % count, self.tried + 1);
                true
            }
            Ok(_) | Err(TokenEndpointFault::Refused { .. }) => {
                if self.all.taken.swap(self.at, Ordering::Relaxed) != self.at {
                    let number = self.at + 1;
                    tracing::warn!(
                        number,
                        "the provider took another of the app client's secrets than before"
                    );
                }
                false
            }
            // Whether it was the secret nobody knows.
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: &str) -> Result<(), TokenEndpointFault> {
        let error = error.to_owned();
        Err(TokenEndpointFault::Refused { error, description: None, callback: None })
    }

    fn secrets(count: u8) -> ClientSecrets {
        ClientSecrets::new((0..count).map(|n| Secret::new([n])).collect())
    }

    fn shown(turn: &Turn<'_>) -> u8 {
        turn.secret().unwrap().expose()[0]
    }

    #[test]
    fn each_secret_is_tried_once_and_the_one_that_was_taken_comes_first_next_time() {
        let secrets = secrets(3);
        let mut turn = secrets.turn();
        assert_eq!(shown(&turn), 0);
        assert!(turn.goes_on(&refused("invalid_client")));
        assert_eq!(shown(&turn), 1);
        assert!(!turn.goes_on(&Ok(())));

        let mut turn = secrets.turn();
        for wanted in [1, 2] {
            assert_eq!(shown(&turn), wanted);
            assert!(turn.goes_on(&refused("invalid_client")));
        }
        assert_eq!(shown(&turn), 0);
        assert!(!turn.goes_on(&refused("invalid_client")), "all were tried");
        assert_eq!(shown(&secrets.turn()), 1, "what nobody took is not preferred");
    }

    #[test]
    fn nothing_but_a_rejected_client_leads_to_a_second_call() {
        let secrets = secrets(2);
        for answer in [
            refused("invalid_grant"),
            refused("unauthorized_client"),
            refused("Invalid_Client"),
            Err(TokenEndpointFault::Answer("x".into())),
        ] {
            assert!(!secrets.turn().goes_on(&answer));
        }
        // That the grant was looked at says that the secret was good.
        let mut turn = secrets.turn();
        assert!(turn.goes_on(&refused("invalid_client")));
        assert!(!turn.goes_on(&refused("invalid_grant")));
        assert_eq!(shown(&secrets.turn()), 1);
    }

    #[test]
    fn a_public_client_makes_one_call() {
        let none = ClientSecrets::new(Vec::new());
        assert!(none.turn().secret().is_none());
        assert!(!none.turn().goes_on(&refused("invalid_client")));
    }
}
