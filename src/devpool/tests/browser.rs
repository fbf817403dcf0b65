//! A small client with a cookie jar, one connection a request.

use std::collections::BTreeMap;

use ::http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use ::http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

pub(super) struct Browser {
    address: String,
    pub(super) cookies: BTreeMap<String, String>,
}

pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Browser {
    pub(super) fn new(url: &str) -> Self {
        Self { address: url.strip_prefix("http://").unwrap().to_owned(), cookies: BTreeMap::new() }
    }

    pub(super) async fn get(&mut self, target: &str) -> Reply {
        self.send("GET", target, "", &[]).await
    }

    pub(super) async fn post(&mut self, target: &str, body: &str, headers: &[(&str, &str)]) -> Reply {
        self.send("POST", target, body, headers).await
    }

    pub(super) async fn send(
        &mut self,
        method: &str,
        target: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Reply {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::task::spawn_local(connection);
        let mut request = Request::builder().method(method).uri(target);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(HOST, &self.address);
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(bytes::Bytes::from(body.to_owned()))).unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        for cookie in head.headers.get_all(SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            if attributes.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Reply { status: head.status, headers: head.headers, body }
    }

    /// From an authorize address through the login form to the redirect at its end.
    pub(super) async fn sign_in(&mut self, authorize: &str, name: &str, password: &str) -> Reply {
        let login = self.get(authorize).await.location();
        assert!(login.starts_with("/login?"), "{login}");
        let csrf = self.get(&login).await.csrf();
        self.post(
            &login,
            &super::encode(&[("_csrf", &csrf), ("username", name), ("password", password)]),
            &[],
        )
        .await
    }
}

impl Reply {
    pub(super) fn location(&self) -> String {
        assert_eq!(self.status, StatusCode::FOUND, "{}", self.body);
        self.headers[LOCATION].to_str().unwrap().to_owned()
    }

    /// A parameter of the address that it redirects to.
    pub(super) fn parameter(&self, name: &str) -> String {
        let location = self.location();
        let query = location.split_once('?').unwrap().1;
        let found = url::form_urlencoded::parse(query.as_bytes()).find(|(found, _)| found == name);
        found.unwrap_or_else(|| panic!("no {name} in {location}")).1.into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn csrf(&self) -> String {
        let rest = self.body.split_once("name=\"_csrf\" value=\"").unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    }
}
