//! Files and packages.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Change, Table};
use crate::compare::Level;
use crate::rules;

/// The options by which generated code is named or shaped (`FILE_SAME_…` of buf), with what they are where nobody sets them.
const OPTIONS: [(&str, &str); 16] = [
    ("cc_enable_arenas", "true"),
    ("cc_generic_services", "false"),
    ("csharp_namespace", ""),
    ("go_package", ""),
    ("java_generic_services", "false"),
    ("java_multiple_files", "false"),
    ("java_outer_classname", ""),
    ("java_package", ""),
    ("objc_class_prefix", ""),
    ("optimize_for", "SPEED"),
    ("php_class_prefix", ""),
    ("php_metadata_namespace", ""),
    ("php_namespace", ""),
    ("py_generic_services", "false"),
    ("ruby_package", ""),
    ("swift_prefix", ""),
];

/// An option that is judged at each field: `FIELD_SAME_JAVA_UTF8_VALIDATION`.
const JUDGED_ELSEWHERE: &str = "java_string_check_utf8";

/// A value as people read it.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

fn is_edition(syntax: &str) -> bool {
    !syntax.starts_with("proto")
}

impl Table<'_, '_, '_> {
    pub(super) fn files(&mut self) {
        let paths: Vec<String> = self.before.sources.keys().cloned().collect();
        for path in &paths {
            if self.after.sources.contains_key(path) {
                self.file(path);
            } else {
                self.file_removed(path);
            }
        }
        self.packages();
    }

    /// `FILE_NO_DELETE`.
    fn file_removed(&mut self, path: &str) {
        let Some(source) = self.before.sources.get(path) else { return };
        let summary = format!("The file {path} is gone.");
        let change = Change::new(&rules::PROTOBUF_FILE_REMOVED, "", path, summary).from(Level::File);
        let change = change.at(Some(source.element), None);
        let operations = self.in_file(path);
        self.add(change.reaching(operations));
    }

    /// The operations that what a file defined is reached by.
    fn in_file(&mut self, path: &str) -> BTreeSet<String> {
        let side = &self.before;
        let is_here = |element| side.file(element) == Some(path);
        let types = side.types.iter().filter(|(_, id)| is_here(side.surface.get(**id).element));
        let names: Vec<&str> = types.map(|(name, _)| *name).collect();
        let operations = side.operations.values().filter(|operation| is_here(operation.element));
        let mut operations: BTreeSet<String> = operations.map(|operation| operation.id.to_string()).collect();
        for name in names {
            operations.extend(self.reaching(name));
        }
        operations
    }

    fn file(&mut self, path: &str) {
        let (Some(old), Some(new)) = (self.before.sources.get(path), self.after.sources.get(path)) else { return };
        let at = (Some(old.element), Some(new.element));
        let mut changes = Vec::new();
        // `FILE_SAME_PACKAGE`: names stand in `Any`, in paths of methods and in JSON of `Any`, so the wire changes, too.
        if old.package != new.package {
            let summary = format!("The package of {path} changed from {:?} to {:?}.", old.package, new.package);
            changes.push(Change::new(&rules::PROTOBUF_FILE_PACKAGE_CHANGED, "", path, summary).from(Level::Wire));
        }
        // `FILE_SAME_SYNTAX`: from one edition to another is none.
        if old.syntax != new.syntax {
            let summary = format!("The syntax of {path} changed from {} to {}.", old.syntax, new.syntax);
            let change = Change::new(&rules::PROTOBUF_FILE_SYNTAX_CHANGED, "", path, summary);
            let is_breaking = !(is_edition(&old.syntax) && is_edition(&new.syntax));
            changes.push(if is_breaking { change.from(Level::Package) } else { compatible(change) });
        }
        let names: BTreeSet<&String> = old.options.keys().chain(new.options.keys()).collect();
        for name in names.into_iter().filter(|name| *name != JUDGED_ELSEWHERE) {
            let (was, is) = (old.options.get(name), new.options.get(name));
            let listed = OPTIONS.iter().find(|(option, _)| option == name);
            let value = |value: Option<&Value>| {
                value.map_or_else(|| listed.map_or("", |(_, default)| *default).to_owned(), plain)
            };
            let (was_text, is_text) = (value(was), value(is));
            if was_text == is_text {
                continue;
            }
            // The same change of many files is one.
            let subject = format!("{name}\n{was_text}\n{is_text}");
            if listed.is_some() {
                let summary = format!("The file option {name} changed from {was_text:?} to {is_text:?}.");
                let change = Change::new(&rules::PROTOBUF_FILE_OPTION_CHANGED, "", subject, summary);
                changes.push(change.from(Level::Package));
            } else {
                let summary = format!("The file option {name} has changed.");
                changes.push(Change::new(&rules::PROTOBUF_OPTIONS_CHANGED, "", subject, summary));
            }
        }
        if changes.is_empty() {
            return;
        }
        let operations = self.in_file(path);
        for change in changes {
            self.add(change.at(at.0, at.1).reaching(operations.clone()));
        }
    }

    /// `PACKAGE_NO_DELETE`. At level `FILE` the file says it.
    fn packages(&mut self) {
        if self.level == Level::File {
            return;
        }
        let gone: BTreeSet<String> = self.before.sources.values().map(|source| source.package.clone()).collect();
        for package in gone {
            if self.has_package(&package) {
                continue;
            }
            let paths: Vec<String> = self
                .before
                .sources
                .iter()
                .filter(|(_, source)| source.package == package)
                .map(|(path, _)| path.clone())
                .collect();
            let element = paths.first().and_then(|path| self.before.sources.get(path)).map(|source| source.element);
            let mut operations = BTreeSet::new();
            for path in &paths {
                operations.extend(self.in_file(path));
            }
            let summary = format!("The package {package:?} is gone.");
            let change = Change::new(&rules::PROTOBUF_PACKAGE_REMOVED, "", package, summary).from(Level::Package);
            self.add(change.at(element, None).reaching(operations));
        }
    }

    pub(super) fn has_package(&self, package: &str) -> bool {
        self.after.sources.values().any(|source| source.package == package)
    }
}

/// Breaks nobody, at any level.
pub(super) fn compatible(change: Change<'_>) -> Change<'_> {
    Change { rule: &rules::PROTOBUF_OPTIONS_CHANGED, from: None, ..change }
}
