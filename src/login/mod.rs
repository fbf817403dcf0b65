//! x
pub mod attempt;
pub mod return_to;
