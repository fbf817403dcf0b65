//! The gate's pages: one shape, readable without scripts, on a phone and in the dark. ★

use std::fmt::Write;

use super::sentences::Sentences;
use crate::config::template::{LinkTo, PageName, Row, Values};

/// A page of the gate. All of it is text; escaping happens where it is rendered, and nowhere else.
pub(super) struct Page {
    /// Which template may stand for it.
    pub(super) name: PageName,
    /// The language that all of it is in, but for what came from outside.
    pub(super) say: &'static Sentences,
    /// The title and heading.
    pub(super) title: String,
    /// A short line above the heading, e.g. the status.
    pub(super) eyebrow: String,
    /// Paragraphs.
    pub(super) paragraphs: Vec<String>,
    /// Rows of a small table; a name that repeats the one above it is shown once for all its values.
    pub(super) rows: Vec<(String, String)>,
    /// What to do next; the first one is the obvious one.
    pub(super) links: Vec<Link>,
    /// For templates: who is signed in, where the page knows; else empty.
    pub(super) user: String,
    /// For templates: their roles, where the page knows.
    pub(super) roles: Vec<String>,
}

/// A link on a page.
pub(super) struct Link {
    /// What it is for, for templates: a word that is the same in every language.
    pub(super) to: &'static str,
    /// What it says.
    pub(super) text: String,
    /// Where it goes: an address of the gate's own making.
    pub(super) href: String,
}

// === impl Page ===

impl Page {
    /// A page that says nothing yet.
    pub(super) fn new(name: PageName, say: &'static Sentences, title: &str) -> Self {
        Self {
            name,
            say,
            title: title.into(),
            eyebrow: String::new(),
            paragraphs: vec![],
            rows: vec![],
            links: vec![],
            user: String::new(),
            roles: vec![],
        }
    }

    /// The whole document.
    pub(super) fn render(&self, request_id: &str) -> String {
        let mut out = String::with_capacity(4096);
        let title = escape(&self.title);
        out.push_str(&head(&title, self.say));
        out.push_str("</head>\n<body>\n<main>\n");
        if !self.eyebrow.is_empty() {
            let _ = writeln!(out, "<p class=\"eyebrow\">{}</p>", escape(&self.eyebrow));
        }
        let _ = writeln!(out, "<h1>{title}</h1>");
        for paragraph in &self.paragraphs {
            let _ = writeln!(out, "<p>{}</p>", escape(paragraph));
        }
        if !self.rows.is_empty() {
            out.push_str("<dl>\n");
            let mut above = None;
            for (name, value) in &self.rows {
                if above != Some(name) {
                    let _ = write!(out, "<dt>{}</dt>", escape(name));
                }
                let _ = writeln!(out, "<dd>{}</dd>", escape(value));
                above = Some(name);
            }
            out.push_str("</dl>\n");
        }
        if !self.links.is_empty() {
            let _ = writeln!(out, "<nav aria-label=\"{}\">", escape(self.say.next));
            for (index, link) in self.links.iter().enumerate() {
                let class = if index == 0 { " class=\"first\"" } else { "" };
                let _ = writeln!(out, "<a{class} href=\"{}\">{}</a>", escape(&link.href), escape(&link.text));
            }
            out.push_str("</nav>\n");
        }
        out.push_str("</main>\n");
        out.push_str(&footer(request_id, self.say));
        out.push_str("</body>\n</html>\n");
        out
    }

    /// What a template is handed. Escaping is the template's formatter's.
    pub(super) fn values(&self, request_id: &str) -> Values<'static> {
        let row = |(name, value): &(String, String)| Row { name: visible(name), value: visible(value) };
        let link = |link: &Link| LinkTo { to: link.to, text: visible(&link.text), href: visible(&link.href) };
        Values {
            page: self.name.word(),
            language: self.say.language.tag(),
            title: visible(&self.title),
            paragraphs: self.paragraphs.iter().map(|text| visible(text)).collect(),
            rows: self.rows.iter().map(row).collect(),
            links: self.links.iter().map(link).collect(),
            request_id: visible(request_id),
            user: visible(&self.user),
            roles: self.roles.iter().map(|role| visible(role)).collect(),
            ..Values::default()
        }
    }
}

// === impl Link ===

impl Link {
    /// A link.
    pub(super) fn new(to: &'static str, text: &str, href: impl Into<String>) -> Self {
        Self { to, text: text.into(), href: href.into() }
    }
}

/// The document up to the end of its head, which is left open; the title is escaped already.
pub(super) fn head(title: &str, say: &Sentences) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n<style>{STYLE}</style>\n",
        say.language.tag()
    )
}

/// What names the request.
pub(super) fn footer(request_id: &str, say: &Sentences) -> String {
    let (word, request_id) = (escape(say.request), escape(request_id));
    format!("<footer>rolegate · {word} <code>{request_id}</code></footer>\n")
}

/// Controls and direction overrides become visible: they could make a text read as another one.
fn visible(text: &str) -> String {
    let hidden = |char: char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|char| if hidden(char) || char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// For element content and double-quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in visible(text).chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            char => out.push(char),
        }
    }
    out
}

/// Allowed by its hash in the Content-Security-Policy.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c1f23;--soft:#5a6370;--line:#d9dee5;--card:#fff;--back:#f3f5f8;--go:#0b57d0}\
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a3adba;--line:#3a414b;--card:#1d2126;--back:#121417;--go:#8ab4f8}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:flex;flex-direction:column;align-items:center;justify-content:center;gap:1rem;\
padding:1rem;background:var(--back);color:var(--ink);font:1rem/1.55 system-ui,sans-serif}\
main{width:100%;max-width:34rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:2rem}\
@media(max-width:30rem){main{padding:1.25rem}}\
h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25;overflow-wrap:anywhere;hyphens:auto;text-wrap:balance}\
p{margin:0 0 1rem;overflow-wrap:anywhere}\
:lang(ja) h1,:lang(ja) p{word-break:auto-phrase;line-break:strict}\
.eyebrow{margin:0 0 .25rem;color:var(--soft);font-size:.875rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:0 0 1rem}\
dt{color:var(--soft)}dd{grid-column:2;margin:0;overflow-wrap:anywhere}\
nav{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}\
a{color:var(--go);padding:.5rem 1rem;border:1px solid var(--go);border-radius:.5rem;text-decoration:none}\
a.first{background:var(--go);color:var(--card)}\
a:focus-visible{outline:3px solid var(--go);outline-offset:2px}\
footer{max-width:100%;text-align:center;color:var(--soft);font-size:.8125rem;overflow-wrap:anywhere}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Language;

    #[test]
    fn text_from_outside_is_escaped_everywhere() {
        let evil = "<script>\"'&\u{202e}\n";
        let page = Page {
            eyebrow: evil.into(),
            paragraphs: vec![evil.into()],
            rows: vec![(evil.into(), evil.into())],
            links: vec![Link::new("sign_in", evil, evil)],
            ..Page::new(PageName::Error, Sentences::of(Language::French), evil)
        };
        let html = page.render(evil);
        assert!(!html.contains("<script>") && !html.contains("\u{202e}") && !html.contains("'&"));
    }
}
