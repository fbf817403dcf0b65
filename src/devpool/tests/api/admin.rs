//! Users, groups, and what the pool is.

use super::*;

#[test]
fn a_password_is_set_for_good_or_until_the_next_sign_in() {
    serve(public(), async |it: Served| {
        let set = |password: &str, permanent: bool| {
            it.admin(json!({ "Username": "viewer", "Password": password, "Permanent": permanent }))
        };
        it.call("AdminSetUserPassword", set("for good", true)).await;
        let answer = it.call("InitiateAuth", it.with_password("viewer", "for good")).await;
        assert!(answer["AuthenticationResult"].is_object());
        it.call("AdminSetUserPassword", set("for now", false)).await;
        let answer = it.call("InitiateAuth", it.with_password("viewer", "for now")).await;
        assert_eq!(answer["ChallengeName"], "NEW_PASSWORD_REQUIRED");
        assert_eq!(it.fails("AdminSetUserPassword", set("short", true)).await.0, "InvalidPasswordException");
    });
}

#[test]
fn a_disabled_user_is_signed_out_for_good() {
    serve(public(), async |it: Served| {
        let tokens = it.api_tokens("viewer").await;
        let named = it.admin(json!({ "Username": "viewer" }));
        it.call("AdminDisableUser", named.clone()).await;
        assert_eq!(it.call("AdminGetUser", named.clone()).await["Enabled"], false);
        it.call("AdminEnableUser", named).await;
        let input = json!({ "ClientId": "public", "RefreshToken": tokens["RefreshToken"] });
        assert_eq!(it.fails("GetTokensFromRefreshToken", input).await.0, "NotAuthorizedException");
        it.api_tokens("viewer").await;
    });
}

#[test]
fn a_name_is_taken_once_and_is_somebody_else_after_a_deletion() {
    serve(public(), async |it: Served| {
        let create = it.admin(json!({ "Username": "somebody", "TemporaryPassword": "temporary" }));
        let sub = |user: &Value| user["User"]["Attributes"][0]["Value"].clone();
        let first = it.call("AdminCreateUser", create.clone()).await;
        let told = it.fails("AdminCreateUser", create.clone()).await;
        assert_eq!(told, failed("UsernameExistsException", "User account already exists"));
        it.call("AdminDeleteUser", it.admin(json!({ "Username": "SOMEBODY" }))).await;
        let second = it.call("AdminCreateUser", create).await;
        assert_ne!(sub(&first), sub(&second));
        for (name, kind) in [("", "InvalidParameterException"), ("a b", "InvalidParameterException")] {
            assert_eq!(it.fails("AdminCreateUser", it.admin(json!({ "Username": name }))).await.0, kind);
        }
        let none =
            it.admin(json!({ "Username": "x", "UserAttributes": [{ "Name": "nonsense", "Value": "1" }] }));
        assert_eq!(it.fails("AdminCreateUser", none).await.0, "InvalidParameterException");
    });
}

#[test]
fn an_administrator_may_write_what_a_user_may_not() {
    serve(public(), async |it: Served| {
        let written =
            json!([{ "Name": "email_verified", "Value": "false" }, { "Name": "custom:role", "Value": "x" }]);
        it.call(
            "AdminUpdateUserAttributes",
            it.admin(json!({ "Username": "viewer", "UserAttributes": written })),
        )
        .await;
        let told = it.call("AdminGetUser", it.admin(json!({ "Username": "viewer" }))).await;
        let shown = told["UserAttributes"].as_array().unwrap();
        assert!(shown.contains(&json!({ "Name": "email_verified", "Value": "false" })));
        assert!(told["UserCreateDate"].as_u64().unwrap() > 1_700_000_000);
    });
}

#[test]
fn groups_are_made_filled_and_emptied() {
    serve(public(), async |it: Served| {
        let create = it.admin(json!({ "GroupName": "auditor", "Precedence": 5, "Description": "reads" }));
        let group = it.call("CreateGroup", create.clone()).await["Group"].clone();
        assert_eq!((&group["GroupName"], &group["Precedence"]), (&json!("auditor"), &json!(5)));
        let told = it.fails("CreateGroup", create).await;
        assert_eq!(told, failed("GroupExistsException", "A group with the name auditor already exists."));
        assert_eq!(
            it.fails("CreateGroup", it.admin(json!({ "GroupName": "a b" }))).await.0,
            "InvalidParameterException"
        );

        let member = |group: &str| it.admin(json!({ "Username": "guest", "GroupName": group }));
        // Twice is once.
        for _ in 0..2 {
            it.call("AdminAddUserToGroup", member("auditor")).await;
        }
        let of_user = it.call("AdminListGroupsForUser", it.admin(json!({ "Username": "guest" }))).await;
        assert_eq!(of_user["Groups"].as_array().unwrap().len(), 1);
        it.call("AdminRemoveUserFromGroup", member("auditor")).await;
        let of_user = it.call("AdminListGroupsForUser", it.admin(json!({ "Username": "guest" }))).await;
        assert_eq!(of_user["Groups"], json!([]));
        let none = failed("ResourceNotFoundException", "Group not found.");
        assert_eq!(it.fails("AdminAddUserToGroup", member("nobodys")).await, none);
        assert_eq!(it.fails("AdminRemoveUserFromGroup", member("nobodys")).await, none);
    });
}

#[test]
fn lists_come_in_parts_and_users_by_filter() {
    serve(public(), async |it: Served| {
        let first = it.call("ListUsers", it.admin(json!({ "Limit": 3 }))).await;
        assert_eq!(first["Users"].as_array().unwrap().len(), 3);
        let more = it.admin(json!({ "Limit": 3, "PaginationToken": first["PaginationToken"] }));
        let rest = it.call("ListUsers", more).await;
        assert_eq!(rest["Users"][0]["Username"], "viewer");
        assert!(rest.get("PaginationToken").is_none());
        for (filter, expected) in [
            ("email = \"editor@example.com\"", vec!["editor"]),
            ("username ^= \"VIE\"", vec!["viewer"]),
            ("\"cognito:user_status\"=\"CONFIRMED\"", vec!["admin", "editor", "guest", "viewer"]),
            ("status = \"Disabled\"", vec![]),
        ] {
            let told = it.call("ListUsers", it.admin(json!({ "Filter": filter }))).await;
            let names: Vec<_> =
                told["Users"].as_array().unwrap().iter().map(|user| &user["Username"]).collect();
            assert_eq!(names, expected, "{filter}");
        }
        for input in [
            json!({ "Filter": "nonsense" }),
            json!({ "Filter": "custom:role = \"x\"" }),
            json!({ "Limit": 61 }),
            json!({ "PaginationToken": "nonsense" }),
        ] {
            assert_eq!(it.fails("ListUsers", it.admin(input)).await.0, "InvalidParameterException");
        }
        assert_eq!(it.fails("ListUsers", it.admin(json!({ "Limit": -1 }))).await.0, "SerializationException");
        let groups = it.call("ListGroups", it.admin(json!({ "Limit": 2 }))).await;
        assert_eq!(groups["Groups"].as_array().unwrap().len(), 2);
        assert!(groups["NextToken"].is_string());
    });
}

#[test]
fn the_pool_and_its_client_are_described() {
    serve(Seed::builtin(), async |it: Served| {
        let pool = it.call("DescribeUserPool", it.admin(json!({}))).await["UserPool"].clone();
        assert_eq!((&pool["Id"], &pool["EstimatedNumberOfUsers"]), (&json!("local_devpool1"), &json!(4)));
        let input = it.admin(json!({ "ClientId": it.id }));
        let client = it.call("DescribeUserPoolClient", input).await["UserPoolClient"].clone();
        assert_eq!(client["ClientSecret"], it.secret.as_str());
        assert_eq!(client["CallbackURLs"], json!([CALLBACK]));
        assert_eq!(client["ExplicitAuthFlows"].as_array().unwrap().len(), 4);
        let none = it.admin(json!({ "ClientId": "none" }));
        assert_eq!(it.fails("DescribeUserPoolClient", none).await.0, "ResourceNotFoundException");
    });
}
