//! What is shipped beside the gate to watch it: alert rules, their chapters of the runbook, a dashboard, and the list of
//! metrics; held against a real scrape and Prometheus' own tools.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::metrics::parsed;
use crate::support::store::Server;
use crate::support::until;
use crate::support::upstream;
use crate::{bearer, front};

const RULES: &str = include_str!("../../deploy/monitoring/prometheus/rolegate.rules.yaml");
const RULES_TEST: &str = include_str!("../../deploy/monitoring/prometheus/rolegate.rules.test.yaml");
const DASHBOARD: &str = include_str!("../../deploy/monitoring/grafana/rolegate.json");
const RUNBOOK: &str = include_str!("../../docs/runbook.md");
const OBSERVABILITY: &str = include_str!("../../docs/observability.md");

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn promtool(arguments: &[&str], folder: &Path) {
    let own = root().join("target/prometheus/usr/bin/promtool");
    let program = if own.exists() { own } else { "promtool".into() };
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("promtool is needed ({error}): `make test` brings it"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

/// The values of `key: value` lines.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).collect()
}

/// Each metric of the documentation with its labels.
fn documented() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let rows = OBSERVABILITY.lines().filter_map(|line| line.strip_prefix("| `rolegate_"));
    let row = |row: &'static str| {
        let (name, rest) = row.split_once('`').unwrap();
        let labels = rest.split('|').nth(1).unwrap();
        (name, labels.split('`').skip(1).step_by(2).collect())
    };
    rows.map(row).collect()
}

/// The labels that matchers and groupings in `text` name, with the metric that they are a matcher of.
fn named(text: &str) -> Vec<(&str, Vec<&str>)> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let mut found = Vec::new();
    for (at, _) in text.match_indices("rolegate_") {
        let rest = &text[at + "rolegate_".len()..];
        let name = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let rest = &rest[name.len()..];
        let labels =
            rest.strip_prefix('{').and_then(|rest| Some(rest.split_once('}')?.0)).unwrap_or_default();
        // Values hold no comma in any of these.
        let labels = labels.split(',').filter_map(|matcher| Some(matcher.split_once(['=', '!'])?.0));
        found.push((name, labels.collect()));
    }
    found
}

/// Shown only once its one label is known.
const NOT_ALWAYS: &[&str] = &["config_generation"];

/// Complains of every metric or label in `text` that is not documented.
fn must_be_documented(text: &str) {
    let documented = documented();
    let all: BTreeSet<_> =
        documented.values().flatten().copied().chain(["job", "instance", "le", "alertname"]).collect();
    for (name, labels) in named(text) {
        let family = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let known = documented.get(name).or_else(|| documented.get(family?));
        let known = known.unwrap_or_else(|| panic!("there is no metric rolegate_{name}: {text}"));
        for label in labels {
            let own = known.contains(label) || ["job", "instance", "le"].contains(&label);
            assert!(own, "rolegate_{name} has no label {label}: {text}");
        }
    }
    for grouping in text.split("by (").skip(1) {
        let labels = grouping.split(')').next().unwrap().split(',').map(str::trim);
        labels.for_each(|label| assert!(all.contains(label), "no metric has a label {label}: {text}"));
    }
}

#[test]
fn the_list_of_metrics_is_what_a_scrape_has() {
    let store = Server::start();
    let several = "[[upstreams]]\nname = \"several\"\naddresses = [\"http://localhost:9\"]\n[upstreams.check]\npath = \"/\"\n";
    let rule = "[[rules]]\npath = \"/several/**\"\nany_role = [\"user\"]\nupstream = \"several\"\n";
    let setup = front::setup("").tables("[bearer]").tables(several).rules(rule);
    let setup = setup.session(&format!("store = {:?}", store.url()));
    let (world, _) = front::tunnelled(setup);
    drop(world.signed_in("user"));
    bearer::ask(&world, "/x", &bearer::line("x"));
    bearer::ask(&world, "/oauth2/callback", "");
    world.upstream.behave(upstream::closes_after_head());
    assert_eq!(bearer::ask(&world, "/public/x", "").status, 502);
    let text = until("a name was resolved and an address checked", || {
        let text = world.gate.admin("/metrics").text();
        let counted = ["upstream_checks_total{", "upstream_resolutions_total{"];
        counted.iter().all(|name| text.contains(name)).then_some(text)
    });
    let documented = documented();
    let there: BTreeSet<String> = parsed(&text)
        .lines()
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, _) => name.to_owned(),
        })
        .map(|name| name.strip_prefix("rolegate_").unwrap().to_owned())
        .collect();
    let listed = documented.keys().filter(|name| there.contains(**name) || !NOT_ALWAYS.contains(name));
    let listed: BTreeSet<String> = listed.map(|name| (*name).to_owned()).collect();
    assert_eq!(there, listed, "docs/observability.md lists what there is");
    let series: String =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    must_be_documented(&series);
    for (name, labels) in named(&series) {
        let family = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let wanted = documented.get(name).or_else(|| documented.get(family?)).unwrap();
        let labels: BTreeSet<_> = labels.into_iter().filter(|label| *label != "le").collect();
        assert_eq!(labels, *wanted, "rolegate_{name}");
    }
}

#[test]
fn each_alert_fires_on_its_fault_and_not_otherwise() {
    let folder = root().join("deploy/monitoring/prometheus");
    promtool(&["check", "rules", "rolegate.rules.yaml"], &folder);
    promtool(&["test", "rules", "rolegate.rules.test.yaml"], &folder);
    let alerts = values(RULES, "alert");
    assert!(alerts.len() > 15, "{alerts:?}");
    for alert in alerts {
        assert!(RULES_TEST.contains(&format!("alertname=\"{alert}\"")), "{alert} is shown to fire");
    }
    must_be_documented(RULES);
    must_be_documented(RULES_TEST);
}

#[test]
fn the_runbook_has_a_chapter_for_each_alert_and_for_nothing_else() {
    let chapters: Vec<_> = RUNBOOK.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let alerts = values(RULES, "alert");
    assert_eq!(chapters, alerts, "in the same order");
    let anchors: Vec<_> =
        alerts.iter().map(|alert| format!("docs/runbook.md#{}", alert.to_lowercase())).collect();
    assert_eq!(values(RULES, "runbook_url"), anchors);
    for link in RUNBOOK.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(chapters.iter().any(|chapter| chapter.to_lowercase() == anchor), "{anchor}");
    }
    for chapter in RUNBOOK.split("\n## ").skip(1) {
        let parts = ["**For people:**", "**Look at:**", "**Do:**"];
        let table = chapter.contains("| cause | what to do |");
        let has = |part: &&str| chapter.contains(*part) || (table && **part == *"**Do:**");
        assert!(parts.iter().all(has), "{chapter}");
    }
    must_be_documented(RUNBOOK);
}

#[test]
fn every_query_of_the_dashboard_is_one_and_names_what_there_is() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each has an id of its own");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let annotations = dashboard["annotations"]["list"].as_array().unwrap().iter();
    let queries: Vec<_> = targets.chain(annotations).map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(queries.len() > 30, "{}", queries.len());
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (at, query) in queries.iter().enumerate() {
        must_be_documented(query);
        let query = query.replace("$__rate_interval", "5m");
        rules += &format!("      - record: query{at}\n        expr: {}\n", Value::from(query));
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("queries.yaml"), rules).unwrap();
    promtool(&["check", "rules", "queries.yaml"], folder.path());
    // Each is shown somewhere, but for the gauges that are shown by the alerts alone.
    for name in documented().keys() {
        assert!(DASHBOARD.contains(&format!("rolegate_{name}")), "rolegate_{name} is on the dashboard");
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        must_be_documented(variable["query"].as_str().unwrap());
    }
}
