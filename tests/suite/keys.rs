//! Section placeholder.
use crate::corpus::Case;

pub fn cases() -> Vec<Case> {
    vec![]
}
