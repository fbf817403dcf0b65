//! The fuzz targets on stable: the same functions that `make fuzz` gives to a real fuzzer, over committed
//! seeds, everything the corpus quotes, and a fixed number of inputs made from them.
//!
//! `FUZZ_SEED=7 FUZZ_COUNT=200000 cargo test --test suite fuzz::` looks elsewhere and longer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::random::Random;

/// A target and how it is fed.
struct Target {
    name: &'static str,
    run: fn(&[u8]),
    /// Made inputs, beside the seeds.
    count: usize,
    /// What an input is made of, where nothing else would find it.
    words: &'static [&'static str],
}

const SEED: u64 = 0x726f_6c65_6761_7465;
const LONGEST: usize = 4096;

#[test]
fn whatever_the_path_it_has_one_canonical_spelling_or_is_refused() {
    feed(&Target {
        name: "path",
        run: rolegate::fuzz::path,
        count: 60_000,
        words: &[
            "/", "//", "/.", "/..", "/../", "/./", ";", ";x=1", "%2e", "%2E", "%2f", "%5c", "%25", "%252e",
            "%32", "%65", "%3b", "%00", "%c0%af", "%c3%bc", "%7e", "\\", "#", "?", "admin", "public", "%",
            "%4", "é", "~",
        ],
    });
}

#[test]
fn whatever_the_cookie_lines_ours_are_found_and_only_theirs_go_on() {
    feed(&Target {
        name: "cookies",
        run: rolegate::fuzz::cookies,
        count: 20_000,
        words: &[
            "__Host-rolegate",
            "rolegate",
            "-refresh",
            "-token",
            "-login-",
            "-login-return",
            ".0",
            ".1",
            "=",
            "==",
            ";",
            "; ",
            "\n",
            " ",
            "\t",
            ",",
            "\"",
            "a=b",
            "\u{2000}",
            "%48",
            "AQIAAAAA",
            "\u{a0}",
            "__host-",
            "\0",
        ],
    });
}

#[test]
fn whatever_the_cookie_value_only_what_was_sealed_opens() {
    feed(&Target {
        name: "open",
        run: rolegate::fuzz::open,
        count: 20_000,
        words: &["AQ", "AQI", "AAAA", "=", "-_"],
    });
}

#[test]
fn whatever_the_token_nothing_counts_but_what_was_signed() {
    feed(&Target {
        name: "token",
        run: rolegate::fuzz::token,
        count: 20_000,
        words: &[
            ".",
            "eyJhbGciOiJub25lIn0",
            "{\"alg\":\"RS256\",\"kid\":\"fuzz\"}",
            "{\"alg\":\"none\"}",
            "\"jwk\":{}",
            "\"aud\":\"client\"",
            "\"iss\":\"https://issuer.test\"",
            "{\"keys\":[",
            "]}",
            "\"exp\":1e99",
            "=",
            "Bearer ",
            "bearer",
            "Basic YTpi",
            "\n",
            "\t",
            ", ",
            "\\u0061",
        ],
    });
}

#[test]
fn whatever_the_return_address_a_browser_ends_where_it_may() {
    feed(&Target {
        name: "return_to",
        run: rolegate::fuzz::return_to,
        count: 60_000,
        words: &[
            "https://",
            "http://",
            "//",
            "/",
            "\\",
            "@",
            ":",
            ":443",
            ":8080",
            "app.test",
            "two.test:8443",
            "docs.example",
            ".apps.example",
            "tool.example:8080",
            "evil.test",
            "/oauth2",
            "/OAuth2/",
            "%6fauth2",
            ";",
            "%2f",
            "%2e",
            "..",
            ".",
            "?",
            "#",
            "%09",
            "\t",
            "[::1]",
            "。",
            "ｅ",
            "xn--",
            "javascript:",
            "%40",
            "0x7f.1",
        ],
    });
}

#[test]
fn whatever_the_trace_headers_what_goes_on_can_be_read_and_is_bounded() {
    feed(&Target {
        name: "trace",
        run: rolegate::fuzz::trace,
        count: 20_000,
        words: &[
            "\np",
            "\ns",
            "\nb",
            "00-",
            "01-",
            "ff-",
            "-01",
            "-00",
            "-",
            "=",
            ",",
            " ",
            "\t",
            "@",
            "a=1",
            "a=1,",
            "0af7651916cd43dd8448eb211c80319c",
            "b7ad6b7169203331",
            "00000000000000000000000000000000",
            "0000000000000000",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "A",
            "é",
        ],
    });
}

#[test]
fn whatever_the_headers_only_the_gate_says_who_somebody_is() {
    feed(&Target {
        name: "headers",
        run: rolegate::fuzz::headers,
        count: 20_000,
        words: &[
            "X-User",
            "x_user",
            "X.Roles",
            "x~roles",
            "X-Pet_Preference",
            "Connection",
            "Cookie",
            "Set-Cookie",
            "Cache-Control",
            "X-Forwarded-For",
            "Forwarded",
            "Transfer-Encoding",
            "Content_Length",
            "Host",
            "Proxy",
            ": ",
            ":",
            "\n",
            ",",
            ", ",
            "keep-alive",
            "public",
            "s-maxage=1",
            "private=\"x, public\"",
            "\"",
            "\\",
            "__Host-rolegate=1",
            "__Host-rolegate-login-x=1",
            "X-WEBAUTH-USER",
            "Upgrade",
            "x-request-id",
            "chunked",
        ],
    });
}

#[test]
fn whatever_a_balancer_begins_with_it_says_one_thing_or_nothing() {
    feed(&Target {
        name: "proxy_protocol",
        run: rolegate::fuzz::proxy_protocol,
        count: 60_000,
        words: &[
            "PROXY ",
            "TCP4 ",
            "TCP6 ",
            "UNKNOWN",
            "\r\n",
            "\n",
            " ",
            "1.2.3.4",
            "::ffff:1.2.3.4",
            "fe80::1%eth0",
            "65535",
            "+1",
            "00",
            "\r\n\r\n\0\r\nQUIT\n",
            "\x21",
            "\x20",
            "\x11",
            "\x12",
            "\x31",
            "\0\x0c",
            "\0\x24",
            "\x0f\0",
        ],
    });
}

#[test]
fn whatever_is_said_over_http2_means_one_thing_and_frames_are_told_in_any_pieces() {
    feed(&Target {
        name: "http2",
        run: rolegate::fuzz::http2,
        count: 60_000,
        words: &[
            "1https://app.test/x",
            "0http://app.test/x?y",
            "1http://app.test",
            "0ftp://",
            "1/x",
            "user@",
            "\n",
            "host:app.test",
            "host:evil.test",
            "host:",
            "cookie:a=1",
            "cookie:",
            "content-length:0",
            "content-length:05",
            "te:trailers",
            "\0\0\x05\x01\0\0\0\0\x01",
            "\0\0\x05\x01\x04\0\0\0\x01",
            "\0\0\0\x09\x04\0\0\0\x01",
            "\0\0\x10\0\x01\0\0\0\x01",
            "\0\x40\0\x06",
        ],
    });
}

#[test]
fn whatever_the_configuration_it_cannot_be_wrong_or_says_where() {
    feed(&Target {
        name: "config",
        run: rolegate::fuzz::config,
        count: 1_500,
        words: &[
            "[session]\n",
            "[[rules]]\n",
            "public = true\n",
            "path = \"/a/**\"\n",
            "any_role = []\n",
            "\0",
            "required_roles = \"signed-in\"\n",
            "public_url = \"http://a.test\"\n",
            "\"",
            "=",
            "[",
            "]",
            "\n",
            ".",
            "''",
            "ROLEGATE_UPSTREAM=http://127.0.0.1:1\n",
            "ROLEGATE_SESSION__KEYS=",
            "ROLEGATE_X=1\n",
            "1e9",
            "é",
            "12h",
        ],
    });
}

fn feed(target: &Target) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("FUZZ_SEED").unwrap_or(SEED);
    let count = number("FUZZ_COUNT").map_or(target.count, |count| usize::try_from(count).unwrap());
    let seeds = seeds(target.name);
    assert!(seeds.len() > 20, "{}: only {} seeds", target.name, seeds.len());
    for seed in &seeds {
        hold(target, "a seed", seed);
    }
    let mut random = Random(seed);
    for made in 0..count {
        let input = made_input(&mut random, &seeds, target.words);
        hold(target, &format!("input {made} of FUZZ_SEED={seed}"), &input);
    }
}

fn hold(target: &Target, which: &str, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("{}: {which} does not hold, see above: {:?}", target.name, input.escape_ascii().to_string());
    }
}

/// A seed with a few changes, two halves of seeds, or words in a row.
fn made_input(random: &mut Random, seeds: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut input = match random.below(4) {
        0 => Vec::new(),
        1 => {
            let (first, second) = (random.pick(seeds).clone(), random.pick(seeds).clone());
            let (cut, from) = (random.below(first.len() + 1), random.below(second.len() + 1));
            [&first[..cut], &second[from..]].concat()
        }
        _ => random.pick(seeds).clone(),
    };
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        match random.below(6) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => drop(input.remove(at)),
            2 => input.insert(at, u8::try_from(random.below(256)).unwrap()),
            3 if at < input.len() => {
                let end = at + random.below((input.len() - at).min(64)) + 1;
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            _ => drop(input.splice(at..at, random.pick(words).bytes())),
        }
    }
    input.truncate(LONGEST);
    input
}

/// Committed ones, what the corpus quotes, and for configurations every file that there is.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    for file in files(&root.join("tests/fuzz/seeds").join(name)) {
        seeds.push(std::fs::read(file).unwrap());
    }
    assert!(!seeds.is_empty(), "no seeds in tests/fuzz/seeds/{name}");
    if name == "config" {
        let written =
            files(&root.join("config")).into_iter().chain(files(&root.join("tests/fixtures/config")));
        let toml = written.filter(|file| file.extension().is_some_and(|extension| extension == "toml"));
        seeds.extend(toml.map(|file| std::fs::read(file).unwrap()));
        return seeds;
    }
    for file in files(&root.join("tests/fixtures")) {
        let extension = file.extension().unwrap_or_default().to_string_lossy().into_owned();
        let text = || String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        match extension.as_str() {
            "md" => {
                seeds.extend(text().split('`').skip(1).step_by(2).map(|quoted| quoted.as_bytes().to_vec()))
            }
            "tsv" => seeds.extend(
                text().lines().flat_map(|line| line.split('\t')).map(|cell| cell.as_bytes().to_vec()),
            ),
            _ => {}
        }
    }
    seeds
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else {
            found.push(entry);
        }
    }
    found.sort();
    found
}
