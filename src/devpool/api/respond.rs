//! `RespondToAuthChallenge` and `AdminRespondToAuthChallenge`: the steps between a password and tokens.
//!
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html>

use serde::Deserialize;

use super::super::Pool;
use super::super::challenge::{self, AccountError, Step, StepError};
use super::super::srp::{Identity, Proof};
use super::super::state::Client;
use super::attributes::{self, By};
use super::failure::Failure;
use super::input::{Attribute, Texts, need};
use super::{Done, secret, sign_in};

/// What both operations take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    user_pool_id: Option<String>,
    client_id: Option<String>,
    challenge_name: Option<String>,
    session: Option<String>,
    #[serde(default)]
    challenge_responses: Texts,
}

pub(super) fn admin_answer(pool: &Pool, input: Input) -> Result<Done, Failure> {
    pool.is_meant(input.user_pool_id.as_deref())?;
    answer(pool, input)
}

pub(super) fn answer(pool: &Pool, input: Input) -> Result<Done, Failure> {
    let client = secret::client(&pool.state(), input.client_id.as_deref())?;
    let name = need(input.challenge_name.as_deref(), "challengeName")?;
    let given = &input.challenge_responses;
    let user = given.need("USERNAME")?;
    secret::check_hash(&client, user, given.find("SECRET_HASH"))?;
    let session = || {
        let session = input.session.as_deref().filter(|session| !session.is_empty());
        session.ok_or_else(|| Failure::parameter("Missing required parameter Session"))
    };
    match name {
        "NEW_PASSWORD_REQUIRED" => new_password(pool, &client, session()?, given),
        "SOFTWARE_TOKEN_MFA" => code(pool, &client, session()?, given),
        "PASSWORD_VERIFIER" => proof(pool, &client, given),
        _ => Err(Failure::parameter(format!("The challenge {name} is not asked by this development pool."))),
    }
}

fn new_password(pool: &Pool, client: &Client, session: &str, given: &Texts) -> Result<Done, Failure> {
    let password = given.need("NEW_PASSWORD")?;
    let mut state = pool.state();
    is_of(given, &challenge::find(&state, session, &client.id)?.user)?;
    let written = given.after("userAttributes.");
    let written: Vec<_> =
        written.map(|(name, value)| Attribute { name: name.to_owned(), value: value.to_owned() }).collect();
    attributes::check(&written, By::User(client))?;
    let user = challenge::set_password(&mut state, session, &client.id, password)?;
    let now = state.now();
    if let Some(user) = state.users.get_mut(&user) {
        attributes::write(user, written, By::User(client), now)?;
    }
    sign_in::go_on(pool, &mut state, client, &user)
}

fn code(pool: &Pool, client: &Client, session: &str, given: &Texts) -> Result<Done, Failure> {
    let code = given.need("SOFTWARE_TOKEN_MFA_CODE")?;
    let mut state = pool.state();
    is_of(given, &challenge::find(&state, session, &client.id)?.user)?;
    let user = challenge::take_code(&mut state, session, &client.id, code)?;
    super::issue::first(pool, &mut state, client, &user)
}

fn proof(pool: &Pool, client: &Client, given: &Texts) -> Result<Done, Failure> {
    let block = given.need("PASSWORD_CLAIM_SECRET_BLOCK")?;
    let proof = Proof {
        block,
        timestamp: given.need("TIMESTAMP")?,
        signature: given.need("PASSWORD_CLAIM_SIGNATURE")?,
    };
    let (begun, name) = {
        let mut state = pool.state();
        let found = challenge::find(&state, block, &client.id).map_err(|_| AccountError::Incorrect)?;
        is_of(given, &found.user)?;
        let name = state.users.get(&found.user).map(|user| user.name.clone());
        // A block is good once.
        (state.challenges.remove(block).ok_or(AccountError::Incorrect)?, name)
    };
    let (Step::Password(handshake), Some(name)) = (&begun.step, name) else {
        return Err(AccountError::Incorrect.into());
    };
    // Without the lock: these are large numbers.
    if !handshake.proves(Identity { pool: pool.srp_name(), user: &name }, &proof) {
        return Err(AccountError::Incorrect.into());
    }
    let mut state = pool.state();
    challenge::admit(state.users.get(&begun.user).ok_or(AccountError::Incorrect)?)?;
    sign_in::go_on(pool, &mut state, client, &begun.user)
}

/// The name in the answer is the one that the session is for.
fn is_of(given: &Texts, user: &str) -> Result<(), Failure> {
    let same = given.need("USERNAME")?.trim().to_lowercase() == user;
    if same { Ok(()) } else { Err(StepError::NoSession.into()) }
}
