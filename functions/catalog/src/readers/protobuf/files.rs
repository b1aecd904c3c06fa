//! What is said of files as a whole.

use std::collections::{BTreeMap, BTreeSet};

use ring::digest::{SHA256, digest};
use shared::surface::{Builder, ElementId, Json, Value};

use super::index::Loaded;
use super::lex::Spot;
use super::types::Author;

/// A short text that stands for a value wherever it would be repeated.
fn key(json: &Json) -> Json {
    let hash = digest(&SHA256, json.text().as_bytes());
    let short = hash.as_ref().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Json::of_text(&format!("{short:016x}"))
}

/// The title is the package, and its last part the version if it looks like one.
pub(super) fn about(builder: &mut Builder, loaded: &[Loaded<'_>]) {
    let mut roots = loaded.iter().filter(|file| file.is_root);
    let first = roots.next();
    let speaks = first.filter(|file| !file.ast.services.is_empty());
    let speaks = speaks.or_else(|| roots.find(|file| !file.ast.services.is_empty())).or(first);
    let Some(file) = speaks else { return };
    let package: &str = &file.ast.package;
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let title = if package.is_empty() { name.strip_suffix(".proto").unwrap_or(name) } else { package };
    let last = package.rsplit('.').next().unwrap_or_default();
    let is_version = last.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    builder.about(file.ast.syntax.name(), title, if is_version { last } else { "" });
}

impl Author<'_> {
    /// What a file says for all in it, as a value.
    fn said(&mut self, place: usize) -> BTreeMap<String, Value> {
        let Some(file) = self.loaded.get(place) else { return BTreeMap::new() };
        let (mut options, deprecated) = self.options(place, &file.ast.package, &file.ast.options);
        options.remove("features");
        if deprecated {
            options.insert("deprecated".to_owned(), Value::Bool(true));
        }
        let mut said = BTreeMap::from([("syntax".to_owned(), Value::String(file.ast.syntax.name().to_owned()))]);
        if !options.is_empty() {
            said.insert("options".to_owned(), Value::Map(options));
        }
        said
    }

    /// An element for a root, at its first line, so that files can be compared by their paths. No operation and no type leads to it: it is not meaning.
    fn source(&mut self, place: usize) {
        let key = self.key(place);
        let package = Value::String(self.package(place).to_owned());
        let key = Value::String(key.as_text().unwrap_or_default());
        let source = BTreeMap::from([("file".to_owned(), key), ("package".to_owned(), package)]);
        let element = self.place(place, Spot { line: 1, column: 1 }, ElementId::NONE, "");
        self.builder.facet(element, "protobuf.source", &Json::of(&Value::Map(source)));
    }

    /// The key of what a file says for all in it.
    pub(super) fn key(&mut self, place: usize) -> Json {
        if let Some(known) = self.keys.get(&place) {
            return known.0.clone();
        }
        let said = self.said(place);
        let key = key(&Json::of(&Value::Map(said.clone())));
        self.keys.insert(place, (key.clone(), said));
        key
    }

    /// Tells what the files say, those of the roots and those whose definitions are here.
    pub(super) fn files(&mut self) {
        for (place, _) in self.loaded.iter().enumerate().filter(|(_, file)| file.is_root) {
            self.key(place);
            self.source(place);
        }
        let mut files: BTreeMap<String, (BTreeMap<String, Value>, BTreeSet<&str>)> = BTreeMap::new();
        for (place, (key, said)) in std::mem::take(&mut self.keys) {
            let key = key.as_text().unwrap_or_default();
            files.entry(key).or_insert_with(|| (said, BTreeSet::new())).1.insert(self.package(place));
        }
        let files = files.into_iter().map(|(key, (mut said, packages))| {
            let packages = packages.into_iter().map(|package| Value::String(package.to_owned()));
            said.insert("packages".to_owned(), Value::List(packages.collect()));
            (key, Value::Map(said))
        });
        let files = Value::Map(files.collect());
        self.builder.facet(ElementId::NONE, "protobuf.files", &Json::of(&files));
    }
}
