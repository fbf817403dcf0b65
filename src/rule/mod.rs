//! Which rule covers a request: most specific wins. ★
pub mod path;
