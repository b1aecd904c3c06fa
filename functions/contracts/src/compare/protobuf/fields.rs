//! Fields and extensions, by their numbers.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::surface::{Choice, ElementId, Field, Presence, Record, Shape, Type};
use shared::text::camel;

use super::kinds::{self, Cardinality, Kind};
use super::messages::path;
use super::side::Side;
use super::{Change, Table};
use crate::compare::Level;
use crate::rules;

fn numbered<'r>(side: &Side<'_>, record: &'r Record) -> BTreeMap<i64, &'r Field> {
    let mut fields = BTreeMap::new();
    for field in &record.fields {
        fields.entry(side.number(field.element)).or_insert(field);
    }
    fields
}

fn is_extension(field: &Field) -> bool {
    field.name.starts_with('[')
}

/// The `oneof` of a field.
fn choice<'r>(record: &'r Record, field: &Field) -> Option<&'r Choice> {
    record.choices.iter().find(|choice| choice.fields.contains(&field.name))
}

/// Two fields of one number.
struct Pair<'p, 's> {
    message: &'p str,
    subject: String,
    path: String,
    old: &'p Field,
    new: &'p Field,
    kinds: (Kind<'s>, Kind<'s>),
}

impl<'p> Pair<'p, '_> {
    fn change(&self, rule: &'static rules::Rule, summary: String) -> Change<'p> {
        let at = (Some(self.old.element), Some(self.new.element));
        Change::new(rule, self.message, self.subject.as_str(), summary).at(at.0, at.1)
    }
}

impl<'s> Table<'_, 's, '_> {
    pub(super) fn fields(&mut self, message: &str, new_type: &Type, was: &Record, is: &Record) {
        let (old_fields, new_fields) = (numbered(&self.before, was), numbered(&self.after, is));
        for (number, old) in &old_fields {
            match new_fields.get(number) {
                Some(new) => self.field(message, (was, old), (is, new), *number),
                None => self.field_removed(message, new_type, *number, old),
            }
        }
        for (number, new) in new_fields.iter().filter(|(number, _)| !old_fields.contains_key(number)) {
            let subject = format!("{message}#{number}");
            let path = path(message, &new.name);
            // `MESSAGE_SAME_REQUIRED_FIELDS`: who does not know it does not send it, and whoever waits for it refuses the message.
            let change = if new.presence == Presence::Required {
                let summary = format!("There is the new field {path}, number {number}, which must be sent.");
                Change::new(&rules::PROTOBUF_REQUIRED_FIELD_ADDED, message, subject, summary).from(Level::Wire)
            } else {
                let summary = format!("There is the new field {path}, number {number}.");
                Change::new(&rules::PROTOBUF_FIELD_ADDED, message, subject, summary)
            };
            self.add(change.at(None, Some(new.element)));
        }
    }

    /// `FIELD_NO_DELETE`, and before that unless the number, for JSON the name, is reserved; `EXTENSION_NO_DELETE`.
    fn field_removed(&mut self, message: &str, new_type: &Type, number: i64, old: &Field) {
        let (subject, path) = (format!("{message}#{number}"), path(message, &old.name));
        let at = (Some(old.element), Some(new_type.element));
        if is_extension(old) {
            // It is gone with its file.
            let Some((file, source)) = self.before.source(old.element) else { return };
            if self.is_told(file, &source.package, "") {
                return;
            }
            let summary = format!("The extension {path}, number {number}, is gone.");
            let change = Change::new(&rules::PROTOBUF_EXTENSION_REMOVED, message, subject, summary);
            self.add(change.from(Level::Package).at(at.0, at.1));
            return;
        }
        let reserved = self.after.reserved(new_type.element);
        let level = match () {
            // `MESSAGE_SAME_REQUIRED_FIELDS`
            () if old.presence == Presence::Required || !reserved.has_number(number) => Level::Wire,
            () if !reserved.names.contains(&*old.name) => Level::WireJson,
            () => Level::Package,
        };
        let summary = format!("The field {path}, number {number}, is gone.");
        let change = Change::new(&rules::PROTOBUF_FIELD_REMOVED, message, subject, summary);
        self.add(change.from(level).at(at.0, at.1));
    }

    fn field(&mut self, message: &str, (was, old): (&Record, &Field), (is, new): (&Record, &Field), number: i64) {
        let ((old_kind, old_count), (new_kind, new_count)) =
            (kinds::of(&self.before, old), kinds::of(&self.after, new));
        let (subject, path) = (format!("{message}#{number}"), path(message, &new.name));
        let pair = Pair { message, subject, path, old, new, kinds: (old_kind, new_kind) };
        self.name(&pair);
        self.kind(&pair);
        if old_count != new_count {
            let (from, to) = (old_count.name(), new_count.name());
            let summary = format!("The field {} changed from {from} to {to}.", pair.path);
            let change = pair.change(&rules::PROTOBUF_FIELD_CARDINALITY_CHANGED, summary);
            self.add(Change { from: Some(old_count.to(new_count)), ..change });
        } else if old_count == Cardinality::Repeated {
            let packed = |side: &Side<'_>, field: &Field| side.facet(field.element, "protobuf.encoding") == "packed";
            let (from, to) = (packed(&self.before, old), packed(&self.after, new));
            if from != to && pair.kinds.0 == pair.kinds.1 {
                let summary = format!("The field {} is {}.", pair.path, if to { "packed" } else { "no longer packed" });
                self.add(pair.change(&rules::PROTOBUF_FIELD_PACKING_CHANGED, summary));
            }
        }
        self.default(&pair, (old_count, new_count));
        self.oneof(&pair, was, is);
        self.strings(&pair);
        if is_extension(old)
            && let Some((from, to)) = self.path_changed(old.element, new.element)
        {
            let summary = format!("The extension {} moved from the file {from} to {to}.", pair.path);
            self.add(pair.change(&rules::PROTOBUF_EXTENSION_MOVED, summary).from(Level::File));
        }
        let what = format!("The field {}", pair.path);
        self.details(message, &what, &pair.subject, (old.element, old.deprecated), (new.element, new.deprecated));
    }

    /// `FIELD_SAME_NAME` and `FIELD_SAME_JSON_NAME`, which is no option of extensions.
    fn name(&mut self, pair: &Pair<'_, 's>) {
        let json = |side: &Side<'_>, field: &Field| match side.facet(field.element, "protobuf.json_name") {
            Value::String(name) => name,
            _ if is_extension(field) => String::new(),
            _ => camel(&field.name),
        };
        let (was, is) = (json(&self.before, pair.old), json(&self.after, pair.new));
        let summary = if pair.old.name != pair.new.name {
            format!("The field {} was called {}.", pair.path, pair.old.name)
        } else if was != is && !is_extension(pair.old) {
            format!("The field {} changed its name in JSON from {was} to {is}.", pair.path)
        } else {
            return;
        };
        self.add(pair.change(&rules::PROTOBUF_FIELD_RENAMED, summary).from(Level::WireJson));
    }

    /// `FIELD_SAME_TYPE`, `FIELD_WIRE_COMPATIBLE_TYPE`, `FIELD_WIRE_JSON_COMPATIBLE_TYPE`.
    fn kind(&mut self, pair: &Pair<'_, 's>) {
        let (old, new) = (&pair.kinds.0, &pair.kinds.1);
        if let (Kind::Unknown(_), known) | (known, Kind::Unknown(_)) = (old, new)
            && !matches!(known, Kind::Unknown(_))
        {
            let summary = format!("The type of the field {} is defined in one of the two only.", pair.path);
            let operations = self.reaching(pair.message);
            self.findings.not_compared(summary, operations, Some(pair.old.element), Some(pair.new.element));
            return;
        }
        let Some(from) = kinds::change(&self.before, old, &self.after, new) else { return };
        let (was, is) = (kinds::name(&self.before, old), kinds::name(&self.after, new));
        let summary = format!("The field {} changed its type from {was} to {is}.", pair.path);
        let change = pair.change(&rules::PROTOBUF_FIELD_TYPE_CHANGED, summary);
        self.add(Change { from: Some(from), ..change });
    }

    /// `FIELD_SAME_DEFAULT`, where the type stays. What has no default of its own has that of its enumeration.
    fn default(&mut self, pair: &Pair<'_, 's>, counts: (Cardinality, Cardinality)) {
        let is_one = |count| !matches!(count, Cardinality::Repeated | Cardinality::Map);
        if !is_one(counts.0) || !is_one(counts.1) || (pair.old.default.is_none() && pair.new.default.is_none()) {
            return;
        }
        let said = |side: &Side<'_>, field: &Field, kind: &Kind<'_>| match kind {
            Kind::Enum(name) => {
                number_of(side, name, field.default.as_ref().and_then(shared::surface::Json::as_text).as_deref())
            }
            _ => field.default.as_ref().map_or(Value::Null, shared::surface::Json::value),
        };
        let (was, is) = (said(&self.before, pair.old, &pair.kinds.0), said(&self.after, pair.new, &pair.kinds.1));
        let is_same_kind = std::mem::discriminant(&pair.kinds.0) == std::mem::discriminant(&pair.kinds.1);
        if was != is && is_same_kind {
            let summary = format!("The default of the field {} changed.", pair.path);
            self.add(pair.change(&rules::PROTOBUF_FIELD_DEFAULT_CHANGED, summary).from(Level::Wire));
        }
    }

    /// `FIELD_SAME_ONEOF`, unless the `oneof` is gone.
    fn oneof(&mut self, pair: &Pair<'_, 's>, was: &Record, is: &Record) {
        let (old, new) = (choice(was, pair.old), choice(is, pair.new));
        if old.map(|choice| &choice.name) == new.map(|choice| &choice.name) || is_extension(pair.old) {
            return;
        }
        if old.is_some_and(|old| is.choices.iter().all(|new| new.name != old.name)) {
            return;
        }
        let place = |choice: Option<&Choice>| {
            choice.map_or_else(|| "outside".to_owned(), |choice| format!("in {}", choice.name))
        };
        let summary = format!("The field {} was {} and is {} of a oneof.", pair.path, place(old), place(new));
        self.add(pair.change(&rules::PROTOBUF_FIELD_ONEOF_CHANGED, summary).from(Level::Wire));
    }

    /// What generated code makes of texts, and of integers in JavaScript.
    fn strings(&mut self, pair: &Pair<'_, 's>) {
        let (Kind::Scalar(was), Kind::Scalar(is)) = pair.kinds else {
            if let (Kind::Map(..), Kind::Map(..)) = pair.kinds {
                self.utf8(pair);
            }
            return;
        };
        let is_text = |kind: &str| matches!(kind, "string" | "bytes");
        if is_text(was) && is_text(is) {
            // `FIELD_SAME_CPP_STRING_TYPE`; to leave `STRING_PIECE` for the plain type breaks nobody.
            let (from, to) = (cpp(&self.before, pair.old.element), cpp(&self.after, pair.new.element));
            if from != to && !(from == "STRING_PIECE" && to == "STRING") {
                let summary = format!("The field {} changed its C++ string type from {from} to {to}.", pair.path);
                self.add(pair.change(&rules::PROTOBUF_FIELD_STRING_TYPE_CHANGED, summary).from(Level::Package));
            }
        }
        if was == "string" && is == "string" {
            self.utf8(pair);
        }
        // `FIELD_SAME_JSTYPE`
        let is_long = |kind: &str| matches!(kind, "int64" | "uint64" | "sint64" | "fixed64" | "sfixed64");
        let (from, to) =
            (self.before.option(pair.old.element, "jstype"), self.after.option(pair.new.element, "jstype"));
        if is_long(was) && is_long(is) && from != to {
            let summary = format!("The field {} changed its type in JavaScript.", pair.path);
            self.add(pair.change(&rules::PROTOBUF_FIELD_JS_TYPE_CHANGED, summary).from(Level::Package));
        }
    }

    /// `FIELD_SAME_UTF8_VALIDATION`, `FIELD_SAME_JAVA_UTF8_VALIDATION`.
    fn utf8(&mut self, pair: &Pair<'_, 's>) {
        let both = |side: &Side<'_>, element| (side.facet(element, "protobuf.utf8"), java(side, element));
        if both(&self.before, pair.old.element) != both(&self.after, pair.new.element) {
            let summary = format!("Whether the field {} must be UTF-8 is checked otherwise.", pair.path);
            self.add(pair.change(&rules::PROTOBUF_FIELD_UTF8_CHANGED, summary).from(Level::Package));
        }
    }
}

/// The number of a value, or of the default, of an enumeration.
fn number_of(side: &Side<'_>, name: &str, value: Option<&str>) -> Value {
    let Some(ty) = side.ty(name) else { return Value::Null };
    let default = || side.facet(ty.element, "protobuf.default").as_i64().unwrap_or_default();
    let Shape::Enum(shape) = &ty.shape else { return Value::Null };
    let named = |name: &str| shape.values.iter().find(|value| value.value.as_text().as_deref() == Some(name));
    let number = match value {
        Some(name) => named(name).map_or_else(default, |value| side.number(value.element)),
        None => default(),
    };
    number.into()
}

/// A feature of a language.
fn feature(side: &Side<'_>, element: ElementId, language: &str, name: &str) -> Option<String> {
    let features = side.facet(element, "protobuf.features");
    features.get(language)?.get(name)?.as_str().map(str::to_owned)
}

/// The string type in C++: `ctype` says it, then the feature, then the edition.
fn cpp(side: &Side<'_>, element: ElementId) -> String {
    let said = side.option(element, "ctype").as_str().map(str::to_owned);
    said.or_else(|| feature(side, element, "(pb.cpp)", "string_type")).unwrap_or_else(|| {
        let is_2024 = side.source(element).is_some_and(|(_, source)| source.syntax == "2024");
        if is_2024 { "VIEW" } else { "STRING" }.to_owned()
    })
}

/// Whether Java verifies UTF-8: the feature says it, or the option of the file.
fn java(side: &Side<'_>, element: ElementId) -> String {
    feature(side, element, "(pb.java)", "utf8_validation").unwrap_or_else(|| {
        let said =
            side.source(element).is_some_and(|(_, source)| source.options.contains_key("java_string_check_utf8"));
        if said { "VERIFY" } else { "DEFAULT" }.to_owned()
    })
}
