//! Cognito's `/logout`.

use super::*;

#[test]
fn logout_ends_the_session_and_goes_only_where_the_client_may_send_people() {
    serve(Seed::builtin(), async |it: Served| {
        let mut browser = it.browser();
        it.code(&mut browser, "viewer").await;
        let silent = it.authorize(&[("prompt", "none")]);
        for wrong in ["http://localhost:4180/oauth2/signout/", "https://evil.example/", CALLBACK] {
            let target = format!("/logout?{}", encode(&[("client_id", &it.id), ("logout_uri", wrong)]));
            assert!(browser.get(&target).await.location().starts_with("/error?error=redirect_mismatch"));
        }
        browser.get(&silent).await.parameter("code");
        let kept = browser.cookies["cognito"].clone();
        let target = format!("/logout?{}", encode(&[("client_id", &it.id), ("logout_uri", SIGNED_OUT)]));
        assert_eq!(browser.get(&target).await.location(), SIGNED_OUT);
        assert!(!browser.cookies.contains_key("cognito"));
        // Also for who kept the cookie.
        browser.cookies.insert("cognito".into(), kept);
        assert_eq!(browser.get(&silent).await.parameter("error"), "login_required");
    });
}

#[test]
fn logout_with_a_callback_ends_on_the_login_page() {
    serve(Seed::builtin(), async |it: Served| {
        let pairs = [
            ("client_id", it.id.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid"),
            ("state", "s"),
        ];
        let mut browser = it.browser();
        let login = browser.get(&format!("/logout?{}", encode(&pairs))).await.location();
        assert_eq!(login, format!("/login?{}", encode(&pairs)));
        assert_eq!(browser.get(&login).await.status, StatusCode::OK);
    });
}

#[test]
fn logout_does_not_know_the_standards_parameters() {
    serve(Seed::builtin(), async |it: Served| {
        let pairs = [("client_id", it.id.as_str()), ("post_logout_redirect_uri", SIGNED_OUT)];
        let reply = it.browser().get(&format!("/logout?{}", encode(&pairs))).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(reply.body.contains("Required String parameter 'redirect_uri' is not present"));
    });
}
