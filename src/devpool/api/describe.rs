//! What the pool and its clients are, as far as it exists here.
//!
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_DescribeUserPool.html>

use serde::Deserialize;
use serde_json::json;

use super::super::Pool;
use super::super::account::LEAST;
use super::super::seed::AuthFlow;
use super::failure::Failure;
use super::{Done, secret, told};

/// What both operations take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    user_pool_id: Option<String>,
    client_id: Option<String>,
}

pub(super) fn pool(pool: &Pool, input: &Input) -> Result<Done, Failure> {
    pool.is_meant(input.user_pool_id.as_deref())?;
    let state = pool.state();
    let region = pool.pool_id.split_once('_').map_or("local", |(region, _)| region);
    told(json!({
        "UserPool": {
            "Id": pool.pool_id,
            "Name": "rolegate dev pool",
            // Of the account that AWS's own examples have.
            "Arn": format!("arn:aws:cognito-idp:{region}:111122223333:userpool/{}", pool.pool_id),
            "EstimatedNumberOfUsers": state.users.len(),
            "MfaConfiguration": "OPTIONAL",
            "UsernameConfiguration": { "CaseSensitive": false },
            "Policies": { "PasswordPolicy": {
                "MinimumLength": LEAST,
                "RequireLowercase": false,
                "RequireNumbers": false,
                "RequireSymbols": false,
                "RequireUppercase": false,
            } },
        }
    }))
}

pub(super) fn client(pool: &Pool, input: &Input) -> Result<Done, Failure> {
    pool.is_meant(input.user_pool_id.as_deref())?;
    let state = pool.state();
    let client = secret::client(&state, input.client_id.as_deref())?;
    let flows: Vec<_> = client.auth_flows.iter().map(|flow| flow.name()).collect();
    let mut shown = json!({
        "ClientId": client.id,
        "ClientName": client.id,
        "UserPoolId": pool.pool_id,
        "CallbackURLs": client.callback_urls,
        "LogoutURLs": client.logout_urls,
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthFlowsUserPoolClient": true,
        "AllowedOAuthScopes": client.scopes,
        "ExplicitAuthFlows": flows,
        "SupportedIdentityProviders": ["COGNITO"],
        "IdTokenValidity": client.id_lifetime,
        "AccessTokenValidity": client.access_lifetime,
        "RefreshTokenValidity": client.refresh_lifetime,
        "TokenValidityUnits": { "IdToken": "seconds", "AccessToken": "seconds", "RefreshToken": "seconds" },
        "EnableTokenRevocation": true,
        "PreventUserExistenceErrors": "ENABLED",
        "RefreshTokenRotation": {
            "Feature": if client.rotation { "ENABLED" } else { "DISABLED" },
            "RetryGracePeriodSeconds": client.grace,
        },
    });
    if let Some(secret) = client.secrets.first() {
        shown["ClientSecret"] = json!(secret);
    }
    for (name, attributes) in
        [("ReadAttributes", &client.read_attributes), ("WriteAttributes", &client.write_attributes)]
    {
        if let Some(attributes) = attributes {
            shown[name] = json!(attributes);
        }
    }
    told(json!({ "UserPoolClient": shown }))
}

// === impl AuthFlow ===

impl AuthFlow {
    fn name(self) -> &'static str {
        match self {
            Self::UserPassword => "ALLOW_USER_PASSWORD_AUTH",
            Self::AdminUserPassword => "ALLOW_ADMIN_USER_PASSWORD_AUTH",
            Self::UserSrp => "ALLOW_USER_SRP_AUTH",
            Self::RefreshToken => "ALLOW_REFRESH_TOKEN_AUTH",
        }
    }
}
