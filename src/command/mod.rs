//! The commands that end by themselves: each is one function from arguments to exit code.

pub mod check;
pub mod doctor;
pub mod explain;
pub mod import;
pub mod probe;
pub mod schema;
pub mod secret;
pub mod sessions;
