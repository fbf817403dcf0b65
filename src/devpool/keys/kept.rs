//! Keys kept in a folder, so that a pool signs with the same ones at its next start; only their owner may read them.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{KeyError, Keys, SigningKey};
use crate::devpool::random;

/// The file of one pool's keys.
pub(in crate::devpool) struct Kept {
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    id: StoredKey,
    access: StoredKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    kid: String,
    /// DER, in base64.
    pkcs8: String,
}

// === impl Kept ===

impl Kept {
    /// Pool ids are of letters, digits, `-` and `_`, so each is a file name.
    pub(in crate::devpool) fn new(folder: &Path, pool_id: &str) -> Self {
        Self { file: folder.join(format!("{pool_id}.keys.json")) }
    }

    /// The keys in the file; without one, fresh keys, which then are in it.
    pub(in crate::devpool) fn keys(&self) -> Result<Keys, KeyError> {
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let keys = Keys::generate()?;
                self.keep(&keys)?;
                return Ok(keys);
            }
            Err(error) => return Err(self.wrong(&error)),
        };
        let mode = std::fs::metadata(&self.file).map_err(|error| self.wrong(&error))?.permissions().mode();
        if mode & 0o077 != 0 {
            let message =
                format!("others may read it (mode {:o}); chmod 600, or remove it for new keys", mode & 0o777);
            return Err(self.wrong(&message));
        }
        let stored: Stored = serde_json::from_str(&text).map_err(|error| self.wrong(&error))?;
        let key = |stored: StoredKey| {
            let pkcs8 = STANDARD.decode(stored.pkcs8).map_err(|error| self.wrong(&error))?;
            SigningKey::from_pkcs8(stored.kid, pkcs8).map(Arc::new).map_err(|error| self.wrong(&error))
        };
        Ok(Keys { id: key(stored.id)?, access: key(stored.access)?, previous: Vec::new() })
    }

    /// Puts keys in the file's place.
    pub(in crate::devpool) fn keep(&self, keys: &Keys) -> Result<(), KeyError> {
        let key = |key: &SigningKey| StoredKey { kid: key.kid.clone(), pkcs8: STANDARD.encode(&key.pkcs8) };
        let stored = Stored { id: key(&keys.id), access: key(&keys.access) };
        let text = serde_json::to_string_pretty(&stored).map_err(|error| self.wrong(&error))?;
        self.write(&text).map_err(|error| self.wrong(&error))
    }

    /// Beside it first, so that the file is whole at every moment.
    fn write(&self, text: &str) -> std::io::Result<()> {
        if let Some(folder) = self.file.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let beside = self.file.with_extension(random::uuid());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&beside, &self.file));
        if written.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        written
    }

    fn wrong(&self, error: &dyn std::fmt::Display) -> KeyError {
        KeyError(format!("{}: {error}", self.file.display()))
    }
}
