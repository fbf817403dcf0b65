//! What a pool says about a person in its many shapes, and what the upstream is told of it.

use super::houses::{of_levels, of_lists, of_pets};
use super::{identity, one_seen, seen};
use crate::support::dev::claims;

#[test]
fn row_04_a_claim_with_a_name_like_an_address_gives_roles_and_a_missing_one_stops_before_the_upstream() {
    let house = of_lists();
    let mut mia = house.signed_in("mia");
    assert_eq!(mia.open(&house.dev.at("/row-04/editors/x")).status, 200);
    let told = identity(&house.upstream, "/row-04/editors/x");
    assert_eq!(told, ("mia".into(), "flexai-editor,flexai-manager".into()));
    assert_eq!(mia.open(&house.dev.at("/row-04/admins/x")).status, 403);
    assert_eq!(mia.fetch(&house.dev.at("/row-04/admins/x")).status, 403);
    assert_eq!(seen(&house.upstream, "/row-04/admins/x").len(), 0);
}

#[test]
fn row_05_no_group_is_no_role_and_the_group_that_cognito_adds_for_a_provider_is_none() {
    let house = of_pets();
    let mut otto = house.signed_in("otto");
    assert_eq!(otto.open(&house.dev.at("/row-05/x")).status, 403);
    assert_eq!(seen(&house.upstream, "/row-05/x").len(), 0);

    // By the provider's own page, which the pool leads to where the browser asks for it.
    let mut fay = house.dev.browser();
    let login = fay.open(&house.dev.at("/row-05/x"));
    let page = fay.navigate(&format!("{}&identity_provider=Google", login.location()));
    let html = page.answer.text();
    let token = html.split("name=\"_csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let sent = fay.post(page.url.as_str(), &format!("user=Google_1085&_csrf={}", token.unwrap()));
    let page = fay.navigate(sent.location());
    assert_eq!(page.answer.status, 200, "{page:#?}");
    assert_eq!(identity(&house.upstream, "/row-05/x"), ("Google_1085".into(), "flexai-user".into()));
}

#[test]
fn row_06_a_custom_attribute_is_a_role_and_the_log_says_who_could_write_it() {
    let house = of_lists();
    house.signed_in("rita");
    assert_eq!(identity(&house.upstream, "/of-rita"), ("rita".into(), "editor".into()));
    house.dev.told(&["custom:role", "WriteAttributes"]);
    // Nor does the gate ask for the scope with which people could write it.
    let login = house.dev.browser().open(&house.dev.at("/"));
    assert!(login.location().contains("scope=openid+email+profile&"), "{}", login.location());
}

#[test]
fn row_09_both_tokens_carry_a_v2_triggers_list_and_no_trigger_changes_who_it_is() {
    let house = of_lists();
    let tokens = house.tokens("mia");
    for which in ["IdToken", "AccessToken"] {
        let claims = claims(tokens[which].as_str().unwrap());
        // In the order of the groups' precedence, which nobody wrote.
        let mut roles: Vec<_> = claims["https://flexai.de/roles"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r.as_str().unwrap())
            .collect();
        roles.sort_unstable();
        assert_eq!(roles, ["flexai-editor", "flexai-manager"], "{which}");
    }
    // V1 writes to the ID token alone.
    let house = of_pets();
    let tokens = house.tokens("dora");
    let (id, access) = (&tokens["IdToken"], &tokens["AccessToken"]);
    assert_eq!(claims(id.as_str().unwrap())["pet_preference"], "dogs");
    assert!(claims(access.as_str().unwrap()).get("pet_preference").is_none());
    // The handler of this house also tries to be somebody else.
    let house = of_levels();
    let tokens = house.tokens("prem");
    let sub = |which: &str| claims(tokens[which].as_str().unwrap())["sub"].clone();
    assert_eq!(sub("AccessToken"), sub("IdToken"));
    assert_ne!(sub("AccessToken"), "somebody-else");
    house.dev.told(&["change to sub of the access token is dropped"]);
}

#[test]
fn row_10_a_claims_value_grants_a_role_and_another_value_does_not() {
    let house = of_levels();
    let mut prem = house.signed_in("prem");
    assert_eq!(prem.open(&house.dev.at("/row-10/x")).status, 200);
    let (_, roles) = identity(&house.upstream, "/row-10/x");
    assert!(roles.split(',').any(|role| role == "premium"), "{roles}");
    for name in ["bob", "plus"] {
        let mut browser = house.signed_in(name);
        assert_eq!(browser.open(&house.dev.at("/row-10/x")).status, 403, "{name}");
    }
    assert_eq!(seen(&house.upstream, "/row-10/x").len(), 1);
}

#[test]
fn row_11_a_scope_counts_whole_as_a_role_and_by_itself() {
    let house = of_levels();
    let mut prem = house.signed_in("prem");
    let mut plus = house.signed_in("plus");
    for path in ["/row-11/role/x", "/row-11/scope/x"] {
        assert_eq!(prem.open(&house.dev.at(path)).status, 200, "{path}");
        assert_eq!(identity(&house.upstream, path).1, "membership:USA.Premium,premium");
        assert_eq!(plus.open(&house.dev.at(path)).status, 403, "{path}");
        assert_eq!(seen(&house.upstream, path).len(), 1);
    }
}

#[test]
fn row_13_a_claim_arrives_as_a_header_and_a_clients_own_copy_never() {
    let house = of_pets();
    let copies = "X-Pet-Preference: cats\r\nx_pet_preference: cats\r\nX.Pet.Preference: cats\r\n\
                  x-pet-preference: cats\r\nX-PET-PREFERENCE: cats\r\nX-Pet_Preference: cats\r\n\
                  Connection: X-Pet-Preference\r\n";
    let (dora, otto) = (house.signed_in("dora"), house.signed_in("otto"));
    let nobody = house.dev.browser();
    for (browser, target, expected) in [
        (&dora, "/row-13/dora", vec!["dogs"]),
        (&otto, "/row-13/otto", vec![]),
        (&nobody, "/public/row-13", vec![]),
    ] {
        assert_eq!(house.ask(browser, target, copies).status, 200, "{target}");
        let seen = one_seen(&house.upstream, target);
        let fold = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "").to_ascii_lowercase();
        let values = seen.head.headers.iter().filter(|(name, _)| fold(name) == "xpetpreference");
        let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, expected, "{target}");
    }
}

#[test]
fn row_25_a_group_with_a_comma_in_its_name_is_one_role_and_not_two() {
    let house = of_lists();
    let mut eve = house.signed_in("eve");
    let expected = ("eve".to_owned(), "gr%C3%B6%C3%9Fe,user%2Cadmin".to_owned());
    assert_eq!(identity(&house.upstream, "/of-eve"), expected);
    assert_eq!(eve.open(&house.dev.at("/row-25/admins/x")).status, 403);
    assert_eq!(seen(&house.upstream, "/row-25/admins/x").len(), 0);
}

#[test]
fn row_26_what_people_write_about_themselves_changes_no_name_and_an_unverified_address_is_none() {
    let house = of_lists();
    let tokens = house.tokens("pat");
    house.dev.call(
        "UpdateUserAttributes",
        &serde_json::json!({
            "AccessToken": tokens["AccessToken"],
            "UserAttributes": [{ "Name": "preferred_username", "Value": "admin" }],
        }),
    );
    let told = claims(house.tokens("pat")["IdToken"].as_str().unwrap());
    assert_eq!(told["preferred_username"], "admin");
    house.signed_in("pat");
    assert_eq!(identity(&house.upstream, "/of-pat").0, "pat");
    crate::headers::scenes::an_email_is_an_identity_only_when_it_is_verified_and_plain();
}
