//! The login page and the sample.

use super::*;

#[test]
fn a_wrong_password_is_told_in_cognitos_words_and_keeps_the_name() {
    serve(Seed::builtin(), async |it: Served| {
        for (name, password) in [("viewer", "wrong"), ("nobody", "nobody")] {
            let mut browser = it.browser();
            let reply = browser.sign_in(&it.authorize(&[]), name, password).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST);
            assert!(reply.body.contains("Incorrect username or password."));
            assert!(reply.body.contains(&format!("name=\"username\" value=\"{name}\" autocomplete")));
            assert!(!browser.cookies.contains_key("cognito"));
        }
        let mut browser = it.browser();
        let reply = browser.sign_in(&it.authorize(&[]), "VIEWER", "viewer").await;
        assert!(reply.location().starts_with(CALLBACK));
    });
}

#[test]
fn a_form_of_another_site_signs_nobody_in() {
    serve(Seed::builtin(), async |it: Served| {
        let mut browser = it.browser();
        let login = browser.get(&it.authorize(&[])).await.location();
        browser.get(&login).await;
        let body = encode(&[("username", "viewer"), ("password", "viewer"), ("_csrf", "guessed")]);
        let reply = browser.post(&login, &body, &[]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        browser.cookies.clear();
        assert_eq!(browser.post(&login, &body, &[]).await.status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn forms_of_two_tabs_are_both_good() {
    serve(Seed::builtin(), async |it: Served| {
        let mut browser = it.browser();
        let one = browser.get(&it.authorize(&[("state", "one")])).await.location();
        let two = browser.get(&it.authorize(&[("state", "two")])).await.location();
        let (first, second) = (browser.get(&one).await.csrf(), browser.get(&two).await.csrf());
        for (login, csrf, state) in [(two, second, "two"), (one, first, "one")] {
            let body = encode(&[("_csrf", &csrf), ("username", "viewer"), ("password", "viewer")]);
            assert_eq!(browser.post(&login, &body, &[]).await.parameter("state"), state);
        }
    });
}

#[test]
fn forms_of_tabs_opened_in_the_same_moment_are_both_good() {
    serve(Seed::builtin(), async |it: Served| {
        let mut browser = it.browser();
        let login = browser.get(&it.authorize(&[("state", "one")])).await.location();
        let first = browser.get(&login).await.csrf();
        // The other tab's request left before the first answer came: its form has another token, and the jar keeps that.
        browser.cookies.clear();
        let second = browser.get(&login).await.csrf();
        assert_ne!(first, second);
        let body = encode(&[("_csrf", &first), ("username", "viewer"), ("password", "viewer")]);
        for site in ["same-site", "cross-site", "none"] {
            let reply = browser.post(&login, &body, &[("sec-fetch-site", site)]).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{site}");
        }
        let reply = browser.post(&login, &body, &[("sec-fetch-site", "same-origin")]).await;
        assert_eq!(reply.parameter("state"), "one");
    });
}

#[test]
fn the_page_offers_the_seeded_people_and_escapes_what_it_is_given() {
    serve(Seed::builtin(), async |it: Served| {
        let mut browser = it.browser();
        let hint = it.authorize(&[("login_hint", "\"><script>"), ("lang", "de"), ("state", "\"><script>")]);
        let login = browser.get(&hint).await.location();
        let page = browser.get(&login).await;
        assert!(!page.body.contains("<script"));
        assert!(page.body.contains("value=\"&quot;&gt;&lt;script&gt;\""));
        assert_eq!(page.body.matches("<form").count(), 5);
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'; style-src 'sha256-"), "{policy}");
        let cookie = page.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.ends_with("; Path=/; Max-Age=300; HttpOnly; SameSite=Lax"), "{cookie}");
    });
}

#[test]
fn users_that_are_not_to_be_picked_are_not_on_the_page() {
    let mut seed = Seed::builtin();
    let passwords = seed.randomize_passwords();
    assert_eq!(passwords.len(), 4);
    serve(seed, async |it: Served| {
        let mut browser = it.browser();
        let login = browser.get(&it.authorize(&[])).await.location();
        let page = browser.get(&login).await;
        assert_eq!(page.body.matches("<form").count(), 1);
        assert!(!page.body.contains(&passwords[0].1));
    });
}

#[test]
fn what_is_too_large_is_refused() {
    serve(Seed::builtin(), async |it: Served| {
        let large = "a".repeat(70_000);
        let reply = it.browser().post("/oauth2/token", &large, &[]).await;
        assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
        // The parser's own limit on the target lies below: 414 or a closed connection, but no panic.
        let reply = it.browser().get(&format!("/login?{}", "a".repeat(65_500))).await;
        assert!(reply.status.is_client_error() || reply.status == StatusCode::FOUND);
    });
}

#[test]
fn the_sample_shows_what_it_received_and_escapes_it() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut browser = Browser::new(&format!("http://{}", listener.local_addr().unwrap()));
        let (_stop, stopping) = listen::stop::pair();
        let sample = Rc::new(sample::Sample::new());
        tokio::task::spawn_local(listen::serve(listener, sample, Bounds::default(), stopping));
        let target = "/reports/q3?x=1&y=a%2Fb";
        let headers = [("x-user", "<b>viewer"), ("x-roles", "viewer"), ("x-two", "1"), ("x-two", "2")];
        let told = browser.send("PUT", target, "body", &headers).await.json();
        assert_eq!((&told["method"], &told["target"]), (&"PUT".into(), &target.into()));
        let shown = told["headers"].as_array().unwrap();
        assert_eq!(shown.iter().filter(|pair| pair[0] == "x-two").count(), 2);

        let html = [headers.as_slice(), &[("accept", "text/html,*/*;q=0.8")]].concat();
        let page = browser.send("GET", target, "", &html).await;
        assert!(page.body.contains("<dd id=\"x-user\">&lt;b&gt;viewer</dd>"));
        assert!(page.body.contains("GET /reports/q3?x=1&amp;y=a%2Fb"));
        assert!(page.body.contains("href=\"/oauth2/signout\""));
        let head = browser.send("HEAD", target, "", &html).await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    });
}
