//! Readers: from the files of an upload to a [`Surface`], one module for each family of formats, all of one shape:
//!
//! ```text
//! pub fn read(files: &Files, roots: &[&str]) -> Result<(Surface, Warnings), Refused>
//! ```
//!
//! `roots` are the paths of the files that the upload is about, at least one and all of them in `files`: the one that was named, or that is alone, or that
//! the format's rules find; several only where a format has no root (protobuf, GraphQL), and then in the order of their paths.
//!
//! The input is foreign. Everything is bounded, nothing is fetched, nothing panics, and only what is in `files` is looked at. What a reader cannot make
//! sense of (syntax, encoding, limits, an unknown version) is [`Refused`] with its line; what it can live with, references that lead nowhere among it, is a
//! warning with its line.

pub mod graphql;
pub mod openapi;
pub mod protobuf;
pub(crate) mod tree;

use std::collections::BTreeMap;

pub use shared::surface::Warning;

/// Bytes of all files of an upload together, unpacked.
pub const UPLOAD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Files of an upload.
pub const FILES_MAX: usize = 2_000;
/// Operations of a surface. GitHub's has 1,223.
pub const OPERATIONS_MAX: usize = 10_000;
/// Levels of nesting that are read, in every format. The deepest document of the public corpora has 48.
pub const DEPTH_MAX: usize = 200;
/// Warnings that are told one by one.
pub const WARNINGS_MAX: usize = 100;

/// The files of an upload by their paths, which are relative, with `/`, without `.` and `..`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    files: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// One document.
    #[must_use]
    pub fn one(path: &str, bytes: Vec<u8>) -> Self {
        Self { files: BTreeMap::from([(path.to_owned(), bytes)]) }
    }

    /// Adds a file, in the place of one of the same path.
    pub fn add(&mut self, path: &str, bytes: Vec<u8>) {
        self.files.insert(path.to_owned(), bytes);
    }

    /// The bytes of a file.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// A file with the path that it is kept under.
    #[must_use]
    pub fn entry(&self, path: &str) -> Option<(&str, &[u8])> {
        self.files.get_key_value(path).map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// The paths in their order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The text of a file, without its byte order mark.
    ///
    /// # Errors
    /// It is not there, not UTF-8, or empty.
    pub fn text(&self, path: &str) -> Result<&str, Refused> {
        let missing = || Refused::new("no-file", format!("The upload has no file {}.", quote(path)));
        let bytes = self.get(path).ok_or_else(missing)?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line_start = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
            let line = narrow(valid.split(|byte| *byte == b'\n').count());
            let column = narrow(error.valid_up_to() - line_start).saturating_add(1);
            Refused::new(
                "encoding",
                format!("The document is not UTF-8: byte {} is invalid. Save it as UTF-8.", error.valid_up_to()),
            )
            .at(path, line, column)
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            let refused = Refused::new("empty", "The document is empty.".to_owned());
            return Err(Refused { file: Some(path.to_owned()), ..refused });
        }
        Ok(text)
    }
}

/// Warnings as they are gathered: counted without end, kept up to [`WARNINGS_MAX`].
#[derive(Clone, Debug, Default)]
pub struct Warnings {
    kept: Vec<Warning>,
    more: usize,
}

impl Warnings {
    /// Notes one.
    pub fn push(&mut self, code: &str, message: String, file: &str, line: u32, pointer: &str) {
        if self.is_full() {
            self.more += 1;
        } else {
            let pointer = pointer.chars().take(200).collect();
            self.kept.push(Warning { code: code.to_owned(), message, file: file.to_owned(), line, pointer });
        }
    }

    /// Whether the next one is only counted, so that its message need not be made.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.kept.len() >= WARNINGS_MAX
    }

    /// All of them, with a last one that counts those that were not kept.
    #[must_use]
    pub fn finish(mut self) -> Vec<Warning> {
        if self.more > 0 {
            let message = format!("There are {} more warnings.", self.more);
            let code = "more-warnings".to_owned();
            self.kept.push(Warning { code, message, file: String::new(), line: 1, pointer: String::new() });
        }
        self.kept
    }
}

/// Why an upload was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// What kind it is, stable.
    pub code: &'static str,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// In which file of the upload.
    pub file: Option<String>,
    /// Where, from 1.
    pub line: Option<u32>,
    /// Where in the line, from 1.
    pub column: Option<u32>,
    /// Where, as a JSON pointer or the format's own path.
    pub pointer: Option<String>,
}

impl Refused {
    /// A refusal without a place.
    #[must_use]
    pub fn new(code: &'static str, message: String) -> Self {
        Self { code, message, file: None, line: None, column: None, pointer: None }
    }

    /// Says where, line and column from 1.
    #[must_use]
    pub fn at(mut self, file: &str, line: u32, column: u32) -> Self {
        self.file = Some(file.to_owned());
        self.line = Some(line);
        self.column = Some(column);
        self
    }

    /// Says where in the document's structure.
    #[must_use]
    pub fn pointing(mut self, pointer: &str) -> Self {
        self.pointer = Some(pointer.to_owned());
        self
    }

    /// Whether the document is in a format, or a version of a format, that is not read: all others are faults of the document.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self.code, "format" | "format-version")
    }
}

/// The first characters of a text.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    text.char_indices().nth(most).map_or(text, |(end, _)| text.get(..end).unwrap_or_default())
}

/// A foreign text as it may stand in a message: quoted, and cut at 80 characters.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(80).is_some() {
        quoted.push('…');
    }
    format!("`{quoted}`")
}
