//! Who the gate thinks you are: page or JSON, never a token.

use http::Method;
use serde_json::json;

use super::{Answered, Login, Visitor, only};
use crate::ask::Ask;
use crate::authorize::{By, Person};
use crate::refusal::Refusal;
use crate::reply::{Notice, Reply};

impl Login {
    pub(super) async fn user_info(&self, visitor: &Visitor<'_>) -> Answered {
        only(visitor, &[Method::GET, Method::HEAD], "GET, HEAD")?;
        let visit =
            self.sessions.visit(visitor.site, visitor.jar, true).await.map_err(|_| Refusal::NoEntropy)?;
        if let Some(outage) = visit.outage {
            return Err(Refusal::from(outage).into());
        }
        if visit.too_large {
            return Err(Refusal::SessionTooLarge.into());
        }
        let session = visit.session.ok_or(Refusal::LoginRequired)?;
        let reply = if visitor.ask.kind.wants_page() {
            Reply::Page(Notice::UserInfo {
                user: session.user.clone(),
                roles: session.roles.clone(),
                everywhere: self.sessions.store().is_some(),
            })
        } else {
            Reply::Json(json!({
                "user": session.user,
                "sub": session.sub,
                "roles": session.roles,
                "signed_in_at": session.begun,
                "roles_read_at": session.refreshed,
                "ends_at": session.ends,
            }))
        };
        Ok((reply, visit.cookies))
    }

    /// The same of who came with a bearer token: a program's question, so never a page.
    pub fn speaker_info(&self, ask: &Ask, person: Option<&Person<'_>>) -> Answered {
        if ![Method::GET, Method::HEAD].contains(&ask.method) {
            return Err(Refusal::MethodNotAllowed { allow: "GET, HEAD" }.into());
        }
        let Person { user, sub, roles, by, .. } = person.ok_or(Refusal::LoginRequired)?;
        if matches!(by, By::Bearer { usual: false, .. }) {
            return Err(Refusal::Bearer("token_use").into());
        }
        Ok((Reply::Json(json!({ "user": user, "sub": sub, "roles": roles })), vec![]))
    }
}
