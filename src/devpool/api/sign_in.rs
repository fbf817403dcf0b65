//! `InitiateAuth` and `AdminInitiateAuth`: the first step of a sign-in.
//!
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html>

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::challenge::{self, Step};
use super::super::seed::AuthFlow;
use super::super::srp::{Handshake, Identity};
use super::super::state::{Client, State, User, fingerprint};
use super::super::{Pool, random};
use super::failure::Failure;
use super::input::{Texts, need};
use super::{Done, issue, renew, secret, told};

/// What both operations take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    user_pool_id: Option<String>,
    client_id: Option<String>,
    auth_flow: Option<String>,
    #[serde(default)]
    auth_parameters: Texts,
}

pub(super) fn initiate(pool: &Pool, input: Input) -> Result<Done, Failure> {
    let client = secret::client(&pool.state(), input.client_id.as_deref())?;
    let given = &input.auth_parameters;
    match need(input.auth_flow.as_deref(), "authFlow")? {
        flow @ "USER_PASSWORD_AUTH" => {
            allowed(&client, AuthFlow::UserPassword, &format!("{flow} flow"))?;
            password(pool, &client, given)
        }
        flow @ "USER_SRP_AUTH" => {
            allowed(&client, AuthFlow::UserSrp, &format!("{flow} flow"))?;
            srp(pool, &client, given)
        }
        "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => renew::by_flow(pool, &client, given),
        "ADMIN_USER_PASSWORD_AUTH" | "ADMIN_NO_SRP_AUTH" => {
            Err(Failure::parameter("Initiate Auth method not supported."))
        }
        flow => Err(unknown(flow)),
    }
}

pub(super) fn admin_initiate(pool: &Pool, input: Input) -> Result<Done, Failure> {
    pool.is_meant(input.user_pool_id.as_deref())?;
    let client = secret::client(&pool.state(), input.client_id.as_deref())?;
    let given = &input.auth_parameters;
    match need(input.auth_flow.as_deref(), "authFlow")? {
        "ADMIN_USER_PASSWORD_AUTH" | "ADMIN_NO_SRP_AUTH" => {
            allowed(&client, AuthFlow::AdminUserPassword, "Auth flow")?;
            password(pool, &client, given)
        }
        "USER_SRP_AUTH" => {
            allowed(&client, AuthFlow::UserSrp, "Auth flow")?;
            srp(pool, &client, given)
        }
        "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => renew::by_flow(pool, &client, given),
        "USER_PASSWORD_AUTH" => Err(Failure::parameter("Initiate Auth method not supported.")),
        flow => Err(unknown(flow)),
    }
}

/// The next step of a user whose password is proved, or the tokens.
pub(super) fn go_on(pool: &Pool, state: &mut State, client: &Client, user: &str) -> Result<Done, Failure> {
    let found = state.users.get(user).ok_or(challenge::AccountError::Incorrect)?;
    let Some(step) = challenge::next_step(found) else { return issue::first(pool, state, client, user) };
    let mut parameters = Map::new();
    parameters.insert("USER_ID_FOR_SRP".into(), json!(found.name));
    let name = match step {
        Step::NewPassword => {
            parameters.insert("requiredAttributes".into(), json!("[]"));
            parameters.insert("userAttributes".into(), json!(attributes(found, client)));
            "NEW_PASSWORD_REQUIRED"
        }
        Step::Totp => "SOFTWARE_TOKEN_MFA",
        Step::Password(_) => "PASSWORD_VERIFIER",
    };
    let session = challenge::ask(state, user, &client.id, step);
    told(json!({ "ChallengeName": name, "Session": session, "ChallengeParameters": parameters }))
}

/// `flow` may be used with this client.
pub(super) fn allowed(client: &Client, flow: AuthFlow, name: &str) -> Result<(), Failure> {
    if client.auth_flows.contains(&flow) {
        return Ok(());
    }
    Err(Failure::parameter(format!("{name} not enabled for this client")))
}

fn password(pool: &Pool, client: &Client, given: &Texts) -> Result<Done, Failure> {
    let name = given.need("USERNAME")?;
    let password = given.need("PASSWORD")?;
    secret::check_hash(client, name, given.find("SECRET_HASH"))?;
    let mut state = pool.state();
    let user = challenge::check_password(&state, name, password)?;
    go_on(pool, &mut state, client, &user)
}

fn srp(pool: &Pool, client: &Client, given: &Texts) -> Result<Done, Failure> {
    let name = given.need("USERNAME")?;
    let theirs = given.need("SRP_A")?;
    secret::check_hash(client, name, given.find("SECRET_HASH"))?;
    let key = name.trim().to_lowercase();
    // Who is unknown is asked like anyone else, so that names are not told.
    let (name, password) = match pool.state().users.get(&key) {
        Some(user) => (user.name.clone(), user.password.clone()),
        None => (name.to_owned(), random::token::<32>()),
    };
    let mut salt = [0; 16];
    salt.copy_from_slice(&fingerprint(&format!("{}\0salt\0{key}", pool.pool_id))[..16]);
    let identity = Identity { pool: pool.srp_name(), user: &name };
    // Without the lock: these are large numbers.
    let begun = Handshake::begin(identity, &password, salt, theirs);
    let begun = begun.ok_or_else(|| Failure::parameter("Invalid SRP_A"))?;
    let (salt, ours) = (begun.salt(), begun.number());
    let block = challenge::ask(&mut pool.state(), &key, &client.id, Step::Password(Box::new(begun)));
    // No `Session`, as at Cognito: the block leads back here.
    told(json!({
        "ChallengeName": "PASSWORD_VERIFIER",
        "ChallengeParameters": {
            "SALT": salt,
            "SECRET_BLOCK": block,
            "SRP_B": ours,
            "USERNAME": name,
            "USER_ID_FOR_SRP": name,
        },
    }))
}

/// The attributes that the client may read, as JSON in a string.
fn attributes(user: &User, client: &Client) -> String {
    let readable = user.attributes.iter().filter(|(name, _)| client.may_read(name));
    Value::Object(readable.map(|(name, value)| (name.clone(), json!(value))).collect()).to_string()
}

fn unknown(flow: &str) -> Failure {
    if matches!(flow, "CUSTOM_AUTH" | "USER_AUTH") {
        return Failure::parameter(format!("{flow} flow not enabled for this client"));
    }
    Failure::parameter(format!(
        "1 validation error detected: Value '{flow}' at 'authFlow' failed to satisfy constraint: Member must satisfy \
         enum value set: [USER_AUTH, USER_SRP_AUTH, REFRESH_TOKEN_AUTH, REFRESH_TOKEN, CUSTOM_AUTH, \
         ADMIN_NO_SRP_AUTH, USER_PASSWORD_AUTH, ADMIN_USER_PASSWORD_AUTH]"
    ))
}

// === impl Pool ===

impl Pool {
    /// The part of the pool's id that goes into proofs.
    pub(super) fn srp_name(&self) -> &str {
        self.pool_id.split_once('_').map_or("", |(_, name)| name)
    }
}
