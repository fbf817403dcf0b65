//! `[pages]`: the gate's own. ★

use schemars::JsonSchema;
use serde::Deserialize;

/// `[pages]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Pages {
    /// Folder of templates that replace the built-in pages. Default: the built-in ones.
    pub(in crate::config) folder: Option<String>,
    /// A deep link's `#fragment` survives the login, by a script on the way there and back. Default false.
    pub(in crate::config) keep_fragment: Option<bool>,
}
