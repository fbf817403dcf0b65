//! People who sign in elsewhere.

use serde_json::json;

use super::*;

const ELSEWHERE: &str = "
[[identity_providers]]
name = \"Google\"
type = \"Google\"
identifiers = [\"example.com\"]
[[identity_providers]]
name = \"Corp\"
[[federated_users]]
provider = \"Google\"
id = \"1085\"
groups = [\"viewer\"]
attributes = { email = \"fay@example.com\", email_verified = false }
[[federated_users]]
provider = \"Corp\"
id = \"gil\"
disabled = true
";

/// Through the provider's page as `user`.
async fn choose(browser: &mut Browser, authorize: &str, field: (&str, &str)) -> Reply {
    let page = browser.get(authorize).await.location();
    assert!(page.starts_with("/_idp/"), "{page}");
    let csrf = browser.get(&page).await.csrf();
    browser.post(&page, &encode(&[("_csrf", &csrf), field]), &[]).await
}

#[test]
fn someone_of_another_provider_has_its_name_its_group_and_its_identity() {
    serve(seed(ELSEWHERE), async |it: Served| {
        for way in [("identity_provider", "Google"), ("idp_identifier", "example.com")] {
            let mut browser = it.browser();
            let reply = choose(&mut browser, &it.authorize(&[way]), ("user", "Google_1085")).await;
            assert_eq!(reply.parameter("state"), "a-state");
            let tokens = it.redeem(&reply.parameter("code")).await.json();
            let id = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!(id["cognito:username"], "Google_1085");
            assert_eq!(id["cognito:groups"], json!(["local_devpool1_Google", "viewer"]));
            let identity = &id["identities"][0];
            let members: Vec<_> = identity.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(
                members,
                ["dateCreated", "issuer", "primary", "providerName", "providerType", "userId"]
            );
            assert_eq!((&identity["userId"], &identity["primary"]), (&json!("1085"), &json!("true")));
            assert_eq!((&identity["providerName"], &identity["issuer"]), (&json!("Google"), &json!(null)));
            let access = claims(tokens["access_token"].as_str().unwrap());
            assert_eq!((&access["username"], access.get("identities")), (&json!("Google_1085"), None));

            let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
            let told =
                it.browser().send("GET", "/oauth2/userInfo", "", &[("authorization", &bearer)]).await.json();
            assert!(told["identities"].as_str().unwrap().starts_with("[{"));
            // Signed in at the pool now: no page at the next time, but of another provider.
            browser.get(&it.authorize(&[way])).await.parameter("code");
            let other = browser.get(&it.authorize(&[("identity_provider", "Corp")])).await.location();
            assert!(other.starts_with("/_idp/Corp?"), "{other}");
        }
    });
}

#[test]
fn who_denies_or_may_not_is_told_to_the_client() {
    serve(seed(ELSEWHERE), async |it: Served| {
        let google = it.authorize(&[("identity_provider", "Google")]);
        let denied = choose(&mut it.browser(), &google, ("deny", "1")).await;
        assert!(denied.location().starts_with(CALLBACK));
        assert_eq!(denied.parameter("error"), "invalid_request");
        assert_eq!(denied.parameter("error_description"), "access_denied");
        assert_eq!(denied.parameter("state"), "a-state");

        let corp = it.authorize(&[("identity_provider", "Corp")]);
        let disabled = choose(&mut it.browser(), &corp, ("user", "Corp_gil")).await;
        assert_eq!(disabled.parameter("error_description"), "User is disabled.");

        let unknown = it.browser().get(&it.authorize(&[("identity_provider", "Nobody")])).await;
        assert_eq!(unknown.parameter("error"), "invalid_request");
    });
}

#[test]
fn nobody_comes_in_by_a_page_that_is_not_theirs() {
    serve(seed(ELSEWHERE), async |it: Served| {
        let mut browser = it.browser();
        let page = browser.get(&it.authorize(&[("identity_provider", "Google")])).await.location();
        let csrf = browser.get(&page).await.csrf();
        for form in [
            vec![("_csrf", csrf.as_str()), ("user", "Corp_gil")],
            vec![("_csrf", &csrf), ("user", "viewer")],
            vec![("_csrf", "guessed"), ("user", "Google_1085")],
        ] {
            let reply = browser.post(&page, &encode(&form), &[]).await;
            assert!(reply.status.is_client_error());
            assert!(!browser.cookies.contains_key("cognito"));
        }
        let other = page.replace("/_idp/Google", "/_idp/Corp");
        assert_eq!(browser.get(&other).await.status, StatusCode::NOT_FOUND);
        // Nor by the pool's own form.
        let reply = it.browser().sign_in(&it.authorize(&[]), "Google_1085", "").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    });
}

#[test]
fn the_login_page_offers_the_providers_of_the_client() {
    let only = format!(
        "{ELSEWHERE}\n[[clients]]\nid = \"c\"\nsecrets = [\"s\"]\nidentity_providers = [\"Google\"]\n"
    );
    serve(seed(ELSEWHERE), async |it: Served| {
        let mut browser = it.browser();
        let login = browser.get(&it.authorize(&[])).await.location();
        let page = browser.get(&login).await.body;
        assert!(page.contains("Continue with Google") && page.contains("Continue with Corp"));
        let local = browser.get(&it.authorize(&[("identity_provider", "COGNITO")])).await.location();
        assert!(local.starts_with("/login?"));
        // The button decides, whatever the way to the page named.
        let page = browser.get(&local).await.body;
        let button = page.split_once("class=\"button\" href=\"").unwrap().1.split_once('"').unwrap().0;
        let there = browser.get(&button.replace("&amp;", "&")).await.location();
        assert!(there.starts_with("/_idp/Google?"), "{there}");
    });
    // A client whose people come from one provider alone sees no form of the pool's.
    serve(seed(&only), async |it: Served| {
        assert!(it.browser().get(&it.authorize(&[])).await.location().starts_with("/_idp/Google?"));
        let local = it.authorize(&[("identity_provider", "COGNITO")]);
        assert_eq!(it.browser().get(&local).await.parameter("error"), "invalid_request");
    });
}

#[test]
fn a_failing_trigger_is_told_to_the_client_where_there_is_no_form() {
    let failing = format!("{ELSEWHERE}\n[trigger]\nversion = \"V1_0\"\nurl = \"http://127.0.0.1:1/\"\n");
    serve(seed(&failing), async |it: Served| {
        let google = it.authorize(&[("identity_provider", "Google")]);
        let reply = choose(&mut it.browser(), &google, ("user", "Google_1085")).await;
        assert_eq!(reply.parameter("error"), "invalid_request");
        let told = reply.parameter("error_description");
        assert!(told.starts_with("PreTokenGeneration invocation failed due to error"), "{told}");
    });
}
