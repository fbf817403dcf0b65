//! Pool files: what they say, and what is said when they are wrong.

use super::*;

fn wrong(text: &str) -> String {
    Seed::from_text(Path::new("pool.toml"), text).unwrap_err().to_string()
}

#[test]
fn the_documented_file_is_good() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/dev-pool.toml");
    let seed = Seed::from_file(&file).unwrap();
    assert_eq!(seed.users.len(), 4);
    assert_eq!(seed.clients[0].secrets, ["a-secret-for-development-only"]);
    assert!(seed.trigger.is_some() && seed.resource_servers.len() == 1 && seed.providers.len() == 1);
    assert_eq!(seed.federated_users[0].user_name(), "Google_108512345678901234567");
    let pool = Pool::new(seed, "http://127.0.0.1:4182/", None).unwrap();
    assert_eq!(pool.issuer(), "http://127.0.0.1:4182/local_devpool1");
}

/// What is commented out in the documented file because it stands instead of something else, or names a file.
#[test]
fn the_documented_keys_that_are_commented_out_are_good_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("triggers")).unwrap();
    std::fs::write(folder.path().join("triggers/index.mjs"), "").unwrap();
    let documented =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/dev-pool.toml"));
    let documented = documented.unwrap();
    let key = |name: &str| {
        let line = documented.lines().find_map(|line| line.strip_prefix(&format!("# {name} = ")));
        format!("{name} = {}", line.unwrap_or_else(|| panic!("{name} is not documented")))
    };
    for text in [
        format!("[pool]\n{}\nid = \"eu-central-1_AbC\"\n{}\n", key("state_dir"), key("aws_issuer")),
        format!("[trigger]\nversion = \"V1_0\"\n{}\n", key("exec")),
        format!("[trigger]\nversion = \"V1_0\"\n{}\n", key("url")),
        format!(
            "[[identity_providers]]\nname = \"Google\"\n[[clients]]\nid = \"c\"\n{}\n",
            key("identity_providers")
        ),
    ] {
        Seed::from_text(&folder.path().join("pool.toml"), &text).unwrap();
    }
}

#[test]
fn a_table_that_is_left_out_keeps_its_builtin_content() {
    let only = seed("[[users]]\nname = \"ada\"\npassword = \"p\"\ngroups = [\"viewer\"]\n");
    assert_eq!((only.users.len(), only.groups.len(), only.clients.len()), (1, 3, 0));
    let none = seed("");
    assert_eq!((none.users.len(), none.pool_id.as_str()), (4, "local_devpool1"));
}

#[test]
fn problems_have_their_place_and_their_mend() {
    for (text, expected) in [
        ("[pool]\nid = \"nonsense\"\n", "pool.toml:2:6: pool id \"nonsense\" is not"),
        (
            "[pool]\nname = 1\n",
            "pool.toml:2:1: unknown field `name`, expected one of `id`, `plan`, `state_dir`, `aws_issuer`",
        ),
        (
            "[[users]]\nname = 1\npassword = \"\"\n",
            "pool.toml:2:8: invalid type: integer `1`, expected a string",
        ),
        ("[[users]]\nname = \"a\"\n", "pool.toml:1:1: missing field `password`"),
        ("x = \n", "pool.toml:1:5: "),
        (
            "[[users]]\nname = \"a\"\npassword = \"a\"\ngroups = [\"viewer\", \"nobodys\"]\n",
            "pool.toml:4:21: there is no group \"nobodys\"; add it under [[groups]] (there: admin, editor, viewer)",
        ),
        (
            "[[users]]\nname = \"a\"\npassword = \"a\"\n[[users]]\nname = \"A\"\npassword = \"a\"\n",
            "pool.toml:5:8: there are two users of the name \"A\"; rename one",
        ),
        (
            "[[users]]\nname = \"a\"\npassword = \"a\"\n[users.attributes]\nmail = \"a\"\n",
            "pool.toml:4:1: \"mail\" is no attribute; your own begin with \"custom:\"",
        ),
        (
            "[[groups]]\nname = \"admin\"\n",
            "pool.toml:1:1: the built-in user \"admin\" is in the group \"editor\"",
        ),
        (
            "[[groups]]\nname = \"a b\"\n[[users]]\nname = \"u\"\npassword = \"p\"\n",
            "pool.toml:2:8: a group's name",
        ),
        (
            "[[clients]]\nid = \"c\"\nid_token_lifetime = \"soon\"\n",
            "pool.toml:3:21: expected a time like \"90s\", \"60m\", \"12h\" or \"30d\", found \"soon\"",
        ),
        (
            "[[users]]\nname = \"a\"\npassword = \"a\"\nstatus = \"New\"\n",
            "pool.toml:4:10: unknown variant `New`, expected one of `CONFIRMED`, `FORCE_CHANGE_PASSWORD`",
        ),
        (
            "[[users]]\nname = \"a\"\npassword = \"a\"\ntotp_secret = \"short\"\n",
            "pool.toml:4:15: expected a key in base32 of 16 letters",
        ),
        (
            "[[clients]]\nid = \"c\"\nauth_flows = [\"ALLOW_CUSTOM_AUTH\"]\n",
            "pool.toml:3:15: unknown variant `ALLOW_CUSTOM_AUTH`, expected one of",
        ),
        ("[[clients]]\nid = \"c\"\nrotation_grace = \"2m\"\n", "pool.toml:3:18: the grace is at most"),
        (
            "[[clients]]\nid = \"c\"\ncallback_urls = [\"/x\"]\n",
            "pool.toml:3:17: \"/x\" is not an absolute address",
        ),
        ("[pool]\nplan = \"free\"\n", "pool.toml:2:8: unknown variant `free`, expected one of `lite`"),
        ("[pool]\naws_issuer = true\n", "pool.toml:2:14: aws_issuer needs a region of AWS's in [pool] id"),
        (
            "[[clients]]\nid = \"c\"\nscopes = [\"api/read\"]\n",
            "pool.toml:3:10: there is no scope \"api/read\"; add",
        ),
        (
            "[[clients]]\nid = \"c\"\nflows = [\"client_credentials\"]\n",
            "pool.toml:3:9: client_credentials needs a client with secrets",
        ),
        (
            "[[clients]]\nid = \"c\"\nsecrets = [\"s\"]\nflows = [\"client_credentials\", \"code\"]\n",
            "pool.toml:4:9: client_credentials stands alone",
        ),
        (
            "[[clients]]\nid = \"c\"\nsecrets = [\"s\"]\nflows = [\"client_credentials\"]\nscopes = [\"openid\"]\n",
            "pool.toml:5:10: \"openid\" is for people",
        ),
        (
            "[[clients]]\nid = \"c\"\nidentity_providers = [\"Google\"]\n",
            "pool.toml:3:22: there is no identity provider \"Google\"; add it",
        ),
        (
            "[[resource_servers]]\nidentifier = \"a\"\nscopes = [\"b/c\"]\n",
            "pool.toml:3:10: \"b/c\" is no scope",
        ),
        ("[[identity_providers]]\nname = \"COGNITO\"\n", "pool.toml:2:8: COGNITO is the pool itself"),
        (
            "[[federated_users]]\nprovider = \"Google\"\nid = \"1\"\n",
            "pool.toml:2:12: there is no identity provider \"Google\"",
        ),
    ] {
        let told = wrong(text);
        assert!(told.starts_with(expected), "{text:?}: {told}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let told = wrong("[pool]\nid = \"x\"\n[[clients]]\nid = \"a-b\"\n[[clients]]\nid = \"a-b\"\n");
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[test]
fn a_pool_is_at_an_origin() {
    for address in ["nonsense", "ftp://a", "http://a/path", "http://a?x", "http://u@a"] {
        assert!(matches!(Pool::new(Seed::builtin(), address, None), Err(PoolError::Address(_))), "{address}");
    }
}

#[test]
fn every_documented_behaviour_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documented = std::fs::read_to_string(root.join("docs/dev-pool.md")).unwrap();
    let rows = documented.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once('`'));
    let mut count = 0;
    for (file, test) in rows.filter_map(|(_, test)| test.split_once(": ")) {
        let text = std::fs::read_to_string(root.join(format!("src/devpool/{file}.rs"))).unwrap();
        assert!(text.contains(&format!("fn {test}(")), "{file}: {test}");
        count += 1;
    }
    assert!(count > 40, "{count}");
}
