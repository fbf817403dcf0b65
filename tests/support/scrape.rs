//! What a scrape of a gate's metrics says: series by name and labels, and what became more between two.

use std::collections::BTreeMap;

use super::gate::Gate;
use super::until;

/// Series as they are written, `name{labels}`, with their values.
#[derive(Debug, Clone, PartialEq)]
pub struct Scrape(pub BTreeMap<String, f64>);

// === impl Scrape ===

impl Scrape {
    /// What `gate` says now.
    pub fn of(gate: &Gate) -> Self {
        Self::parse(&gate.admin("/metrics").text())
    }

    /// Reads the text; comments are left out.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no series: {line:?}"));
            (series.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line:?}")))
        });
        Self(series.collect())
    }

    /// One series; 0 if it is not there.
    pub fn get(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or_default()
    }

    /// The counters of these families that are more than they were `before`, without `rolegate_` and `_total`.
    pub fn more_than(&self, before: &Self, families: &[&str]) -> BTreeMap<String, f64> {
        let of_them = self.0.iter().filter_map(|(series, value)| {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let family = name.strip_prefix("rolegate_")?.strip_suffix("_total")?;
            let more = value - before.get(series);
            let labels = labels.strip_suffix('}').unwrap_or(labels);
            (families.contains(&family) && more != 0.0).then(|| (format!("{family} {labels}"), more))
        });
        of_them.collect()
    }
}

/// Does `act`, and waits until exactly these counters of their families are more by one each, or by as much as is said
/// behind `*`.
pub fn counts<T>(gate: &Gate, families: &[&str], wanted: &[&str], act: impl FnOnce() -> T) -> T {
    let before = Scrape::of(gate);
    let done = act();
    let wanted: BTreeMap<String, f64> = wanted
        .iter()
        .map(|line| match line.split_once(" * ") {
            Some((series, times)) => (series.to_owned(), times.parse().unwrap()),
            None => ((*line).to_owned(), 1.0),
        })
        .collect();
    let mut last = BTreeMap::new();
    let end = std::time::Instant::now() + super::PATIENCE;
    loop {
        let more = Scrape::of(gate).more_than(&before, families);
        if more == wanted {
            return done;
        }
        assert!(
            std::time::Instant::now() < end,
            "counted is {more:#?}, and should be {wanted:#?}; before: {last:#?}"
        );
        last = more;
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Waits until a series has this value.
pub fn becomes(gate: &Gate, series: &str, value: f64) {
    until(&format!("{series} is {value}"), || (Scrape::of(gate).get(series) == value).then_some(()));
}
