//! The pages' frame, style and policy; every text that comes from elsewhere is escaped.

use std::fmt::Write;
use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A whole page. `title` is escaped here; `body` is HTML.
pub(super) fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
}

/// The page's Content-Security-Policy; `form_action` is where its forms may lead, redirects included.
pub(super) fn policy(form_action: &str) -> String {
    format!(
        "default-src 'none'; style-src '{}'; img-src data:; base-uri 'none'; form-action {form_action}; \
         frame-ancestors 'none'",
        *STYLE_HASH
    )
}

/// Text as HTML, also within quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // What would reorder or hide the text around it is shown as what it is.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(character));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| {
    format!("sha256-{}", STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes())))
});

const STYLE: &str = include_str!("page.css");
