//! The JSON API, operation by operation, as SDKs call it.

mod admin;
mod own;
mod sign_in;
mod srp;
mod steps;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;

/// A public client, so that not every test is about hashes.
fn public() -> Seed {
    let mut seed = seed(PUBLIC);
    seed.users[3].totp_secret = super::super::totp::Key::parse(KEY);
    seed
}

fn failed(kind: &str, message: &str) -> (String, String) {
    (kind.to_owned(), message.to_owned())
}

// === impl Served ===

impl Served {
    async fn operation(&self, name: &str, input: &Value) -> Reply {
        let target = format!("AWSCognitoIdentityProviderService.{name}");
        let mut headers = vec![("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
        // Of any credentials.
        headers.push(("authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, Signature=0"));
        self.browser().post("/", &input.to_string(), &headers).await
    }

    /// What an operation answers that is to go well.
    async fn call(&self, name: &str, input: Value) -> Value {
        let reply = self.operation(name, &input).await;
        assert_eq!(reply.status, StatusCode::OK, "{name} {input}: {}", reply.body);
        assert_eq!(reply.headers["content-type"], "application/x-amz-json-1.1");
        reply.json()
    }

    /// Name and words of the exception of an operation that is to fail.
    async fn fails(&self, name: &str, input: Value) -> (String, String) {
        let reply = self.operation(name, &input).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{name} {input}: {}", reply.body);
        let body = reply.json();
        let (kind, message) = (body["__type"].as_str().unwrap(), body["message"].as_str().unwrap());
        assert_eq!(reply.headers["x-amzn-errortype"], format!("{kind}:"));
        (kind.to_owned(), message.to_owned())
    }

    fn admin(&self, input: Value) -> Value {
        let mut input = input;
        input["UserPoolId"] = json!("local_devpool1");
        input
    }

    fn with_password(&self, name: &str, password: &str) -> Value {
        json!({
            "ClientId": self.id,
            "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": { "USERNAME": name, "PASSWORD": password },
        })
    }

    /// Tokens of a user of the public client.
    async fn api_tokens(&self, name: &str) -> Value {
        self.call("InitiateAuth", self.with_password(name, name)).await["AuthenticationResult"].clone()
    }

    fn hash(&self, name: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        STANDARD.encode(hmac::sign(&key, format!("{name}{}", self.id).as_bytes()))
    }
}

const PUBLIC: &str = "[[clients]]\nid = \"public\"\n";
const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
