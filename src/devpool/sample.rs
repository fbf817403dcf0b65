//! The sample upstream: shows the request that reached it, so that one sees what the gate put in.

use std::fmt::Write;

use http::header::ACCEPT;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::http::{json, page};
use super::page::{document, escape, policy};
use crate::body::{Answer, Body};
use crate::listen::{Handler, Peer};

/// An application that knows nothing of signing in.
#[derive(Debug, Default)]
pub struct Sample(());

// === impl Sample ===

impl Sample {
    /// A new one; it has no state.
    pub fn new() -> Self {
        Self(())
    }
}

impl Handler for Sample {
    async fn answer(&self, request: Request<Incoming>, _: Peer) -> Answer {
        let headers: Vec<(&str, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let target = request.uri().path_and_query().map_or("*", |target| target.as_str());
        let wants_page =
            request.headers().get_all(ACCEPT).iter().any(|value| {
                value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains("text/html"))
            });
        let mut answer = if wants_page {
            page(StatusCode::OK, html(request.method(), target, &headers), &policy("'none'"))
        } else {
            json(
                StatusCode::OK,
                &json!({ "method": request.method().as_str(), "target": target, "headers": headers }),
            )
        };
        if request.method() == Method::HEAD {
            *answer.body_mut() = Body::Empty;
        }
        answer
    }
}

fn html(method: &Method, target: &str, headers: &[(&str, String)]) -> String {
    let value = |wanted: &str| {
        let found: Vec<_> =
            headers.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.as_str()).collect();
        if found.is_empty() { None } else { Some(found.join(" | ")) }
    };
    let card = |name: &str, value: Option<String>| {
        let shown =
            value.map_or_else(|| "<span class=\"soft\">none</span>".to_owned(), |value| escape(&value));
        let id = name.to_ascii_lowercase();
        format!("<div class=\"card\"><dl><dt>{name}</dt><dd id=\"{id}\">{shown}</dd></dl></div>")
    };
    let mut body = format!(
        "<main class=\"wide\"><div class=\"sheet\">\n<h1>Sample upstream</h1>\n\
         <p class=\"soft\">This is the application behind the gate. It shows the request as it arrived here.</p>\n\
         <code class=\"line\" id=\"request\">{} {}</code>\n<div class=\"cards\">{}{}</div>\n\
         <h2 id=\"places\">Places to try</h2>\n<nav aria-labelledby=\"places\"><ul>\n",
        escape(method.as_str()),
        escape(target),
        card("X-User", value("x-user")),
        card("X-Roles", value("x-roles")),
    );
    for (address, label) in PLACES {
        let _ = writeln!(body, "<li><a href=\"{}\">{}</a></li>", escape(address), escape(label));
    }
    body.push_str("</ul></nav>\n<h2 id=\"headers\">Headers</h2>\n");
    body.push_str("<div class=\"scroll\"><table aria-labelledby=\"headers\"><tbody>\n");
    for (name, value) in headers {
        let _ = writeln!(body, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(name), escape(value));
    }
    body.push_str("</tbody></table></div>\n</div></main>");
    document("Sample upstream", &body)
}

const PLACES: [(&str, &str); 6] = [
    ("/", "/"),
    ("/reports/q3?x=1&y=a%2Fb", "/reports/q3?x=1&y=a%2Fb"),
    ("/admin", "/admin"),
    ("/public/hello", "/public/hello"),
    ("/oauth2/userinfo", "/oauth2/userinfo"),
    ("/oauth2/signout", "Sign out"),
];
