//! What was shut stays shut, whoever was kept out stays out, and no secret is shown.

use super::*;

/// Everything that comes out: the file, and what is said of it.
fn all_of(import: &Import) -> String {
    format!("{}\n{}", import.toml, import.report)
}

/// Nobody comes in before somebody has written who may.
fn is_shut(import: &Import) -> bool {
    import.toml.contains("#required_roles =") && !import.toml.contains("\nrequired_roles")
}

/// An alpha configuration with these lines in its provider.
fn alpha(provider: &str) -> String {
    format!(
        "upstreamConfig:\n  upstreams:\n    - {{id: a, path: /, uri: 'http://127.0.0.1:8080'}}\n\
         providers:\n  - id: p\n    clientID: a\n{provider}---\nargs: ['--email-domain=*']\n"
    )
}

#[test]
fn a_flag_takes_the_next_word_whatever_it_begins_with() {
    for text in [
        "oauth2-proxy --provider=oidc --cookie-secret -Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6c= --scope openid",
        "oauth2-proxy --client-secret --Zm9vYmFyYmF6 --scope openid",
        "args: [--client-secret, --Zm9vYmFyYmF6, --scope, openid]\n",
        "args:\n  - --cookie-secret\n  - -Zm9vYmFyYmF6=\n  - --scope openid\n",
        "args:\n  - --client-secret\n  - --Zm9v YmFyYmF6 --Zm9v\n  - --scope\n  - openid\n",
        "command: oauth2-proxy --cookie-secret --Zm9vYmFyYmF6= --scope openid\n",
    ] {
        let import = imported(text);
        assert!(!all_of(&import).contains("Zm9v"), "{text}\n{}", import.report);
        assert!(import.toml.contains("scopes = [\"openid\"]"), "{text}\n{}", import.toml);
        assert!(import.report.entries.iter().all(|entry| entry.fate != Fate::Unknown), "{}", import.report);
    }
}

#[test]
fn an_unknown_flag_is_named_only_where_it_looks_like_a_name() {
    for text in [
        "--scope=openid --Zm9vYmFyYmF6==",
        "--scope=openid --hush4711hush=hush",
        "--scope=openid --zhushhushhushhushhushhushhushhushhush",
        "extraArgs:\n  scope: openid\n  client-secret=hush-Zm9v: ''\n",
        "environment:\n  - OAUTH2_PROXY_SCOPE=openid\n  - OAUTH2_PROXY_CLIENT_SECRET=Zm9v: hush\n",
        "environment:\n  OAUTH2_PROXY_SCOPE: openid\n  OAUTH2_PROXY_CLIENT_SECRET=Zm9v: hush\n",
    ] {
        let said = all_of(&imported(text));
        assert!(!said.contains("Zm9v") && !said.contains("hush"), "{text}\n{said}");
    }
    let report = imported("--scope=openid --made-up=hush").report.to_string();
    assert!(report.contains("--made-up: not an option"), "{report}");
}

#[test]
fn a_flag_without_a_value_asks_for_something_that_is_not_known() {
    assert!(is_shut(&imported("oauth2-proxy --email-domain='*' --allowed-group")));
}

#[test]
fn every_restriction_of_an_alpha_provider_shuts_the_gate() {
    let open = imported(&alpha("    provider: gitlab\n"));
    assert!(!is_shut(&open), "{}", open.toml);
    for lines in [
        "    gitlabConfig: {projects: [corp/app]}\n",
        "    githubConfig: {repo: corp/app}\n",
        "    githubConfig: {users: [somebody]}\n",
        "    bitbucketConfig: {team: corp}\n",
        "    bitbucketConfig: {repository: corp/app}\n",
        "    gitlabConfig: {madeUp: corp}\n",
        "    madeUpConfig: {group: corp}\n",
        "    githubconfig: {org: corp}\n",
        "    githubConfig: [corp]\n",
    ] {
        let import = imported(&alpha(lines));
        assert!(is_shut(&import), "{lines}\n{}\n{}", import.toml, import.report);
    }
    let folded = imported(&alpha("    allowedgroups: [staff]\n"));
    assert!(folded.toml.contains("required_roles = [\"staff\"]"), "{}", folded.toml);
    // What only says how somebody is asked shuts nothing.
    let asked = imported(&alpha(
        "    provider: gitlab\n    githubConfig: {token: x}\n    oidcConfig: {emailClaim: email}\n",
    ));
    assert!(!is_shut(&asked), "{}", asked.toml);
}

#[test]
fn a_group_of_keycloak_is_no_role_of_the_same_name() {
    let of_keycloak = "provider = \"keycloak-oidc\"\noidc_issuer_url = \"https://login.example.com/realms/main\"\n\
        redirect_url = \"https://app.example.com/oauth2/callback\"\nupstreams = [\"http://127.0.0.1:8080\"]\n\
        client_id = \"app-1\"\nemail_domains = [\"*\"]\nallowed_roles = [\"admin\"]\n";
    let roles = imported(of_keycloak);
    assert!(roles.toml.contains("required_roles = [\"admin\"]"), "{}", roles.toml);
    assert!(roles.toml.contains("claim = \"roles\""), "{}", roles.toml);
    assert!(!roles.toml.contains("claim = \"groups\""), "{}", roles.toml);
    loaded(&roles.toml);
    let both = imported(&format!("{of_keycloak}allowed_groups = [\"staff\"]\n"));
    assert!(both.toml.contains("required_roles = [\"staff\", \"role:admin\"]"), "{}", both.toml);
    assert!(
        both.toml.contains("claim = \"roles\"\ncontains = \"admin\"\nrole = \"role:admin\"\n"),
        "{}",
        both.toml
    );
    assert!(both.toml.contains("claim = \"groups\""), "{}", both.toml);
    assert!(!both.toml.contains("\"admin\","), "{}", both.toml);
    loaded(&both.toml);
}

#[test]
fn beside_open_paths_no_header_carries_an_address_that_nobody_verified() {
    let open = "email_domains = [\"*\"]\nskip_auth_routes = [\"^/a$\"]\n";
    let header = "header = \"X-Forwarded-Email\"";
    let import = imported(&format!("{WHOLE}{open}"));
    assert!(!import.toml.contains(header), "{}", import.toml);
    assert!(import.report.todo.iter().any(|text| text.contains("X-Forwarded-Email")), "{}", import.report);
    loaded(&import.toml);
    for kept in [
        "email_domains = [\"*\"]\n".to_owned(),
        format!("{open}insecure_oidc_allow_unverified_email = true\n"),
        "email_domains = [\"*\"]\nskip_auth_routes = [\"\\\\.css$\"]\n".to_owned(),
    ] {
        let import = imported(&format!("{WHOLE}{kept}"));
        assert!(import.toml.contains(header), "{kept}\n{}", import.toml);
    }
    let injected = format!(
        "{}injectRequestHeaders:\n  - {{name: X-Mail, values: [{{claim: email}}]}}\n  - {{name: X-Plan, values: [{{claim: plan}}]}}\n",
        alpha("").replace("---\nargs: ['--email-domain=*']\n", "")
    );
    let injected = format!("{injected}---\nargs: ['--email-domain=*', '--skip-auth-route=^/a$']\n");
    let import = imported(&injected);
    assert!(!import.toml.contains("claim = \"email\"") && import.toml.contains("X-Plan"), "{}", import.toml);
    // Or else a client's own would come by.
    assert!(import.toml.contains("claim = \"fill-in\"\nheader = \"X-Mail\""), "{}", import.toml);
    assert!(import.report.todo.iter().any(|text| text.contains("X-Mail")), "{}", import.report);
}

#[test]
fn no_part_of_a_store_s_address_that_may_be_a_password_is_written() {
    for url in [
        "admin:hunter2@redis:6379",
        "hunter2@redis:6379",
        "http://u:hunter2@redis:6379",
        "redis:hunter2@redis",
        "redis://u:12/hunter2@redis:6379",
        "redis://u:12?hunter2@redis:6379",
        "redis://u:12#hunter2@redis:6379",
        "redis:///hunter2",
        "hunter2",
    ] {
        let said = all_of(&imported(&format!(
            "{WHOLE}session_store_type = \"redis\"\nredis_connection_url = \"{url}\"\n"
        )));
        assert!(!said.contains("hunter2") && !said.contains("redis:6379"), "{url}\n{said}");
        assert!(said.contains("redis_connection_url: no URL of a server"), "{url}\n{said}");
        assert!(said.contains("[session] store: the sessions were in Redis"), "{url}\n{said}");
    }
    for (url, store) in [
        ("redis://u:hunter2@redis:6379/2", "store = \"redis://redis:6379/2\""),
        ("rediss://:hunter2,hunter2@redis:6379", "store = \"rediss://redis:6379\""),
        ("redis://redis:6379/0?dial_timeout=hunter2", "store = \"redis://redis:6379/0\""),
    ] {
        let import = imported(&format!("{WHOLE}redis_connection_url = \"{url}\"\n"));
        let said = all_of(&import);
        assert!(!said.contains("hunter2") && import.toml.contains(store), "{url}\n{said}");
    }
}

#[test]
fn a_file_inside_a_manifest_is_read_or_refused_with_its_line() {
    let map = |key: &str, broken: &str| {
        format!(
            "kind: ConfigMap\ndata:\n  {key}: |\n    {broken}\n---\nargs: [--client-id=a, '--email-domain=*']\n"
        )
    };
    for (key, inner, line) in [
        (
            "oauth2_proxy.yaml",
            "a: &a [staff]\n    providers:\n      - clientID: a\n        allowedGroups: *a",
            7,
        ),
        ("alpha", "upstreamConfig: {}\n    providers:\n      - allowedGroups: [hush\n    x: y", 7),
        ("proxy-config", "a: b\n    c: [hush\n    d: e", 6),
    ] {
        let error = read(&map(key, inner), None).unwrap_err();
        assert_eq!(error.line, line, "{key}: {error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
    let text =
        "data:\n  x.cfg: |\n\n    client_id = 'a'\n    scope = 'b'\n  y.yaml: |\n    upstreamConfig: {}\n";
    let lines: Vec<usize> = read(text, None).unwrap().iter().map(|one| one.line).collect();
    assert_eq!(lines, [4, 5]);
    // Neither a file by its name nor by what it says.
    read(&map("note", "a: b\n    c: [d\n    e: f"), None).unwrap();
}

#[test]
fn an_element_of_a_list_keeps_its_commas() {
    for (text, roles) in [
        (
            format!("{WHOLE}email_domains = [\"*\"]\nallowed_groups = [\"CN=admins,OU=x\"]\n"),
            "[\"CN=admins,OU=x\"]",
        ),
        (format!("{WHOLE}email_domains = [\"*\"]\nallowed_groups = \"a,b\"\n"), "[\"a\", \"b\"]"),
        (alpha("    allowedGroups: ['CN=admins,OU=x']\n"), "[\"CN=admins,OU=x\"]"),
        ("oauth2-proxy --email-domain='*' --allowed-group=a,b".to_owned(), "[\"a\", \"b\"]"),
        ("OAUTH2_PROXY_EMAIL_DOMAINS=*\nOAUTH2_PROXY_ALLOWED_GROUPS=a,b\n".to_owned(), "[\"a\", \"b\"]"),
    ] {
        let import = imported(&text);
        assert!(import.toml.contains(&format!("required_roles = {roles}\n")), "{text}\n{}", import.toml);
    }
}

#[test]
fn each_path_of_an_upstream_has_its_rule_or_is_named_as_left_out() {
    let of = |more: &str| {
        let whole = WHOLE.replace("\"http://127.0.0.1:8080\"", &format!("\"http://127.0.0.1:8080\", {more}"));
        imported(&format!("{whole}email_domains = [\"*\"]\n"))
    };
    let import = of("\"http://127.0.0.1:9/caf%c3%a9/\"");
    assert!(import.toml.contains("path = \"/caf%C3%A9/**\""), "{}", import.toml);
    assert!(import.toml.contains("upstream = \"http://127.0.0.1:9\""), "{}", import.toml);
    loaded(&import.toml);
    for more in
        ["\"http://127.0.0.1:9/a%2fb/\"", "\"http://127.0.0.1:9/a;b/\"", "\"http://127.0.0.1:9/a*b/\""]
    {
        let import = of(more);
        assert!(!import.toml.contains("127.0.0.1:9\""), "{}", import.toml);
        assert!(
            import.report.to_string().contains(
                "upstreams: upstream, and a rule for each path that has one of its own; left out: "
            ),
            "{}",
            import.report
        );
    }
    let folded = of("\"http://127.0.0.1:9/App/\", \"http://127.0.0.1:10/app/\"");
    assert!(folded.report.to_string().contains("a second one for the same path"), "{}", folded.report);
}

#[test]
fn a_provider_whose_value_is_elsewhere_is_no_other_one() {
    for text in [
        "provider = \"gitlab\"\noidc_issuer_url = \"$ISSUER\"\n",
        "provider = \"$P\"\n",
        "oidc_issuer_url = \"$ISSUER\"\n",
        "provider = \"azure\"\nazure_tenant = \"t-1\"\noidc_issuer_url = \"${ISSUER}\"\n",
    ] {
        let import = imported(text);
        assert!(import.toml.contains("#issuer = "), "{text}\n{}", import.toml);
        assert!(!import.toml.contains("\nissuer = "), "{text}\n{}", import.toml);
        assert!(
            import.report.todo.iter().any(|text| text.starts_with("[oidc] issuer: ")),
            "{}",
            import.report
        );
    }
    assert!(imported("provider = \"gitlab\"\n").toml.contains("issuer = \"https://gitlab.com\""));
}
