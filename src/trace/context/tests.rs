use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn head(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut head = HeaderMap::new();
    for (name, value) in lines {
        head.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    head
}

fn state_of(lines: &[&str]) -> Option<String> {
    let mut all = vec![("traceparent", GOOD)];
    all.extend(lines.iter().map(|line| ("tracestate", *line)));
    Said::read(&head(&all)).unwrap().state.map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn a_parent_is_read_and_written_as_it_was() {
    let parent = Parent::read(GOOD.as_bytes()).unwrap();
    assert_eq!(parent.trace_id[..2], [0x0a, 0xf7]);
    assert_eq!(parent.span_id[7], 0x31);
    assert!(parent.is_sampled());
    assert_eq!(parent.write().unwrap(), GOOD);
    let off = Parent::read(GOOD.replace("-01", "-00").as_bytes()).unwrap();
    assert!(!off.is_sampled());
}

#[test]
fn what_is_no_parent_is_none() {
    for text in [
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-\r\nx",
    ] {
        assert_eq!(Parent::read(text.as_bytes()), None, "{text}");
    }
    let long = format!("01{}-{}", &GOOD[2..], "x".repeat(300));
    assert_eq!(Parent::read(long.as_bytes()), None);
}

#[test]
fn of_a_later_version_what_is_known_counts() {
    for text in [
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fd",
    ] {
        let parent = Parent::read(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(parent.write().unwrap(), GOOD, "{text}");
    }
}

#[test]
fn two_parents_are_none_and_without_one_there_is_no_state() {
    assert_eq!(Said::read(&head(&[("traceparent", GOOD), ("traceparent", GOOD)])), None);
    assert_eq!(Said::read(&head(&[("tracestate", "a=1")])), None);
    assert_eq!(Said::read(&head(&[("traceparent", "00-x"), ("tracestate", "a=1")])), None);
}

#[test]
fn the_lines_of_a_state_are_one_list() {
    assert_eq!(state_of(&["a=1,b=2", " c=3 ,, d@v=x y"]).unwrap(), "a=1,b=2,c=3,d@v=x y");
    assert_eq!(state_of(&[""]), None);
    assert_eq!(state_of(&[]), None);
}

#[test]
fn one_member_that_cannot_be_read_spoils_the_state() {
    let many = (0..33).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
    let (key, value) = (format!("{}=1", "k".repeat(257)), format!("a={}", "v".repeat(257)));
    for bad in ["a", "=1", "a=", "A=1", "a=1,a=2", "a=1=2", "a b=1", "a=\u{e9}", "-a=1", &many, &key, &value]
    {
        assert_eq!(state_of(&["x=1", bad]), None, "{bad}");
    }
    let most = (0..32).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
    assert_eq!(state_of(&[&most]).unwrap(), most);
}

#[test]
fn of_a_state_that_is_too_long_the_long_and_the_old_go() {
    let long = format!("long={}", "v".repeat(200));
    let rest = (0..12).map(|n| format!("k{n:02}={}", "v".repeat(36))).collect::<Vec<_>>();
    let found = state_of(&[&format!("new=1,{long},{}", rest.join(","))]).unwrap();
    assert!(found.len() <= 512 && found.starts_with("new=1,k00=") && !found.contains("long"), "{found}");
    assert!(found.ends_with(&rest[11]) || !found.contains(&rest[11]), "{found}");
    let sixteen = (0..16).map(|n| format!("k{n:02}={}", "v".repeat(36))).collect::<Vec<_>>();
    let found = state_of(&[&sixteen.join(",")]).unwrap();
    assert_eq!(found, sixteen[..12].join(","));
}

#[test]
fn a_gate_that_does_not_trace_passes_on_what_can_be_read() {
    let mut good = head(&[("traceparent", GOOD), ("tracestate", "a=1"), ("baggage", "k=v")]);
    let before = good.clone();
    pass_on(&mut good, None);
    assert_eq!(good, before);
    let mut bad = head(&[("traceparent", "nonsense"), ("tracestate", "a=1"), ("x-other", "1")]);
    pass_on(&mut bad, None);
    assert_eq!(bad, head(&[("x-other", "1")]));
    let later = GOOD.replacen("00", "01", 1);
    let mut later_version = head(&[("traceparent", &later)]);
    pass_on(&mut later_version, None);
    assert_eq!(later_version["traceparent"], later.as_str());
}

#[test]
fn a_gate_that_traces_says_its_own() {
    let own = Outgoing { parent: HeaderValue::from_static(GOOD), state: None };
    for lines in [vec![("traceparent", "x"), ("traceparent", "y"), ("tracestate", "a=1")], vec![]] {
        let mut head = head(&lines);
        pass_on(&mut head, Some(&own));
        assert_eq!(head.get_all("traceparent").iter().collect::<Vec<_>>(), [GOOD]);
        assert!(!head.contains_key("tracestate"));
    }
}

#[test]
fn baggage_passes_only_as_far_as_everybody_can_carry_it() {
    for (value, passes) in [
        ("userId=alice,serverNode=DF%2028,isProduction=false".to_owned(), true),
        (format!("a={}", "x".repeat(8000)), true),
        (format!("a={}", "x".repeat(8192)), false),
        (vec!["a=1"; 64].join(","), true),
        (vec!["a=1"; 65].join(","), false),
        ("a=\u{e9}".to_owned(), false),
    ] {
        let mut head = head(&[("baggage", &value)]);
        pass_on(&mut head, None);
        assert_eq!(head.contains_key("baggage"), passes, "{} bytes", value.len());
    }
}
