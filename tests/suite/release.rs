//! What a release is made by (`deploy/release`, `.github/workflows`), as far as it can be held without the host that
//! publishes it: its files around a stand-in for the program, signed with a key of the test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::kubernetes::rendered::{documents, root, said, said_badly};

/// OPS-18.
#[test]
fn a_release_is_verified_and_one_that_was_altered_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    let (key, public) = key_pair(folder.path(), "ours");
    made("pack", &["/bin/true", path(&files)]);
    std::fs::write(files.join("rolegate-0.0.0.cdx.json"), "{}\n").unwrap();
    made("checksums", &[path(&files)]);
    made("sign", &[path(&files), "--key", path(&key)]);

    let verified = |public: &Path| script("verify", &[path(&files), "--key", path(public)]);
    let whole = verified(&public);
    assert!(whole.status.success(), "{}", said(&whole));
    assert!(said(&whole).contains("3 files are what was released"), "{}", said(&whole));

    let refused = |why: &str, word: &str| {
        let output = verified(&public);
        assert_eq!(output.status.code(), Some(1), "{why}: {}", said(&output));
        assert!(said(&output).contains(word), "{why}: {}", said(&output));
    };
    let archive = files.join(format!("{}.tar.gz", archive_name()));
    let (bytes, sums) = (std::fs::read(&archive).unwrap(), std::fs::read(files.join("SHA256SUMS")).unwrap());
    let restore = || {
        std::fs::write(&archive, &bytes).unwrap();
        std::fs::write(files.join("SHA256SUMS"), &sums).unwrap();
    };

    let mut altered = bytes.clone();
    altered[bytes.len() / 2] ^= 1;
    std::fs::write(&archive, &altered).unwrap();
    refused("one bit of the archive", "was altered");
    made("checksums", &[path(&files)]);
    refused("and a list that fits it, without a signature", "no SHA256SUMS.sig");
    let (others, _) = key_pair(folder.path(), "another");
    made("sign", &[path(&files), "--key", path(&others)]);
    refused("and somebody else's signature", "is not signed with");
    restore();
    made("sign", &[path(&files), "--key", path(&key)]);
    assert!(verified(&public).status.success(), "as it was");

    let mut listed = sums.clone();
    listed.extend_from_slice(b"\n");
    std::fs::write(files.join("SHA256SUMS"), listed).unwrap();
    refused("a byte more in the list", "is not signed with");
    restore();
    std::fs::write(files.join("rolegate-extra.tar.gz"), b"x").unwrap();
    refused("a file that was not released", "rolegate-extra.tar.gz is not in SHA256SUMS");
    std::fs::remove_file(files.join("rolegate-extra.tar.gz")).unwrap();
    std::fs::write(files.join(".hidden"), b"x").unwrap();
    refused("a hidden file", ".hidden is not in SHA256SUMS");
    std::fs::remove_file(files.join(".hidden")).unwrap();
    std::fs::rename(&archive, folder.path().join("kept")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("kept"), &archive).unwrap();
    refused("a link in the place of a file", "is not a file");
    std::fs::remove_file(&archive).unwrap();
    let some = verified(&public);
    assert!(
        some.status.success() && said(&some).contains("2 files"),
        "not all have to be there: {}",
        said(&some)
    );
    for word in ["--key", "--checksums-only"] {
        let output = script("verify", &[path(&files), word]);
        assert_eq!(output.status.code(), Some(2), "there is no way without a signature: {}", said(&output));
    }
}

#[test]
fn the_files_of_a_release_are_the_same_byte_for_byte_and_hold_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let built = |name: &str| {
        let files = folder.path().join(name);
        let output = ran(Command::new(root().join("deploy/release/pack"))
            .args([Path::new("/bin/true"), &files])
            .env("SOURCE_DATE_EPOCH", "1700000000"));
        assert!(output.status.success(), "{}", said(&output));
        files
    };
    let (one, other) = (built("one"), built("other"));
    let names = |folder: &Path| -> BTreeSet<_> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(names(&one), names(&other));
    assert_eq!(names(&one).len(), 2, "{:?}", names(&one));
    for name in names(&one) {
        assert!(
            std::fs::read(one.join(&name)).unwrap() == std::fs::read(other.join(&name)).unwrap(),
            "{name:?}"
        );
    }
    let archive = one.join(format!("{}.tar.gz", archive_name()));
    let list = ran(Command::new("tar").args(["--list", "--file", path(&archive)]));
    let list = said(&list);
    for file in ["rolegate", "LICENSE", "CHANGELOG.md", "config/rolegate.toml", "systemd/rolegate.service"] {
        assert!(list.lines().any(|line| line == format!("{}/{file}", archive_name())), "{file}: {list}");
    }
}

#[test]
fn a_release_has_a_version_and_notes_or_is_none() {
    let version = env!("CARGO_PKG_VERSION");
    let folder = tempfile::tempdir().unwrap();
    let changelog = folder.path().join("CHANGELOG.md");
    let text = format!(
        "# Changelog\n\n## Unreleased\n\n- later\n\n## [{version}] - 2026-01-31\n\n### Added\n\n- this\n\n## 0.0.1\n\n- old\n"
    );
    std::fs::write(&changelog, text).unwrap();
    let with = |name: &str, argument: &str| {
        ran(Command::new(root().join("deploy/release").join(name)).arg(argument).env("CHANGELOG", &changelog))
    };
    assert_eq!(said(&with("notes", version)), "### Added\n\n- this\n");
    assert_eq!(said(&with("notes", "0.0.1")), "- old\n");
    for none in ["0.0", "9.9.9", "", "Unreleased"] {
        let output = with("notes", none);
        assert_eq!(output.status.success(), none == "Unreleased", "{none}: {}", said(&output));
    }
    assert!(with("ready", &format!("v{version}")).status.success());
    for wrong in [version, "v9.9.9", "v"] {
        assert!(!with("ready", wrong).status.success(), "{wrong}");
    }
}

#[test]
fn the_bill_of_materials_names_all_that_is_linked_into_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sbom.cdx.json");
    let python = root().join("target/deploy-venv/bin/python");
    let output = ran(Command::new(python).args([&root().join("deploy/release/sbom"), &file]));
    assert!(output.status.success(), "it is held against CycloneDX's schema as well: {}", said(&output));
    let bom: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let of = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let mut named = BTreeMap::new();
    for one in bom["components"].as_array().unwrap() {
        let hash = of(&one["hashes"][0], "content");
        named.insert((of(one, "name"), of(one, "version")), (of(one, "scope"), hash));
    }
    assert_eq!(bom["bomFormat"], "CycloneDX");
    assert_eq!(
        bom["metadata"]["component"]["purl"],
        concat!("pkg:cargo/rolegate@", env!("CARGO_PKG_VERSION"))
    );

    // Each is in the lock file with the very checksum.
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let lock: toml_edit::DocumentMut = lock.parse().unwrap();
    let locked: BTreeMap<_, _> = lock["package"]
        .as_array_of_tables()
        .unwrap()
        .iter()
        .map(|one| {
            let text =
                |key: &str| one.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
            ((text("name"), text("version")), text("checksum"))
        })
        .collect();
    for (key, (scope, hash)) in &named {
        assert_eq!(locked.get(key), Some(hash), "{key:?}");
        assert!(scope == "required" || scope == "excluded", "{key:?}: {scope}");
    }

    // The program itself says where in a crate's source it could stop: these are in it, whatever a list says.
    let program = std::fs::read(env!("CARGO_BIN_EXE_rolegate")).unwrap();
    let linked = crates_in(&program);
    assert!(linked.len() > 50, "the program was read: {linked:?}");
    for name_and_version in &linked {
        let found =
            named.iter().find(|((name, version), _)| *name_and_version == format!("{name}-{version}"));
        let (_, (scope, _)) = found.unwrap_or_else(|| panic!("{name_and_version} is in the program alone"));
        assert_eq!(scope, "required", "{name_and_version}");
    }
    for never in ["ring", "openssl-sys", "native-tls", "proptest", "tempfile"] {
        assert!(!named.keys().any(|(name, _)| name == never), "{never} is not in the program");
    }
}

#[test]
fn the_workflows_run_what_a_hand_can_run_and_may_do_no_more_than_they_must() {
    let names = [".github/workflows/ci.yml", ".github/workflows/release.yml"];
    let lint = ran(Command::new(root().join("target/deploy-linters/actionlint")).args(names));
    assert!(lint.status.success(), "{}", said(&lint));
    let places = names.map(|name| path(&root().join(name)).to_owned());
    let read = documents(&places.each_ref().map(String::as_str));
    assert!(read.status.success(), "{}", said_badly(&read));
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    for place in &places {
        let workflow = &read[place][0];
        assert!(workflow["concurrency"]["group"].is_string(), "{place}");
        let top = workflow["permissions"].as_object().unwrap();
        assert!(top.values().all(|may| may == "read"), "{place}: {top:?}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            assert!(job["timeout-minutes"].is_u64(), "{name}");
            for step in job["steps"].as_array().unwrap() {
                if let Some(uses) = step["uses"].as_str() {
                    let (_, commit) = uses.split_once('@').unwrap();
                    let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
                    assert!(pinned, "{name}: {uses}");
                }
                assert!(!step.to_string().contains("secrets."), "{name}: {step}");
                // What somebody else may have written (a branch, a title) stays out of a shell's text.
                assert!(!step["run"].as_str().unwrap_or_default().contains("${{"), "{name}: {step}");
            }
        }
    }
    let release = &read[&places[1]][0];
    let runs: String = release["jobs"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|job| job["steps"].as_array().unwrap())
        .filter_map(|step| Some(step["run"].as_str()?.to_owned() + "\n"))
        .collect();
    let guide = std::fs::read_to_string(root().join("docs/releasing.md")).unwrap();
    for entry in std::fs::read_dir(root().join("deploy/release")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(guide.contains(&format!("deploy/release/{name}")), "docs/releasing.md knows {name}");
        // These are called by make, and by one another.
        let called = ["build", "quietly", "seldom", "train", "pack", "sbom"];
        assert!(
            runs.contains(&format!("deploy/release/{name}")) || called.contains(&&*name),
            "the workflow runs {name}"
        );
    }
    assert!(runs.contains("make release-files") && runs.contains("make sbom") && runs.contains(".ci/run"));
    // Whoever verifies asks for this file by its name.
    let verify = std::fs::read_to_string(root().join("deploy/release/verify")).unwrap();
    assert!(verify.contains(r"/\.github/workflows/release\.yml@refs/tags/v"));
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts_that_ship_the_program() {
    let mut scripts: Vec<PathBuf> = [".ci/run", "deploy/debian/build"].map(|name| root().join(name)).into();
    scripts.extend(["postinst", "postrm", "prerm"].map(|name| root().join("deploy/debian").join(name)));
    for entry in std::fs::read_dir(root().join("deploy/release")).unwrap() {
        let script = entry.unwrap().path();
        if !std::fs::read_to_string(&script).unwrap().starts_with("#!/usr/bin/env python3") {
            scripts.push(script);
        }
    }
    assert!(scripts.len() > 10, "{scripts:?}");
    let output = ran(Command::new("shellcheck").args(&scripts));
    assert!(output.status.success(), "{}", said(&output));
}

/// What counts while it works is built like what is shipped, which takes too long here: this one counts nothing.
#[test]
fn what_is_shipped_is_had_work_that_a_gate_does_with_every_answer_as_it_must_be() {
    let program = root().join("target/release/rolegate");
    assert!(program.exists(), "the release build is not there: `make test` makes it");
    let counts = tempfile::tempdir().unwrap();
    let output = script("train", &[program.to_str().unwrap(), counts.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn what_was_seen_to_run_seldom_is_listed_and_counts_that_nobody_understands_are_refused() {
    let function = |name: &str, counts: &str| {
        format!("  {name}:\n    Hash: 0x1\n    Counters: 2\n    Block counts: [{counts}]\n")
    };
    let hot = function("_ZN3hot", "3, 4711");
    let shown = [&*hot, &function("a.rs;_ZN4once", "1, 0"), &function("_ZN5never", "")].concat();
    let shown = format!("Counters:\n{shown}Functions shown: 3\n");
    let listed = fed("seldom", &[], &shown);
    assert!(listed.status.success(), "{}", said(&listed));
    assert_eq!(
        String::from_utf8_lossy(&listed.stdout),
        "_ZN4once,minsize\n_ZN4once,frame-pointer=all\n_ZN5never,minsize\n_ZN5never,frame-pointer=all\n"
    );
    let order = fed("seldom", &["--order"], &shown);
    assert_eq!((order.status.code(), &*order.stdout), (Some(0), &b"_ZN3hot\n_ZN4once\n"[..]));
    for strange in ["", "Counters:\n", &hot] {
        let refused = fed("seldom", &[], strange);
        assert_eq!((refused.status.code(), &*refused.stdout), (Some(1), &b""[..]), "{strange}");
        assert!(said(&refused).contains("not understood"), "{}", said(&refused));
    }
}

#[test]
fn the_compiler_is_heard_but_for_the_functions_that_are_elsewhere() {
    let elsewhere = "Function in CSV file at line 7 does not exist.";
    let compiler = format!("echo '{elsewhere}' >&2; echo 'error: it is wrong' >&2; echo made; exit 3");
    let ran = script("quietly", &["sh", "-c", &compiler]);
    assert_eq!(ran.status.code(), Some(3));
    assert_eq!((&*ran.stdout, &*ran.stderr), (&b"made\n"[..], &b"error: it is wrong\n"[..]));
}

/// Small, aws-lc has no P-256 of its own, and a signature took ten times as long.
#[test]
fn what_is_compiled_for_size_keeps_the_quick_cryptography() {
    let toml =
        |name: &str| std::fs::read_to_string(root().join(name)).unwrap().parse::<toml_edit::DocumentMut>();
    let cargo = toml("Cargo.toml").unwrap();
    assert_eq!(cargo["profile"]["dist"]["package"]["*"]["opt-level"].as_str(), Some("z"));
    assert_eq!(toml(".cargo/config.toml").unwrap()["env"]["AWS_LC_SYS_SMALL"].as_str(), Some("0"));
}

// === the scripts, and what they need ===

/// `script` that is given `input`.
fn fed(script: &str, arguments: &[&str], input: &str) -> Output {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    file.rewind().unwrap();
    ran(Command::new(root().join("deploy/release").join(script)).args(arguments).stdin(file))
}

fn ran(command: &mut Command) -> Output {
    let output = command.current_dir(root()).output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}: `make test` brings it"))
}

fn script(name: &str, arguments: &[&str]) -> Output {
    ran(Command::new(root().join("deploy/release").join(name)).args(arguments))
}

fn made(name: &str, arguments: &[&str]) {
    let output = script(name, arguments);
    assert!(output.status.success(), "{name}: {}", said(&output));
}

fn path(of: &Path) -> &str {
    of.to_str().unwrap()
}

fn archive_name() -> String {
    format!("rolegate-{}-{}-linux-gnu", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)
}

/// As the head of `deploy/release/sign` has it.
fn key_pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (key, public) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.pub")));
    for arguments in [
        vec!["genpkey", "-algorithm", "ed25519", "-out", path(&key)],
        vec!["pkey", "-in", path(&key), "-pubout", "-out", path(&public)],
    ] {
        let output = ran(Command::new("openssl").args(arguments));
        assert!(output.status.success(), "{}", said(&output));
    }
    (key, public)
}

/// `name-version` of each crate of the registry whose source the program names.
fn crates_in(program: &[u8]) -> BTreeSet<String> {
    const BEFORE: &[u8] = b"/registry/src/";
    let mut found = BTreeSet::new();
    let mut rest = program;
    while let Some(at) = memchr::memmem::find(rest, BEFORE) {
        rest = &rest[at + BEFORE.len()..];
        let line =
            rest[..rest.len().min(200)].split(|byte| !byte.is_ascii_graphic()).next().unwrap_or_default();
        let mut parts = line.split(|byte| *byte == b'/').skip(1);
        if let (Some(name), Some(_)) = (parts.next(), parts.next()) {
            found.insert(String::from_utf8_lossy(name).into_owned());
        }
    }
    found
}
