use super::*;

fn text(raw: &str) -> String {
    canonical(raw).unwrap().as_str().to_owned()
}

#[test]
fn unreserved_escapes_are_decoded_and_others_kept_with_upper_hex() {
    assert_eq!(text("/%61%2d%7e/%c3%a9%2b"), "/a-~/%C3%A9%2B");
    assert_eq!(text("/a%20b%3f%23"), "/a%20b%3F%23");
}

#[test]
fn slashes_are_merged_and_dot_segments_resolved() {
    assert_eq!(text("//a///b/./c/../d"), "/a/b/d");
    assert_eq!(text("/public/%2e%2e/admin"), "/admin");
    assert_eq!(text("/a/."), "/a/");
    assert_eq!(text("/a/.."), "/");
    assert_eq!(text("/a/..."), "/a/...");
    assert_eq!(text("/a//"), "/a/");
}

#[test]
fn a_path_without_a_single_meaning_is_refused() {
    for (raw, why) in [
        ("admin", PathRefusal::NotAbsolute),
        ("*", PathRefusal::NotAbsolute),
        ("/a\\b", PathRefusal::Byte),
        ("/a#b", PathRefusal::Byte),
        ("/a b", PathRefusal::Byte),
        ("/é", PathRefusal::Byte),
        ("/a%", PathRefusal::BrokenEscape),
        ("/a%2", PathRefusal::BrokenEscape),
        ("/a%zz", PathRefusal::BrokenEscape),
        ("/a%2Fb", PathRefusal::AmbiguousEscape),
        ("/a%5cb", PathRefusal::AmbiguousEscape),
        ("/a%00", PathRefusal::AmbiguousEscape),
        ("/a%0a", PathRefusal::AmbiguousEscape),
        ("/a%7f", PathRefusal::AmbiguousEscape),
        ("/%c0%ae%c0%ae/admin", PathRefusal::AmbiguousEscape),
        ("/%c3/%a9", PathRefusal::AmbiguousEscape),
        ("/%c2%85", PathRefusal::AmbiguousEscape),
        ("/public/%252e%252e/admin", PathRefusal::DoubleEscape),
        ("/public/%25252e/admin", PathRefusal::DoubleEscape),
        ("/a%252Fb", PathRefusal::DoubleEscape),
        ("/..", PathRefusal::AboveRoot),
        ("/a/../../b", PathRefusal::AboveRoot),
        ("/public/..;/admin", PathRefusal::HiddenDots),
        ("/public/..%3b/admin", PathRefusal::HiddenDots),
        ("/public/..%253B/admin", PathRefusal::HiddenDots),
    ] {
        assert_eq!(canonical(raw).unwrap_err(), why, "{raw}");
    }
}

#[test]
fn a_percent_that_is_data_stays_data() {
    assert_eq!(text("/100%25"), "/100%25");
    assert_eq!(text("/a%2541"), "/a%2541");
}

#[test]
fn parameters_are_cut_for_role_rules_and_bar_public_ones() {
    let path = canonical("/admin;x=y/z;w").unwrap();
    assert_eq!(path.for_role_rules(), "/admin/z");
    assert_eq!(path.as_str(), "/admin;x=y/z;w");
    assert_eq!(canonical("/;/admin").unwrap().for_role_rules(), "/admin");
    assert_eq!(canonical("/a;").unwrap().for_role_rules(), "/a");
    assert_eq!(canonical("/a%25253bc/d").unwrap().for_role_rules(), "/a/d");
    assert_eq!(canonical("/;a").unwrap().for_role_rules(), "/");
    let public = Pattern::parse("/admin/**").unwrap();
    assert_eq!(public.matches_exactly(&path), None);
    assert!(public.matches_leniently(&path).is_some());
}

#[test]
fn a_prefix_covers_its_own_base_and_ends_at_a_slash() {
    let pattern = Pattern::parse("/admin/**").unwrap();
    let matches = |raw: &str| pattern.matches_exactly(&canonical(raw).unwrap()).is_some();
    assert!(matches("/admin") && matches("/admin/") && matches("/admin/x"));
    assert!(!matches("/administrator") && !matches("/Admin") && !matches("/x/admin"));
    assert!(pattern.matches_leniently(&canonical("/ADMIN/x").unwrap()).is_some());
}

#[test]
fn an_exact_role_rule_holds_with_a_final_slash_and_a_public_one_does_not() {
    let pattern = Pattern::parse("/admin").unwrap();
    let path = canonical("/admin/").unwrap();
    assert_eq!(pattern.matches_leniently(&path), Some(PathMatch::Exact));
    assert_eq!(pattern.matches_exactly(&path), None);
    let root = Pattern::parse("/").unwrap();
    assert_eq!(root.matches_leniently(&canonical("/").unwrap()), Some(PathMatch::Exact));
    assert_eq!(root.matches_leniently(&canonical("/x/").unwrap()), None);
}

#[test]
fn a_pattern_must_be_written_as_requests_are_read() {
    assert_eq!(Pattern::parse("/a//b/**"), Err(PatternProblem::NotCanonical("/a/b/**".into())));
    assert_eq!(Pattern::parse("/caf%c3%a9"), Err(PatternProblem::NotCanonical("/caf%C3%A9".into())));
    assert_eq!(Pattern::parse("/a/*/b"), Err(PatternProblem::Star));
    assert_eq!(Pattern::parse("a"), Err(PatternProblem::NotAbsolute));
    assert_eq!(Pattern::parse("/a;b"), Err(PatternProblem::Parameter));
    assert_eq!(Pattern::parse("/a/%2f"), Err(PatternProblem::Refused(PathRefusal::AmbiguousEscape)));
    assert_eq!(Pattern::parse("/**").unwrap().to_string(), "/**");
}

#[test]
fn canonical_is_a_fixed_point() {
    for raw in ["/a/%7Eb/../c;d/%C3%A9", "//x/./y/", "/%25/a"] {
        let once = text(raw);
        assert_eq!(text(&once), once);
    }
}

#[test]
fn an_escape_that_is_put_together_by_decoding_counts_as_one() {
    // `%25%32%65` becomes `%252e`, which a second decoding would make a dot.
    for path in ["/a/%25%32%65/b", "/a/%252%65/b", "/a/%25%32e/b", "/%2525%32%66", "/%25%35%63", "/%25%30%30"]
    {
        assert_eq!(canonical(path), Err(PathRefusal::DoubleEscape), "{path}");
    }
    assert_eq!(canonical("/%25%32%61").unwrap().as_str(), "/%252a");
}

#[test]
fn whichever_a_server_does_first_the_gates_own_pages_are_under_the_prefix() {
    for raw in ["/oauth2%2Fx", "/;%2Foauth2/x", "/oauth2;a%2Fx", "/OAUTH2%2fcallback"] {
        let path = canonical_with_slashes(raw).unwrap();
        assert!(path.holds_slash() && path.is_under("/oauth2"), "{raw}");
    }
    assert!(!canonical_with_slashes("/files/oauth2%2Fx").unwrap().is_under("/oauth2"));
}
