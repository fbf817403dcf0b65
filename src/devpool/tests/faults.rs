//! Faults and time by `/_dev/*`, beyond those of the token endpoint's tests.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// What comes back on the socket of a request, to its last byte.
async fn raw(it: &Served, path: &str, body: &str) -> String {
    let address = it.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        it.basic(&it.secret),
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_lost_answer_has_used_the_code_up() {
    serve(Seed::builtin(), async |it: Served| {
        let code = it.code(&mut it.browser(), "viewer").await;
        it.dev("lose", json!({})).await;
        let body = encode(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]);
        let answer = raw(&it, "/oauth2/token", &body).await;
        assert_eq!(answer, "");
        assert_eq!(it.redeem(&code).await.json(), json!({"error": "invalid_grant"}));
        it.tokens("viewer").await;
    });
}

#[test]
fn throttling_has_the_form_of_the_api() {
    serve(Seed::builtin(), async |it: Served| {
        let refresh = it.tokens("viewer").await["refresh_token"].as_str().unwrap().to_owned();
        it.dev("throttle", json!({ "count": 2 })).await;
        for _ in 0..2 {
            let reply = it.refresh(&refresh).await;
            assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(
                reply.json(),
                json!({"__type": "TooManyRequestsException", "message": "Rate exceeded"})
            );
        }
        assert_eq!(it.refresh(&refresh).await.status, StatusCode::OK);
    });
}

#[test]
fn every_endpoint_can_fail_and_be_slow() {
    serve(Seed::builtin(), async |it: Served| {
        let authorize = it.authorize(&[]);
        for (endpoint, path) in [
            ("jwks", "/local_devpool1/.well-known/jwks.json"),
            ("discovery", "/local_devpool1/.well-known/openid-configuration"),
            ("authorize", authorize.as_str()),
            ("userinfo", "/oauth2/userInfo"),
        ] {
            it.dev("fail", json!({ "endpoint": endpoint, "status": 503 })).await;
            assert_eq!(it.browser().get(path).await.status, StatusCode::SERVICE_UNAVAILABLE, "{endpoint}");
            assert_ne!(it.browser().get(path).await.status, StatusCode::SERVICE_UNAVAILABLE, "{endpoint}");
            it.dev("slow", json!({ "endpoint": endpoint, "ms": 50 })).await;
            let begun = std::time::Instant::now();
            it.browser().get(path).await;
            assert!(begun.elapsed() >= std::time::Duration::from_millis(50), "{endpoint}");
        }
        // Taken back before it happened.
        it.dev("fail", json!({ "endpoint": "jwks", "status": 500, "count": 9 })).await;
        it.dev("fail", json!({ "endpoint": "jwks", "status": 500, "count": 0 })).await;
        assert_eq!(it.browser().get("/local_devpool1/.well-known/jwks.json").await.status, StatusCode::OK);
        let reply = it.dev("fail", json!({ "endpoint": "everything", "status": 500 })).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(it.dev("fail", json!({ "status": 200 })).await.status, StatusCode::BAD_REQUEST);
    });
}

#[test]
fn a_rotated_secret_ends_the_old_one_unless_it_is_kept() {
    serve(Seed::builtin(), async |it: Served| {
        let refresh = it.tokens("viewer").await["refresh_token"].as_str().unwrap().to_owned();
        let body = encode(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)]);
        let good = async |secret: &str| {
            let basic = it.basic(secret);
            it.browser().post("/oauth2/token", &body, &[("authorization", &basic)]).await.status
                == StatusCode::OK
        };
        let second =
            it.dev("secret", json!({ "keep": true })).await.json()["secret"].as_str().unwrap().to_owned();
        assert!(good(&it.secret).await && good(&second).await);
        let third = it.dev("secret", json!({ "secret": "third" })).await;
        assert_eq!(third.json(), json!({ "secret": "third" }));
        assert!(!good(&it.secret).await && !good(&second).await && good("third").await);
        for wrong in [json!({ "secret": "" }), json!({ "client": "nobody" })] {
            assert_eq!(it.dev("secret", wrong).await.status, StatusCode::BAD_REQUEST);
        }
    });
}

#[test]
fn what_lasts_can_be_expired() {
    serve(Seed::builtin(), async |it: Served| {
        let mut browser = it.browser();
        let code = it.code(&mut browser, "viewer").await;
        let silent = it.authorize(&[("prompt", "none")]);
        let second = browser.get(&silent).await.parameter("code");
        it.dev("expire", json!({ "what": "codes", "user": "VIEWER" })).await;
        assert_eq!(it.redeem(&code).await.json(), json!({"error": "invalid_grant"}));
        assert_eq!(it.redeem(&second).await.json(), json!({"error": "invalid_grant"}));

        let tokens = it.tokens("viewer").await;
        let others = it.tokens("editor").await;
        it.dev("expire", json!({ "what": "refresh_tokens", "user": "viewer" })).await;
        let dead = it.refresh(tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(dead.json(), json!({"error": "invalid_grant"}));
        assert_eq!(it.refresh(others["refresh_token"].as_str().unwrap()).await.status, StatusCode::OK);

        browser.get(&silent).await.parameter("code");
        it.dev("expire", json!({ "what": "sessions" })).await;
        assert_eq!(browser.get(&silent).await.parameter("error"), "login_required");
        for wrong in [json!({ "what": "sessions", "user": "nobody" }), json!({ "what": "all" })] {
            assert_eq!(it.dev("expire", wrong).await.status, StatusCode::BAD_REQUEST);
        }
    });
}

#[test]
fn the_clock_goes_both_ways() {
    serve(Seed::builtin(), async |it: Served| {
        let iat =
            async || claims(it.tokens("viewer").await["id_token"].as_str().unwrap())["iat"].as_i64().unwrap();
        let now = iat().await;
        it.dev("clock", json!({ "advance": -600 })).await;
        assert!((-600..-590).contains(&(iat().await - now)));
        it.dev("clock", json!({ "advance": 1200 })).await;
        assert!((600..610).contains(&(iat().await - now)));
    });
}

#[test]
fn the_date_of_every_answer_is_of_the_pools_clock() {
    serve(Seed::builtin(), async |it: Served| {
        let date = async || {
            let reply = it.browser().get("/local_devpool1/.well-known/jwks.json").await;
            let date = httpdate::parse_http_date(reply.headers["date"].to_str().unwrap()).unwrap();
            date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
        };
        let now = date().await;
        it.dev("clock", json!({ "advance": 300 })).await;
        assert!((300..310).contains(&(date().await - now)));
    });
}

#[test]
fn without_a_domain_there_are_the_two_documents_and_the_api_alone() {
    serve(Seed::builtin(), async |it: Served| {
        let discovery = async || {
            let reply = it.browser().get("/local_devpool1/.well-known/openid-configuration").await;
            reply.json().as_object().unwrap().len()
        };
        let authorize = it.authorize(&[]);
        it.dev("domain", json!({ "there": false })).await;
        assert_eq!(discovery().await, 7);
        for path in [authorize.as_str(), "/login", "/logout", "/oauth2/userInfo", "/error"] {
            assert_eq!(it.browser().get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(it.browser().get("/local_devpool1/.well-known/jwks.json").await.status, StatusCode::OK);
        it.dev("domain", json!({ "there": true })).await;
        assert_eq!(discovery().await, 12);
        it.tokens("viewer").await;
    });
}
