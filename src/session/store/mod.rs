//! What replicas share. ★

pub mod engine;
