//! What the manuals show can be run: each block of TOML is read as `check` reads it.

use rolegate::config::{self, Overrides};

/// What a block leaves out, piece by piece: text that it must hold, or else what is put before or after it.
const TOP: &str = "public_url = \"https://app.example.com\"\nupstream = \"http://127.0.0.1:8080\"\n";
const ROLES: &str = "required_roles = [\"user\"]\n";
const REST: &str = "[cognito]\nuser_pool_id = \"eu-central-1_AbCdEf123\"\nclient_id = \"1h57kf5cpq17m0eml12EXAMPLE\"\n\
    [session]\nkeys = [\"3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=\"]\n";

#[test]
fn every_block_of_the_manuals_for_rules_roles_and_upstreams_loads() {
    for (name, least) in [("rules.md", 10), ("roles.md", 8), ("upstreams.md", 2)] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let blocks: Vec<&str> =
            text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(blocks.len() >= least, "{name} has {} blocks", blocks.len());
        for block in blocks {
            let roles = if block.contains("required_roles") { "" } else { ROLES };
            let own = |line: &&str| !(line.starts_with("upstream") && block.starts_with("upstream"));
            let top: String = TOP.lines().filter(own).map(|line| format!("{line}\n")).collect();
            let toml = format!("{top}{roles}{block}\n{REST}");
            // A block with keys of the top level has no table before them, so this order always holds.
            if let Err(problems) = config::from_text(name, &toml, &[], &Overrides::default()) {
                panic!("{name}:\n{block}\n{problems}");
            }
        }
    }
}

#[test]
fn every_code_and_line_of_the_log_that_troubleshooting_names_is_one_that_the_gate_says() {
    fn read(folder: &std::path::Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    read(&root.join("src"), &mut source);
    let manual = std::fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let spans: Vec<&str> = manual.split('`').skip(1).step_by(2).collect();
    // Codes, and whole sentences of the log.
    let is_code = |span: &&&str| {
        span.contains('_') && span.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let is_sentence = |span: &&&str| span.split(' ').count() > 4 && !span.contains(['$', '/', '=']);
    let foreign = ["large_client_header_buffers", "redirect_mismatch", "invalid_client"];
    let said: Vec<_> = spans.iter().filter(|span| is_code(span) || is_sentence(span)).collect();
    assert!(said.len() > 20, "{said:?}");
    for span in said {
        assert!(foreign.contains(span) || source.contains(*span), "nothing in the gate says {span:?}");
    }
}
