//! Types by their names, and what messages say beside their fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::surface::{ElementId, Json, Record, Shape, Type};

use super::side::Side;
use super::{Change, Table};
use crate::compare::Level;
use crate::rules::{self, Rule};

/// Numbers and names that must not be used again.
pub(super) struct Reserved {
    numbers: Vec<(i64, i64)>,
    pub(super) names: BTreeSet<String>,
}

impl Reserved {
    pub(super) fn has_number(&self, number: i64) -> bool {
        has(&self.numbers, (number, number))
    }
}

/// Whether one of the ranges, which do not meet, has all of another.
fn has(ranges: &[(i64, i64)], (first, last): (i64, i64)) -> bool {
    ranges.iter().any(|range| range.0 <= first && last <= range.1)
}

fn ranges(value: Option<&Value>) -> Vec<(i64, i64)> {
    let pair = |range: &Value| Some((range.get(0)?.as_i64()?, range.get(1)?.as_i64()?));
    value.and_then(Value::as_array).into_iter().flatten().filter_map(pair).collect()
}

impl Side<'_> {
    pub(super) fn reserved(&self, element: ElementId) -> Reserved {
        let facet = self.facet(element, "protobuf.reserved");
        let names = facet.get("names").and_then(Value::as_array).into_iter().flatten();
        let names = names.filter_map(Value::as_str).map(str::to_owned).collect();
        Reserved { numbers: ranges(facet.get("numbers")), names }
    }

    /// The numbers for extensions, whatever is said of them.
    fn extensions(&self, element: ElementId) -> Vec<(i64, i64)> {
        let facet = self.facet(element, "protobuf.extensions");
        let mut all: Vec<(i64, i64)> =
            facet.as_array().into_iter().flatten().flat_map(|set| ranges(set.get("numbers"))).collect();
        all.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::new();
        for (first, last) in all {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        joined
    }
}

fn shown(ranges: &[(i64, i64)]) -> Vec<String> {
    let one = |(first, last): &(i64, i64)| if first == last { first.to_string() } else { format!("{first} to {last}") };
    ranges.iter().map(one).collect()
}

impl Table<'_, '_, '_> {
    pub(super) fn types(&mut self) {
        let (before, after) = (self.before.surface, self.after.surface);
        let old_types: BTreeMap<String, &Type> = named(before, &self.before);
        let new_types: BTreeMap<String, &Type> = named(after, &self.after);
        for (name, old) in &old_types {
            let Some(new) = new_types.get(name) else {
                self.type_removed(name, old);
                continue;
            };
            self.moved(name, old.element, new.element);
            match (&old.shape, &new.shape) {
                (Shape::Record(was), Shape::Record(is)) => {
                    self.message(name, old, new);
                    self.fields(name, new, was, is);
                    self.oneofs(name, new, was, is);
                }
                (Shape::Enum(was), Shape::Enum(is)) => {
                    self.about(name, old, new);
                    self.enumeration(name, (old, was), (new, is));
                }
                _ => {
                    let summary = format!("{name} is a message where it was an enumeration, or the other way around.");
                    let change = Change::new(removed(old), name, name.as_str(), summary).from(Level::Wire);
                    self.add(change.at(Some(old.element), Some(new.element)));
                }
            }
        }
        for (name, new) in new_types.iter().filter(|(name, _)| !old_types.contains_key(*name)) {
            // With what it stands in it is told already.
            let is_told = self.after.outer(name).is_some_and(|outer| !old_types.contains_key(outer));
            if !is_told && self.after.source(new.element).is_some() {
                let summary = format!("There is the new type {name}.");
                let change = Change::new(&rules::PROTOBUF_TYPE_ADDED, name, name.as_str(), summary);
                self.add(change.at(None, Some(new.element)));
            }
        }
    }

    /// `MESSAGE_NO_DELETE`, `ENUM_NO_DELETE`, `PACKAGE_MESSAGE_NO_DELETE`, `PACKAGE_ENUM_NO_DELETE`, unless what it stood in is gone.
    fn type_removed(&mut self, name: &str, old: &Type) {
        let Some((path, source)) = self.before.source(old.element) else { return };
        if self.before.outer(name).is_some_and(|outer| !self.after.types.contains_key(outer)) {
            return;
        }
        if self.is_told(path, &source.package, name) {
            return;
        }
        let (change, what) = match &old.shape {
            Shape::Enum(_) => (removed(old), "enumeration"),
            _ => (removed(old), "message"),
        };
        let summary = format!("The {what} {name} is gone.");
        let after = self.before.outer(name).and_then(|outer| self.after.ty(outer)).map(|outer| outer.element);
        self.add(Change::new(change, name, name, summary).from(Level::Package).at(Some(old.element), after));
    }

    /// Whether a finding of a file or package says already that something in it is gone.
    pub(super) fn is_told(&self, path: &str, package: &str, name: &str) -> bool {
        match self.after.sources.get(path) {
            _ if self.level < Level::Package => false,
            None if self.level == Level::File => true,
            None => !self.has_package(package),
            Some(new) if new.package != package => {
                let inner = name.strip_prefix(package).unwrap_or(name).trim_start_matches('.');
                let renamed =
                    if new.package.is_empty() { inner.to_owned() } else { format!("{}.{inner}", new.package) };
                self.after.types.contains_key(renamed.as_str()) || self.after.services.contains_key(&renamed)
            }
            Some(_) => false,
        }
    }

    /// A type that stays under its name, in another file: who imports the one file does not find it.
    fn moved(&mut self, name: &str, old: ElementId, new: ElementId) {
        if self.before.outer(name).is_some() {
            return;
        }
        if let Some((from, to)) = self.path_changed(old, new) {
            let summary = format!("{name} moved from the file {from} to {to}.");
            let change = Change::new(&rules::PROTOBUF_TYPE_MOVED, name, name, summary).from(Level::File);
            self.add(change.at(Some(old), Some(new)));
        }
    }

    /// The files between which something moved; nothing where the first is gone, which is told of it.
    pub(super) fn path_changed(&self, old: ElementId, new: ElementId) -> Option<(String, String)> {
        let (from, _) = self.before.source(old)?;
        let to = self.after.file(new).unwrap_or_default();
        let is_told = self.level == Level::File && !self.after.sources.contains_key(from);
        (from != to && !is_told).then(|| (from.to_owned(), to.to_owned()))
    }

    /// What messages and enumerations have in common.
    fn about(&mut self, name: &str, old: &Type, new: &Type) {
        let at = (Some(old.element), Some(new.element));
        // `MESSAGE_SAME_JSON_FORMAT`, `ENUM_SAME_JSON_FORMAT`
        let (was, is) =
            (self.before.facet(old.element, "protobuf.json"), self.after.facet(new.element, "protobuf.json"));
        if was.is_null() && !is.is_null() {
            let summary = format!("{name} is written as JSON as well as it goes, no longer as the language says.");
            let change = Change::new(&rules::PROTOBUF_MESSAGE_JSON_CHANGED, name, name, summary).from(Level::WireJson);
            self.add(change.at(at.0, at.1));
        }
        // `RESERVED_MESSAGE_NO_DELETE`, `RESERVED_ENUM_NO_DELETE`
        let (was, is) = (self.before.reserved(old.element), self.after.reserved(new.element));
        let gone: Vec<(i64, i64)> = was.numbers.iter().filter(|range| !has(&is.numbers, **range)).copied().collect();
        let mut gone = shown(&gone);
        gone.extend(was.names.difference(&is.names).map(|name| format!("{name:?}")));
        if !gone.is_empty() {
            let summary = format!("{name} does not reserve {} any more.", gone.join(", "));
            let change = Change::new(&rules::PROTOBUF_RESERVED_REMOVED, name, name, summary).from(Level::Wire);
            self.add(change.at(at.0, at.1));
        }
        self.details(name, name, name, (old.element, old.deprecated), (new.element, new.deprecated));
    }

    fn message(&mut self, name: &str, old: &Type, new: &Type) {
        let at = (Some(old.element), Some(new.element));
        self.about(name, old, new);
        // `EXTENSION_MESSAGE_NO_DELETE`
        let (was, is) = (self.before.extensions(old.element), self.after.extensions(new.element));
        let gone: Vec<(i64, i64)> = was.into_iter().filter(|range| !has(&is, *range)).collect();
        if !gone.is_empty() {
            let summary = format!("{name} may not be extended with {} any more.", shown(&gone).join(", "));
            let change =
                Change::new(&rules::PROTOBUF_EXTENSION_RANGE_REMOVED, name, name, summary).from(Level::Package);
            self.add(change.at(at.0, at.1));
        }
        let option = |option: &str| {
            (self.before.option(old.element, option) == true, self.after.option(new.element, option) == true)
        };
        // `MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT`, which buf does not ask for any more. A message set writes its extensions as groups, which who reads the
        // message otherwise does not find.
        let (was, is) = option("message_set_wire_format");
        // `MESSAGE_NO_REMOVE_STANDARD_DESCRIPTOR_ACCESSOR`
        let (had, has) = option("no_standard_descriptor_accessor");
        if was != is {
            let summary =
                format!("{name} is {} a message set.", if is { "now written as" } else { "no longer written as" });
            let change = Change::new(&rules::PROTOBUF_MESSAGE_SET_CHANGED, name, name, summary).from(Level::Wire);
            self.add(change.at(at.0, at.1));
        }
        if !had && has {
            let summary = format!("The standard accessor of the descriptor of {name} is not generated any more.");
            let change = Change::new(&rules::PROTOBUF_DESCRIPTOR_ACCESSOR_REMOVED, name, name, summary);
            self.add(change.from(Level::Package).at(at.0, at.1));
        }
    }

    /// `ONEOF_NO_DELETE`. Fields of it that stay make it one of the wire: `FIELD_SAME_ONEOF`.
    fn oneofs(&mut self, name: &str, new: &Type, was: &Record, is: &Record) {
        for old in was.choices.iter().filter(|old| is.choices.iter().all(|new| new.name != old.name)) {
            let stays = |field: &&shared::surface::Field| {
                let number = self.before.number(field.element);
                old.fields.contains(&field.name) && is.fields.iter().any(|new| self.after.number(new.element) == number)
            };
            let level = if was.fields.iter().any(|field| stays(&field)) { Level::Wire } else { Level::Package };
            let summary = format!("The oneof {} of {name} is gone.", old.name);
            let change = Change::new(&rules::PROTOBUF_ONEOF_REMOVED, name, format!("{name}.{}", old.name), summary);
            self.add(change.from(level).at(Some(old.element), Some(new.element)));
        }
    }

    /// What breaks nobody: deprecation, and options that are not judged elsewhere.
    pub(super) fn details(
        &mut self,
        of: &str,
        what: &str,
        subject: &str,
        old: (ElementId, bool),
        new: (ElementId, bool),
    ) {
        let at = (Some(old.0), Some(new.0));
        if old.1 != new.1 {
            let summary = format!("{what} is {}.", if new.1 { "deprecated" } else { "no longer deprecated" });
            self.add(Change::new(&rules::PROTOBUF_DEPRECATION_CHANGED, of, subject, summary).at(at.0, at.1));
        }
        let options = |side: &Side<'_>, element| {
            let mut options = side.facet(element, "protobuf.options");
            if let Some(options) = options.as_object_mut() {
                options.retain(|name, _| !JUDGED.contains(&name.as_str()));
            }
            options.as_object().filter(|options| !options.is_empty()).cloned()
        };
        // What is the same as it is written need not be read.
        let is_other = said(&self.before, old.0) != said(&self.after, new.0);
        if is_other && options(&self.before, old.0) != options(&self.after, new.0) {
            let summary = format!("{what} has other options.");
            self.add(Change::new(&rules::PROTOBUF_OPTIONS_CHANGED, of, subject, summary).at(at.0, at.1));
        }
    }
}

/// The options of an element as they are kept.
fn said<'s>(side: &Side<'s>, element: ElementId) -> Option<&'s str> {
    side.surface.facet(element, "protobuf.options").map(Json::text)
}

/// Options that have rules of their own.
const JUDGED: [&str; 5] =
    ["message_set_wire_format", "no_standard_descriptor_accessor", "ctype", "jstype", "idempotency_level"];

fn removed(old: &Type) -> &'static Rule {
    if matches!(old.shape, Shape::Enum(_)) { &rules::PROTOBUF_ENUM_REMOVED } else { &rules::PROTOBUF_MESSAGE_REMOVED }
}

fn named<'s>(surface: &'s shared::surface::Surface, side: &Side<'_>) -> BTreeMap<String, &'s Type> {
    side.types.iter().map(|(name, id)| ((*name).to_owned(), surface.get(*id))).collect()
}

/// A field's name in words: extensions have theirs in brackets.
pub(super) fn path(message: &str, field: &str) -> String {
    if field.starts_with('[') { format!("{field} of {message}") } else { format!("{message}.{field}") }
}
