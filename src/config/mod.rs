//! Loading the configuration: defaults < file < environment < flags. The only file that knows figment.
//!
//! `raw` is what may be written, `check` judges it, `settings` is what the gate uses.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use figment::Figment;
use figment::providers::Serialized;
use serde::Deserialize as _;
use serde_json::Value as Json;

pub(crate) mod check;
mod places;
pub mod problem;
mod raw;
pub mod secret;
pub mod settings;
pub(crate) mod shape;
pub mod template;
mod walk;

pub use check::{Contents, Surroundings};

use crate::clock;
use places::{File, Places};
use problem::{Key, Place, Problem, Problems, Severity};
use settings::Config;
use shape::Shape;

/// Where the file is looked for when nobody names one.
pub const DEFAULT_FILE: &str = "/etc/rolegate/rolegate.toml";

/// A configuration that can be run, and what is weaker in it than it looks.
#[derive(Debug)]
pub struct Loaded {
    /// For the gate.
    pub config: Config,
    /// For people.
    pub warnings: Problems,
}

/// Where a configuration comes from, so that it can be loaded again.
#[derive(Debug, Clone)]
pub struct Source {
    path: Option<PathBuf>,
    env: Vec<(String, String)>,
    flags: Overrides,
    pipes: Pipes,
}

/// What was read of files that give it once: a pipe has nothing more to say, and may wait for ever to say it.
type Pipes = RefCell<BTreeMap<PathBuf, Vec<u8>>>;

/// What flags say: they win over everything.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    values: Vec<(String, Key, String)>,
    left_out: Vec<Key>,
}

/// The configuration as `run` would use it: from `path`, else `ROLEGATE_CONFIG`, else `/etc/rolegate/rolegate.toml`
/// if that exists, else from the environment alone.
pub fn load(path: Option<&Path>, env: &[(String, String)], flags: &Overrides) -> Result<Loaded, Problems> {
    load_seeing(path, env, flags, &Sight::default())
}

/// The files that were looked at, in the order of their names, and what each held.
pub type Files = Vec<(PathBuf, Fingerprint)>;

/// A digest of what a file holds, since that may be secret; or why there is none.
pub type Fingerprint = Result<[u8; 32], std::io::ErrorKind>;

/// What is looked at while a configuration is loaded.
#[derive(Default)]
struct Sight {
    files: RefCell<Files>,
    pipes: Pipes,
}

fn load_seeing(
    path: Option<&Path>,
    env: &[(String, String)],
    flags: &Overrides,
    sight: &Sight,
) -> Result<Loaded, Problems> {
    let named = env.iter().find(|(name, _)| name == "ROLEGATE_CONFIG").map(|(_, value)| PathBuf::from(value));
    let path = path.map(Path::to_path_buf).or(named.filter(|path| !path.as_os_str().is_empty()));
    // Only a file that is certainly not there is done without: one that cannot be read may hold the rules.
    let missing = |path: &PathBuf| matches!(path.try_exists(), Ok(false));
    let path = path.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| !missing(path)));
    let text = match &path {
        None => None,
        Some(path) => {
            let bytes = sight.read(path, u64::MAX).map(|contents| contents.bytes);
            Some(text_of(path, bytes)?)
        }
    };
    let name = path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    assemble(text.as_deref().map(|text| (name.as_str(), text)), env, flags, sight)
}

/// The same, from a text: for tests, and for commands that make their own.
pub fn from_text(
    name: &str,
    toml: &str,
    env: &[(String, String)],
    flags: &Overrides,
) -> Result<Loaded, Problems> {
    assemble(Some((name, toml)), env, flags, &Sight::default())
}

/// The JSON schema of the configuration file.
pub fn schema() -> Json {
    raw::schema()
}

fn assemble(
    file: Option<(&str, &str)>,
    env: &[(String, String)],
    flags: &Overrides,
    sight: &Sight,
) -> Result<Loaded, Problems> {
    let shape = Shape::of_schema(&raw::schema());
    let mut problems = Problems::new(file.map_or("", |(_, text)| text));
    let mut places = Places::new(None);
    let mut layers = Figment::new();
    let mut folder = PathBuf::new();
    if let Some((name, text)) = file {
        folder = Path::new(name).parent().map(Path::to_path_buf).unwrap_or_default();
        match File::parse(name, text) {
            Ok(parsed) => {
                let document = parsed.document.clone();
                places = Places::new(Some(parsed));
                let mut values = walk::file(&shape, document.as_table(), &places, &mut problems);
                flags.left_out.iter().for_each(|key| leave_out(&mut values, &key.0));
                layers = layers.merge(Serialized::defaults(values));
            }
            Err(problem) => problems.push(problem),
        }
    }
    let broken = problems.iter().any(|problem| problem.key == Key::default());
    for (name, value) in env {
        match walk::variable(&shape, name) {
            None => {}
            Some(Err(problem)) => problems.push(problem),
            Some(Ok((key, inner))) => {
                layers = layer(layers, inner, key, &format!("env:{name}"), value, &mut places, &mut problems);
            }
        }
    }
    for (flag, key, value) in &flags.values {
        match find(&shape, key) {
            Some(inner) => {
                layers = layer(layers, inner, key.clone(), flag, value, &mut places, &mut problems);
            }
            None => problems.push(Problem {
                severity: Severity::Error,
                place: Place::Source(flag.clone()),
                key: key.clone(),
                message: "unknown key".into(),
                fix: None,
            }),
        }
    }
    // Of a file that is not TOML nothing is known: every key would be "missing".
    if broken {
        return Err(problems.sorted());
    }
    // Through JSON, which the layers are of: what reads each table out of figment by itself is half a megabyte.
    let merged = layers.extract::<Json>().map_err(|error| error.to_string());
    let raw = match merged.and_then(|json| raw::Raw::deserialize(json).map_err(|error| error.to_string())) {
        Ok(raw) => raw,
        Err(message) => {
            // The walk lets nothing through that the shape does not have; this is the net below it.
            let key = Key::default();
            let place = places.value(&key);
            problems.push(Problem { severity: Severity::Error, place, key, message, fix: None });
            return Err(problems.sorted());
        }
    };
    // Secrets and certificates are small: a device or a huge file named by mistake is not swallowed whole.
    let read = |path: &Path| sight.read(path, LARGEST);
    let list = |folder: &Path| sight.list(folder);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let around = Surroundings { read: &read, list: &list, folder, cores, now: clock::now() };
    match check::check(&raw, &places, problems, &around) {
        (Some(config), warnings) => Ok(Loaded { config, warnings: warnings.sorted() }),
        (None, problems) => Err(problems.sorted()),
    }
}

/// One value more, on top of what there is.
fn layer(
    layers: Figment,
    shape: &Shape,
    key: Key,
    source: &str,
    text: &str,
    places: &mut Places,
    problems: &mut Problems,
) -> Figment {
    match walk::text(shape, &key, source, text) {
        Ok(value) => {
            places.replaced(key, source.to_owned());
            layers.merge(Serialized::defaults(value))
        }
        Err(problem) => {
            problems.push(problem);
            layers
        }
    }
}

fn leave_out(values: &mut Json, path: &[problem::Step]) {
    let [problem::Step::Name(name), rest @ ..] = path else { return };
    // A key of a list of tables is left out of each.
    if let Some(tables) = values.as_array_mut() {
        return tables.iter_mut().for_each(|table| leave_out(table, path));
    }
    let Some(table) = values.as_object_mut() else { return };
    match table.get_mut(name) {
        Some(inner) if !rest.is_empty() => leave_out(inner, rest),
        _ => drop(table.remove(name)),
    }
}

fn find<'s>(shape: &'s Shape, key: &Key) -> Option<&'s Shape> {
    key.0.iter().try_fold(shape, |shape, step| match step {
        problem::Step::Name(name) => shape.fields()?.get(name),
        problem::Step::Index(_) => None,
    })
}

fn fingerprint(bytes: &[u8]) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, bytes).as_ref());
    fingerprint
}

fn text_of(path: &Path, bytes: std::io::Result<Vec<u8>>) -> Result<String, Problems> {
    let unreadable = |why: String| {
        let mut problems = Problems::default();
        problems.push(Problem {
            severity: Severity::Error,
            place: Place::File(path.display().to_string()),
            key: Key::default(),
            message: format!("cannot read the configuration: {why}"),
            fix: None,
        });
        problems
    };
    let bytes = bytes.map_err(|error| unreadable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".into()))
}

/// What `path` leads to now: a file's content, or the names in a folder.
pub fn look(path: &Path) -> Fingerprint {
    let look = || {
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Ok(fingerprint(list_files(path)?.join("\n").as_bytes()));
        }
        // Asked before it is opened: opening a pipe waits for a writer.
        if !metadata.is_file() {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        Ok(fingerprint(&read_to(path, u64::MAX)?.bytes))
    };
    look().map_err(|error: std::io::Error| error.kind())
}

fn read_to(path: &Path, largest: u64) -> std::io::Result<Contents> {
    use std::io::Read;
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(std::io::Error::from(std::io::ErrorKind::IsADirectory));
    }
    let mut bytes = Vec::new();
    file.take(largest).read_to_end(&mut bytes)?;
    Ok(Contents { bytes, world_readable: world_readable(&metadata) })
}

const LARGEST: u64 = 4 * 1024 * 1024;

/// Links count as what they lead to: Kubernetes mounts a folder of links.
fn list_files(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().metadata().is_ok_and(|metadata| metadata.is_file()) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(unix)]
fn world_readable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn world_readable(_: &std::fs::Metadata) -> bool {
    false
}

// === impl Sight ===

impl Sight {
    fn read(&self, path: &Path, largest: u64) -> std::io::Result<Contents> {
        if let Some(bytes) = self.pipes.borrow().get(path) {
            return Ok(Contents { bytes: bytes.clone(), world_readable: false });
        }
        let is_pipe = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
        let contents = read_to(path, largest);
        match &contents {
            Ok(contents) if is_pipe => {
                self.pipes.borrow_mut().insert(path.to_path_buf(), contents.bytes.clone());
            }
            Ok(contents) => self.saw(path, Ok(fingerprint(&contents.bytes))),
            Err(error) => self.saw(path, Err(error.kind())),
        }
        contents
    }

    fn list(&self, folder: &Path) -> std::io::Result<Vec<String>> {
        let names = list_files(folder);
        let seen = names.as_ref().map(|names| fingerprint(names.join("\n").as_bytes()));
        self.saw(folder, seen.map_err(std::io::Error::kind));
        names
    }

    fn saw(&self, path: &Path, held: Fingerprint) {
        self.files.borrow_mut().push((path.to_path_buf(), held));
    }
}

// === impl Source ===

impl Source {
    /// As [`load`] would look for it.
    pub fn new(path: Option<&Path>, env: &[(String, String)], flags: Overrides) -> Self {
        Self { path: path.map(Path::to_path_buf), env: env.to_vec(), flags, pipes: Pipes::default() }
    }

    /// Loads it as it is now; and every file that was looked at for it, whatever came of that.
    pub fn load(&self) -> (Result<Loaded, Problems>, Files) {
        let sight = Sight { pipes: self.pipes.clone(), ..Sight::default() };
        let loaded = load_seeing(self.path.as_deref(), &self.env, &self.flags, &sight);
        self.pipes.replace(sight.pipes.into_inner());
        let mut seen = sight.files.into_inner();
        // Of one that was read twice the first counts: what it held later is a change.
        seen.sort_by(|(one, _), (other, _)| one.cmp(other));
        seen.dedup_by(|(later, _), (first, _)| later == first);
        (loaded, seen)
    }
}

// === impl Overrides ===

impl Overrides {
    /// `key` (`cognito.issuer`) is `value`, because `flag` (`--pool-url`) says so. Lists are comma-separated.
    pub fn set(&mut self, flag: &str, key: &str, value: impl Into<String>) -> &mut Self {
        self.values.push((flag.to_owned(), Key::of(key), value.into()));
        self
    }

    /// What the file says about `key`, a table or a key, does not count: `dev` brings its own pool and keys.
    pub fn leave_out(&mut self, key: &str) -> &mut Self {
        self.left_out.push(Key::of(key));
        self
    }
}

#[cfg(test)]
mod tests;
