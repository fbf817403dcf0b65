//! Checks of the gate's own: they take an address out before a request meets it, and bring it back.

use super::*;

#[test]
fn a_check_takes_an_address_out_and_brings_it_back() {
    let [ails, answers] = [(); 2].map(|()| Recorder::start());
    let check = "[upstreams.check]\npath = \"/up\"\ninterval = \"100ms\"\ntimeout = \"5s\"\nfails = 2\n";
    let world = app(&[at(&ails), at(&answers)], check).start();
    let mut wire = wire(&world);
    let served = |recorder: &Recorder| {
        recorder.since(Default::default()).iter().filter(|seen| seen.target() == "/public/x").count()
    };
    until("both are checked", || (ails.count() > 1 && answers.count() > 1).then_some(()));
    let seen = &ails.since(Default::default())[0];
    assert_eq!((seen.method(), seen.target()), ("GET", "/up"));
    assert_eq!(seen.head.one("host"), Some(ails.address.to_string().as_str()));
    assert!(seen.head.one("x-user").is_none() && seen.head.one("cookie").is_none());
    for _ in 0..10 {
        well(&mut wire);
    }
    assert_eq!((served(&ails), served(&answers)), (5, 5));

    ails.at("/up", upstream::answers_with("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"));
    said(&world, &[OUT, &at(&ails), "check_status"]);
    shows(&world, &at(&ails), 0, 1);
    for _ in 0..10 {
        well(&mut wire);
    }
    assert_eq!((served(&ails), served(&answers)), (5, 15), "no request had to find out");

    ails.behave_well();
    said(&world, &[BACK, &at(&ails), "check_passed"]);
    for _ in 0..10 {
        well(&mut wire);
    }
    assert_eq!((served(&ails), served(&answers)), (10, 20));
    let text = world.gate.admin("/metrics").text();
    for outcome in ["ok", "check_status"] {
        let line = format!(
            "rolegate_upstream_checks_total{{upstream=\"app\",address=\"{}\",outcome=\"{outcome}\"}} ",
            at(&ails)
        );
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn a_check_that_hangs_holds_up_no_other_and_what_comes_back_is_held_against_the_status() {
    let [hangs, moved, answers] = [(); 3].map(|()| Recorder::start());
    hangs.at("/up", upstream::stalls_after_head());
    moved
        .at("/up", upstream::answers_with("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"));
    let check = "[upstreams.check]\npath = \"/up\"\ninterval = \"100ms\"\ntimeout = \"1500ms\"\nfails = 2\nstatus = \"200\"\n";
    let world = app(&[at(&hangs), at(&moved), at(&answers)], check).start();
    said(&world, &[OUT, &at(&hangs), "check_timeout"]);
    said(&world, &[OUT, &at(&moved), "check_status"]);
    shows(&world, &at(&answers), 1, 0);
    let mut wire = wire(&world);
    for _ in 0..10 {
        well(&mut wire);
    }
    let served = answers.since(Default::default()).iter().filter(|seen| seen.target() == "/public/x").count();
    assert_eq!(served, 10);
}
