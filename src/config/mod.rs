//! Loading the configuration.
pub mod secret;
pub mod settings;
