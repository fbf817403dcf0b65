use super::*;

#[test]
fn a_ratio_is_a_share_of_all_ids() {
    let highest = [0xff; 16];
    let lowest = [0; 16];
    let middle = |byte| {
        let mut id = [0xff; 16];
        id[9] = byte;
        id
    };
    assert!(is_within(&highest, share(1.0)) && is_within(&lowest, share(1.0)));
    assert!(!is_within(&highest, share(0.0)) && !is_within(&lowest, share(0.0)));
    assert!(is_within(&middle(0x80), share(0.5)) && !is_within(&middle(0x7f), share(0.5)));
    // The first byte of the second half is no part of the random seven.
    let mut id = lowest;
    id[8] = 0xff;
    assert!(!is_within(&id, share(0.5)));
}

#[test]
fn spans_for_which_there_is_no_room_are_counted_and_nobody_waits() {
    let (traces, _exporter) = Traces::new(&settings(1.0), SpanCounts::default()).unwrap();
    for _ in 0..MOST_WAITING + 10 {
        let traced = traces.begin(&HeaderMap::new(), false, clock()).unwrap();
        traced.end(&seen());
    }
    assert_eq!(traces.queue.counts.lost.get(), 10);
    assert_eq!(traces.queue.counts.sent.get(), 0);
}

#[test]
fn a_caller_decides_for_a_trace_that_goes_on_and_nobody_else_does() {
    const SAID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0";
    for (parent, trusted, believed) in [
        (TraceParent::Trusted, true, true),
        (TraceParent::Trusted, false, false),
        (TraceParent::Any, false, true),
        (TraceParent::None, true, false),
    ] {
        for (ratio, flag) in [(0.0, "1"), (1.0, "0")] {
            let (traces, _exporter) =
                Traces::new(&settings::Traces { parent, ..settings(ratio) }, SpanCounts::default()).unwrap();
            let mut head = HeaderMap::new();
            head.insert("traceparent", format!("{SAID}{flag}").parse().unwrap());
            head.insert("tracestate", "a=1".parse().unwrap());
            let traced = traces.begin(&head, trusted, clock()).unwrap();
            let sampled = if believed { flag == "1" } else { ratio == 1.0 };
            assert_eq!(traced.trace().is_some(), sampled, "{parent:?} {trusted} {ratio}");
            let out = traced.outgoing.parent.to_str().unwrap().to_owned();
            assert_eq!(out.starts_with(&SAID[..36]), believed, "{parent:?} {trusted}: {out}");
            assert_ne!(out[36..52], SAID[36..52]);
            assert_eq!(traced.outgoing.state.is_some(), believed);
        }
    }
}

fn settings(sample_ratio: f64) -> settings::Traces {
    settings::Traces {
        address: "http://127.0.0.1:9/v1/traces".into(),
        ca_file: None,
        headers: vec![],
        service_name: "tests".into(),
        sample_ratio,
        parent: TraceParent::Trusted,
    }
}

#[allow(clippy::disallowed_methods, reason = "a test may look at the clock")]
fn clock() -> Instant {
    Instant::now()
}

fn seen() -> Seen<'static> {
    Seen {
        method: "GET",
        host: None,
        path: None,
        client: String::new(),
        rule: None,
        decision: "forward",
        reason: "allowed",
        request_id: "1",
        status: 200,
        upstream_status: None,
        begun: clock(),
        left: None,
        ended: clock(),
    }
}
