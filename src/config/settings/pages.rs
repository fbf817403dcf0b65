//! `[pages]`: the gate's own. ★

use std::sync::Arc;

use crate::config::template::Templates;

/// `[pages]`.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    /// The operator's own pages, where there is a folder of them. Default: the built-in pages alone.
    pub templates: Option<Arc<Templates>>,
    /// Whether a `#fragment` survives the login. Default false.
    pub keep_fragment: bool,
}
