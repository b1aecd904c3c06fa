//! What the demo is, as scripts read it from `dev.json`.

use std::{fs, io, os::unix::fs::OpenOptionsExt as _, path::Path};

use serde::{Deserialize, Serialize};

/// The demo: a provider with a weather API on sale, and a consumer that bought it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Demo {
    /// Base address of the control plane and of the door.
    pub url: String,
    /// The provider's slug.
    pub organization: String,
    /// A token of the provider's owner.
    pub token: String,
    /// The other side.
    pub consumer: Consumer,
    /// The API's slug.
    pub api: String,
    /// The product's slug.
    pub product: String,
    /// The plan's slug.
    pub plan: String,
    /// The app's id.
    pub app: String,
    /// The subscription's id.
    pub subscription: String,
    /// The key itself: the secret that opens the door.
    pub key: String,
    /// The key's id.
    pub key_id: String,
    /// A `GET` that answers 200 with the key.
    pub call_url: String,
    /// Where the weather API itself listens.
    pub upstream_url: String,
    /// Where an operator invokes functions, as Lambda's Invoke API has it.
    pub operator_url: String,
}

/// Who buys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Consumer {
    /// The consumer's slug.
    pub organization: String,
    /// A token of the consumer's owner.
    pub token: String,
}

impl Demo {
    /// What an earlier run left, or nothing yet.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn load(file: &Path) -> io::Result<Self> {
        match fs::read(file) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes the whole file or nothing of it. It holds secrets, so nobody else may read it.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        write_private(file, &serde_json::to_vec_pretty(self)?)
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_private(file: &Path, content: &[u8]) -> io::Result<()> {
    let draft = file.with_extension("draft");
    let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    io::Write::write_all(&mut out, content)?;
    fs::rename(draft, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_comes_back_as_it_was_saved_and_nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::env::temp_dir().join(format!("doorway-demo-{}.json", std::process::id()));
        let demo = Demo { key: "dw_secret".to_owned(), ..Demo::default() };
        demo.save(&file).unwrap();
        assert_eq!(Demo::load(&file).unwrap(), demo);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(&file).unwrap();
        assert_eq!(Demo::load(&file).unwrap(), Demo::default());
    }
}
