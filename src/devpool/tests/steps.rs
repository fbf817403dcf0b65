//! The steps of the login page after the password.

use super::*;

const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// Viewer has to set a password, guest has an authenticator app, admin both.
fn with_steps() -> Seed {
    let mut seed = Seed::builtin();
    for at in [0, 2] {
        seed.users[at].status = account::Status::ForceChangePassword;
    }
    for at in [0, 3] {
        seed.users[at].totp_secret = totp::Key::parse(KEY);
    }
    seed
}

/// A step's form, filled in.
async fn send(browser: &mut Browser, page: &Reply, fields: &[(&str, &str)]) -> Reply {
    let action =
        page.body.split_once("action=\"").unwrap().1.split_once('"').unwrap().0.replace("&amp;", "&");
    let session = page.body.split_once("name=\"session\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let csrf = page.csrf();
    let hidden = [("_csrf", csrf.as_str()), ("session", session)];
    browser.post(&action, &encode(&[&hidden, fields].concat()), &[]).await
}

fn alert(page: &Reply) -> &str {
    let rest = page.body.split_once("role=\"alert\"").expect("an error on the page").1;
    rest.split_once('>').unwrap().1.split_once('<').unwrap().0
}

#[test]
fn a_new_password_is_asked_for_and_signs_in() {
    serve(with_steps(), async |it: Served| {
        let mut browser = it.browser();
        let page = browser.sign_in(&it.authorize(&[]), "viewer", "viewer").await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("<h1>Change password</h1>"));
        assert!(!browser.cookies.contains_key("cognito"));
        for (new, again, words) in [
            ("short", "short", "Password did not conform with policy: Password not long enough"),
            ("long enough", "something else", "Passwords do not match."),
        ] {
            let page =
                send(&mut browser, &page, &[("new_password", new), ("new_password_again", again)]).await;
            assert_eq!((page.status, alert(&page)), (StatusCode::BAD_REQUEST, words));
            assert!(page.body.contains("aria-invalid=\"true\" aria-describedby=\"error hint\""));
        }
        let new = [("new_password", "long enough"), ("new_password_again", "long enough")];
        let done = send(&mut browser, &page, &new).await;
        assert_eq!(it.redeem(&done.parameter("code")).await.status, StatusCode::OK);
        assert!(browser.cookies.contains_key("cognito"));
        // The session is used up.
        let page = send(&mut browser, &page, &new).await;
        assert_eq!(alert(&page), "Invalid session for the user.");
        let reply = it.browser().sign_in(&it.authorize(&[]), "viewer", "long enough").await;
        assert!(reply.location().starts_with(CALLBACK));
    });
}

#[test]
fn a_code_is_asked_for_and_signs_in() {
    serve(with_steps(), async |it: Served| {
        let mut browser = it.browser();
        let page = browser.sign_in(&it.authorize(&[]), "guest", "guest").await;
        assert!(page.body.contains("autocomplete=\"one-time-code\""));
        let wrong = send(&mut browser, &page, &[("code", "12345")]).await;
        assert_eq!(alert(&wrong), "Invalid code received for user");
        let code = totp::Key::parse(KEY).unwrap().code_at(it.pool.state().now());
        let spaced = format!("{} {}", &code[..3], &code[3..]);
        let done = send(&mut browser, &page, &[("code", &spaced)]).await;
        assert_eq!(done.parameter("state"), "a-state");
        let mut other = it.browser();
        let page = other.sign_in(&it.authorize(&[]), "guest", "guest").await;
        let again = send(&mut other, &page, &[("code", &code)]).await;
        assert_eq!(alert(&again), "Your software token has already been used once.");
    });
}

#[test]
fn both_steps_follow_one_another() {
    serve(with_steps(), async |it: Served| {
        let mut browser = it.browser();
        let page = browser.sign_in(&it.authorize(&[]), "admin", "admin").await;
        let new = [("new_password", "long enough"), ("new_password_again", "long enough")];
        let page = send(&mut browser, &page, &new).await;
        assert!(page.body.contains("<h1>Enter your code</h1>"));
        let code = totp::Key::parse(KEY).unwrap().code_at(it.pool.state().now());
        assert!(send(&mut browser, &page, &[("code", &code)]).await.location().starts_with(CALLBACK));
    });
}

#[test]
fn a_step_that_took_too_long_or_too_many_codes_begins_again() {
    serve(with_steps(), async |it: Served| {
        let mut browser = it.browser();
        let page = browser.sign_in(&it.authorize(&[]), "guest", "guest").await;
        for _ in 0..4 {
            send(&mut browser, &page, &[("code", "x")]).await;
        }
        let last = send(&mut browser, &page, &[("code", "x")]).await;
        assert_eq!(alert(&last), "Invalid code received for user");
        assert!(last.body.contains("<h1>Sign in</h1>"));
        let page = browser.sign_in(&it.authorize(&[]), "guest", "guest").await;
        it.dev("clock", serde_json::json!({ "advance": 181 })).await;
        let late = send(&mut browser, &page, &[("code", "x")]).await;
        assert_eq!(alert(&late), "Invalid session for the user, session is expired.");
    });
}

#[test]
fn a_step_of_another_sites_making_is_refused() {
    serve(with_steps(), async |it: Served| {
        let mut browser = it.browser();
        let page = browser.sign_in(&it.authorize(&[]), "guest", "guest").await;
        let code = totp::Key::parse(KEY).unwrap().code_at(it.pool.state().now());
        browser.cookies.clear();
        assert_eq!(send(&mut browser, &page, &[("code", &code)]).await.status, StatusCode::FORBIDDEN);
    });
}
