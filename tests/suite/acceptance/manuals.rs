//! What the manuals show can be run: each block of TOML is read as `check` reads it.

use rolegate::config::{self, Overrides};

/// What a block leaves out, piece by piece: text that it must hold, or else what is put before or after it.
const TOP: &str = "public_url = \"https://app.example.com\"\nupstream = \"http://127.0.0.1:8080\"\n";
const ROLES: &str = "required_roles = [\"user\"]\n";
const REST: &str = "[cognito]\nuser_pool_id = \"eu-central-1_AbCdEf123\"\nclient_id = \"1h57kf5cpq17m0eml12EXAMPLE\"\n\
    [session]\nkeys = [\"3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=\"]\n";

#[test]
fn every_block_of_the_manuals_for_rules_and_roles_loads() {
    for (name, least) in [("rules.md", 10), ("roles.md", 8)] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let blocks: Vec<&str> =
            text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(blocks.len() >= least, "{name} has {} blocks", blocks.len());
        for block in blocks {
            let roles = if block.contains("required_roles") { "" } else { ROLES };
            let toml = format!("{TOP}{roles}{block}\n{REST}");
            // A block with keys of the top level has no table before them, so this order always holds.
            if let Err(problems) = config::from_text(name, &toml, &[], &Overrides::default()) {
                panic!("{name}:\n{block}\n{problems}");
            }
        }
    }
}
