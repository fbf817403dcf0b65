//! `encoded_slash = "keep"`: `%2F` as a byte of a segment, where one rule owns both ways to read it, and nowhere else.

use super::{ask, raw, seen};
use crate::support::upstream::Mark;
use crate::support::world::{Setup, World};

const RULES: &str = r#"
[[rules]]
path = "/repos/**"
any_role = ["user"]
encoded_slash = "keep"
[[rules]]
path = "/repos/admin/**"
any_role = ["admin"]
[[rules]]
path = "/open/**"
public = true
encoded_slash = "keep"
"#;

fn world() -> World {
    Setup::bench().rules(RULES).start()
}

#[test]
fn an_escaped_slash_is_forwarded_as_exactly_that() {
    let world = world();
    let browser = world.signed_in("user");
    for (target, forwarded) in [
        ("/repos/group%2Fproject/files/a%2Fb.txt?x=%2f", "/repos/group%2Fproject/files/a%2Fb.txt?x=%2f"),
        ("/repos/group%2fproject/lower", "/repos/group%2Fproject/lower"),
        ("/REPOS/a%2Fb", "/REPOS/a%2Fb"),
        ("/repos/%61%2Fb/./c/../d", "/repos/a%2Fb/d"),
        ("/open/a%2Fb", "/open/a%2Fb"),
    ] {
        let mark = world.upstream.mark();
        let answer = ask(&world, &browser, target, "");
        assert_eq!(answer.status, 200, "{target}: {answer:#?}");
        assert_eq!(world.upstream.wait_for(mark, 1)[0].target(), forwarded);
    }
    assert_eq!(ask(&world, &world.browser(), "/open/a%2Fb", "").status, 200);
    assert_eq!(ask(&world, &world.browser(), "/repos/a%2Fb", "").status, 401);
}

#[test]
fn what_another_rule_might_own_once_it_is_read_otherwise_is_refused_for_everybody() {
    let world = world();
    let sessions = [world.browser(), world.signed_in("user"), world.signed_in("admin")];
    let mark = world.upstream.mark();
    for target in [
        // The corpus' own.
        "/public%2f..%2fadmin",
        "/public/..%2fadmin",
        "/%2e%2e%2fadmin",
        "/public/%2e%2e%2fadmin",
        // Into a stricter rule, or out of this one.
        "/repos/admin%2Fx",
        "/repos/Admin%2fx",
        "/repos%2Fx",
        "/repos/..%2Fadmin",
        "/repos/a%2F..%2F..%2Fadmin",
        "/repos/a%2F..%2Fadmin%2Fx",
        "/repos/a%2F%2Fb",
        "/repos/a%2F/b",
        "/repos/%2Fadmin/x",
        "/repos/a%2F.",
        "/repos/a%2F./b",
        "/repos/.%2Fadmin/x",
        "/repos/%2e%2Fadmin/x",
        "/repos/a;x%2F..%2Fadmin/x",
        "/repos/..;%2Fadmin/x",
        "/open/..%2Frepos/x",
        "/open/..%2F..%2Fadmin",
        "/open%2F..%2Frepos",
        "/open/a%2F..%2F..%2Frepos/x",
        "/Open/a%2Fb",
        "/open/a;b%2Fc",
        // Rules that do not keep it.
        "/a%2Fb",
        "/admin%2Fx",
        "/admin/a%2Fb",
        "/public/a%2Fb",
        "/healthz%2F",
        // Escaped again, and the other slash.
        "/repos/a%252Fb",
        "/repos/a%25252fb",
        "/repos/a%5Cb",
        "/repos/a%2F%5Cb",
        "/repos/a%2F%00",
        "/repos/a%2",
    ] {
        for browser in &sessions {
            let answer = ask(&world, browser, target, "");
            assert_eq!(answer.status, 400, "{target}: {answer:#?}");
        }
    }
    let through: Vec<_> = world.upstream.since(mark).iter().map(|seen| seen.target().to_owned()).collect();
    assert!(through.is_empty(), "{through:#?}");
}

#[test]
fn a_login_comes_back_to_a_target_with_an_escaped_slash() {
    let world = world();
    let mut browser = world.browser();
    browser.signs_in_as = Some("user".into());
    let page = browser.navigate("/repos/group%2Fproject?ref=a%2Fb");
    assert_eq!(
        (page.answer.status, page.url.as_str()),
        (200, "https://app.test/repos/group%2Fproject?ref=a%2Fb")
    );
    assert_eq!(seen(&world.upstream, "/repos/group%2Fproject").len(), 1);
    let mut browser = world.browser();
    let page = browser.sign_in_to("user", "/repos/group%2Fproject");
    assert_eq!(page.answer.location(), "https://app.test/repos/group%2Fproject");
    // A script is told the same way.
    let told = world.browser().fetch("/repos/group%2Fproject").json();
    assert_eq!(told["login_url"], "/oauth2/start?rd=%2Frepos%2Fgroup%252Fproject");
}

#[test]
fn a_page_of_the_gates_own_is_never_the_upstreams_however_it_is_spelt() {
    let all = "[[rules]]\npath = \"/**\"\nany_role = [\"user\"]\nencoded_slash = \"keep\"\n";
    let world = Setup { rules: all.into(), ..Setup::bench() }.start();
    let browser = world.signed_in("user");
    assert_eq!(ask(&world, &browser, "/a%2Fb", "").status, 200, "the rule keeps it");
    let pages = ["callback", "start", "signout", "userinfo", "auth", "keys", "x"];
    let mut tried = 0;
    for page in pages {
        for target in [
            format!("/oauth2%2F{page}"),
            format!("/oauth2%2f{page}"),
            format!("/OAuth2%2F{page}"),
            format!("/%6fauth2%2F{page}"),
            format!("/oauth2;x%2F{page}"),
            format!("/oauth2%3Bx%2F{page}"),
            format!("/oauth2/{page}%2F"),
            format!("/oauth2/%2F{page}"),
            format!("/oauth2/a%2F..%2F{page}"),
            format!("/%2Foauth2/{page}"),
            format!("/a%2F..%2Foauth2/{page}"),
            format!("/x/..%2Foauth2%2F{page}"),
            format!("//oauth2%2F{page}"),
            format!("/.%2Foauth2/{page}"),
        ] {
            let answer = ask(&world, &browser, &target, "");
            assert!(matches!(answer.status, 400 | 404), "{target}: {answer:#?}");
            assert!(answer.header("set-cookie").is_none(), "{target}");
            tried += 1;
        }
    }
    assert_eq!(tried, pages.len() * 14);
    let all = world.upstream.since(Mark::default());
    let own = all.iter().find(|seen| seen.target().to_ascii_lowercase().contains("auth2"));
    assert!(own.is_none(), "{own:#?}");
}

#[test]
fn where_no_rule_keeps_it_every_escaped_slash_is_refused() {
    let world = World::bench();
    let mark = world.upstream.mark();
    for target in ["/a%2Fb", "/public/a%2fb", "/admin%2Fx", "/oauth2%2Fstart"] {
        assert_eq!(raw(world.gate.public, "app.test", "", target, "").status, 400, "{target}");
    }
    assert!(world.upstream.since(mark).is_empty());
}
