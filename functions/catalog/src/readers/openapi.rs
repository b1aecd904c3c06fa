//! The reader of OpenAPI 2.0 (Swagger), 3.0, 3.1 and 3.2, with JSON Schema up to 2020-12.
//!
//! One tree for all of them, and one walk: operations first, whose schemas become types where they are met; a schema that is referred to is read once.
//! What waits to be read is kept in a list, not on the stack, and the elements of a surface are counted, so that time and memory are bounded whatever
//! refers to whatever.

mod contents;
mod documents;
mod keywords;
mod operations;
mod schema;
mod security;
mod shapes;

#[cfg(test)]
mod meaning;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::unpacked;

use foldhash::HashMap;
use shared::surface::{
    Builder, ElementId, Format, Json, Name, Position, SchemeId, ServerId, Shape, Surface, Text, Type, TypeId, Value,
};

use self::documents::{At, Documents, escape};
use super::tree::{self, Kind, Syntax};
use super::{Files, Refused, Warnings, cut, quote};

/// Elements of a surface: GitHub's has 75,000.
const ELEMENTS_MAX: usize = 1_000_000;
/// Parts of all JSON values (defaults, values of enumerations, facets) together.
const VALUES_MAX: usize = 1_000_000;
/// Characters of a summary.
const SUMMARY_MAX: usize = 120;
/// What is read, as a refusal says it.
pub const READ: &str = "OpenAPI 2.0, 3.0.x, 3.1.x and 3.2.x are read, in JSON or YAML";

/// The dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    V2,
    V30,
    /// 3.1 and 3.2: the schemas are JSON Schema 2020-12.
    V31,
}

/// Where an element will stand: in an element, and by what step.
#[derive(Clone)]
struct Spot {
    parent: ElementId,
    step: String,
}

impl Spot {
    fn then(&self, step: &str) -> Self {
        Self { parent: self.parent, step: [&self.step, step].concat() }
    }
}

/// Whether a file of an upload says of itself that it is an OpenAPI document.
#[must_use]
pub fn is_root(files: &Files, path: &str) -> bool {
    let Ok(text) = files.text(path) else { return false };
    // Most files of an upload are neither, and need not be read to know it.
    let is_marked = Syntax::is_named(path) && (text.contains("openapi") || text.contains("swagger"));
    is_marked
        && tree::read(text, Syntax::of(path, text))
            .is_ok_and(|(tree, root)| ["openapi", "swagger"].iter().any(|key| tree.get(root, key).is_some()))
}

/// Reads an upload whose root is an OpenAPI document.
///
/// # Errors
/// Everything that keeps it from being read, with the line where there is one.
pub fn read(files: &Files, roots: &[&str]) -> Result<(Surface, Warnings), Refused> {
    let root = roots.first().copied().unwrap_or_default();
    let documents = Documents::load(files, root)?;
    let (version, format_version) = version(&documents)?;
    let mut warnings = Warnings::default();
    let (title, api_version) = info(&documents, &mut warnings)?;
    let mut builder = Builder::new(Format::OpenApi);
    builder.about(&format_version, &title, &api_version);
    for path in documents.paths() {
        builder.file(path);
    }
    let mut reader = Reader {
        docs: &documents,
        version,
        builder,
        warnings,
        types: HashMap::default(),
        waiting: Vec::new(),
        schemes: HashMap::default(),
        servers: HashMap::default(),
        children: None,
        values: 0,
        positions: HashMap::default(),
    };
    reader.check_parts(&format_version)?;
    documents.check(&mut reader.warnings)?;
    reader.operations()?;
    reader.components()?;
    reader.settle()?;
    let Reader { builder, warnings, .. } = reader;
    // What is worked out now needs memory, and the document none any more.
    drop(documents);
    Ok((builder.finish(), warnings))
}

/// The version, or the refusal that says which versions are read.
fn version(docs: &Documents<'_>) -> Result<(Version, String), Refused> {
    let root = docs.root();
    if !docs.is_map(root) {
        let message = format!("An OpenAPI document is a map, not {}; {READ}.", docs.name(root));
        return Err(docs.refused("format", message, root));
    }
    let found = ["openapi", "swagger"].iter().find_map(|key| Some((*key, docs.entry(root, key)?)));
    let Some((key, entry)) = found else {
        let (message, at) = match docs.get(root, "asyncapi") {
            Some(at) => (format!("This is an AsyncAPI document, which is not read; {READ}."), at),
            None => (format!("The document has no `openapi` key, so its format is unknown; {READ}."), root),
        };
        return Err(docs.refused("format", message, at));
    };
    let refused = |message: String| {
        let position = entry.position;
        Err(Refused::new("format-version", message)
            .at(docs.path(root), position.line, position.column)
            .pointing(&format!("/{key}")))
    };
    let value = root.value(entry);
    // YAML takes `swagger: 2.0` for a number, and so do its tools.
    if key == "swagger" {
        let version = docs.loose_text(value).unwrap_or_else(|| docs.name(value));
        return match version {
            "2.0" => Ok((Version::V2, version.to_owned())),
            _ => refused(format!("Swagger {} is not read; {READ}.", quote(version))),
        };
    }
    let Some(version) = docs.text(value) else {
        let shown = docs.loose_text(value).unwrap_or_else(|| docs.name(value));
        return refused(format!("`openapi` must be a string such as `3.1.0`, not {}; {READ}.", quote(shown)));
    };
    let known =
        [("3.0.", Version::V30), ("3.1.", Version::V31), ("3.2.", Version::V31)].into_iter().find(|(prefix, _)| {
            version.strip_prefix(prefix).is_some_and(|patch| {
                let digits = patch.bytes().take_while(u8::is_ascii_digit).count();
                (1..=3).contains(&digits)
                    && patch.len() <= 24
                    && matches!(patch.as_bytes().get(digits), None | Some(b'-' | b'+'))
                    && patch.is_ascii()
            })
        });
    match known {
        Some((_, dialect)) => Ok((dialect, version.to_owned())),
        None => refused(format!("OpenAPI {} is not read; {READ}.", quote(version))),
    }
}

/// Title and version; a document without them is read with a warning, because many are.
fn info(docs: &Documents<'_>, warnings: &mut Warnings) -> Result<(String, String), Refused> {
    let root = docs.root();
    let entry = docs.entry(root, "info");
    let info = entry.map(|entry| root.value(entry));
    if let (Some(entry), Some(info)) = (entry, info)
        && !matches!(docs.name(info), "a map" | "null")
    {
        let message = format!("`info` must be a map, not {}.", docs.name(info));
        let (line, column) = (entry.position.line, entry.position.column);
        return Err(Refused::new("info", message).at(docs.path(root), line, column).pointing("/info"));
    }
    let line = entry.map_or(docs.position(root).line, |entry| entry.position.line);
    let mut text = |key: &str| {
        let text = info.map_or("", |info| docs.text_of(info, key)).trim();
        if text.is_empty() {
            let message = format!("`info.{key}` is missing; OpenAPI requires it.");
            warnings.push("info-incomplete", message, docs.file(root), line, "/info");
        }
        text.chars().take(200).collect()
    };
    Ok((text("title"), text("version")))
}

/// A schema that is referred to and not yet read.
struct Waiting {
    at: At,
    id: TypeId,
    spot: Spot,
    name: Name,
}

struct Reader<'d, 'a> {
    docs: &'d Documents<'a>,
    version: Version,
    builder: Builder,
    warnings: Warnings,
    /// The types of schemas that are referred to.
    types: HashMap<At, TypeId>,
    waiting: Vec<Waiting>,
    /// Schemes by name.
    schemes: HashMap<String, SchemeId>,
    /// Servers by what lists them.
    servers: HashMap<At, Vec<ServerId>>,
    /// For each schema with a discriminator the components that extend it by `allOf`, once they were looked for.
    children: Option<HashMap<At, Vec<(String, At)>>>,
    /// Parts of JSON values so far.
    values: usize,
    /// The elements of what several refer to (a shared response), so that it has one place.
    positions: HashMap<At, ElementId>,
}

impl Reader<'_, '_> {
    /// An element for a node: at its key where that is known.
    fn element(&mut self, at: At, key: Option<tree::Position>, spot: &Spot) -> Result<ElementId, Refused> {
        let position = key.unwrap_or_else(|| self.docs.position(at));
        if self.builder.surface().positions.len() > ELEMENTS_MAX {
            let message = format!(
                "The document stands for more than {ELEMENTS_MAX} things when its references are followed, which is the most that is read."
            );
            return Err(Refused::new("too-many-values", message).at(
                self.docs.path(at),
                position.line,
                position.column,
            ));
        }
        let step = self.builder.text(&spot.step);
        let file = at.doc();
        Ok(self.builder.element(Position {
            file,
            line: position.line,
            column: position.column,
            parent: spot.parent,
            step,
        }))
    }

    /// One line of what something is: its summary, title or the beginning of its description.
    fn summary(&mut self, at: At) -> shared::surface::Words {
        let text = ["summary", "description", "title"]
            .iter()
            .find_map(|key| Some(self.docs.text_of(at, key).trim()).filter(|text| !text.is_empty()))
            .unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        self.builder.words(cut(line, SUMMARY_MAX).trim())
    }

    fn text(&mut self, text: &str) -> Text {
        self.builder.text(text)
    }

    fn warn(&mut self, code: &str, message: String, at: At) {
        let pointer = if self.warnings.is_full() { String::new() } else { self.docs.pointer(at) };
        self.warnings.push(code, message, self.docs.file(at), self.docs.position(at).line, &pointer);
    }

    /// A node, or what it refers to; nothing where that leads nowhere (which has its warning already).
    fn followed(&self, at: At) -> Option<At> {
        let mut at = self.docs.canonical(at);
        for _ in 0..operations::HOPS_MAX {
            match self.docs.reference(at) {
                None => return Some(at),
                Some((_, documents::Target::Found(target))) => at = target,
                Some(_) => return None,
            }
        }
        None
    }

    /// Where a node is: at its own place, or at that of what it refers to.
    fn spot(&self, from: At, to: At, here: Spot) -> Spot {
        self.elsewhere(from, to).unwrap_or(here)
    }

    /// Where a node is that another one refers to; nothing where it is at its own place.
    fn elsewhere(&self, from: At, to: At) -> Option<Spot> {
        // An alias is not what it stands for.
        (from != to).then(|| Spot { parent: ElementId::NONE, step: self.docs.pointer(to) })
    }

    /// A JSON value.
    fn json(&mut self, at: At) -> Result<Json, Refused> {
        // Nearly all are texts.
        if let Kind::String(text) = self.docs.kind(at) {
            self.count_value(at)?;
            return Ok(self.builder.json_text(text));
        }
        let value = self.value(at)?;
        Ok(self.builder.json(&Json::of(&value)))
    }

    fn count_value(&mut self, at: At) -> Result<(), Refused> {
        self.values += 1;
        if self.values > VALUES_MAX {
            let message = format!(
                "The document's values have more than {VALUES_MAX} parts when its aliases are followed, which is the most that is read."
            );
            return Err(self.docs.refused("too-many-values", message, at));
        }
        Ok(())
    }

    fn value(&mut self, at: At) -> Result<Value, Refused> {
        self.count_value(at)?;
        Ok(match self.docs.kind(at) {
            Kind::Null | Kind::Alias => Value::Null,
            Kind::Bool(value) => Value::Bool(value),
            Kind::Number(text) => self.docs.number(at).map_or_else(|| Value::String(text.to_string()), Value::Number),
            Kind::String(text) => Value::String(text.to_string()),
            Kind::List(_) => {
                let items: Vec<At> = self.docs.items(at).collect();
                Value::List(items.into_iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            Kind::Map(_) => {
                let docs = self.docs;
                let entries = docs.entries(at);
                let entries = entries.map(|entry| Ok((entry.key.to_string(), self.value(at.value(entry))?)));
                Value::Map(entries.collect::<Result<_, Refused>>()?)
            }
        })
    }

    fn any(&mut self) -> TypeId {
        self.builder.plain(Shape::Any)
    }

    /// The parts that a document must have.
    fn check_parts(&self, format_version: &str) -> Result<(), Refused> {
        let root = self.docs.root();
        let has = |key| self.docs.get(root, key).is_some();
        let wanted = match self.version {
            Version::V2 | Version::V30 if !has("paths") => "`paths`",
            Version::V31 if !has("paths") && !has("components") && !has("webhooks") => {
                "`paths`, `components` or `webhooks`"
            }
            _ => return Ok(()),
        };
        let message = format!("An OpenAPI {format_version} document must have {wanted}.");
        Err(Refused { file: Some(self.docs.path(root).to_owned()), ..Refused::new("no-paths", message) })
    }

    /// The types that have names, whether or not an operation reaches them.
    fn components(&mut self) -> Result<(), Refused> {
        let docs = self.docs;
        let keys: &[&str] = if self.version == Version::V2 { &["definitions"] } else { &["components", "schemas"] };
        let Some(schemas) = keys.iter().try_fold(docs.root(), |at, key| docs.get(at, key)) else { return Ok(()) };
        for entry in docs.entries(schemas) {
            if entry.key.starts_with("x-") && !docs.is_map(schemas.value(entry)) {
                continue;
            }
            self.referred(schemas.value(entry));
            self.settle()?;
        }
        Ok(())
    }

    /// Reads what waits, and what that leads to.
    fn settle(&mut self) -> Result<(), Refused> {
        while let Some(Waiting { at, id, spot, name }) = self.waiting.pop() {
            let ty = self.schema_type(at, &spot, true)?;
            self.builder.define(id, Type { name, ..ty });
        }
        Ok(())
    }

    /// What a component is called: the last part of its pointer.
    fn component_name(&mut self, pointer: &str) -> Name {
        let prefix = if self.version == Version::V2 { "/definitions/" } else { "/components/schemas/" };
        // JSON has an empty key, too; it names nothing.
        match pointer.strip_prefix(prefix).filter(|name| !name.is_empty() && !name.contains('/')) {
            Some(name) => Name::Alias(self.text(&name.replace("~1", "/").replace("~0", "~"))),
            None => Name::Anonymous,
        }
    }
}
