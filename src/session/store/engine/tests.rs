//! Whatever a server answers, reading it ends in a value or a fault.

use proptest::prelude::*;
use redis::Value;

use super::answer;
use super::slots::{Slots, slot};
use crate::config::settings::StoreAddress;

fn any_value() -> impl Strategy<Value = Value> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..24),
        "[0-9]{20}.{0,3}".prop_map(String::into_bytes),
        "[0-9]{1,21}(-0)?".prop_map(String::into_bytes),
        "master|slave|".prop_map(String::into_bytes),
    ];
    let leaf = prop_oneof![
        Just(Value::Nil),
        Just(Value::Okay),
        any::<i64>().prop_map(Value::Int),
        (-1i64..20_000).prop_map(Value::Int),
        bytes.prop_map(Value::BulkString),
        ".{0,8}".prop_map(Value::SimpleString),
        any::<bool>().prop_map(Value::Boolean),
    ];
    leaf.prop_recursive(5, 48, 5, |inner| {
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            1 => proptest::collection::vec((inner.clone(), inner), 0..3).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_is_too_strange(value in any_value()) {
        let _ = answer::truth(&value);
        let _ = answer::done(&value);
        let _ = answer::number(&value);
        let _ = answer::master(&value);
        let _ = answer::is_master(&value);
        let _ = answer::pairs(value.clone());
        let _ = answer::scanned(value.clone());
        let _ = answer::entries(value.clone());
        let asked = StoreAddress { host: "asked".into(), port: 1 };
        if let Ok(slots) = Slots::read(&value, &asked) {
            prop_assert!(slots.owners().all(|owner| owner.port != 0 && !owner.host.is_empty()));
        }
        let _ = answer::stamped(value);
    }

    #[test]
    fn what_was_stamped_is_read_back(number: u64, bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let stamped = [answer::stamp(number).as_bytes(), &bytes].concat();
        prop_assert_eq!(answer::stamped(Value::BulkString(stamped)).unwrap(), Some(bytes));
    }

    #[test]
    fn stamps_are_ordered_as_their_numbers(a: u64, b: u64) {
        prop_assert_eq!(answer::stamp(a).cmp(&answer::stamp(b)), a.cmp(&b));
    }

    #[test]
    fn every_key_has_a_slot(key in proptest::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(slot(&key) < 16384);
    }
}

#[test]
fn a_value_of_somebody_elses_is_a_fault() {
    for foreign in [&b"short"[..], b"0000000000000000000x and more", b""] {
        let fault = answer::stamped(Value::BulkString(foreign.to_vec())).unwrap_err();
        assert_eq!(fault.code(), "store_answer");
    }
}
