//! Pages of one's own: templates compiled once, with what they may hold and the policy that they need. ★
//!
//! Threats: text from outside (a user name, an error of the pool) that becomes markup, and a page that asks for
//! more than the gate's pages may have. Values are escaped by the formatter, which no template can switch off;
//! the policy allows the styles that stand in the files and pictures that stand in the page, and nothing else.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use minijinja::value::Serde;
use minijinja::{Environment, Error, HtmlEscape, UndefinedBehavior};
use serde::Serialize;

mod scan;

/// The operator's pages: each renders, and none holds what the policy would stop.
#[derive(Clone)]
pub struct Templates {
    engine: Environment<'static>,
    policy: HeaderValue,
}

/// A page of the gate that can have a template. The names are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PageName {
    /// 401: a document that is not sent to the pool by itself.
    SignIn,
    /// 403.
    Forbidden,
    /// 400: the browser did not send the sign-in cookie.
    CookiesOff,
    /// 200: where a sign-out ends.
    SignedOut,
    /// 200: the same address while somebody is signed in; asks, and signs nobody out.
    SignOut,
    /// 200: who is signed in.
    UserInfo,
    /// Every other refusal.
    #[default]
    Error,
}

/// What a template is handed; all of it is text to be escaped. Every name is always there, if only empty.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Values<'a> {
    /// The page's name, without `.html`.
    pub page: &'a str,
    /// The language of everything below, as BCP 47 has it.
    pub language: &'a str,
    /// The built-in page's heading.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The status in words, such as `Forbidden`.
    pub reason: &'a str,
    /// The stable code of a refusal; empty on a page that is none.
    pub code: &'a str,
    /// What the built-in page says.
    pub paragraphs: Vec<String>,
    /// The rows of its table.
    pub rows: Vec<Row>,
    /// What to do next; the first one is the obvious one.
    pub links: Vec<LinkTo>,
    /// Names the request in the log.
    pub request_id: String,
    /// Who is signed in, where the page knows; else empty.
    pub user: String,
    /// Their roles, where the page knows.
    pub roles: Vec<String>,
}

/// A row of a page's table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// What it is here.
    pub value: String,
}

/// A link of a page.
#[derive(Debug, Clone, Serialize)]
pub struct LinkTo {
    /// What it is for, in one word: `sign_in`, `another_account`, `sign_out`, `sign_out_everywhere`, `start_page` or
    /// `retry`.
    pub to: &'static str,
    /// What it says.
    pub text: String,
    /// Where it goes.
    pub href: String,
}

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file's name in its folder.
    pub file: String,
    /// From 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub fix: &'static str,
    /// The page works, and something in it does nothing.
    pub harmless: bool,
}

/// Whether a file of this name is no page, but a part that pages include or extend.
pub fn is_part(name: &str) -> bool {
    name.starts_with('_')
}

// === impl PageName ===

impl PageName {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SignIn,
        Self::Forbidden,
        Self::CookiesOff,
        Self::SignedOut,
        Self::SignOut,
        Self::UserInfo,
        Self::Error,
    ];

    /// The name of its template.
    pub fn file(self) -> &'static str {
        match self {
            Self::SignIn => "signin.html",
            Self::Forbidden => "forbidden.html",
            Self::CookiesOff => "cookies-off.html",
            Self::SignedOut => "signed-out.html",
            Self::SignOut => "sign-out.html",
            Self::UserInfo => "userinfo.html",
            Self::Error => "error.html",
        }
    }

    /// As templates see it.
    pub fn word(self) -> &'static str {
        self.file().trim_end_matches(".html")
    }
}

// === impl Templates ===

impl Templates {
    /// Compiles files (name, text) and tries each page out. `None` if a fault is not harmless.
    pub fn compile(sources: &[(String, String)]) -> (Option<Self>, Vec<Fault>) {
        let mut engine = engine();
        let mut faults = Vec::new();
        let mut hashes = BTreeSet::new();
        for (name, text) in sources {
            // A browser hashes a style after it has made every line end a line feed.
            let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
            faults.extend(scan::faults(name, &text));
            hashes.extend(scan::styles(&text).map(|style| hash(style.text)));
            if let Err(error) = engine.add_template_owned(name.clone(), text) {
                faults.push(Fault::of(&error, name));
            }
        }
        // What is broken already is not tried out, nor is anything that may be made of a broken part.
        let broken = |name: &str| faults.iter().any(|fault| !fault.harmless && fault.file == name);
        let whole = |name: &&String| !is_part(name) && !broken(name);
        let pages: Vec<_> = sources.iter().map(|(name, _)| name).filter(whole).collect();
        if !sources.iter().any(|(name, _)| is_part(name) && broken(name)) {
            faults.extend(try_out(&engine, &pages, &hashes));
        }
        let sound = faults.iter().all(|fault| fault.harmless);
        (sound.then(|| Self { engine, policy: policy(&hashes) }), faults)
    }

    /// The page as this folder has it; `None` if it has none. An error is for the log.
    pub fn render(&self, page: PageName, values: &Values<'_>) -> Option<Result<String, String>> {
        let template =
            self.engine.get_template(page.file()).or_else(|_| self.engine.get_template(ANY_PAGE)).ok()?;
        let said = |error: Error| {
            let fault = Fault::of(&error, template.name());
            format!("{}:{}: {}", fault.file, fault.line.unwrap_or_default(), fault.message)
        };
        Some(template.render(Serde(values)).map_err(said))
    }

    /// The Content-Security-Policy of every page that is made here.
    pub fn policy(&self) -> HeaderValue {
        self.policy.clone()
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").field("policy", &self.policy).finish_non_exhaustive()
    }
}

// === impl Fault ===

impl Fault {
    /// The innermost error: in an included file, not where it is included.
    fn of(error: &Error, file: &str) -> Self {
        let mut inner = error;
        while let Some(source) = inner.source().and_then(|source| source.downcast_ref::<Error>()) {
            inner = source;
        }
        let message = match inner.detail() {
            Some(detail) => format!("{}: {detail}", inner.kind()),
            None => inner.kind().to_string(),
        };
        Self {
            file: inner.name().unwrap_or(file).to_owned(),
            line: inner.line(),
            message,
            fix: "docs/pages.md has what a template may say",
            harmless: false,
        }
    }
}

fn engine() -> Environment<'static> {
    let mut engine = Environment::new();
    // Whatever `autoescape` says: nothing but text that was escaped already is written as it is.
    engine.set_formatter(|out, _, value| {
        if value.is_safe() {
            write!(out, "{value}").map_err(Error::from)
        } else {
            write!(out, "{}", HtmlEscape(&value.to_string())).map_err(Error::from)
        }
    });
    engine.remove_filter("safe");
    // A slip in a name is an error when it is tried out, not a hole in a page.
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine
}

/// Renders each page with much and with nothing: what a compiler does not see is seen now.
fn try_out(engine: &Environment<'_>, pages: &[&String], hashes: &BTreeSet<String>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for name in pages.iter().map(|name| name.as_str()) {
        let Ok(template) = engine.get_template(name) else { continue };
        for page in PageName::ALL.iter().filter(|page| page.file() == name || name == ANY_PAGE) {
            for values in [much(*page), Values { page: page.word(), ..Values::default() }] {
                let fault = match template.render(Serde(&values)) {
                    Err(error) => Some(Fault::of(&error, name)),
                    Ok(html) => unforeseen(name, &html, hashes),
                };
                // The same fault shows with every sample.
                faults.extend(fault.filter(|fault| !faults.contains(fault)));
            }
        }
    }
    faults
}

/// What a page holds that stands in no file as such: put together, it would pass the scan of the files.
fn unforeseen(name: &str, html: &str, hashes: &BTreeSet<String>) -> Option<Fault> {
    if let Some(fault) = scan::elements(name, html).into_iter().find(|fault| !fault.harmless) {
        return Some(Fault { line: None, ..fault });
    }
    let unknown = scan::styles(html).any(|style| !hashes.contains(&hash(style.text)));
    unknown.then(|| Fault { line: None, ..scan::dynamic_style(name, 0) })
}

fn much(page: PageName) -> Values<'static> {
    let text = || "a <b>\"text\"</b> & 'more'".to_owned();
    Values {
        page: page.word(),
        language: "en",
        title: text(),
        status: 403,
        reason: "Forbidden",
        code: "role_missing",
        paragraphs: vec![text(), text()],
        rows: vec![Row { name: text(), value: text() }],
        links: ["/", "/oauth2/signout?switch=1&rd=%2F"]
            .map(|href| LinkTo { to: "start_page", text: text(), href: href.into() })
            .into(),
        request_id: "0123456789abcdef".into(),
        user: text(),
        roles: vec![text(), text()],
    }
}

fn hash(style: &str) -> String {
    STANDARD.encode(digest(&SHA256, style.as_bytes()))
}

fn policy(hashes: &BTreeSet<String>) -> HeaderValue {
    let styles: String = hashes.iter().map(|hash| format!(" 'sha256-{hash}'")).collect();
    let styles = if styles.is_empty() { styles } else { format!("style-src{styles}; ") };
    let policy = format!(
        "default-src 'none'; {styles}img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// For every page without a template of its own name.
pub const ANY_PAGE: &str = "page.html";
/// Steps of a template: a loop that does not end becomes an error, and the built-in page.
const FUEL: u64 = 200_000;

#[cfg(test)]
mod tests;
