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
    let pool = Pool::new(seed, "http://127.0.0.1:4182/", None).unwrap();
    assert_eq!(pool.issuer(), "http://127.0.0.1:4182/local_devpool1");
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
        ("[pool]\nname = 1\n", "pool.toml:2:1: unknown field `name`, expected `id`"),
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
