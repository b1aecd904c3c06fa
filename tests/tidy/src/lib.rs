//! What the repository's test of itself reads: its files, its template, what cargo knows of it. The rules are in `tests/tidy`.

pub mod licence;
pub mod metadata;
pub mod template;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The functions, in the order in which the template has them.
pub const FUNCTIONS: [&str; 9] =
    ["accounts", "catalog", "products", "subscriptions", "keys", "gateway", "usage", "billing", "contracts"];

/// Folders that are made, not written.
const MADE: [&str; 6] = ["target", ".git", ".doorway", ".aws-sam", "node_modules", "__pycache__"];

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A text file of the repository.
#[derive(Debug, Clone)]
pub struct Text {
    /// Its path from the root, with `/`.
    pub path: String,
    /// All of it.
    pub content: String,
}

/// Every text file that somebody wrote, sorted by path.
///
/// # Errors
/// A file cannot be read.
pub fn texts() -> io::Result<Vec<Text>> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, &root, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Text>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !MADE.contains(&entry.file_name().to_string_lossy().as_ref()) {
                walk(root, &path, found)?;
            }
        } else if kind.is_file()
            && let Ok(content) = String::from_utf8(fs::read(&path)?)
        {
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.push(Text { path, content });
        }
    }
    Ok(())
}

/// The name of a function as the template spells it: `keys` is `Keys`.
pub fn logical_id(function: &str) -> String {
    let mut letters = function.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}
