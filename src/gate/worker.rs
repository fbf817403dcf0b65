//! A worker's gate, whatever is configured anew meanwhile: each request has one configuration, taken at its head.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::Request;
use hyper::body::Incoming;

use super::{Gate, Shared};
use crate::body::Answer;
use crate::listen::{Handler, Lost, Peer};

/// What all workers share now. It is exchanged whole: nothing is ever decided by parts of two configurations.
pub type Current = Arc<ArcSwap<Shared>>;

/// A worker's gate.
pub struct Worker {
    current: Current,
    gate: RefCell<Rc<Gate>>,
}

// === impl Worker ===

impl Worker {
    /// One that goes by what is `current`.
    pub fn new(current: Current) -> Self {
        let shared = current.load_full();
        let gate = Gate::new(shared.clone(), current.clone(), shared.forward.forward(None));
        Self { current, gate: RefCell::new(Rc::new(gate)) }
    }

    /// The gate of the configuration that is current now. The one before goes with its last request.
    fn gate(&self) -> Rc<Gate> {
        let mut gate = self.gate.borrow_mut();
        let current = self.current.load();
        if !Arc::ptr_eq(&gate.shared, &current) {
            let shared = Arc::clone(&current);
            let forward = shared.forward.forward(Some(&gate.forward));
            *gate = Rc::new(Gate::new(shared, self.current.clone(), forward));
        }
        gate.clone()
    }
}

impl Handler for Worker {
    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        self.gate().answer(request, peer).await
    }

    fn is_balancer(&self, address: IpAddr) -> bool {
        self.current.load().config.is_balancer(address)
    }

    fn lost(&self, why: Lost) {
        self.current.load().telemetry.metrics.lost(why);
    }
}
