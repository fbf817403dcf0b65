//! Many sign-ins: without an error, and in bounded memory.

use serde_json::json;

use super::super::state::Bounded;
use super::*;

#[test]
fn a_thousand_people_sign_in_one_after_another() {
    serve(Seed::builtin(), async |it: Served| {
        for _ in 0..1_000 {
            let tokens = it.tokens("viewer").await;
            assert!(tokens["id_token"].is_string(), "{tokens}");
        }
        let stats = it.browser().send("GET", "/_dev/stats", "", &[("x-rolegate-dev", "1")]).await.json();
        assert_eq!(stats["sign_ins"], 1_000);
        // Each code is gone once it is redeemed; of a sign-in remain its session, its grant and its refresh token.
        assert_eq!(
            stats["held"],
            json!({ "codes": 0, "sessions": 1_000, "grants": 1_000, "refresh_tokens": 1_000 })
        );
    });
}

#[test]
fn memory_has_a_bound_also_when_entries_are_removed() {
    let mut map = Bounded::new(100);
    for index in 0..10_000_u32 {
        map.insert(index, [0_u8; 64]);
        if index % 3 == 0 {
            map.remove(&index);
        }
        assert!(map.len() <= 100);
    }
    assert!(map.find(&9_998).is_some() && map.find(&9_899).is_none());
}
