//! What is trimmed, what is forgotten, and what is taken for another log.

use super::*;

#[test]
fn only_a_beginning_that_is_over_is_trimmed() {
    let mut known = Known { ends: BTreeMap::from([(3, 10), (4, 30), (5, 10)]), ..Known::default() };
    for (now, over_before) in [(9, 0), (10, 4), (29, 4), (30, 6), (99, 6)] {
        known.forget(now);
        assert_eq!(known.over_before, over_before, "at {now}: what is over behind one that is not stays");
    }
}

#[test]
fn what_is_over_is_forgotten() {
    let whose = |id: &str| Whose::Session(id.into());
    let revocations =
        [("a", 100), ("b", 300)].map(|(id, ends)| (whose(id), Revocation { whose: whose(id), ends }));
    let mut known = Known { revocations: HashMap::from(revocations), ..Known::default() };
    known.forget(100);
    assert_eq!(known.revocations.keys().collect::<Vec<_>>(), [&whose("b")]);
}

#[test]
fn another_log_is_one_that_has_something_else_where_was_read_last() {
    let (seven, eight) = ((7, b"seven".to_vec()), (8, b"eight".to_vec()));
    let others = (7, b"other".to_vec());
    assert!(!differs(&seven, Some(&seven), 0));
    assert!(differs(&seven, Some(&others), 0));
    assert!(differs(&seven, Some(&others), 9), "whatever is said to be over: it is there");
    assert!(differs(&seven, None, 0) && differs(&seven, Some(&eight), 7), "it is gone, and was not over");
    assert!(!differs(&seven, Some(&eight), 8), "it was over, and is trimmed");
    assert!(!differs(&(0, vec![]), Some(&seven), 0), "nothing was read, so nothing can be missing");
}
