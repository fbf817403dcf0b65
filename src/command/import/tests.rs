//! The whole importer: no text makes it stumble, nothing opens that was shut, and the manual's table is current.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;

use super::options::{self, Fate};
use super::*;
use crate::config::settings::{Access, Config};
use crate::rule::path::canonical;

fn imported(text: &str) -> Import {
    convert(&read(text, None).unwrap_or_else(|error| panic!("{error}\n{text}")))
}

fn loaded(toml: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let toml = toml.replace("/run/secrets", &folder.path().display().to_string());
    std::fs::write(folder.path().join("client-secret"), "c2VjcmV0LW9mLXRoaXMtdGVzdA").unwrap();
    std::fs::write(folder.path().join("session-keys"), "3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=")
        .unwrap();
    std::fs::write(folder.path().join("store-password"), "a-good-long-password-4711").unwrap();
    match config::from_text("rolegate.toml", &toml, &[], &Overrides::default()) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems}\n{toml}"),
    }
}

/// Whether anybody may have this path.
fn is_open(config: &Config, method: &str, path: &str) -> bool {
    let path = canonical(path).unwrap();
    let best = config
        .rules
        .iter()
        .filter_map(|rule| {
            let matched = match rule.access {
                Access::Public => rule.path.matches_exactly(&path),
                Access::Needs(_) => rule.path.matches_leniently(&path),
            }?;
            let named = rule
                .methods
                .as_ref()
                .is_none_or(|methods| methods.iter().any(|known| known.as_str() == method));
            Some((matched, named && rule.access == Access::Public))
        })
        .max_by_key(|(matched, _)| *matched);
    let Some((matched, _)) = best else { return false };
    config.rules.iter().any(|rule| {
        rule.access == Access::Public
            && rule.path.matches_exactly(&path) == Some(matched)
            && rule
                .methods
                .as_ref()
                .is_none_or(|methods| methods.iter().any(|known| known.as_str() == method))
    })
}

const WHOLE: &str = "redirect_url = \"https://app.example.com/oauth2/callback\"\nupstreams = [\"http://127.0.0.1:8080\"]\n\
    provider = \"oidc\"\noidc_issuer_url = \"https://login.example.com\"\nclient_id = \"app-1\"\nclient_secret = \"x1\"\n";

#[test]
fn every_documented_option_has_a_row_and_no_row_is_made_up() {
    let list = std::fs::read_to_string("tests/fixtures/import/options-7.15.txt").unwrap();
    let documented: Vec<(&str, &str)> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    for (flag, key) in &documented {
        let row = options::find(flag).unwrap_or_else(|| panic!("no row for {flag}"));
        assert_eq!((row.flag, row.key), (*flag, *key));
        let variable = format!("OAUTH2_PROXY_{}", options::plain(key).replace('-', "_").to_ascii_uppercase());
        assert_eq!(options::find(variable.strip_prefix("OAUTH2_PROXY_").unwrap()), Some(row));
    }
    let rows: Vec<&str> = options::rows().map(|row| row.flag).collect();
    assert_eq!(rows.len(), documented.len(), "{rows:?}");
    assert!(options::rows().all(|row| !row.says.is_empty() && row.fate != Fate::Unknown));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its own switch")]
fn the_table_of_the_manual_is_this_one() {
    let file = "docs/moving-from-oauth2-proxy.md";
    let text = std::fs::read_to_string(file).unwrap();
    let mut rows: Vec<_> = options::rows().collect();
    rows.sort_by_key(|row| row.flag);
    let mut table = "| option | here | |\n|---|---|---|\n".to_owned();
    for row in rows {
        table += &format!("| `{}` | {} | {} |\n", row.key, row.fate.heading(), row.says);
    }
    let (before, rest) = text.split_once("<!-- options -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    let current = format!("{before}<!-- options -->\n{table}<!-- end -->{after}");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(file, &current).unwrap();
    } else {
        assert!(text == current, "UPDATE_EXPECTED=1 writes the table of {file} anew");
    }
    for sentence in STRICTER {
        assert!(text.contains(sentence), "{file} does not say: {sentence}");
    }
}

#[test]
fn a_restriction_that_is_not_known_here_shuts_the_gate() {
    for line in [
        "github_org = \"example\"",
        "google_groups = [\"a@example.com\"]",
        "authenticated_emails_file = \"/etc/emails\"",
        "email_domains = [\".example.com\"]",
        "email_domains = [\"$DOMAIN\"]",
        "email_domains = [\"*\"]\nallowed_groups = [\"${GROUP}\"]",
        "email_domains = [\"*\"]\nallowed_groups = []",
        "email_domains = [\"*\"]\ngitlab_groups = [\"x\"]",
        "skip_auth_routes = [\"^/a/\"]",
    ] {
        let import = imported(&format!("{WHOLE}{line}\n"));
        assert!(import.toml.contains("#required_roles ="), "{line}\n{}", import.toml);
        assert!(!import.toml.contains("\nrequired_roles"), "{line}\n{}", import.toml);
        assert!(import.report.todo.iter().any(|text| text.starts_with("required_roles: ")), "{line}");
        let closed = import.toml.split("[[rules]]").skip(1).filter(|rule| !rule.contains("public = true"));
        closed.for_each(|rule| assert!(rule.contains("any_role = [\"fill-in\"]"), "{rule}"));
    }
}

#[test]
fn an_address_that_nobody_verified_stays_out() {
    let import = imported(&format!("{WHOLE}email_domains = [\"*\"]\n"));
    assert!(import.toml.contains("required_roles = [\"verified-email\"]"), "{}", import.toml);
    loaded(&import.toml);
    let lax = "email_domains = [\"*\"]\ninsecure_oidc_allow_unverified_email = true\n";
    assert!(imported(&format!("{WHOLE}{lax}")).toml.contains("required_roles = \"signed-in\""));
    let both = imported(&format!("{WHOLE}email_domains = [\"*\"]\nallowed_groups = [\"staff\"]\n"));
    assert!(both.toml.contains("all_roles = [\"verified-email\"]"), "{}", both.toml);
    loaded(&both.toml);
}

#[test]
fn a_method_that_was_open_is_open_and_the_others_ask() {
    let import = imported(&format!(
        "{WHOLE}email_domains = [\"*\"]\nskip_auth_routes = [\"POST=^/hooks/?$\", \"^/a/\"]\n"
    ));
    let config = loaded(&import.toml);
    assert!(is_open(&config, "POST", "/hooks") && is_open(&config, "GET", "/a/b"));
    for (method, path) in
        [("GET", "/hooks"), ("GET", "/a"), ("GET", "/a/"), ("GET", "/ab"), ("POST", "/hooks/x")]
    {
        assert!(!is_open(&config, method, path), "{method} {path}\n{}", import.toml);
    }
}

#[test]
fn flags_win_over_variables_and_those_over_the_file() {
    let text = "data:\n  oauth2-proxy.cfg: |\n    client_id = \"file\"\n    scope = \"openid\"\n    provider = \"oidc\"\n\
                env:\n  - name: OAUTH2_PROXY_CLIENT_ID\n    value: variable\n  - name: OAUTH2_PROXY_PROMPT\n    value: login\n\
                args: [--client-id=flag]\n";
    let toml = imported(text).toml;
    for line in ["client_id = \"flag\"", "scopes = [\"openid\"]", "prompt = \"login\""] {
        assert!(toml.contains(line), "{line}\n{toml}");
    }
}

#[test]
fn nothing_that_keeps_people_out_is_lost_on_the_way() {
    let line = "--email-domain='*' --allowed-group staff --client-id oauth2-proxy --scope openid\n";
    assert!(imported(line).toml.contains("required_roles = [\"staff\"]"));
    for text in [
        "a: &a [--allowed-group=staff]\nargs: *a\n",
        "data:\n  oauth2-proxy.cfg: |\n    email_domains = [\"*\"]\n    allowed_groups = [\n",
        "a:\n  args: [--client-id=a, --allowed-group=x]\nb:\n  args: [--client-id=b, --allowed-group=y]\n",
        "command: --email-domain=* --allowed-group 'staff\n",
    ] {
        read(text, Some(Format::Yaml)).unwrap_err();
    }
    let script = "command: [sh, -c, 'exec oauth2-proxy --email-domain=* --allowed-group=staff']\n";
    assert!(imported(script).toml.contains("required_roles = [\"staff\"]"));
}

#[test]
fn what_cannot_be_read_says_where_and_shows_nothing() {
    for (text, line) in [
        ("client_id = \"a\"\nclient_secret = \"hush-hush\nx = 1\n", 2),
        ("--client-id=a \\\n --client-secret='hush-hush\n", 1),
        ("args:\n  - --client-id=a\n - hush-hush: [\n", 3),
        ("hello", 1),
        ("[Unit]\nDescription=x\n", 1),
    ] {
        let error = read(text, None).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
    let deep = format!("a: {}", "[".repeat(5000));
    assert_eq!(read(&deep, None).unwrap_err().line, 1);
    let deep = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
    assert!(read(&deep, None).unwrap_err().why.contains("nested"));
}

const WORDS: &[&str] = &[
    "--",
    "-",
    "=",
    " ",
    "\n",
    "\n  ",
    "\"",
    "'",
    "\\",
    "#",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "|",
    "&a ",
    "*a",
    "---\n",
    "args:",
    "env:",
    "name: ",
    "value: ",
    "config:",
    "extraArgs:",
    "providers:",
    "upstreamConfig:",
    "upstreams",
    "clientID",
    "OAUTH2_PROXY_",
    "export ",
    "oauth2-proxy ",
    "ExecStart=",
    "[Service]\n",
    "CLIENT_ID",
    "client_id",
    "client-id",
    "email_domains",
    "email-domain",
    "*",
    "skip-auth-route",
    "skip_auth_regex",
    "GET=",
    "!=",
    "^/a",
    "/b/",
    ".*",
    "$",
    "(x|y)",
    "https://login.example.com",
    "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab",
    "oidc-issuer-url",
    "upstream",
    "http://127.0.0.1:1/p/",
    "unix:///s",
    "file:///x#/y",
    "static://1",
    "redirect_url",
    "http-address",
    ":1",
    "cookie_expire",
    "cookie_refresh",
    "1h0m0s",
    "9e99h",
    "-1s",
    "0",
    "99999999999999999999",
    "redis-connection-url",
    "redis://u:p@h:1/2",
    "session-store-type",
    "redis",
    "allowed-group",
    "whitelist-domain",
    ".a.test",
    "true",
    "false",
    "injectRequestHeaders:",
    "claim: user",
    "reverse-proxy",
    "trusted-proxy-ip",
    "10.0.0.0/8",
    "é",
    "\0",
    "\t",
    "{{",
    "${X}",
    "api-route",
    "skip-auth-preflight",
    "pass-authorization-header",
    "tls-cert-file",
    "tls-key-file",
    "x.pem",
    "cookie-name",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        vec(select(WORDS), 0..40).prop_map(|words| words.concat()),
        vec((select(options::rows().map(|row| row.key).collect::<Vec<_>>()), select(WORDS)), 1..20)
            .prop_map(|pairs| pairs.iter().map(|(key, word)| format!("{key} = {word:?}\n")).collect()),
        vec((select(options::rows().map(|row| row.flag).collect::<Vec<_>>()), select(WORDS)), 1..20)
            .prop_map(|pairs| pairs.iter().map(|(flag, word)| format!("--{flag}='{word}' ")).collect()),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "^", "/", "/a", "a", "/b/", ".", "\\.", ".*", ".+", "$", "/?", "(a|b)", "(?:/|$)", "(/.*)?", "|",
        "[ab]", "+", "\\/", "A", "(", ")", "a-b", "{2}", "\\d",
    ];
    vec(select(PARTS), 1..7).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_text_a_file_comes_out_that_can_be_read_or_a_line_that_cannot(
        text in text(),
        format in select(&[None, Some(Format::Cfg), Some(Format::Env), Some(Format::Flags), Some(Format::Yaml)][..]),
    ) {
        match read(&text, format) {
            Err(error) => prop_assert!(error.line >= 1 && error.line <= text.lines().count().max(1) + 1, "{error}"),
            Ok(given) => {
                let import = convert(&given);
                let report = import.report.to_string();
                prop_assert!(!report.is_empty() && import.report.entries.len() <= given.len());
                for complaint in complaints("r.toml", &import.toml) {
                    for shape in ["unknown key", "TOML", "expected ", "duplicate"] {
                        prop_assert!(!complaint.contains(shape), "{complaint}\n{}", import.toml);
                    }
                }
            }
        }
    }

    #[test]
    fn whatever_the_expression_no_path_opens_that_it_does_not_match(
        expressions in vec((select(&["", "GET=", "POST="][..]), expression()), 1..4),
        paths in vec(vec(select(&["/", "a", "b", "A", ".", "x", "-"][..]), 0..6), 1..40),
    ) {
        let list: Vec<String> = expressions.iter().map(|(method, text)| format!("'{method}{text}'")).collect();
        let import = imported(&format!("{WHOLE}email_domains = [\"*\"]\nskip_auth_routes = [{}]\n", list.join(", ")));
        let config = loaded(&import.toml);
        for path in paths.iter().map(|parts| format!("/{}", parts.concat())) {
            // A path that is spelled otherwise is brought to its one spelling before anything is decided.
            let Ok(one) = canonical(&path) else { continue };
            let path = one.as_str().to_owned();
            for asked in ["GET", "POST"] {
                let matched = expressions.iter().any(|(method, text)| {
                    (method.is_empty() || method.trim_end_matches('=') == asked) && Regex::new(text).is_ok_and(|known| known.is_match(&path))
                });
                prop_assert!(matched || !is_open(&config, asked, &path), "{asked} {path}\n{}", import.toml);
            }
        }
    }
}

mod shut;
