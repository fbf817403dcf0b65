//! The commands that look at a configuration and end: each is one function from arguments to exit code.

pub mod check;
pub mod doctor;
pub mod explain;
pub mod probe;
pub mod schema;
pub mod secret;
