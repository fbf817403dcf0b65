//! Loading as users meet it: files under config/, fixtures with the exact lines printed, variables, flags.

use std::path::{Path, PathBuf};

use super::settings::{
    Access, AssertionKind, Parameter, ProviderKind, ReturnPort, TlsVersion, TokenChoice, TraceParent,
    TrustedHeaders, Unauthenticated, Upstream,
};
use super::*;

mod reference;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} holds no files");
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn from(toml: &str) -> Result<Loaded, Problems> {
    from_text("a.toml", toml, &[], &Overrides::default())
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn fixture(name: &str) -> Config {
    let path = root().join("tests/fixtures/config/valid").join(name);
    load(Some(&path), &[], &Overrides::default()).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// With the secrets that live outside the repository written in, as a test can have them.
fn with_secrets(toml: &str) -> String {
    toml.replace(
        "client_secret_file = \"/run/secrets/",
        "client_secret = \"a-secret-of-the-app-client\" # client_secret_file = \"",
    )
    .replace(
        "keys_file = \"/run/secrets/session-keys\"",
        "keys = [\"3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=\"]",
    )
}

const SMALL: &str = include_str!("../../tests/fixtures/config/valid/small.toml");

#[test]
fn every_valid_fixture_loads_without_a_warning() {
    for file in toml_files("tests/fixtures/config/valid") {
        match load(Some(&file), &[], &Overrides::default()) {
            // A checkout makes files readable for all: the secrets among the fixtures are no secrets.
            Ok(loaded) => {
                let mut told =
                    loaded.warnings.iter().filter(|problem| !problem.message.contains("every user"));
                assert_eq!(told.next(), None, "{}", file.display());
            }
            Err(problems) => panic!("{}\n{problems}", file.display()),
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its own switch")]
fn every_invalid_fixture_prints_exactly_the_expected_lines() {
    let mut differences = String::new();
    for file in toml_files("tests/fixtures/config/invalid") {
        let Err(problems) = load(Some(&file), &[], &Overrides::default()) else {
            panic!("{} loads", file.display());
        };
        let folder = format!("{}/", file.parent().unwrap().display());
        let lines: String = problems
            .iter()
            .filter(|problem| !problem.message.contains("can be read by every user"))
            .map(|problem| format!("{problem}\n").replace(&folder, ""))
            .collect();
        let expected = file.with_extension("expected");
        // UPDATE_EXPECTED=1 writes what is printed; the difference is then read in the commit.
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, &lines).unwrap();
        } else if lines != std::fs::read_to_string(&expected).unwrap_or_default() {
            differences += &format!("--- {}\n{lines}", file.display());
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn every_file_under_config_loads() {
    // The dev pool's own file is loaded by its own test.
    for file in toml_files("config").iter().filter(|file| !file.ends_with("dev-pool.toml")) {
        let text = with_secrets(&read(file));
        match from(&text) {
            Ok(loaded) => assert_eq!(loaded.warnings.to_string(), "", "{}", file.display()),
            Err(problems) => panic!("{}\n{problems}", file.display()),
        }
    }
}

#[test]
fn no_commented_key_of_the_reference_is_misspelt() {
    let text = read(&root().join("config/rolegate.toml"));
    let open: String = text
        .lines()
        // A comment for people has a blank after #; a commented key has none.
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') && !key.is_empty() => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let problems = from(&open).unwrap_err();
    let shape = |problem: &&Problem| {
        ["unknown", "expected", "TOML", "not available"].iter().any(|word| problem.message.contains(word))
    };
    let misspelt: Vec<String> = problems.iter().filter(shape).map(ToString::to_string).collect();
    assert_eq!(misspelt, Vec::<String>::new());
    // What is left: alternatives that exclude each other, files that are not here, the sample key.
    for problem in problems.iter() {
        let known = [
            "both",
            "cannot read",
            "sample",
            "people can write",
            "WriteAttributes",
            "is refused here",
            "upstream only",
            "a duration",
            "handed to every upstream",
            "nothing goes there",
            "belongs to kind",
            "gets the token",
            "with sentinels only",
            "does not start",
            "otlp_endpoint is cleartext",
        ];
        assert!(known.iter().any(|word| problem.message.contains(word)), "{problem}");
    }
}

#[test]
fn the_reference_names_every_key() {
    let text = read(&root().join("config/rolegate.toml"));
    let shape = Shape::of_schema(&schema());
    for (name, inner) in shape.fields().unwrap() {
        let tables = inner.fields().into_iter().flatten();
        let nested = tables.clone().flat_map(|(_, inner)| inner.fields().into_iter().flatten());
        for key in std::iter::once(name)
            .chain(tables.clone().map(|(name, _)| name))
            .chain(nested.map(|(name, _)| name))
        {
            let written = text.lines().any(|line| {
                let line = line.trim_start_matches('#');
                line.starts_with(&format!("{key} = ")) || line.trim_end_matches(']').ends_with(key.as_str())
            });
            assert!(written, "config/rolegate.toml lacks {key}");
        }
    }
}

#[test]
fn what_is_written_is_what_the_gate_gets() {
    let config = fixture("large.toml");
    assert_eq!(config.origins[1].to_string(), "https://app.example.org:8443");
    assert_eq!(config.upstreams[0].addresses[0], Upstream::Unix("/run/app.sock".into()));
    assert!(config.default.any_role.is_empty());
    assert_eq!(config.admin_listen.to_string(), "[::1]:8081");
    assert_eq!(config.auth_prefix, "/gate");
    assert_eq!(config.trusted_proxies.len(), 3);
    assert_eq!(config.trusted_proxies[1].prefix, 32);
    assert!(config.proxy_protocol && config.trusted_headers == TrustedHeaders::Forwarded);
    assert_eq!(config.admin_hosts, ["gate.example.com"]);
    assert_eq!(config.limits.drain_delay.as_secs(), 3);
    assert!(config.allowed_return_hosts[1].subdomains);
    assert_eq!(config.allowed_return_hosts[2].port, ReturnPort::Exactly(8443));
    assert_eq!(config.allowed_return_hosts[3].port, ReturnPort::Any);
    assert!(!config.pass_host);
    assert_eq!(config.workers, 3);

    assert_eq!(config.provider.client_id, "1234567");
    assert_eq!(config.provider.client_secrets[0].expose(), b"a-secret-of-the-app-client");
    let parameters = &config.provider.parameters;
    assert_eq!(parameters.identity_provider, Parameter::Always("COGNITO".into()));
    assert_eq!(parameters.idp_identifier, Parameter::Never);
    assert_eq!(parameters.lang, Parameter::OneOf(vec!["de".into(), "pt-BR".into()]));
    assert_eq!(parameters.login_hint, Parameter::OneOf(vec!["erika@example.com".into()]));
    assert_eq!(parameters.prompt, Parameter::Always("login consent".into()));
    assert_eq!(config.provider.resources, ["https://api.example.com/v1"]);
    let ProviderKind::Cognito { pool_id, domain } = config.provider.kind else { panic!() };
    assert_eq!(
        (pool_id.as_str(), domain.as_deref()),
        ("us-gov-west-1_AbCdEf123", Some("https://login.example.com"))
    );

    assert_eq!(config.session.keys.len(), 2);
    assert_eq!(config.session.max_age.as_secs(), 5400);
    assert_eq!(config.session.idle.unwrap().as_secs(), 1200);

    assert_eq!(config.identity.roles[0].token, TokenChoice::Access);
    assert_eq!(config.identity.roles[1].grant.as_ref().map(|grant| grant.role.as_str()), Some("premium"));
    assert_eq!(config.identity.headers[0].header.as_str(), "x-pet-preference");

    let [admin, docs] = config.rules.as_slice() else { panic!() };
    assert_eq!(&*admin.name, "rules[1] /admin/**");
    assert_eq!(admin.unauthenticated, Unauthenticated::Refuse);
    assert_eq!(&*docs.name, "rules[2] app.example.org/docs/**");
    assert_eq!((&docs.access, docs.cacheable), (&Access::Public, true));
    let assertion = config.assertion.unwrap();
    assert_eq!(assertion.kind, AssertionKind::Rolegate { audience: "reports".into() });
    assert_eq!((assertion.keys.len(), assertion.lifetime.as_secs()), (2, 45));
    assert_eq!(config.limits.header_count, 50);
    assert_eq!((config.limits.login_rate, config.limits.body), (Some(60), Some(1_048_576)));
    assert_eq!((config.limits.connections, config.limits.connections_per_address), (2000, 100));
    assert!(config.pages.keep_fragment && config.pages.templates.is_some());
    assert!(!config.log.access);
    let traces = config.traces.unwrap();
    assert_eq!(traces.address, "https://collector.example.com:4318/otlp/v1/traces");
    let headers: Vec<_> =
        traces.headers.iter().map(|(name, value)| (name.as_str(), value.expose_text().unwrap())).collect();
    assert_eq!(headers, [("authorization", "Bearer 0123456789abcdef"), ("x-scope", "tests")]);
    assert_eq!((traces.service_name.as_str(), traces.sample_ratio), ("gate-of-reports", 0.25));
    assert_eq!(traces.parent, TraceParent::Any);
}

#[test]
fn several_client_secrets_stand_in_a_file_a_line_each() {
    let provider = fixture("oidc.toml").provider;
    let secrets: Vec<_> = provider.client_secrets.iter().map(|secret| secret.expose()).collect();
    assert_eq!(secrets, [&b"the-next-secret-of-the-client"[..], b"a-secret-of-the-app-client"]);
    assert_eq!(provider.resources.len(), 2);
}

#[test]
fn what_is_not_written_has_the_documented_default() {
    let config = fixture("small.toml");
    assert_eq!(config.listen.to_string(), "127.0.0.1:4180");
    assert_eq!(config.admin_listen.to_string(), "127.0.0.1:4181");
    assert_eq!(config.auth_prefix, "/oauth2");
    assert_eq!(
        config.provider.issuer,
        "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123"
    );
    assert_eq!(config.provider.scopes, ["openid", "email", "profile"]);
    assert_eq!(config.identity.user, "cognito:username");
    assert_eq!(config.identity.roles[0].claim, "cognito:groups");
    assert_eq!(config.session.max_age.as_secs(), 12 * 3600);
    assert_eq!(config.session.max_role_age.as_secs(), 900);
    assert_eq!(config.session.outage_grace.as_secs(), 3600);
    assert_eq!((config.session.idle, config.session.cookie_name.as_str()), (None, "rolegate"));
    assert!(config.pass_host && config.trusted_proxies.is_empty() && config.workers > 0);
    assert!(config.trusted_headers == TrustedHeaders::XForwarded && config.admin_hosts.is_empty());
    assert!(!config.proxy_protocol && config.limits.drain_delay.is_zero());
    assert_eq!(fixture("oidc.toml").identity.user, "sub");
}

#[test]
fn configuration_from_the_environment_alone_works() {
    let env = env(&[
        ("ROLEGATE_PUBLIC_URL", "https://a.example.com, https://b.example.com"),
        ("ROLEGATE_UPSTREAM", "http://127.0.0.1:8080"),
        ("ROLEGATE_REQUIRED_ROLES", "viewer,editor"),
        ("ROLEGATE_COGNITO__USER_POOL_ID", "eu-central-1_AbCdEf123"),
        ("ROLEGATE_COGNITO__CLIENT_ID", "123"),
        ("ROLEGATE_SESSION__KEYS", "3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg="),
        ("ROLEGATE_WORKERS", "2"),
        ("ROLEGATE_LOG__ACCESS", "false"),
        ("ROLEGATE_PORT", "tcp://10.0.0.1:80"),
        ("ROLEGATE_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("ROLEGATE_SERVICE_HOST", "10.0.0.1"),
        ("PATH", "/bin"),
    ]);
    let config = assemble(None, &env, &Overrides::default(), &Sight::default())
        .unwrap_or_else(|e| panic!("{e}"))
        .config;
    assert_eq!(config.origins.len(), 2);
    assert_eq!(config.default.any_role, ["viewer", "editor"]);
    assert_eq!(config.provider.client_id, "123");
    assert_eq!(config.workers, 2);
    assert!(!config.log.access);
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let env = env(&[("ROLEGATE_LISTEN", "127.0.0.1:1"), ("ROLEGATE_UPSTREAM", "http://127.0.0.1:9")]);
    let mut flags = Overrides::default();
    flags.set("--listen", "listen", "127.0.0.1:2");
    let config = from_text("a.toml", SMALL, &env, &flags).unwrap().config;
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.upstreams, [Upstream::Http { host: "127.0.0.1".into(), port: 9, http2: false }.into()]);
}

#[test]
fn the_control_socket_is_an_absolute_name_that_fits() {
    let with = |name: &str| from(&format!("control_socket = {name:?}\n{SMALL}"));
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("control.sock");
    let loaded = with(good.to_str().unwrap()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.control_socket, Some(good));
    assert_eq!(loaded.warnings.to_string(), "");
    assert_eq!(fixture("small.toml").control_socket, None);
    for (name, told) in [
        ("control.sock", "absolute"),
        ("unix:/run/control.sock", "absolute"),
        ("", "absolute"),
        ("/run/", "a folder"),
        ("/run/..", "a folder"),
        (&format!("/run/{}", "x".repeat(96)), "101 bytes"),
    ] {
        let problems = with(name).unwrap_err().to_string();
        assert!(problems.contains("control_socket: ") && problems.contains(told), "{name}: {problems}");
    }
    // It may be made for the service at its start, as systemd does.
    let warnings = with("/nowhere/control.sock").unwrap().warnings.to_string();
    assert!(warnings.contains("warning: control_socket: /nowhere: "), "{warnings}");
}

#[test]
fn what_a_command_leaves_out_of_the_file_does_not_count() {
    let toml = SMALL
        .replace("keys = ", "keys_file = \"/nowhere\" # ")
        .replace("[cognito]", "[cognito]\nclient_secret_file = \"/nowhere\"")
        + "\n[[rules]]\npath = \"/a\"\npublic = true\nclient_certificate = \"required\"\n";
    let mut flags = Overrides::default();
    flags.leave_out("cognito").leave_out("session.keys_file").leave_out("rules.client_certificate");
    flags.set("--pool-url", "cognito.issuer", "http://127.0.0.1:4182/local_DevPool");
    flags.set("--pool-url", "cognito.user_pool_id", "local_DevPool");
    flags.set("--pool-url", "cognito.client_id", "dev");
    flags.set("dev", "session.keys", "3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=");
    let config =
        from_text("a.toml", &toml, &[], &flags).unwrap_or_else(|problems| panic!("{problems}")).config;
    assert_eq!(config.provider.issuer, "http://127.0.0.1:4182/local_DevPool");
    assert!(config.provider.client_secrets.is_empty());
}

#[test]
fn the_table_turns_tls_on_with_every_certificate_it_names() {
    let config = fixture("tls.toml");
    let tls = config.tls.unwrap();
    assert!(tls.certificates[0].covers("app.test") && tls.certificates[1].covers("api.test"));
    assert_eq!((tls.certificates.len(), tls.min_version), (2, TlsVersion::V1_3));
    assert_eq!(tls.redirect_listen.unwrap().to_string(), "0.0.0.0:80");
    assert_eq!(config.limits.handshake_timeout.as_secs(), 2);
    let asked = tls.clients.unwrap();
    assert!(asked.clients.required() && asked.whole && asked.subject_header == "x-certificate-subject");
    assert!(fixture("small.toml").tls.is_none());

    let pem = |name: &str| root().join("tests/fixtures/tls").join(name).display().to_string();
    let variables =
        env(&[("ROLEGATE_TLS__CERT_FILE", &pem("app.pem")), ("ROLEGATE_TLS__KEY_FILE", &pem("app.key"))]);
    let loaded = from_text("a.toml", SMALL, &variables, &Overrides::default()).unwrap();
    let tls = loaded.config.tls.unwrap();
    assert_eq!((tls.certificates.len(), tls.min_version), (1, TlsVersion::V1_2));
    assert!(tls.redirect_listen.is_none() && tls.clients.is_none());

    let ca = pem("clients/ca.pem");
    let variables = [variables, env(&[("ROLEGATE_TLS__CLIENT_CA_FILE", &ca)])].concat();
    let loaded = from_text("a.toml", SMALL, &variables, &Overrides::default()).unwrap();
    let asked = loaded.config.tls.unwrap().clients.unwrap();
    assert!(!asked.clients.required() && !asked.whole && asked.subject_header == "x-client-subject");
}

#[test]
fn a_wrong_variable_is_named() {
    let env = env(&[
        ("ROLEGATE_UPSTREM", "x"),
        ("ROLEGATE_COGNITO_CLIENT_ID", "x"),
        ("ROLEGATE_WORKERS", "many"),
        ("ROLEGATE_RULES", "x"),
        ("ROLEGATE_GATEWAY__KIND", "x"),
        ("ROLEGATE_listen", "x"),
        ("ROLEGATE_LISTEN", "here"),
        ("ROLEGATE_SESSION__MAX_AGE", "long"),
    ]);
    let problems = from_text("a.toml", SMALL, &env, &Overrides::default()).unwrap_err();
    assert_eq!(
        problems.to_string().lines().collect::<Vec<_>>(),
        [
            "env:ROLEGATE_COGNITO_CLIENT_ID: unknown variable; did you mean ROLEGATE_COGNITO__CLIENT_ID?",
            "env:ROLEGATE_GATEWAY__KIND: gateway.kind: expected \"nginx\" or \"forward_auth\" or \"envoy\"",
            "env:ROLEGATE_LISTEN: listen: \"here\" is not an address with a port; write it as \"127.0.0.1:4180\" or \"[::]:4180\"",
            "env:ROLEGATE_RULES: rules: tables cannot be written in a variable; write them in the file",
            "env:ROLEGATE_SESSION__MAX_AGE: session.max_age: \"long\" is not a duration; write a number and a unit (ms, s, m, h, d), such as \"15m\" or \"1h30m\"",
            "env:ROLEGATE_UPSTREM: unknown variable; did you mean ROLEGATE_UPSTREAM?",
            "env:ROLEGATE_WORKERS: workers: expected a whole number that is not negative",
            "env:ROLEGATE_listen: unknown variable; did you mean ROLEGATE_LISTEN?",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let problems = load(Some(Path::new("/nowhere/a.toml")), &[], &Overrides::default()).unwrap_err();
    assert!(
        problems.to_string().starts_with("/nowhere/a.toml: cannot read the configuration: "),
        "{problems}"
    );
}

#[test]
fn the_variable_names_the_file() {
    let file = root().join("tests/fixtures/config/valid/small.toml");
    let env = env(&[("ROLEGATE_CONFIG", file.to_str().unwrap())]);
    assert!(load(None, &env, &Overrides::default()).is_ok());
}

#[test]
fn a_secret_file_that_everybody_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "a-secret-of-the-app-client\n").unwrap();
    let file = folder.path().join("a.toml");
    std::fs::write(&file, SMALL.replace("[cognito]", "[cognito]\nclient_secret_file = \"secret\"")).unwrap();
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(Some(&file), &[], &Overrides::default()).unwrap();
        assert_eq!(loaded.warnings.iter().count(), warnings, "{mode:o}");
        assert_eq!(loaded.config.provider.client_secrets[0].expose(), b"a-secret-of-the-app-client");
    }
}

#[test]
fn no_problem_shows_a_secret() {
    let toml = SMALL
        .replace("[cognito]", "[cognito]\nclient_secret = \"hunter2 hunter2\"\nclient_secrte = \"hunter2\"")
        .replace("3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=", "hunter2");
    let problems = from(&toml).unwrap_err();
    let carets: String = problems.iter().filter_map(|problem| problems.caret(problem)).collect();
    assert!(problems.iter().count() >= 3);
    assert!(!format!("{problems}{carets}").contains("hunter2"), "{problems}\n{carets}");
}

#[test]
fn text_of_any_kind_never_panics() {
    for file in toml_files("tests/fixtures/config/invalid").into_iter().chain(toml_files("config")) {
        let text = read(&file);
        for (at, _) in text.char_indices().step_by(7) {
            let _ = from(&text[..at]);
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_value_under_any_key_is_answered(key in 0usize..80, value in "\\PC{0,12}|-?[0-9]{1,20}|true|\\[\"[a-z/*.:]{0,9}\"\\]|\"[a-zA-Z0-9/*.:\\[\\]_-]{0,20}\"") {
        let reference = include_str!("../../config/rolegate.toml");
        let keys: Vec<&str> = reference.lines().filter(|line| line.contains(" = ") && !line.starts_with("# ")).collect();
        let line = keys[key % keys.len()];
        let name = line.split(" = ").next().unwrap();
        let toml = reference.replacen(line, &format!("{} = {value}", name.trim_start_matches('#')), 1);
        if let Err(problems) = from(&toml) {
            for problem in problems.iter() {
                let _ = (problem.to_string(), problems.caret(problem));
            }
        }
    }
}

#[test]
fn more_keys_than_a_roll_takes_are_worth_a_word() {
    let with = |count: u8| {
        let key = |at: u8| {
            (0..32u8)
                .map(|n| format!("{:02x}", n.wrapping_mul(n).wrapping_mul(7) ^ n ^ at))
                .collect::<String>()
        };
        let keys: Vec<String> = (0..count).map(|at| format!("{:?}", key(at))).collect();
        let toml = SMALL.replace(
            "keys = [\"3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=\"]",
            &format!("keys = [{}]", keys.join(", ")),
        );
        from_text("a.toml", &toml, &[], &Overrides::default()).unwrap_or_else(|found| panic!("{found}"))
    };
    let told = |count| with(count).warnings.iter().any(|problem| problem.message.contains("6 keys"));
    assert!(!told(5) && told(6));
    assert_eq!(with(6).config.session.keys.len(), 6);
}

#[test]
fn a_pipe_is_read_once_and_what_it_said_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(at("keys")).status().unwrap().success());
    std::fs::write(
        at("a.toml"),
        "public_url = \"https://app.test\"\nupstream = \"http://127.0.0.1:8080\"\nrequired_roles = [\"user\"]\n\
         [cognito]\nuser_pool_id = \"eu-central-1_AbCdEf123\"\nclient_id = \"1h57kf5cpq17m0eml12EXAMPLE\"\n\
         [session]\nkeys_file = \"keys\"\n",
    )
    .unwrap();
    let source = Source::new(Some(&at("a.toml")), &[], Overrides::default());
    let pipe = at("keys");
    std::thread::spawn(move || std::fs::write(pipe, "3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=\n"));
    let (done, loaded) = std::sync::mpsc::channel();
    // The second would wait for a writer for ever.
    std::thread::spawn(move || [source.load(), source.load()].map(|loaded| done.send(loaded).unwrap()));
    let next = || loaded.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    let (first, files) = next();
    let (second, again) = next();
    let keys = |loaded: Result<Loaded, Problems>| loaded.unwrap().config.session.keys;
    assert_eq!(keys(first), keys(second));
    assert_eq!(files, again);
    assert_eq!(files.len(), 1, "a pipe is not watched");
}

#[test]
fn what_a_folder_lists_is_looked_at_as_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one.html"), "x").unwrap();
    let sight = Sight::default();
    sight.list(folder.path()).unwrap();
    sight.read(&folder.path().join("one.html"), LARGEST).unwrap();
    for (path, held) in sight.files.borrow().iter() {
        assert_eq!(look(path), *held, "{}", path.display());
    }
    let before = look(folder.path());
    std::fs::write(folder.path().join("two.html"), "x").unwrap();
    assert_ne!(look(folder.path()), before);
}
