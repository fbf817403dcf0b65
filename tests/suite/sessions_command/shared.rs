//! The same where gates share a store: what one of them is told to end has ended at all of them.

use std::process::Output;

use serde_json::Value;

use super::{CLOSE, SOCKET, complaint, open_at, said, sessions_of};
use crate::forwarding::websocket;
use crate::support::browser::Browser;
use crate::support::gate::Gate;
use crate::support::replicas::{Kind, Replicas};
use crate::support::store::{Server, eventually};
use crate::support::upstream;
use crate::support::world::Setup;

#[test]
fn what_an_operator_ends_at_one_gate_has_ended_at_all_of_them() {
    let store = Server::start();
    let deployment = deployment(&store);
    let [asked, other] = gates(&deployment);
    let (mut laptop, mut phone) = (signed_in(other, "user"), signed_in(asked, "user"));
    let mut admin = signed_in(other, "admin");
    deployment.upstream.behave(upstream::switches_protocols(websocket::ACCEPT));
    let (mut ours, mut theirs) = (open_at(other, &laptop), open_at(other, &admin));
    deployment.upstream.behave_well();

    let listed = list(asked, &["--json"]);
    let users: Vec<_> = listed.iter().map(|session| session["user"].as_str().unwrap()).collect();
    assert_eq!(users.iter().filter(|user| **user == "user").count(), 2, "{users:?}");
    assert_eq!(users.len(), 3, "{users:?}");
    for session in &listed {
        let [begun, ends] = ["signed_in", "ends"].map(|name| session[name].as_str().unwrap());
        assert!(begun.len() == 20 && begun.ends_with('Z') && begun < ends, "{session}");
    }
    let of_user = list(asked, &["--user", "user", "--json"]);
    let sub = of_user[0]["sub"].as_str().unwrap();
    assert_eq!(list(asked, &["--sub", sub, "--json"]), of_user);
    let table = said(&sessions_of(asked, &["list", "--user", "user"]));
    assert!(table.starts_with("ID ") && table.ends_with("\n2 sessions\n"), "{table}");

    let ended = sessions_of(asked, &["end", "--id", of_user[0]["id"].as_str().unwrap()]);
    assert_eq!((ended.status.code(), said(&ended).as_str()), (Some(0), "ended at every gate: 1 session\n"));
    eventually("one of the two has ended everywhere", || {
        let statuses = [laptop.fetch("/x").status, phone.fetch("/x").status];
        (statuses.contains(&401) && statuses.contains(&200)).then_some(())
    });
    assert_eq!(list(asked, &["--user", "user", "--json"]).len(), 1);

    let ended = sessions_of(asked, &["end", "--user", "user"]);
    assert_eq!((ended.status.code(), said(&ended).as_str()), (Some(0), "ended at every gate: 1 session\n"));
    eventually("both have ended everywhere", || {
        (laptop.fetch("/x").status == 401 && phone.fetch("/x").status == 401).then_some(())
    });
    assert_eq!(ours.rest().0, CLOSE);
    theirs.write(b"\x89\x00");
    assert_eq!(theirs.take(2).unwrap(), b"\x89\x00");
    assert_eq!(admin.fetch("/x").status, 200);

    let nobody = sessions_of(asked, &["end", "--user", "user"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(complaint(&nobody).contains("\"user\""), "{nobody:?}");
    let unlisted = sessions_of(asked, &["end", "--sub", "of-nobody"]);
    assert_eq!(said(&unlisted), "ended at every gate: 0 sessions\n", "{unlisted:?}");

    let ended = sessions_of(other, &["end", "--everyone", "--yes"]);
    assert_eq!((ended.status.code(), said(&ended).as_str()), (Some(0), "ended at every gate: 1 session\n"));
    eventually("nobody is left", || (admin.fetch("/x").status == 401).then_some(()));
    assert_eq!(said(&sessions_of(asked, &["list"])), "0 sessions\n");
    let kept = store.says(&["KEYS", "*"]);
    assert!(
        !kept.contains("rolegate:s:") && !kept.contains("rolegate:p:"),
        "nothing is kept of them: {kept}"
    );
}

#[test]
fn what_cannot_be_told_yet_is_said_and_told_when_the_store_is_back() {
    let mut store = Server::start();
    let deployment = deployment(&store);
    let [asked, other] = gates(&deployment);
    let (mut user, mut admin) = (signed_in(other, "user"), signed_in(other, "admin"));
    let sub = list(asked, &["--user", "user", "--json"])[0]["sub"].as_str().unwrap().to_owned();

    store.kill();
    for arguments in [&["list"][..], &["end", "--user", "user"]] {
        let output = sessions_of(asked, arguments);
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(1), ""), "{output:?}");
        assert!(complaint(&output).contains("session.store"), "{output:?}");
    }
    let later: Output = sessions_of(asked, &["end", "--sub", &sub]);
    assert_eq!(later.status.code(), Some(1), "{later:?}");
    assert!(said(&later).contains("as soon as it does"), "{later:?}");
    assert!(complaint(&later).contains("not cleared"), "{later:?}");

    store.restart();
    eventually("the other gate has heard of it", || (user.fetch("/x").status == 401).then_some(()));
    eventually("nobody else has ended", || (admin.fetch("/x").status == 200).then_some(()));
}

fn deployment(store: &Server) -> Replicas {
    let kind = Kind::Store(format!("store = {:?}", store.url()));
    Replicas::start(&kind, 2, Setup::bench().top(SOCKET))
}

fn gates(deployment: &Replicas) -> [&Gate; 2] {
    [0, 1].map(|gate| deployment.gates[gate].as_ref().unwrap())
}

fn signed_in(gate: &Gate, user: &str) -> Browser {
    let mut browser = Browser::new(gate.public);
    browser.sign_in(user);
    browser
}

fn list(gate: &Gate, flags: &[&str]) -> Vec<Value> {
    let output = sessions_of(gate, &[&["list"], flags].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    listed["sessions"].as_array().unwrap().clone()
}
