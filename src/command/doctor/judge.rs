//! Client, login, callbacks, scopes and sign-out addresses, judged together: one cause shows in several answers,
//! and is told once. ★

use super::answers::{TokenAnswer, Tried};
use super::aws::Aws;
use super::pages::{Begun, Ended};
use super::pool::table;
use super::report::{Finding, Level, quoted};
use crate::config::settings::{Parameter, Provider};

/// Everything that was asked of the provider's endpoints. What is not there was not asked, because `hidden`.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// The provider, as configured.
    pub(super) provider: &'a Provider,
    /// One for each public origin, in order.
    pub(super) pages: Vec<Page>,
    /// Each scope asked for alone, where all together were refused.
    pub(super) scopes: Vec<(String, Begun)>,
    /// One for each configured secret, or one without.
    pub(super) tried: Vec<Tried>,
    /// Why something was not asked.
    pub(super) hidden: String,
    /// Whether the provider has a sign-out endpoint.
    pub(super) signs_out: bool,
}

/// The addresses of one public origin, and what became of them.
#[derive(Debug)]
pub(super) struct Page {
    /// Where a login comes back to.
    pub(super) callback: String,
    /// Where signing out comes back to.
    pub(super) landing: String,
    /// A login begun with the callback.
    pub(super) begun: Option<Begun>,
    /// A sign-out with the landing.
    pub(super) ended: Option<Ended>,
}

// === impl Seen ===

impl Seen<'_> {
    /// All findings, in order.
    pub(super) fn judge(&self) -> Vec<Finding> {
        let mut findings = self.client();
        findings.push(self.login());
        findings.extend(self.pages.iter().enumerate().map(|(at, page)| self.callback(page, at == 0)));
        findings.push(self.scopes());
        findings.extend(self.pages.iter().map(|page| self.sign_out(page)));
        findings
    }

    fn client(&self) -> Vec<Finding> {
        if self.tried.is_empty() {
            return vec![Finding::unseen(CLIENT, self.hidden.clone())];
        }
        let many = self.tried.len() > 1;
        let accepted = self.tried.iter().any(accepts_the_client);
        let named = |(at, tried): (usize, &Tried)| {
            let mut finding = self.secret(tried);
            if accepted && rejects_the_client(tried) {
                // The gate goes on to the next one, as while secrets are rotated.
                finding = Finding::new(Level::Warn, CLIENT, finding.found).fix(format!(
                    "take it out of the file of [{}] client_secrets_file",
                    table(self.provider)
                ));
            }
            if many {
                finding.found = format!("secret {} of {}: {}", at + 1, self.tried.len(), finding.found);
            }
            finding
        };
        self.tried.iter().enumerate().map(named).collect()
    }

    /// A made-up code is refused after the client has proved to be one.
    fn secret(&self, tried: &Tried) -> Finding {
        let what =
            if tried.with_secret { "id and secret are right" } else { "the id is right, without a secret" };
        let (error, description) = match &tried.answer {
            TokenAnswer::Refused { error, description } => (error.as_str(), description.as_deref()),
            TokenAnswer::Granted => {
                return Finding::fail(CLIENT, "the token endpoint gave tokens for a made-up code")
                    .fix("do not trust this provider: it signs anybody in");
            }
            TokenAnswer::Other(text) => {
                return Finding::fail(CLIENT, format!("the token endpoint did not say: {}", quoted(text)))
                    .fix("try again in a minute; without the token endpoint nobody can sign in");
            }
        };
        match error {
            _ if accepts_the_client(tried) => {
                Finding::ok(CLIENT, format!("{what} (client_id {})", self.provider.client_id))
            }
            "invalid_client" => self.rejected(tried.with_secret, description),
            other => {
                let found =
                    format!("the token endpoint answered {}, which does not tell", told(other, description));
                Finding::unseen(CLIENT, found)
            }
        }
    }

    fn rejected(&self, with_secret: bool, description: Option<&str>) -> Finding {
        let (id, table) = (&self.provider.client_id, table(self.provider));
        let code = told("invalid_client", description);
        let aws = Aws::of(self.provider);
        if !self.client_is_known() {
            let finding = Finding::fail(
                CLIENT,
                format!(
                    "{code}: the client_id {id} is not the provider's, or the secret is not the client's"
                ),
            );
            return match aws {
                Some(aws) => finding
                    .fix(format!("[{table}] client_id is the first word of one of these lines:"))
                    .fix(aws.list_clients())
                    .fix(format!("if {id} is among them, the secret is another; it is what this prints:"))
                    .fix(format!("{} --output text", aws.describe_client("ClientSecret"))),
                None => {
                    finding.fix(format!("copy [{table}] client_id and the secret anew from the provider"))
                }
            };
        }
        if with_secret {
            let finding = Finding::fail(
                CLIENT,
                format!("{code}: the app client's secret is rejected, its id {id} is right"),
            );
            return match aws {
                Some(aws) => finding
                    .fix(format!("put what this prints into the file of [{table}] client_secret_file:"))
                    .fix(format!("{} --output text", aws.describe_client("ClientSecret")))
                    .fix("if it prints None, the client has no secret: leave client_secret_file and client_secret out"),
                None => finding.fix(format!("copy the client's secret anew into the file of [{table}] client_secret_file")),
            };
        }
        let finding = Finding::fail(
            CLIENT,
            format!("{code}: the app client {id} has a secret, and none is configured"),
        );
        let finding = match aws {
            Some(aws) => {
                finding.fix(format!("{} --output text > {SECRET_FILE}", aws.describe_client("ClientSecret")))
            }
            None => finding.fix(format!("write the client's secret into {SECRET_FILE}")),
        };
        finding.fix(format!("[{table}] client_secret_file = \"{SECRET_FILE}\""))
    }

    fn login(&self) -> Finding {
        let errors = || {
            self.pages.iter().filter_map(|page| match &page.begun {
                Some(Begun::Told { error, description }) => Some((error.as_str(), description.as_deref())),
                _ => None,
            })
        };
        let no_grant = self.tried.iter().any(|tried| match &tried.answer {
            TokenAnswer::Refused { error, description } => match error.as_str() {
                "unauthorized_client" => description.as_deref() != Some(INVALID_REDIRECT),
                error => error == "unsupported_grant_type",
            },
            _ => false,
        });
        if no_grant || errors().any(|(error, _)| error == "unauthorized_client") {
            let finding = Finding::fail(
                LOGIN,
                "unauthorized_client: the client may not use the authorization code grant",
            );
            return match Aws::of(self.provider) {
                Some(aws) => finding
                    .fix(format!("{}: OAuth grant types: Authorization code grant; or:", aws.console(EDIT)))
                    .fix(aws.allow_code_grant()),
                None => finding.fix("enable the authorization code grant at the client"),
            };
        }
        if self.begun().any(|begun| *begun == Begun::Login) {
            return Finding::ok(LOGIN, "a login leads to the provider's page");
        }
        match errors().find(|(error, _)| *error != INVALID_SCOPE) {
            Some((error, description)) => self.refused_login(&told(error, description)),
            None if errors().next().is_some() => {
                Finding::unseen(LOGIN, "not looked at: the scopes are refused")
            }
            None => self.after_the_callback(LOGIN),
        }
    }

    fn refused_login(&self, told: &str) -> Finding {
        let finding = Finding::fail(LOGIN, format!("the provider refuses a login: {told}"));
        match (&self.provider.parameters.identity_provider, Aws::of(self.provider)) {
            (Parameter::Always(name), Some(aws)) => finding
                .fix(format!("[cognito] identity_provider is {name:?}; these there are:"))
                .fix(aws.list_providers())
                .fix("and these the client may use:")
                .fix(aws.describe_client("SupportedIdentityProviders")),
            _ => finding.fix("mend what it says at the app client, then ask again"),
        }
    }

    fn callback(&self, page: &Page, first: bool) -> Finding {
        let callback = &page.callback;
        let refused = |code: &str| {
            let found = format!("{code}: {callback} is not registered");
            let fix = format!("register {callback}");
            self.register(
                Finding::fail(CALLBACK, found),
                &fix,
                "Allowed callback URLs",
                "CallbackURLs",
                callback,
            )
        };
        let at_token = self.tried.iter().any(|tried| match &tried.answer {
            TokenAnswer::Refused { error, description } => {
                error == "unauthorized_client" && description.as_deref() == Some(INVALID_REDIRECT)
            }
            _ => false,
        });
        match &page.begun {
            None => Finding::unseen(CALLBACK, self.hidden.clone()),
            Some(_) if at_token && first => refused("unauthorized_client/invalid_redirect"),
            Some(Begun::Login | Begun::Told { .. }) => {
                Finding::ok(CALLBACK, format!("{callback} is registered"))
            }
            Some(Begun::ErrorPage(error)) if self.client_is_in_doubt() => Finding::unseen(
                CALLBACK,
                format!("not looked at: {error}, and the client has to be right first"),
            ),
            Some(Begun::ErrorPage(error)) => refused(error),
            Some(Begun::Unknown(text)) => self.look(
                Finding::unseen(CALLBACK, format!("the authorize endpoint does not tell ({text})")),
                &format!("{callback} has to be among them:"),
                "CallbackURLs",
            ),
            Some(Begun::Silent(silence)) => {
                Finding::fail(CALLBACK, silence.found()).fix(silence.fix(table(self.provider)))
            }
        }
    }

    fn scopes(&self) -> Finding {
        let all = &self.provider.scopes;
        let first = self.pages.first().and_then(|page| page.begun.as_ref());
        match first {
            Some(Begun::Login) => {
                return Finding::ok(SCOPES, format!("the client may ask for {}", all.join(" ")));
            }
            Some(Begun::Told { error, .. }) if error == INVALID_SCOPE => {}
            _ => return self.after_the_callback(SCOPES),
        }
        let is_missing = |begun: &Begun| matches!(begun, Begun::Told { error, .. } if error == INVALID_SCOPE);
        let missing: Vec<&str> = self
            .scopes
            .iter()
            .filter(|(_, begun)| is_missing(begun))
            .map(|(scope, _)| scope.as_str())
            .collect();
        if missing.is_empty() {
            return Finding::fail(
                SCOPES,
                format!("invalid_scope: {} is refused, each of it alone is not", all.join(" ")),
            )
            .fix("ask for fewer");
        }
        let found = format!("invalid_scope: the client may not ask for {}", missing.join(" "));
        let mut finding = Finding::fail(SCOPES, found);
        if let Some(aws) = Aws::of(self.provider) {
            finding = finding
                .fix(format!(
                    "{}: OpenID Connect or custom scopes: {}; or:",
                    aws.console(EDIT),
                    missing.join(" ")
                ))
                .fix(aws.add_to_client(&[("AllowedOAuthScopes", &missing)]));
        } else {
            finding = finding.fix(format!("allow the client {}", missing.join(" ")));
        }
        if missing.contains(&"openid") {
            return finding;
        }
        let rest: Vec<&String> = all.iter().filter(|scope| !missing.contains(&scope.as_str())).collect();
        finding.fix(format!("or do without: [{}] scopes = {rest:?}", table(self.provider)))
    }

    fn sign_out(&self, page: &Page) -> Finding {
        let landing = &page.landing;
        match &page.ended {
            None if !self.signs_out => Finding::new(
                Level::Warn,
                SIGN_OUT,
                "the provider has no sign-out endpoint: who signs out here is let in again without a password",
            )
            .fix("nothing can be done here; tell people to sign out at the provider too"),
            None => Finding::unseen(SIGN_OUT, self.hidden.clone()),
            Some(Ended::Back) => Finding::ok(SIGN_OUT, format!("{landing} is registered")),
            Some(Ended::Refused(error)) if self.client_is_in_doubt() => {
                Finding::unseen(SIGN_OUT, format!("not looked at: {error}, and the client has to be right first"))
            }
            Some(Ended::Refused(error)) => {
                let finding = Finding::fail(SIGN_OUT, format!("{error}: {landing} is not registered"));
                let fix = format!("register {landing}");
                self.register(finding, &fix, "Allowed sign-out URLs", "LogoutURLs", landing)
            }
            Some(Ended::Unknown(text)) => self.look(
                Finding::unseen(SIGN_OUT, format!("the sign-out endpoint does not tell ({text})")),
                &format!("{landing} has to be among them:"),
                "LogoutURLs",
            ),
            Some(Ended::Silent(silence)) => {
                Finding::fail(SIGN_OUT, silence.found()).fix(silence.fix(table(self.provider)))
            }
        }
    }

    fn register(&self, finding: Finding, fix: &str, field: &str, member: &str, address: &str) -> Finding {
        match Aws::of(self.provider) {
            Some(aws) => finding
                .fix(format!("{fix} in {}: {field}; or:", aws.console(EDIT)))
                .fix(aws.add_to_client(&[(member, &[address])])),
            None => finding.fix(format!("{fix} at the client {}", self.provider.client_id)),
        }
    }

    fn look(&self, finding: Finding, why: &str, member: &str) -> Finding {
        match Aws::of(self.provider) {
            Some(aws) => finding.fix(why).fix(aws.describe_client(member)),
            None => finding.fix(why.trim_end_matches(':').to_owned()),
        }
    }

    /// What only a registered callback would show.
    fn after_the_callback(&self, what: &'static str) -> Finding {
        let asked = self.pages.iter().any(|page| page.begun.is_some());
        match asked {
            true => Finding::unseen(what, "not looked at: the callback has to be registered first"),
            false => Finding::unseen(what, self.hidden.clone()),
        }
    }

    fn begun(&self) -> impl Iterator<Item = &Begun> {
        let pages = self.pages.iter().filter_map(|page| page.begun.as_ref());
        pages.chain(self.scopes.iter().map(|(_, begun)| begun))
    }

    /// An endpoint that asks for no secret has taken the id together with an address of its own.
    fn client_is_known(&self) -> bool {
        self.begun().any(|begun| matches!(begun, Begun::Login | Begun::Told { .. }))
            || self.pages.iter().any(|page| page.ended == Some(Ended::Back))
    }

    fn client_is_in_doubt(&self) -> bool {
        !self.tried.is_empty() && self.tried.iter().all(rejects_the_client) && !self.client_is_known()
    }
}

fn rejects_the_client(tried: &Tried) -> bool {
    matches!(&tried.answer, TokenAnswer::Refused { error, .. } if error == "invalid_client")
}

/// These are said only to a client that has proved to be one.
fn accepts_the_client(tried: &Tried) -> bool {
    let TokenAnswer::Refused { error, .. } = &tried.answer else { return false };
    ["invalid_grant", "unauthorized_client", "unsupported_grant_type"].contains(&error.as_str())
}

fn told(error: &str, description: Option<&str>) -> String {
    match description {
        Some(description) => format!("{} ({})", quoted(error), quoted(description)),
        None => quoted(error),
    }
}

/// OAuth's word for a scope that the client may not ask for (RFC 6749 §4.1.2.1).
pub(super) const INVALID_SCOPE: &str = "invalid_scope";
const INVALID_REDIRECT: &str = "invalid_redirect";
const CLIENT: &str = "client";
const LOGIN: &str = "login";
const CALLBACK: &str = "callback";
const SCOPES: &str = "scopes";
const SIGN_OUT: &str = "sign-out";
const EDIT: &str = "Login pages > Edit";
const SECRET_FILE: &str = "/run/secrets/cognito-client-secret";

#[cfg(test)]
mod tests;
