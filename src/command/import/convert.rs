//! oauth2-proxy's options as a rolegate.toml. What cannot be said as exactly stays closed, and is named. ★

mod people;
mod places;
mod provider;
mod rules;
mod session;

use super::bag::Bag;
use super::options::Fate;
use super::page::Page;
use super::read::Given;
use super::report::Report;

/// What came of it.
#[derive(Debug, Clone)]
pub struct Import {
    /// The file.
    pub toml: String,
    /// What became of each option.
    pub report: Report,
}

const HEAD: &str = "Made by `rolegate import oauth2-proxy`. docs/moving-from-oauth2-proxy.md says what to look at before it runs.
Secrets are not in it: each *_file must be put in place. config/rolegate.toml has every key there is.";

/// A role that nobody has, where who may pass is not known yet; a claim that no token has.
const FILL_IN: &str = "fill-in";

/// Everything at once.
pub fn convert(given: &[Given]) -> Import {
    let (mut bag, mut page) = (Bag::new(given), Page::default());
    let provider = provider::provider(&mut bag, &mut page);
    let place = places::places(&mut bag, &mut page);
    session::session(&mut bag, &mut page);
    let asked = people::asked(&provider, &mut bag);
    let rules = rules::rules(&asked, &place, &mut bag, &mut page);
    people::identity(&provider, &asked, &rules, &mut bag, &mut page);
    log(&mut bag, &mut page);
    Import { toml: page.text(HEAD), report: bag.report() }
}

fn log(bag: &mut Bag<'_>, page: &mut Page) {
    if bag.on("request-logging") == Some(false) {
        page.key("[log]", "access", false, "");
        bag.say("request-logging", Fate::Taken, "[log] access = false");
    }
    if bag.on("auth-logging") == Some(false) {
        page.key("[log]", "audit", false, "");
        bag.say("auth-logging", Fate::Taken, "[log] audit = false");
    }
    if bag.on("standard-logging") == Some(false) {
        page.key("[log]", "level", "error", "");
        bag.say("standard-logging", Fate::Taken, "[log] level = \"error\"");
    }
}
