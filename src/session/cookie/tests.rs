use super::*;

fn headers(lines: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    headers
}

fn found(lines: &[&[u8]]) -> Vec<String> {
    let headers = headers(lines);
    let names = Names::new("rolegate", true);
    let jar = Jar::read(&headers, &names);
    jar.candidates(&names.pass).map(Cow::into_owned).collect()
}

#[test]
fn a_cookie_is_found_on_any_line_and_at_any_place() {
    assert_eq!(found(&[b"a=1; __Host-rolegate=X; b=2"]), ["X"]);
    assert_eq!(found(&[b"a=1", b"__Host-rolegate=X"]), ["X"]);
    assert_eq!(found(&[b";;; =; a;\t__Host-rolegate=X"]), ["X"]);
    assert_eq!(found(&[b"__Host-rolegate=X; __Host-rolegate=Y"]), ["X", "Y"]);
}

#[test]
fn a_disguised_name_is_not_ours() {
    for line in [
        "\u{2000}__Host-rolegate=X".as_bytes(),
        "\u{a0}__Host-rolegate=X".as_bytes(),
        b"__%48ost-rolegate=X",
        b"=__Host-rolegate=X",
        b"__host-rolegate=X",
        b"__Host-rolegate",
        b"x__Host-rolegate=X",
        b"a=\"__Host-rolegate=X\"",
    ] {
        assert!(found(&[line]).is_empty(), "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn a_value_with_other_bytes_is_ignored() {
    assert!(found(&[b"__Host-rolegate=\xff"]).is_empty());
}

#[test]
fn parts_are_joined_by_the_number_that_the_first_one_names() {
    // version 1, 2 parts
    let first = "AQIA";
    assert_eq!(found(&[format!("__Host-rolegate.1=B; __Host-rolegate.0={first}").as_bytes()]), ["AQIAB"]);
    assert_eq!(
        found(&[format!("__Host-rolegate.0={first}; __Host-rolegate.1=B; __Host-rolegate.2=C").as_bytes()]),
        ["AQIAB"]
    );
    assert!(found(&[format!("__Host-rolegate.0={first}; __Host-rolegate.2=C").as_bytes()]).is_empty());
    assert!(found(&[b"__Host-rolegate.0=AQEA; __Host-rolegate.1=B"]).is_empty());
    assert!(found(&[b"__Host-rolegate.0=AWMA; __Host-rolegate.1=B"]).is_empty());
}

#[test]
fn the_work_on_many_duplicates_is_bounded() {
    let line = "__Host-rolegate=X; ".repeat(10_000);
    assert!(found(&[line.as_bytes()]).len() <= MAX_CANDIDATES);
}

#[test]
fn a_long_value_is_kept_in_parts_and_a_short_one_forgets_them() {
    let names = Names::new("rolegate", true);
    let empty = HeaderMap::new();
    let lines = names.keep(&Jar::read(&empty, &names), &names.pass, &"x".repeat(9000), 60);
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() <= 4096));

    let headers = headers(&[b"__Host-rolegate.0=a; __Host-rolegate.1=b; __Host-rolegate-refresh=r"]);
    let lines = names.keep(&Jar::read(&headers, &names), &names.pass, "short", 60);
    let lines: Vec<_> = lines.iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], "__Host-rolegate=short; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60");
    assert!(lines[1].starts_with("__Host-rolegate.0=;") && lines[1].contains("Max-Age=0"));
    assert!(lines[2].starts_with("__Host-rolegate.1=;"));
}

#[test]
fn a_cleartext_origin_has_plain_names_without_secure() {
    let names = Names::new("rolegate", false);
    let line = names.keep(&Jar::default(), &names.ticket, "x", 60).remove(0);
    assert_eq!(line, "rolegate-refresh=x; HttpOnly; SameSite=Lax; Path=/; Max-Age=60");
}

#[test]
fn a_name_that_only_begins_like_ours_is_the_applications() {
    let names = Names::new("rolegate", false);
    let mut head = HeaderMap::new();
    let theirs = "rolegatex=1; rolegate_theme=dark; rolegate-note=2; rolegate-login-\u{e9}=4; rolegate=ours";
    head.insert(COOKIE, HeaderValue::from_bytes(theirs.as_bytes()).unwrap());
    let jar = Jar::read(&head, &names);
    let gone: Vec<_> = names.forget_all(&jar).iter().map(|line| line.to_str().unwrap().to_owned()).collect();
    assert!(matches!(&gone[..], [one] if one.starts_with("rolegate=;")), "{gone:?}");
}

#[test]
fn a_token_and_its_parts_are_forgotten_alone_and_with_everything_else() {
    let names = Names::new("rolegate", true);
    let line =
        b"__Host-rolegate=a; __Host-rolegate-token.0=b; __Host-rolegate-token.1=c; __Host-rolegate-token=d; \
                 __Host-rolegate-tokens=e; __Host-rolegate-token.x=f";
    let head = headers(&[line]);
    let jar = Jar::read(&head, &names);
    let forgotten = |lines: Vec<HeaderValue>| -> Vec<String> {
        let name = |line: &HeaderValue| line.to_str().unwrap().split('=').next().unwrap().to_owned();
        lines.iter().map(name).collect()
    };
    let token = ["__Host-rolegate-token.0", "__Host-rolegate-token.1", "__Host-rolegate-token"];
    assert_eq!(forgotten(names.forget_parts(&jar, &names.token)), token);
    let all = forgotten(names.forget_all(&jar));
    assert!(token.iter().all(|name| all.iter().any(|gone| gone == name)), "{all:?}");
    assert!(!all.contains(&"__Host-rolegate-tokens".to_owned()), "not ours");
}
