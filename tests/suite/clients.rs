//! The dev user pool as clients nobody here wrote know Cognito: `rolegate pool`, and their own checks of what it says.
//!
//! | client | what it does |
//! |---|---|
//! | PyPI's `boto3` | administration and sign-ins through the JSON API, with a secret |
//! | npm's `openid-client` | a code flow with PKCE through the login form, everything verified |
//! | npm's `aws-jwt-verify` | accepts the tokens, refuses their mutations |
//! | npm's `amazon-cognito-identity-js` | signs in by Secure Remote Password, sets a password, enters a code |
//! | npm's `@aws-sdk/client-cognito-identity-provider` | signs in, rotates its refresh token |

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::browser::Running;

macro_rules! each {
    ($run:ident: $($name:ident),+ $(,)?) => { $(
        #[test]
        fn $name() {
            $run(stringify!($name));
        }
    )+ };
}

each! { in_python:
    admin_initiate_auth_and_refresh_with_a_secret_hash,
    initiate_auth_without_credentials,
    errors_are_the_exceptions_of_the_sdk,
    a_created_user_sets_a_password_of_their_own,
    groups_change_and_tokens_follow,
    global_sign_out_ends_every_session,
    the_pool_describes_itself,
}

each! { in_javascript:
    openid_client_completes_a_code_flow_with_pkce,
    openid_client_refuses_what_was_not_meant_for_it,
    amazon_cognito_identity_js_signs_in_by_srp,
    amazon_cognito_identity_js_is_refused_a_wrong_password,
    amazon_cognito_identity_js_sets_a_new_password_and_enters_a_code,
    the_aws_sdk_signs_in_and_rotates_its_refresh_token,
}

each! { in_javascript_with_the_issuer_of_aws:
    aws_jwt_verify_accepts_the_tokens_and_no_mutation_of_them,
    aws_jwt_verify_refuses_expired_tokens_and_takes_new_keys,
}

fn in_python(test: &str) {
    let python = target().join("clients-venv/bin/python");
    assert!(
        python.with_file_name("installed").is_file(),
        "the client tests need boto3: `make test` installs it into target/clients-venv"
    );
    let (_pool, issuer) = pool(&folder().join("pool.toml"));
    let (endpoint, _) = issuer.rsplit_once('/').expect("an issuer is an address and the pool's id");
    let mut command = Command::new(python);
    command.args(["boto.py", endpoint, test]);
    // The person's own settings are not the test's.
    for name in ["AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL"] {
        command.env_remove(name);
    }
    run(command, test);
}

fn in_javascript(test: &str) {
    javascript(test, &folder().join("pool.toml"));
}

/// The same pool, whose tokens say that they are of cognito-idp.eu-central-1.amazonaws.com: the verifier knows no other.
fn in_javascript_with_the_issuer_of_aws(test: &str) {
    let text = fs::read_to_string(folder().join("pool.toml")).expect("the pool file is there");
    let text = text.replace("[pool]\n", "[pool]\naws_issuer = true\n");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.toml"));
    fs::write(&file, text).expect("the target folder takes a file");
    javascript(test, &file);
}

fn javascript(test: &str, file: &Path) {
    assert!(
        folder().join("node_modules/openid-client").is_dir(),
        "the client tests need their packages: `make test` installs them into tests/clients"
    );
    let (_pool, address) = pool(file);
    let mut command = Command::new("node");
    command.args(["javascript.mjs", &address, test]).env_remove("NODE_OPTIONS");
    run(command, test);
}

/// A pool of its own for each test, on a free port; and where its documents are.
fn pool(file: &Path) -> (Running, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolegate"));
    command.args(["pool", "--listen", "127.0.0.1:0", "--pool"]).arg(file);
    let mut program = Running::start("rolegate pool", command);
    let address = program.wait_for("ready ");
    (program, address)
}

/// Runs one test of a client, which says that it passed: an exit status alone could be of a file that ran nothing.
pub fn run(mut command: Command, test: &str) {
    // What proxies and keys a machine has is nothing to a pool on loopback.
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let output = command.current_dir(folder()).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; see CONTRIBUTING.md"));
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = said.lines().any(|line| line == format!("passed {test}"));
    assert!(
        output.status.success() && passed,
        "{test}: {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn target() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap_or(tmp).to_owned()
}
