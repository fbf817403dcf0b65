//! The pre token generation trigger: who is asked, what they are told, and what of their answer reaches the tokens.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html>
//!
//! ```text
//! call     the event, put together under the pool's lock
//! run ┬ rules    [[trigger.claims]], answered here
//!     ├ exec     a person's own Node or Python file
//!     └ url      a Lambda runtime interface emulator
//! answer   what the answer may say in this version     change   what of it a token takes
//! ```

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::Pool;

mod answer;
mod change;
mod event;
mod exec;
mod rules;
mod seed;
#[cfg(test)]
mod tests;
mod url;

pub(super) use self::change::{Overrides, Target};
pub(super) use self::event::Occasion;
pub(super) use self::rules::{Rule, Which};
pub(super) use self::seed::{Kind as SeedKind, TriggerSeed, TriggerTable};
pub(super) use self::url::Address;

/// A pool's trigger.
pub(super) struct Trigger {
    version: Version,
    kind: Kind,
    patience: Duration,
    /// So that two hundred sign-ins at once are not two hundred processes; who waits here is not slow yet.
    turns: Semaphore,
}

/// Which form event and answer have, and what may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// The ID token's claims, as strings; the groups of both tokens.
    One,
    /// Both tokens, typed values, scopes.
    Two,
    /// As two, and for machines too.
    Three,
}

/// Why tokens are generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    HostedAuth,
    /// By the JSON API.
    Authentication,
    /// A new password took the place of a temporary one.
    NewPasswordChallenge,
    RefreshTokens,
    ClientCredentials,
}

/// An event on its way.
pub(super) struct Call(Value);

/// There are no tokens, because the trigger did not work. Shown, it is what Cognito says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It said so itself.
    #[error("PreTokenGeneration failed with error {0}.")]
    Function(String),
    /// It was not reached, or did not answer in five seconds.
    #[error("PreTokenGeneration invocation failed due to error {0}.")]
    Invocation(String),
    /// It answered what is no answer; the reason is ours.
    #[error("Unrecognizable lambda output")]
    Output(String),
}

enum Kind {
    Rules(Vec<Rule>),
    Exec(PathBuf),
    Url(Address),
}

/// The call that a pool's trigger is to get, if there is one for this occasion.
pub(super) fn call(pool: &Pool, occasion: &Occasion<'_>) -> Option<Call> {
    let trigger = pool.trigger.as_ref()?;
    if occasion.source == Source::ClientCredentials && trigger.version < Version::Three {
        return None;
    }
    Some(Call(event::event(trigger.version, occasion)))
}

/// Asks the trigger. Without a call nothing changes.
pub(super) async fn run(pool: &Pool, call: Option<Call>) -> Result<Overrides, Failure> {
    let (Some(trigger), Some(Call(event))) = (&pool.trigger, call) else { return Ok(Overrides::default()) };
    let answered = match trigger.ask(&event).await {
        Ok(answer) => answer::read(trigger.version, &answer),
        Err(failure) => Err(failure),
    };
    answered.inspect_err(|failure| {
        let user = event.get("userName").and_then(Value::as_str).unwrap_or_default();
        tracing::error!(user, reason = failure.reason(), "{failure}");
    })
}

// === impl Trigger ===

impl Trigger {
    pub(super) fn new(seed: TriggerSeed) -> Self {
        let kind = match seed.kind {
            SeedKind::Rules(rules) => Kind::Rules(rules),
            SeedKind::Exec(file) => Kind::Exec(file),
            SeedKind::Url(address) => Kind::Url(address),
        };
        Self { version: seed.version, kind, patience: seed.patience, turns: Semaphore::new(MOST_AT_ONCE) }
    }

    async fn ask(&self, event: &Value) -> Result<Value, Failure> {
        let asked = async {
            match &self.kind {
                Kind::Rules(rules) => Ok(rules::answer(self.version, rules, event)),
                Kind::Exec(file) => exec::invoke(file, event).await,
                Kind::Url(address) => address.invoke(event).await,
            }
        };
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(Failure::Invocation("the pool is ending".into()));
        };
        // What is given up on is dropped, and a child process with it killed.
        tokio::time::timeout(self.patience, asked).await.unwrap_or_else(|_| {
            Err(Failure::Invocation("Socket timeout while invoking Lambda function".into()))
        })
    }
}

// === impl Version ===

impl Version {
    /// As `LambdaVersion` has it.
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("V1_0", Self::One), ("V2_0", Self::Two), ("V3_0", Self::Three)];

    /// As the event has it.
    fn number(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
            Self::Three => "3",
        }
    }
}

// === impl Source ===

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::HostedAuth => "TokenGeneration_HostedAuth",
            Self::Authentication => "TokenGeneration_Authentication",
            Self::NewPasswordChallenge => "TokenGeneration_NewPasswordChallenge",
            Self::RefreshTokens => "TokenGeneration_RefreshTokens",
            Self::ClientCredentials => "TokenGeneration_ClientCredentials",
        }
    }
}

// === impl Failure ===

impl Failure {
    /// The exception that the JSON API answers with.
    pub(super) fn exception(&self) -> &'static str {
        match self {
            Self::Function(_) => "UserLambdaValidationException",
            Self::Invocation(_) => "UnexpectedLambdaException",
            Self::Output(_) => "InvalidLambdaResponseException",
        }
    }

    /// What Cognito keeps to itself.
    fn reason(&self) -> &str {
        match self {
            Self::Function(_) | Self::Invocation(_) => "",
            Self::Output(reason) => reason,
        }
    }

    /// Cognito's words, and the reason where they have none.
    pub(super) fn told(&self) -> String {
        match self.reason() {
            "" => self.to_string(),
            reason => format!("{self} ({reason})"),
        }
    }
}

/// As Cognito waits: the function itself may have a longer time, nobody waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Lambda's limit of an answer.
const MOST_BYTES: usize = 6 * 1024 * 1024;
const MOST_AT_ONCE: usize = 8;
