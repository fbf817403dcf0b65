//! What is asked of the gate by whoever runs it: probes, the admin listener, pages that show what others wrote.

use crate::corpus::{Case, case};
use crate::support::browser::{Browser, Kind};
use crate::support::pool::User;
use crate::support::upstream;
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Setup, Who, World};

pub fn cases() -> Vec<Case> {
    vec![
        case(&["OPS-01"], a_probes_name_opens_nothing),
        case(&["OPS-02"], what_is_on_the_admin_listener_is_ordinary_on_the_public_one),
        case(&["OPS-03"], |_| a_page_elsewhere_reads_nothing_of_the_admin_listener()),
        case(&["OPS-12"], an_error_page_asks_nobody_for_anything),
        case(&["OPS-13"], a_name_on_a_page_is_text),
    ]
}

fn a_probes_name_opens_nothing(world: &World) {
    for agent in [
        "kube-probe/1.29",
        "GoogleHC/1.0",
        "ELB-HealthChecker/2.0",
        "Amazon-Route53-Health-Check-Service",
        "Prometheus/3.0.0",
        "Consul Health Check",
    ] {
        for (who, target, status) in [
            (Who::Nobody, "/admin", 401),
            (Who::Nobody, "/x", 401),
            (Who::User, "/admin", 403),
            (Who::User, "/x", 200),
        ] {
            let lines = format!("User-Agent: {agent}\r\nX-Health-Check: 1\r\n");
            let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}\r\n");
            let exchange = world.attack(who, head);
            assert_eq!(exchange.status(), status, "{agent} {target}");
            assert_eq!(exchange.seen.len(), usize::from(status == 200), "{agent} {target}");
        }
    }
}

fn what_is_on_the_admin_listener_is_ordinary_on_the_public_one(world: &World) {
    for target in
        ["/metrics", "/livez", "/readyz", "/ping", "/debug/pprof/", "/-/healthy", "/config", "/sessions"]
    {
        for host in ["app.test", "localhost", "127.0.0.1"] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{{session}}\r\n");
            let exchange = world.attack(Who::Nobody, &head);
            assert!(exchange.is_refused(&[401, 421]), "{target} at {host}: {:?}", exchange.answers);
        }
        let exchange =
            world.attack(Who::User, format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n"));
        let seen = exchange.one().expect("with a session it is the upstream's");
        assert_eq!((exchange.status(), seen.target()), (200, target));
    }
}

/// A request on the admin listener.
fn admin(world: &World, head: &str) -> Answer {
    let mut wire = Wire::connect(world.gate.admin);
    wire.write(format!("{head}Connection: close\r\n\r\n").as_bytes());
    wire.answer(head.starts_with("HEAD ")).unwrap()
}

fn a_page_elsewhere_reads_nothing_of_the_admin_listener() {
    let world = Setup::bench().top("admin_hosts = [\"gate.example.com\"]").start();
    for target in ["/livez", "/readyz", "/metrics"] {
        // Probes and collectors: by address, by the names that private networks have, without one, or as configured.
        for host in [
            "127.0.0.1",
            "127.0.0.1:4181",
            "10.1.2.3:4181",
            "[::1]:4181",
            "localhost:4181",
            "rolegate",
            "rolegate:4181",
            "rolegate.apps.svc",
            "rolegate.apps.svc.cluster.local:4181",
            "gate.internal",
            "GATE.example.com:4181",
            "gate.example.com.",
        ] {
            let answer = admin(&world, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n"));
            assert_eq!(answer.status, 200, "{host}");
            assert!(answer.head.all("access-control-allow-origin").is_empty());
        }
        let old = admin(&world, &format!("GET {target} HTTP/1.0\r\n"));
        assert_eq!(old.status, 200);
        // A name that its owner has pointed here, in a browser that somebody in this network uses.
        for host in [
            "evil.test",
            "evil.test:4181",
            "127.0.0.1.evil.test",
            "localhost.evil.test",
            "notgate.example.com",
            "x.gate.example.com",
            "evil.localhost.test",
            "app.test",
        ] {
            let answer = admin(&world, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n"));
            assert_eq!(answer.status, 421, "{host}");
            assert_eq!(answer.text(), "no host of this listener: name it in admin_hosts\n");
        }
        let two = admin(&world, &format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.test\r\n"));
        assert!(matches!(two.status, 400 | 421), "{two:?}");
        // It changes nothing, so that there is nothing to forge.
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"] {
            let head =
                format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.test\r\n");
            let answer = admin(&world, &head);
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")), "{method} {target}");
            assert!(answer.head.all("access-control-allow-origin").is_empty());
        }
    }
    for target in ["/", "/sessions", "/stop", "/reload", "/debug/pprof/", "/metrics/", "/%6detrics"] {
        for method in ["GET", "POST"] {
            let answer = admin(&world, &format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
            assert_eq!(answer.status, 404, "{method} {target}");
        }
    }
}

fn an_error_page_asks_nobody_for_anything(world: &World) {
    world.upstream.at("/broken", upstream::closes_after_head());
    let session = world.session(Who::User);
    let (asked, mark) = (world.pool.asked().len(), world.mark());
    let mut wire = Wire::connect(world.gate.public);
    let lines = format!("{}Authorization: Basic c2VjcmV0OnNlY3JldA==\r\n", Kind::Navigate.lines());
    wire.write(
        &session.fill(format!("GET /broken HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}\r\n").as_bytes()),
    );
    let page = wire.answer(false).unwrap();
    assert_eq!(page.status, 502, "{page:?}");
    // It is made here: what was asked went to the upstream that broke and to nobody else, and the page fetches nothing.
    assert_eq!(world.pool.asked().len(), asked);
    let seen = world.seen_since(mark);
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.path() == "/broken"), "{seen:?}");
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none';"));
    let text = page.text();
    for outward in ["src=", "<link", "<script", "<iframe", "url(", "http://", "https://", "c2VjcmV0"] {
        assert!(!text.contains(outward), "{outward}: {text}");
    }
}

fn a_name_on_a_page_is_text(world: &World) {
    let name = "<script>alert(1)</script>\"'&";
    world.pool.user(User::new(name, &["user"]));
    let mut browser: Browser = world.signed_in(name);
    let forbidden = browser.open("/admin");
    assert_eq!(forbidden.status, 403);
    let info = browser.open("/oauth2/userinfo");
    assert_eq!(info.status, 200);
    for page in [forbidden, info] {
        let text = page.text();
        assert!(text.contains("&lt;script&gt;alert(1)&lt;"), "it is shown: {text}");
        assert!(!text.contains("<script") && !text.contains("</script"), "{text}");
    }
    let told = browser.fetch("/oauth2/userinfo");
    assert_eq!(told.header("content-type"), Some("application/json"));
    assert_eq!(told.json()["user"], name);
}
