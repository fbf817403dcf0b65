//! The gate's own pages, and the ways to them.

use std::sync::Once;

use http::{HeaderMap, Method};

use super::{Gate, Trip};
use crate::ask::{Ask, Kind};
use crate::bearer::Carried;
use crate::body::Answer;
use crate::config::settings::PassedOn;
use crate::login::{Answered, OwnPage, Visitor};
use crate::refusal::Refusal;
use crate::reply::{self, Reply};

impl Gate {
    pub(super) async fn own_page(
        &self,
        page: OwnPage,
        (carried, headers): (Carried<'_>, &HeaderMap),
        visitor: Option<&Visitor<'_>>,
        ask: &Ask,
        trip: &mut Trip,
    ) -> Result<Answer, Refusal> {
        if trip.asked.is_some() {
            return Err(Refusal::OwnPath);
        }
        trip.record.own_page(page);
        // What such a page should return to is in its own parameters, never its own address.
        trip.ask = None;
        // Beside a bearer token no cookie is read; the other pages are for browsers, and decide nothing by either.
        if page == OwnPage::UserInfo && carried != Carried::Nothing {
            let come = self.shared.callers.come(carried, None, false, PassedOn::default()).await;
            let caller = come.inspect_err(|refusal| trip.record.turned_away(refusal))?;
            let info = self.shared.login.speaker_info(ask, caller.person().as_ref());
            return self.answered(info, headers, trip);
        }
        match visitor {
            _ if page == OwnPage::Keys => Ok(reply::from_reply(self.shared.vouch.keys(ask)?, &trip.context)),
            _ if page == OwnPage::Auth => Err(Refusal::NotFound),
            Some(visitor) => self.answered(self.shared.login.answer(page, visitor).await, headers, trip),
            None if ask.kind == Kind::Navigation && ask.method == Method::GET => {
                Ok(self.elsewhere(ask, trip))
            }
            None => Err(Refusal::Misdirected),
        }
    }

    /// What the login desk says, or why it does not.
    pub(super) fn answered(
        &self,
        answered: Answered,
        headers: &HeaderMap,
        trip: &mut Trip,
    ) -> Result<Answer, Refusal> {
        match answered {
            Ok((reply, cookies)) => {
                trip.context.cookies.extend(cookies);
                let reply = match reply {
                    // 200 says yes to a gateway.
                    Reply::Onward { to, .. } if trip.asked.is_some() => Reply::Redirect(to),
                    reply => reply,
                };
                if reply.is_read() {
                    trip.context.hear(headers);
                }
                Ok(reply::from_reply(reply, &trip.context))
            }
            Err(refused) => {
                trip.context.cookies.extend(refused.cookies);
                trip.context.target = refused.target;
                Err(refused.refusal)
            }
        }
    }

    /// The same target at the first public origin.
    pub(super) fn elsewhere(&self, ask: &Ask, trip: &Trip) -> Answer {
        // A balancer in front that does not pass Host on makes this an endless way; the log says so once.
        static SAID: Once = Once::new();
        let origin = &self.shared.sites[0].origin;
        SAID.call_once(|| {
            tracing::warn!(host = %ask.authority, %origin, "a browser asked for a host that is no public_url, and was \
                 sent there; if it was not the browser's own Host, the proxy in front must pass that on");
        });
        reply::from_reply(Reply::Redirect(format!("{origin}{}", ask.target())), &trip.context)
    }
}
