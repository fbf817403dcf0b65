//! Secrets as they are written or read from a file, and what is no secret at all. ★

use std::path::Path;

use super::Context;
use crate::config::problem::Key;
use crate::config::secret::Secret;

/// A secret and its `*_file` twin: never both.
pub(super) struct Pair<'a> {
    pub(super) value: Option<&'a str>,
    pub(super) value_key: Key,
    pub(super) file: Option<&'a str>,
    pub(super) file_key: Key,
}

/// The text of whichever was given, and the key it came by.
pub(super) fn one_of(pair: &Pair<'_>, cx: &mut Context<'_>) -> Option<(Secret, Key)> {
    match (pair.value, pair.file) {
        (Some(_), Some(_)) => {
            let message = format!("both {} and {} are given", pair.value_key, pair.file_key);
            cx.error(&pair.file_key, &message, "keep one");
            None
        }
        (Some(""), None) => {
            cx.error(&pair.value_key, "empty", "leave the key out, or write the secret");
            None
        }
        (Some(value), None) => Some((Secret::new(value), pair.value_key.clone())),
        (None, Some(file)) => Some((from_file(file, &pair.file_key, cx)?, pair.file_key.clone())),
        (None, None) => None,
    }
}

/// The file's content without the newline that editors put at its end.
pub(super) fn from_file(name: &str, key: &Key, cx: &mut Context<'_>) -> Option<Secret> {
    at_path(&cx.path(name), key, cx)
}

/// The same of a path that is known already.
pub(super) fn at_path(path: &Path, key: &Key, cx: &mut Context<'_>) -> Option<Secret> {
    let shown = path.display();
    let contents = match (cx.around.read)(path) {
        Ok(contents) => contents,
        Err(error) => {
            cx.error(key, &format!("cannot read {shown}: {error}"), "check the name and the rights");
            return None;
        }
    };
    if contents.world_readable {
        cx.warning(key, &format!("{shown} can be read by every user of this machine"), "chmod o-r the file");
    }
    let bytes = Secret::new(contents.bytes);
    let trimmed = bytes.expose().trim_ascii_end();
    if trimmed.is_empty() {
        cx.error(key, &format!("{shown} is empty"), "put the secret into it");
        return None;
    }
    Some(Secret::new(trimmed))
}

/// What people and manuals write where a secret belongs.
pub(super) fn is_placeholder(text: &str) -> bool {
    let folded: String = text
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | ' ' | '!' | '.'))
        .collect::<String>()
        .to_ascii_lowercase();
    const WORDS: [&str; 14] = [
        "",
        "…",
        "secret",
        "clientsecret",
        "mysecret",
        "supersecret",
        "password",
        "sample",
        "example",
        "placeholder",
        "todo",
        "test",
        "replaceme",
        "clientid",
    ];
    WORDS.contains(&folded.as_str())
        || folded.contains("changeme")
        || folded.contains('…')
        || folded.contains("yourclient")
        || folded.contains("yoursecret")
        || (folded.starts_with('<') && folded.ends_with('>'))
        || (folded.starts_with("${") && folded.ends_with('}'))
        || (folded.len() >= 3 && folded.bytes().all(|b| b == b'x'))
}

#[cfg(test)]
mod tests {
    use super::is_placeholder;

    #[test]
    fn what_manuals_write_is_no_secret() {
        for text in [
            "changeme",
            "CHANGE-ME!",
            "…",
            "...",
            "<client-secret>",
            "xxxx",
            "${SECRET}",
            "your-client-secret",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["1h57kf5cpq17m0eml12EXAMPLE", "s3cr3t-of-the-app", "hunter2"] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
