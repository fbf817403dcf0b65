//! An authenticator app for one's own account: given out, verified, switched on.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-mfa-totp.html>

use serde::Deserialize;
use serde_json::json;

use super::super::{Pool, totp};
use super::failure::{Failure, Kind};
use super::input::need;
use super::own::bearer;
use super::{Done, told};

/// What `AssociateSoftwareToken` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Associate {
    access_token: Option<String>,
}

/// What `VerifySoftwareToken` takes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Verify {
    access_token: Option<String>,
    user_code: Option<String>,
}

/// What `SetUserMFAPreference` takes, of which only the authenticator app is here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Prefer {
    access_token: Option<String>,
    software_token_mfa_settings: Option<Settings>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Settings {
    #[serde(default)]
    enabled: bool,
}

pub(super) fn associate(pool: &Pool, input: &Associate) -> Result<Done, Failure> {
    let mut state = pool.state();
    let (user, _) = bearer(&mut state, input.access_token.as_deref())?;
    let key = totp::Key::random();
    let shown = key.show();
    user.totp_offered = Some(key);
    told(json!({ "SecretCode": shown }))
}

pub(super) fn verify(pool: &Pool, input: &Verify) -> Result<Done, Failure> {
    let mut state = pool.state();
    let now = state.now();
    let code = need(input.user_code.as_deref(), "userCode")?;
    let (user, _) = bearer(&mut state, input.access_token.as_deref())?;
    let mismatch = || {
        let message = "Code mismatch and fail enable Software Token MFA";
        Failure::new(Kind::EnableSoftwareTokenMfa, message)
    };
    let mut factor = totp::Factor::new(user.totp_offered.clone().ok_or_else(mismatch)?);
    factor.take(code, now).map_err(|_| mismatch())?;
    // A new app takes the place of one that was on; a first one waits for `SetUserMFAPreference`.
    factor.on = user.totp.as_ref().is_some_and(|before| before.on);
    user.totp = Some(factor);
    user.totp_offered = None;
    told(json!({ "Status": "SUCCESS" }))
}

pub(super) fn prefer(pool: &Pool, input: &Prefer) -> Result<Done, Failure> {
    let mut state = pool.state();
    let (user, _) = bearer(&mut state, input.access_token.as_deref())?;
    if let Some(settings) = &input.software_token_mfa_settings {
        match &mut user.totp {
            Some(factor) => factor.on = settings.enabled,
            None if settings.enabled => {
                return Err(Failure::parameter("User has not verified software token mfa"));
            }
            None => {}
        }
    }
    told(json!({}))
}
