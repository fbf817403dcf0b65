//! Triggers behind an address, as a Lambda runtime interface emulator has them.

use super::*;

/// A stand-in for the emulator: answers each event as told, and keeps it.
async fn emulator(answers: Vec<(u16, String)>) -> (String, Arc<Mutex<Vec<Value>>>) {
    struct Emulator {
        answers: Mutex<std::vec::IntoIter<(u16, String)>>,
        events: Arc<Mutex<Vec<Value>>>,
    }
    impl Handler for Emulator {
        async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Answer {
            let asked = super::super::super::http::read(request, peer).await.ok().unwrap();
            assert_eq!(asked.path, "/2015-03-31/functions/function/invocations");
            self.events.lock().unwrap().push(serde_json::from_slice(&asked.body).unwrap());
            let (status, body) = self.answers.lock().unwrap().next().unwrap();
            let mut answer = Answer::new(body.into());
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            answer
        }
    }
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/2015-03-31/functions/function/invocations", listener.local_addr().unwrap());
    let events = Arc::default();
    let emulator = Emulator { answers: Mutex::new(answers.into_iter()), events: Arc::clone(&events) };
    let (stop, stopping) = listen::stop::pair();
    tokio::task::spawn_local(async move {
        let _stop = stop;
        listen::serve(listener, Rc::new(emulator), Bounds::default(), stopping).await
    });
    (url, events)
}

#[test]
fn the_event_is_cognitos_member_by_member() {
    let nothing = json!({ "response": {} }).to_string();
    let failed = json!({ "errorMessage": "No", "errorType": "Error" }).to_string();
    let answers = vec![
        (200, nothing.clone()),
        (200, nothing.clone()),
        (200, failed.clone()),
        (502, String::new()),
        (200, "no JSON".into()),
        (200, nothing),
        (200, failed),
    ];
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    let (address, events) = runtime.block_on(emulator(answers));
    let thread_events = Arc::clone(&events);
    let (done, ended) = std::sync::mpsc::channel();
    let test = std::thread::spawn(move || {
        serve(with(&format!("[trigger]\nversion = \"V2_0\"\nurl = \"{address}\"")), async |it: Served| {
            let tokens = it.tokens("ada").await;
            let event = thread_events.lock().unwrap()[0].clone();
            let sub = claims(tokens["id_token"].as_str().unwrap())["sub"].clone();
            assert_eq!(
                event,
                json!({
                    "version": "2",
                    "triggerSource": "TokenGeneration_HostedAuth",
                    "region": "local",
                    "userPoolId": "local_devpool1",
                    "userName": "ada",
                    "callerContext": { "awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": it.id },
                    "request": {
                        "userAttributes": {
                            "sub": sub,
                            "cognito:user_status": "CONFIRMED",
                            "email": "ada@amazon.com",
                            "email_verified": "true",
                            "custom:level": "Premium",
                        },
                        "groupConfiguration": {
                            "groupsToOverride": ["flexai-editor", "other"],
                            "iamRolesToOverride": ["arn:aws:iam::111122223333:role/editor"],
                            "preferredRole": "arn:aws:iam::111122223333:role/editor",
                        },
                        "scopes": ["openid", "email", "profile"],
                    },
                    "response": { "claimsAndScopeOverrideDetails": null },
                })
            );
            let refresh = tokens["refresh_token"].as_str().unwrap();
            assert_eq!(it.refresh(refresh).await.status, StatusCode::OK);
            assert_eq!(thread_events.lock().unwrap()[1]["triggerSource"], "TokenGeneration_RefreshTokens");
            // A function that fails, one that is not there, one that answers something else.
            let failed = it.refresh(refresh).await;
            assert_eq!(failed.status, StatusCode::BAD_REQUEST);
            assert_eq!(failed.json()["error_description"], "PreTokenGeneration failed with error No.");
            assert!(told(&it, "ada").await.contains("the function&#39;s address answered 502"));
            assert!(told(&it, "ada").await.starts_with("Unrecognizable lambda output"));
            // Who is signed in already sees no form, so the application hears of it.
            let mut browser = it.browser();
            it.code(&mut browser, "ada").await;
            let silent = browser.get(&it.authorize(&[])).await;
            assert_eq!(silent.parameter("error"), "invalid_request");
            assert_eq!(silent.parameter("error_description"), "PreTokenGeneration failed with error No.");
        });
        done.send(()).unwrap();
    });
    // The emulator is served from here until the pool's thread is through.
    runtime.block_on(async {
        while matches!(ended.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    test.join().unwrap();
    assert_eq!(events.lock().unwrap().len(), 7);
}

#[test]
fn an_address_that_nobody_is_at_fails_the_sign_in() {
    serve(with("[trigger]\nversion = \"V1_0\"\nurl = \"http://127.0.0.1:1/\""), async |it: Served| {
        let told = told(&it, "ada").await;
        assert!(told.starts_with("PreTokenGeneration invocation failed due to error 127.0.0.1:1 "), "{told}");
    });
}
