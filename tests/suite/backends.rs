//! How six servers read a path, as small models, and what the gate makes of the same path: what it lets
//! through as public must be public to each of them, and what it lets a mere user have must not be `/admin`.

use rolegate::config::settings::{Access, Requirement, Rule, Unauthenticated};
use rolegate::rule::path::{Pattern, canonical};
use rolegate::rule::{Found, Rules};

/// How many paths are tried.
const PATHS: usize = 10_000;

/// A server's reading of a request path: the resource it serves, or none.
struct Backend {
    name: &'static str,
    resource: fn(&str) -> Option<String>,
    /// Whether `/Admin` is `/admin` to it.
    folds_case: bool,
}

const BACKENDS: [Backend; 6] = [
    Backend { name: "nginx", resource: nginx, folds_case: false },
    Backend { name: "Apache", resource: apache, folds_case: false },
    Backend { name: "Tomcat", resource: tomcat, folds_case: false },
    Backend { name: "Express", resource: express, folds_case: true },
    Backend { name: "Django", resource: django, folds_case: false },
    Backend { name: "PHP-FPM", resource: php_fpm, folds_case: true },
];

/// What the gate lets through, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Refused,
    Public,
    Admin,
    User,
}

#[test]
fn no_path_that_the_gate_calls_public_is_a_protected_resource_to_any_backend() {
    let rules = rules();
    let mut dice = Dice(0x5eed_0f9a_7e15);
    let mut counts = [0_usize; 4];
    let mut reached_admin = 0;
    for _ in 0..PATHS {
        let raw = dice.path();
        let (gate, forwarded) = decided(&rules, &raw);
        counts[gate as usize] += 1;
        for backend in &BACKENDS {
            let Some(mut resource) = (backend.resource)(&forwarded) else { continue };
            if backend.folds_case {
                resource.make_ascii_lowercase();
            }
            let admin = resource == "/admin" || resource.starts_with("/admin/");
            let public = resource == "/public" || resource.starts_with("/public/") || resource == "/healthz";
            reached_admin += usize::from(admin && gate == Gate::Admin);
            let told = format!("{raw:?}, forwarded as {forwarded:?}, is {resource:?} to {}", backend.name);
            assert!(gate != Gate::Public || public, "the gate calls it public: {told}");
            assert!(gate != Gate::User || !admin, "the gate lets any user have it: {told}");
        }
    }
    // The dice must have reached every kind of place for this to prove anything.
    assert!(counts.iter().all(|count| *count > PATHS / 100), "{counts:?}");
    assert!(reached_admin > PATHS / 100, "{reached_admin}");
}

#[test]
fn the_models_read_what_their_servers_are_known_to_read() {
    for (model, raw, resource) in [
        (nginx as fn(&str) -> Option<String>, "/a/%2e%2e//b%2fc", Some("/b/c")),
        (nginx, "/../a", None),
        (nginx, "/a%00", None),
        (apache, "/a/./%2e%2e/b", Some("/b")),
        (apache, "/a%2fb", None),
        (tomcat, "/public/..;/admin", Some("/admin")),
        (tomcat, "/admin;x=y/z;w", Some("/admin/z")),
        (tomcat, "/a%5cb", None),
        (express, "/public/%2e%2e/admin", Some("/admin")),
        (express, "/public/%00", None),
        (django, "/public/%2e%2e/admin", Some("/public/../admin")),
        (django, "/a%2Fb", Some("/a/b")),
        (php_fpm, "/public/x.php/%2e%2e/y", Some("/public/y")),
        (php_fpm, "/x.php/admin", Some("/x.php")),
    ] {
        assert_eq!(model(raw).as_deref(), resource, "{raw}");
    }
}

fn rules() -> Rules {
    let rule = |path: &str, access: Access| Rule {
        name: path.into(),
        host: None,
        path: Pattern::parse(path).unwrap(),
        methods: None,
        access,
        unauthenticated: Unauthenticated::Login,
        preflight: false,
        from: Vec::new(),
        client_certificate: false,
        cacheable: false,
        pass_token: None,
        bearer: None,
        keeps_slashes: false,
        upstream: 0,
    };
    let needs = |role: &str| Requirement { any_role: vec![role.to_owned()], ..Requirement::default() };
    Rules::new(
        vec![
            rule("/public/**", Access::Public),
            rule("/healthz", Access::Public),
            rule("/admin/**", Access::Needs(needs("admin"))),
        ],
        needs("user"),
    )
}

fn decided(rules: &Rules, raw: &str) -> (Gate, String) {
    let Ok(path) = canonical(raw) else { return (Gate::Refused, String::new()) };
    let gate = match rules.find("app.test", &path, "GET") {
        Found::Rule(rule) if rule.access == Access::Public => Gate::Public,
        Found::Rule(_) => Gate::Admin,
        Found::Default(_) => Gate::User,
        Found::MethodNotNamed(_) => Gate::Refused,
    };
    // A refused path is forwarded nowhere: to the models it is the empty text, which none of them serves.
    (gate, path.as_str().to_owned())
}

// === the models ===

/// Decodes once, then merges slashes and resolves dots; escapes of slashes count.
fn nginx(raw: &str) -> Option<String> {
    let decoded = decode(raw)?;
    (!decoded.contains('\0')).then_some(())?;
    resolve(&decoded, true)
}

/// The same, but an escaped slash is 404 (`AllowEncodedSlashes Off`).
fn apache(raw: &str) -> Option<String> {
    let lower = raw.to_ascii_lowercase();
    (!lower.contains("%2f") && !lower.contains("%00")).then_some(())?;
    resolve(&decode(raw)?, true)
}

/// Cuts `;…` off each segment first, then decodes, then resolves; escaped separators are 400.
fn tomcat(raw: &str) -> Option<String> {
    let segments = raw.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    let cut = segments.collect::<Vec<_>>().join("/");
    let lower = cut.to_ascii_lowercase();
    let refused = ["%2f", "%5c", "%00"].iter().any(|escape| lower.contains(escape)) || cut.contains('\\');
    (!refused).then_some(())?;
    resolve(&decode(&cut)?, true)
}

/// `express.static`: decodes once and normalises as a file name.
fn express(raw: &str) -> Option<String> {
    let decoded = decode(raw)?;
    (!decoded.contains('\0')).then_some(())?;
    resolve(&decoded, true)
}

/// WSGI: decodes once and takes it as it is.
fn django(raw: &str) -> Option<String> {
    raw.starts_with('/').then(|| decode(raw))?
}

/// nginx in front; the script is what ends in `.php`, the rest is its PATH_INFO.
fn php_fpm(raw: &str) -> Option<String> {
    let path = nginx(raw)?;
    match path.find(".php/") {
        Some(at) => Some(path[..at + 4].to_owned()),
        None => Some(path),
    }
}

fn decode(raw: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    // Latin-1, so that no byte is lost.
    Some(out.into_iter().map(char::from).collect())
}

fn resolve(path: &str, merge: bool) -> Option<String> {
    let rest = path.strip_prefix('/')?;
    let mut kept: Vec<&str> = Vec::new();
    for segment in rest.split('/') {
        match segment {
            "" if merge => {}
            "." => {}
            ".." => drop(kept.pop()?),
            segment => kept.push(segment),
        }
    }
    Some(format!("/{}", kept.join("/")))
}

// === the dice ===

/// xorshift64*: the same paths at each run.
struct Dice(u64);

const PIECES: [&str; 52] = [
    "/",
    "/",
    "/",
    "/",
    "/",
    "/",
    "//",
    "/./",
    "/../",
    "/%2e%2e/",
    "/.%2E/",
    "/%252e%252e/",
    "/..;/",
    "/;/",
    ";",
    ";x=y",
    "%3b",
    ";/..",
    "public",
    "public",
    "/public/",
    "/public/",
    "admin",
    "admin",
    "/admin",
    "healthz",
    "PUBLIC",
    "Admin",
    "%70ublic",
    "%61dmin",
    "%41dmin",
    "..",
    ".",
    "...",
    "%2f",
    "%5c",
    "\\",
    "%00",
    "%20",
    "%0a",
    "%c0%ae",
    "%c3%a9",
    "x",
    "x.php",
    "%23",
    "%3f",
    "%25",
    "%2561dmin",
    "+",
    "~",
    "%7e",
    "@:*",
];

impl Dice {
    fn path(&mut self) -> String {
        let start = if self.roll(20) == 0 { "" } else { "/" };
        let count = 1 + self.roll(7);
        let mut path = start.to_owned();
        if self.roll(3) == 0 {
            path += "public/";
        }
        (0..count).for_each(|_| path += PIECES[self.roll(PIECES.len())]);
        path
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let wide = u128::from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d));
        usize::try_from((wide * sides as u128) >> 64).unwrap()
    }
}
