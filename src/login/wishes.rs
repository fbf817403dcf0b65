//! What a login asks of the pool: what is configured, chosen by a link to `start` where a choice is offered.
//!
//! Threat: a link that decides where somebody signs in, or widens what the login asks for. Values come from the
//! configuration alone; a query only points at them.

use super::Login;
use super::parameters::{NotOffered, Parameters};
use crate::provider::Wishes;
use crate::refusal::LoginRefusal;

impl Login {
    /// What a link to `start` chose.
    pub(super) fn chosen(&self, parameters: &Parameters<'_>) -> Result<Wishes<'_>, LoginRefusal> {
        self.wishes(parameters).map_err(|NotOffered| LoginRefusal::Parameters("start_choice"))
    }

    /// What goes with every login.
    pub(super) fn usual(&self) -> Wishes<'_> {
        self.wishes(&Parameters::default()).unwrap_or_default()
    }

    /// What goes with a login that begins anew: a choice that was made for the first is not known any more,
    /// and what could not be done without asking the person is not tried so again.
    pub(super) fn usual_anew(&self) -> Wishes<'_> {
        let usual = self.usual();
        Wishes { prompt: usual.prompt.filter(|prompt| *prompt != "none"), ..usual }
    }

    fn wishes(&self, parameters: &Parameters<'_>) -> Result<Wishes<'_>, NotOffered> {
        let configured = &self.config.provider.parameters;
        Ok(Wishes {
            identity_provider: parameters.choice("identity_provider", &configured.identity_provider)?,
            idp_identifier: parameters.choice("idp_identifier", &configured.idp_identifier)?,
            lang: parameters.choice("lang", &configured.lang)?,
            login_hint: parameters.choice("login_hint", &configured.login_hint)?,
            prompt: parameters.choice("prompt", &configured.prompt)?,
            ..Wishes::default()
        })
    }
}
