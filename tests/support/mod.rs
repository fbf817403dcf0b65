//! What the suite stands on: the real gate as a child process, a pool and upstreams that misbehave on
//! command, a small browser, and raw sockets. Nothing here decides what is right: that is the cases' part.
//!
//! | module | what it is |
//! |---|---|
//! | [`wire`] | HTTP/1.1 bytes, read strictly; a raw client connection |
//! | [`http2`] | HTTP/2 frames, any of them; read strictly |
//! | [`gate`] | the gate's own binary, its logs, its end |
//! | [`upstream`] | the byte recorder and its misbehaviours |
//! | [`pool`] | a user pool whose every answer a test can script |
//! | [`store`] | a Redis or Valkey: alone, behind sentinels, as a cluster |
//! | [`tls`] | the client's side of TLS, and a tunnel for all of the above |
//! | [`token`] | JSON Web Tokens, honest and forged |
//! | [`browser`] | redirects and a cookie jar (RFC 6265) |
//! | [`dev`] | `rolegate dev`, with the real dev pool |
//! | [`balancer`] | in front of several gates: who gets which request, and when its answer comes |
//! | [`replicas`] | several gates of one deployment behind it |
//! | [`scrape`] | a gate's metrics, and what became more |
//! | [`sealed`] | sessions by the thousand and of any age, sealed with the gate's key |
//! | [`world`] | all of them wired together, with ready sessions and the oracle |

pub mod balancer;
pub mod browser;
pub mod dev;
pub mod gate;
pub mod http2;
pub mod pool;
pub mod replicas;
pub mod scrape;
pub mod sealed;
pub mod store;
pub mod tls;
pub mod token;
pub mod upstream;
pub mod wire;
pub mod world;

use std::time::{Duration, Instant};

/// How long anything in the suite waits for an event before that counts as a failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until `ready` answers, for what has no event to wait for (another process's state).
pub fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
