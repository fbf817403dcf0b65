//! Two gates whose keys change one after the other.

use super::*;

/// One browser that a balancer sends now here, now there.
struct Between<'a> {
    gates: [&'a World; 2],
    jar: Jar,
}

impl Between<'_> {
    fn fetch(&mut self, at: usize) -> Answer {
        self.by(at, |browser| browser.fetch("/x"))
    }

    fn by<T>(&mut self, at: usize, act: impl FnOnce(&mut Browser) -> T) -> T {
        let mut browser = with_jar(self.gates[at], self.jar.clone());
        browser.signs_in_as = Some("user".into());
        let done = act(&mut browser);
        self.jar = browser.jar;
        done
    }
}

#[test]
fn replicas_that_roll_in_the_documented_order_sign_nobody_out_whichever_is_first() {
    let (a, b) = (random(32), random(32));
    let steps = [a.clone(), format!("{a}\n{b}"), format!("{b}\n{a}"), b.clone()];
    for first in [0, 1] {
        let one = Setup::bench().keys(&a).start();
        let two = replica(&one, &a);
        let mut browsers: Vec<Between<'_>> = (0..2)
            .map(|at| {
                let jar = [&one, &two][at].signed_in("user").jar;
                Between { gates: [&one, &two], jar }
            })
            .collect();
        let logins = one.pool.count(Endpoint::Authorize);
        for keys in &steps[1..] {
            for at in [first, 1 - first] {
                roll(&[&one, &two][at].gate, keys);
                for browser in &mut browsers {
                    for at in [0, 1, 1, 0, 0, 1] {
                        let answer = browser.fetch(at);
                        assert_eq!(answer.status, 200, "{answer:#?}");
                    }
                }
            }
        }
        assert_eq!(one.pool.count(Endpoint::Authorize), logins);
        assert_eq!(one.pool.grants("refresh_token"), 0);
    }
}

#[test]
fn in_the_wrong_order_it_is_one_silent_trip_to_the_pool_and_no_cookie_is_deleted() {
    let (a, b) = (random(32), random(32));
    let behind = Setup::bench().keys(&a).start();
    let ahead = replica(&behind, &format!("{b}\n{a}"));
    let mut browser = Between { gates: [&behind, &ahead], jar: behind.signed_in("user").jar };
    assert_eq!(browser.fetch(1).status, 200);
    let sealed = browser.jar.clone();
    // The replica that does not have the key yet knows nothing of it, and says so to a script.
    let answer = browser.fetch(0);
    assert_eq!((answer.status, set(&answer)), (401, vec![]), "{answer:#?}");
    assert_eq!(browser.fetch(1).status, 200, "the other one still serves");
    // A page comes by way of the pool, where nobody has to type anything, and stays.
    let page = browser.by(0, |browser| browser.navigate("/x?y=1"));
    assert_eq!((page.answer.status, page.url.as_str()), (200, "https://app.test/x?y=1"), "{page:#?}");
    let trips = page.hops.iter().filter(|(url, _)| url.path() == "/oauth2/authorize").count();
    assert_eq!(trips, 1, "{page:#?}");
    for name in [PASS, TICKET] {
        assert!(browser.jar.get(name).is_some() && browser.jar.get(name) != sealed.get(name));
    }
    // A login that begins at one and ends at the other: at worst it begins once more.
    for (begins, ends) in [(0, 1), (1, 0)] {
        let mut browser = Between { gates: [&behind, &ahead], jar: Jar::default() };
        let callback = browser.by(begins, |browser| browser.callback_for("user", "/x"));
        let page = browser.by(ends, |browser| browser.navigate(callback.as_str()));
        assert_eq!(page.answer.status, 200, "{page:#?}");
        assert_eq!(browser.fetch(ends).status, 200);
    }
}
