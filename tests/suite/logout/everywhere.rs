//! Signing out everywhere, and coming back at once.

use std::time::{Duration, SystemTime};

use crate::support::replicas::{Kind, Replicas};
use crate::support::store::Server;
use crate::support::world::Setup;

#[test]
fn who_signs_in_within_the_second_of_a_sign_out_everywhere_is_in_after_one_trip() {
    let store = Server::start();
    let house = Replicas::start(&Kind::on(&store), 1, Setup::bench());
    let (mut one, mut other) = (house.browser(), house.browser());
    one.sign_in("user");
    other.sign_in("user");
    // Early in a second, so that there is time to go around in a loop in it.
    let into = SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_millis();
    std::thread::sleep(Duration::from_millis(u64::from(1020 - into)));
    assert_eq!(one.open("/oauth2/signout?everywhere=1").status, 302);
    other.signs_in_as = Some("user".into());
    let page = other.follow("/x", |_| false);
    let steps: Vec<_> = page.hops.iter().map(|(url, status)| format!("{status} {}", url.path())).collect();
    assert_eq!(steps, ["302 /x", "302 /oauth2/authorize", "302 /oauth2/callback", "200 /x"]);
    assert_eq!(other.fetch("/x").status, 200, "the session counts");
}
