use std::time::Duration;

use super::*;
use crate::session::Grant;
use crate::session::revoked::Whose;

async fn is_over(open: &mut Open) -> bool {
    // The time is only ever waited for in full where nothing is to happen.
    tokio::time::timeout(Duration::from_millis(20), open.must_end()).await.is_ok()
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// A stream of `session` that somebody sees to until the end of the test, who does nothing.
fn open(streams: &Arc<Streams>, session: &Session) -> Open {
    open_while(streams, session, |_| true)
}

fn open_while(streams: &Arc<Streams>, session: &Session, may: impl Fn(&Session) -> bool + 'static) -> Open {
    let (open, ward) = streams.open_of(session, None, Box::new(move |session| may(session.unwrap())));
    std::mem::forget(ward);
    open
}

#[test]
fn a_sign_out_ends_that_sessions_streams_alone_even_those_that_open_after_it() {
    run(async {
        let streams = Streams::new();
        let (a, b) = (session("a"), session("b"));
        let (mut one, mut two) = (open(&streams, &a), open(&streams, &a));
        let (mut other, mut nobodys) = (open(&streams, &b), streams.open(None, Box::new(|_| true)));
        drop(open(&streams, &a));
        let taken = streams.revoke(&Revocation { whose: Whose::Session("a".into()), ends: 10 }, 0);
        assert_eq!(taken, Taken::New);
        let mut late = open(&streams, &a);
        for open in [&mut one, &mut two, &mut late] {
            assert!(is_over(open).await);
        }
        assert!(!is_over(&mut other).await && !is_over(&mut nobodys).await);
        streams.stop();
        assert!(is_over(&mut other).await && is_over(&mut nobodys).await);
    });
}

#[test]
fn a_persons_sign_out_ends_all_that_their_sessions_hold_open_and_everyones_what_anyone_does() {
    run(async {
        let streams = Streams::new();
        let of = |id: &str, sub: &str, begun| Session { sub: sub.into(), begun, ..session(id) };
        let (mut one, mut two) = (open(&streams, &of("a", "ann", 5)), open(&streams, &of("b", "ann", 6)));
        let (mut later, mut bobs) = (open(&streams, &of("c", "ann", 7)), open(&streams, &of("d", "bob", 5)));
        let whose = Whose::Person { sub: "ann".into(), begun_until: 6 };
        streams.revoke(&Revocation { whose, ends: 100 }, 10);
        assert!(is_over(&mut one).await && is_over(&mut two).await);
        assert!(!is_over(&mut later).await && !is_over(&mut bobs).await, "signed in since; somebody else");
        let mut nobodys = streams.open(None, Box::new(|_| true));
        streams.revoke(&Revocation { whose: Whose::Everyone { begun_until: 10 }, ends: 100 }, 10);
        assert!(is_over(&mut later).await && is_over(&mut bobs).await);
        assert!(!is_over(&mut nobodys).await);
    });
}

#[test]
fn a_refresh_is_asked_of_every_stream_of_that_session_and_of_no_other() {
    run(async {
        let streams = Streams::new();
        let (a, b) = (with_role("a", 1), with_role("b", 1));
        let admins = |session: &Session| session.roles.contains(&"admin".to_owned());
        let mut admin = open_while(&streams, &a, admins);
        let mut plain = open(&streams, &a);
        let mut other = open_while(&streams, &b, admins);
        streams.renewed(&Session { refreshed: 2, ..a.clone() }, &ticket("a"));
        assert!(!is_over(&mut admin).await, "the role is still there");
        streams.renewed(&Session { refreshed: 3, roles: vec![], ..a.clone() }, &ticket("a"));
        assert!(is_over(&mut admin).await);
        assert!(!is_over(&mut plain).await && !is_over(&mut other).await);
    });
}

#[test]
fn what_opens_with_an_older_generation_is_decided_on_with_the_newest_and_a_newer_one_is_for_all() {
    run(async {
        let streams = Streams::new();
        let old = with_role("a", 1);
        let admins = |session: &Session| session.roles.contains(&"admin".to_owned());
        let _plain = open(&streams, &old);
        streams.renewed(&Session { refreshed: 2, roles: vec![], ..old.clone() }, &ticket("a"));
        // Its request was decided on before that refresh; its answer began after it.
        let mut late = open_while(&streams, &old, admins);
        assert!(is_over(&mut late).await);
        let again = Session { refreshed: 3, ..old.clone() };
        let mut admin = open_while(&streams, &again, admins);
        assert!(!is_over(&mut admin).await);
        // A refresh at another replica is learned of by its cookie.
        let mut new = open(&streams, &Session { refreshed: 4, roles: vec![], ..old });
        assert!(is_over(&mut admin).await && !is_over(&mut new).await);
        // An older result comes to nothing.
        streams.renewed(&Session { refreshed: 3, ..again }, &ticket("a"));
        assert_eq!(life(&streams, "a").session.refreshed, 4);
    });
}

#[test]
fn a_session_that_the_pool_ended_ends_its_streams_unless_a_later_refresh_is_known() {
    run(async {
        let streams = Streams::new();
        let (old, other) = (session("a"), session("b"));
        let new = Session { refreshed: 5, ..old.clone() };
        let (mut one, mut two) = (open(&streams, &old), open(&streams, &other));
        streams.renewed(&new, &ticket("a"));
        streams.ended(&old);
        assert!(!is_over(&mut one).await, "an old cookie's end is not its");
        streams.ended(&new);
        assert!(is_over(&mut one).await && !is_over(&mut two).await);
        // The one that is over goes away later than the next one comes, and takes nothing with it.
        let mut next = open(&streams, &Session { refreshed: 6, ..old });
        drop(one);
        assert!(!is_over(&mut next).await);
    });
}

#[test]
fn a_visit_moves_the_idle_end_and_a_refresh_does_not() {
    let streams = Streams::new();
    let a = session("a");
    let _open = open(&streams, &a);
    streams.visited(&Session { seen: 7, refreshed: 1, ..a.clone() });
    assert_eq!((life(&streams, "a").session.seen, life(&streams, "a").session.refreshed), (7, 0));
    streams.renewed(&Session { seen: 3, refreshed: 9, ..a }, &ticket("a"));
    assert_eq!((life(&streams, "a").session.seen, life(&streams, "a").session.refreshed), (7, 9));
}

#[test]
fn one_sees_to_a_session_however_much_it_opens_and_nothing_outlives_that() {
    run(async {
        let streams = Streams::new();
        let a = session("a");
        let (mut one, ward) = streams.open_of(&a, None, Box::new(|_| true));
        let mut ward = ward.expect("the first brings somebody");
        let (two, none) = streams.open_of(&a, Some(ticket("a")), Box::new(|_| true));
        assert!(none.is_none());
        assert!(ward.changed().await && ward.life().ticket.is_some(), "the second brought what was missing");
        drop(two);
        assert!(!is_over(&mut one).await);
        drop(ward);
        assert!(is_over(&mut one).await, "nobody would end it in time");
        let (again, ward) = streams.open_of(&a, None, Box::new(|_| true));
        let mut ward = ward.expect("somebody new");
        drop(one);
        drop(again);
        assert!(!ward.changed().await, "there is nothing left to see to");
    });
}

#[test]
fn what_is_over_is_forgotten() {
    run(async {
        let streams = Streams::new();
        let (a, b) = (session("a"), session("b"));
        let opened = [
            open(&streams, &a),
            open(&streams, &a),
            open(&streams, &b),
            streams.open(None, Box::new(|_| true)),
        ];
        let mut short = streams.open(Some(Duration::from_millis(1)), Box::new(|_| true));
        assert!(streams.is_busy() && is_over(&mut short).await);
        drop((opened, short));
        assert!(!streams.is_busy() && streams.open.lock().unwrap().is_empty());
    });
}

fn life(streams: &Streams, id: &str) -> Arc<Life> {
    streams.open.lock().unwrap()[id].life.borrow().clone()
}

fn ticket(id: &str) -> Ticket {
    Ticket { id: id.into(), begun: 0, ends: 1000, grant: Grant::Token("r".into()) }
}

fn with_role(id: &str, refreshed: u64) -> Session {
    Session { refreshed, roles: vec!["admin".into()], ..session(id) }
}

fn session(id: &str) -> Session {
    Session { id: id.into(), begun: 0, refreshed: 0, seen: 0, ..Session::sample() }
}
