//! A name that leads elsewhere after a while: followed, and no request is lost on the way.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};

use super::super::tend::Resolver;
use super::super::*;
use super::stage::*;
use crate::config::settings::*;
use crate::listen::{self, Bounds};

/// What a name leads to, as a test has it, and how often that was asked.
type Zone = Arc<(Mutex<Vec<SocketAddr>>, AtomicUsize)>;

fn resolver(zone: &Zone) -> Resolver {
    let zone = zone.clone();
    Arc::new(move |host, _| {
        assert_eq!(host, "app.test");
        zone.1.fetch_add(1, Ordering::SeqCst);
        let found = zone.0.lock().unwrap().clone();
        Box::pin(async move {
            if found.is_empty() { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(found) }
        })
    })
}

/// A gate before `app.test`, which is looked up every 20 ms.
fn before_the_name(zone: &Zone) -> SocketAddr {
    let resolver = resolver(zone);
    let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        let to = Destination {
            name: "app".into(),
            spread: Some(Spread { resolve: Some(Duration::from_millis(20)), ..Spread::default() }),
            ..Upstream::Http { host: "app.test".into(), port: 80, http2: false }.into()
        };
        let own = OwnCookies { bases: vec!["__Host-rolegate".into()] };
        let limits = Limits { response_timeout: Duration::from_secs(10), ..patient() };
        let blueprint = Blueprint::new(&config(to, limits), own, &[], &Caps::default()).unwrap();
        blueprint.begin_with(&Background::new(runtime.handle().clone()), &resolver);
        let (_stop, stopping) = listen::stop::pair();
        let gate = Rc::new(Gate(blueprint.forward(None)));
        runtime.block_on(listen::serve(listener, gate, Bounds::default(), stopping)).unwrap();
    });
    address
}

fn answers(name: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    upstream(move |mut upstream, _| {
        while upstream.head().is_some() {
            upstream.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()));
        }
    })
}

fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let waited = (0..6_000).find(|_| {
        std::thread::sleep(Duration::from_millis(5));
        ready()
    });
    assert!(waited.is_some(), "{what}");
}

#[test]
fn a_name_that_leads_elsewhere_is_followed_and_one_that_leads_nowhere_stays_where_it_led() {
    let ((one, _), (two, connections)) = (answers("one"), answers("two"));
    let zone = Zone::new((Mutex::new(vec![one]), AtomicUsize::new(0)));
    let leads_to = |addresses: &[SocketAddr]| *zone.0.lock().unwrap() = addresses.to_vec();
    let gate = before_the_name(&zone);
    until("the one is asked", || get(gate, "/").ends_with("one"));
    leads_to(&[one, two]);
    until("the other is asked", || get(gate, "/").ends_with("two"));
    let both: Vec<_> = (0..10).map(|_| get(gate, "/")).collect();
    assert_eq!(both.iter().filter(|answer| answer.ends_with("one")).count(), 5, "in turn");
    let before = connections.load(Ordering::SeqCst);
    leads_to(&[two]);
    let only = || (0..10).all(|_| get(gate, "/").ends_with("two"));
    until("what it leads to no more is not asked any more", only);
    assert!(connections.load(Ordering::SeqCst) <= before + 1, "connections to what stays, stay");
    leads_to(&[]);
    let asked = zone.1.load(Ordering::SeqCst);
    until("it was asked for some times", || zone.1.load(Ordering::SeqCst) > asked + 3);
    assert!(only());
}
