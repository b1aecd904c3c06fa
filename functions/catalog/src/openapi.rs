//! The reader of OpenAPI 3.0 and 3.1: bytes in, the operations out, and nothing of the document believed.
//!
//! The input is foreign. Everything is bounded (size, depth, values, aliases, operations), nothing is fetched, nothing panics, and the time
//! grows with the bytes: the document becomes a tree that keeps positions, every reference is resolved once, and each operation is visited once.
//! What a reader cannot make sense of is a [`ReadError`] with its line; what it can live with is a [`Warning`].

mod json;
mod operations;
mod refs;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

pub use crate::domain::Operation;
use serde::{Deserialize, Serialize};

use tree::{NodeId, Position, Tree, quote};

/// Bytes of a document, unpacked.
pub const DOCUMENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Operations of a document. GitHub's has 1,223.
pub const OPERATIONS_MAX: usize = 10_000;
/// Warnings that are told one by one.
const WARNINGS_MAX: usize = 100;
/// What is read, as a refusal says it.
const READ: &str = "OpenAPI 3.0.x and 3.1.x are read, in JSON or YAML";

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Syntax {
    /// JSON (RFC 8259).
    Json,
    /// YAML 1.2.
    Yaml,
}

impl Syntax {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// A document that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Always `openapi`.
    pub format: String,
    /// The version of OpenAPI that the document says it is written in, for example `3.0.3`.
    pub format_version: String,
    /// How it is written.
    pub syntax: Syntax,
    /// `info.title`, empty where it is missing.
    pub title: String,
    /// `info.version`, the document's own name of its version; empty where it is missing.
    pub api_version: String,
    /// The operations in the order of the document.
    pub operations: Vec<Operation>,
    /// What is wrong with the document and does not keep it from being read, at most 101.
    pub warnings: Vec<Warning>,
}

/// Something wrong that does not keep a document from being read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Warning {
    /// What kind it is, stable: `dangling-ref`, `remote-ref`, `duplicate-operation-id`, `info-incomplete` and more.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// Where, from 1.
    pub line: u32,
    /// Where, as a JSON pointer.
    pub pointer: String,
}

/// Why a document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReadError {
    /// What kind it is, stable.
    pub code: &'static str,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// Where, from 1.
    pub line: Option<u32>,
    /// Where in the line, from 1.
    pub column: Option<u32>,
    /// Where, as a JSON pointer.
    pub pointer: Option<String>,
}

impl ReadError {
    fn new(code: &'static str, message: String) -> Self {
        Self { code, message, line: None, column: None, pointer: None }
    }

    fn at(mut self, position: Position) -> Self {
        self.line = Some(position.line);
        self.column = Some(position.column);
        self
    }

    fn pointing(mut self, pointer: &str) -> Self {
        self.pointer = Some(pointer.to_owned());
        self
    }

    fn too_deep(position: Position) -> Self {
        Self::new(
            "too-deep",
            format!("The document is nested deeper than {} levels, which is the most that is read.", tree::DEPTH_MAX),
        )
        .at(position)
    }

    /// Whether the document is in a format, or a version of a format, that is not read: all others are faults of the document.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.code, "format" | "format-version")
    }
}

/// Warnings as they are gathered: counted without end, kept up to a limit.
#[derive(Default)]
struct Warnings {
    kept: Vec<Warning>,
    more: usize,
}

impl Warnings {
    fn push(&mut self, code: &str, message: String, line: u32, pointer: &str) {
        if self.is_full() {
            self.more += 1;
        } else {
            let pointer = pointer.chars().take(200).collect();
            self.kept.push(Warning { code: code.to_owned(), message, line, pointer });
        }
    }

    /// Whether the next one is only counted.
    fn is_full(&self) -> bool {
        self.kept.len() >= WARNINGS_MAX
    }

    fn finish(mut self) -> Vec<Warning> {
        if self.more > 0 {
            let message = format!("There are {} more warnings.", self.more);
            self.kept.push(Warning { code: "more-warnings".to_owned(), message, line: 1, pointer: String::new() });
        }
        self.kept
    }
}

/// What the sender says about a document: it goes before what its bytes look like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint<'a> {
    /// `openapi`, or nothing for "find out".
    pub format: Option<&'a str>,
    /// A file's name, of which the ending counts: `.json`, `.yaml` or `.yml`.
    pub filename: Option<&'a str>,
}

/// Reads a document.
///
/// # Errors
/// Everything that keeps it from being read, with the line where there is one.
pub fn read(bytes: &[u8], hint: Hint<'_>) -> Result<Document, ReadError> {
    let text = text(bytes)?;
    let syntax = syntax(text, hint)?;
    let (tree, root) = match syntax {
        Syntax::Json => json::read(text)?,
        Syntax::Yaml => yaml::read(text)?,
    };
    let format_version = version(&tree, root)?;
    document(&tree, root, format_version, syntax)
}

fn text(bytes: &[u8]) -> Result<&str, ReadError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(ReadError::new(
            "too-large",
            format!("The document has {} bytes; {DOCUMENT_BYTES_MAX} is the most that is read.", bytes.len()),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line_start = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let position = Position {
            line: narrow(valid.split(|byte| *byte == b'\n').count()),
            column: narrow(error.valid_up_to() - line_start).saturating_add(1),
        };
        ReadError::new(
            "encoding",
            format!("The document is not UTF-8: byte {} is invalid. Save it as UTF-8.", error.valid_up_to()),
        )
        .at(position)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(ReadError::new("empty", "The document is empty.".to_owned()));
    }
    Ok(text)
}

/// Which syntax the document is in, by what the sender says or else by how it begins.
fn syntax(text: &str, hint: Hint<'_>) -> Result<Syntax, ReadError> {
    let other = |name: &str| ReadError::new("format", format!("This is {name}, which is not read; {READ}."));
    match hint.format.map(str::to_ascii_lowercase).as_deref() {
        None | Some("openapi") => {}
        Some(format) => {
            return Err(ReadError::new("format", format!("The format {} is not read; {READ}.", quote(format))));
        }
    }
    let ending = hint.filename.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
    let start = text.trim_start();
    match ending.as_deref() {
        Some("json") => return Ok(Syntax::Json),
        Some("yaml" | "yml") => return Ok(Syntax::Yaml),
        Some("proto") => return Err(other("a Protocol Buffers file")),
        Some("graphql" | "graphqls" | "gql") => return Err(other("a GraphQL schema")),
        Some("wsdl" | "xml" | "xsd") => return Err(other("an XML document")),
        Some("raml") => return Err(other("a RAML document")),
        _ => {}
    }
    if start.starts_with(['{', '[']) {
        return Ok(Syntax::Json);
    }
    if start.starts_with('<') {
        return Err(other("an XML document"));
    }
    if start.starts_with("#%RAML") {
        return Err(other("a RAML document"));
    }
    // A schema language in a file without a telling name: said so rather than "not YAML".
    let code = |line: &&str| !line.is_empty() && !line.starts_with(['#', '/', '"', '*']);
    match start.lines().map(str::trim).find(code) {
        Some(line) if line.starts_with("syntax") && line.contains('=') => return Err(other("a Protocol Buffers file")),
        Some(line)
            if ["type ", "schema ", "interface ", "enum ", "input ", "scalar ", "directive ", "union ", "extend "]
                .iter()
                .any(|word| line.starts_with(word))
                && line.contains('{') | !line.contains(':') =>
        {
            return Err(other("a GraphQL schema"));
        }
        _ => {}
    }
    Ok(Syntax::Yaml)
}

/// The version of OpenAPI, or the refusal that says which versions are read.
fn version(tree: &Tree<'_>, root: NodeId) -> Result<String, ReadError> {
    let here = tree.position(root);
    if tree.name(root) != "a map" {
        return Err(ReadError::new(
            "format",
            format!("An OpenAPI document is a map, not {}; {READ}.", tree.name(root)),
        )
        .at(here));
    }
    let Some(entry) = tree.entry(root, "openapi") else {
        let error = match ["swagger", "asyncapi"].iter().find_map(|key| Some((*key, tree.entry(root, key)?))) {
            Some(("swagger", entry)) => {
                let version = tree.loose_text(entry.value).unwrap_or("2.0");
                ReadError::new(
                    "format-version",
                    format!("This is OpenAPI (Swagger) {}, which is not read; {READ}.", quote(version)),
                )
                .at(entry.position)
            }
            Some((_, entry)) => {
                ReadError::new("format", format!("This is an AsyncAPI document, which is not read; {READ}."))
                    .at(entry.position)
            }
            None => ReadError::new(
                "format",
                format!("The document has no `openapi` key, so its format is unknown; {READ}."),
            )
            .at(here),
        };
        return Err(error);
    };
    let Some(version) = tree.text(entry.value) else {
        let shown = tree.loose_text(entry.value).unwrap_or_else(|| tree.name(entry.value));
        return Err(ReadError::new(
            "format-version",
            format!("`openapi` must be a string such as `3.1.0`, not {}; {READ}.", quote(shown)),
        )
        .at(entry.position));
    };
    let known = ["3.0.", "3.1."].iter().any(|prefix| {
        version.strip_prefix(prefix).is_some_and(|patch| {
            let digits = patch.bytes().take_while(u8::is_ascii_digit).count();
            (1..=3).contains(&digits)
                && patch.len() <= 24
                && matches!(patch.as_bytes().get(digits), None | Some(b'-' | b'+'))
                && patch.is_ascii()
        })
    });
    if known {
        Ok(version.to_owned())
    } else {
        Err(ReadError::new("format-version", format!("OpenAPI {} is not read; {READ}.", quote(version)))
            .at(entry.position)
            .pointing("/openapi"))
    }
}

fn document(tree: &Tree<'_>, root: NodeId, format_version: String, syntax: Syntax) -> Result<Document, ReadError> {
    let mut warnings = Warnings::default();
    let (title, api_version) = info(tree, root, &mut warnings)?;
    let paths = tree.entry(root, "paths");
    let none = match paths {
        None if format_version.starts_with("3.0") => Some("`paths`"),
        None if tree.get(root, "components").is_none() && tree.get(root, "webhooks").is_none() => {
            Some("`paths`, `components` or `webhooks`")
        }
        _ => None,
    };
    if let Some(wanted) = none {
        return Err(ReadError::new("no-paths", format!("An OpenAPI {format_version} document must have {wanted}.")));
    }
    let mut references = refs::Refs::collect(tree, root);
    references.check(&mut warnings)?;
    let operations = match paths {
        Some(paths) if tree.name(paths.value) != "a map" => {
            return Err(ReadError::new("paths", format!("`paths` must be a map, not {}.", tree.name(paths.value)))
                .at(paths.position)
                .pointing("/paths"));
        }
        Some(paths) => operations::read(tree, paths.value, &mut references, &mut warnings)?,
        None => Vec::new(),
    };
    Ok(Document {
        format: "openapi".to_owned(),
        format_version,
        syntax,
        title,
        api_version,
        operations,
        warnings: warnings.finish(),
    })
}

/// Title and version; a document without them is read with a warning, because many are.
fn info(tree: &Tree<'_>, root: NodeId, warnings: &mut Warnings) -> Result<(String, String), ReadError> {
    let entry = tree.entry(root, "info");
    if let Some(entry) = entry
        && !matches!(tree.name(entry.value), "a map" | "null")
    {
        return Err(ReadError::new("info", format!("`info` must be a map, not {}.", tree.name(entry.value)))
            .at(entry.position)
            .pointing("/info"));
    }
    let line = entry.map_or(tree.position(root).line, |entry| entry.position.line);
    let mut text = |key: &str| {
        let text = entry
            .and_then(|info| tree.get(info.value, key))
            .and_then(|value| tree.loose_text(value))
            .map(str::trim)
            .unwrap_or_default();
        if text.is_empty() {
            warnings.push("info-incomplete", format!("`info.{key}` is missing; OpenAPI requires it."), line, "/info");
        }
        text.chars().take(200).collect()
    };
    Ok((text("title"), text("version")))
}
