//! The shape that a schema's own keywords describe: exactly that of JSON Schema, in which a keyword only speaks of values of its kind.

use shared::surface::{
    Bound, Decimal, Dependent, ElementId, Enum, EnumValue, Field, Json, List, Pattern, Presence, Record, Scalar,
    ScalarKind, Sequence, Shape, Text, Type, TypeId, Union, Variant, Words,
};

use super::documents::{At, Documents};
use super::keywords::{JsonKind, Keywords, Kinds};
use super::{Reader, Spot, Version, escape};
use crate::readers::tree::Kind;
use crate::readers::{Refused, quote};

/// A size: a whole number that is not negative. One that a program does not hold is no limit.
pub(super) fn size(docs: &Documents<'_>, at: At) -> Option<u64> {
    match docs.kind(at) {
        // As nearly all are written.
        Kind::Number(text)
            if text.starts_with(|first| matches!(first, '1'..='9')) && !text.contains(['.', 'e', 'E']) =>
        {
            text.parse().ok()
        }
        _ => docs.number(at).and_then(|number| number.text().parse().ok()),
    }
}

impl Reader<'_, '_> {
    /// The kinds that a schema names; nothing where it names none.
    fn kinds(&mut self, at: At) -> Kinds {
        let docs = self.docs;
        let only = docs.text(at).is_some().then_some(at);
        let mut kinds = Kinds::default();
        for name in only.into_iter().chain(docs.items(at)) {
            kinds.insert(match docs.text(name) {
                Some("null") => JsonKind::Null,
                Some("boolean") => JsonKind::Boolean,
                Some("integer") => JsonKind::Integer,
                Some("number") => JsonKind::Number,
                Some("string") => JsonKind::String,
                Some("array") => JsonKind::Array,
                Some("object") => JsonKind::Object,
                Some("file") if self.version == Version::V2 => JsonKind::File,
                other => {
                    let shown = quote(other.unwrap_or_else(|| docs.name(name)));
                    self.warn("type", format!("{shown} is no type of JSON Schema; it is left out."), name);
                    continue;
                }
            });
        }
        kinds
    }

    /// The shape of a schema's own keywords. What it demands besides goes into `parts`.
    pub(super) fn own_shape(
        &mut self,
        keywords: &Keywords,
        spot: &Spot,
        ty: &mut Type,
        parts: &mut Vec<TypeId>,
    ) -> Result<(), Refused> {
        let kinds = keywords.kinds.map(|at| self.kinds(at)).unwrap_or_default();
        if keywords.values.is_some() || keywords.constant.is_some() || keywords.more_values.is_some() {
            return self.listed(keywords, kinds, spot, ty, parts);
        }
        let mut shapes = Vec::new();
        for kind in kinds.iter() {
            match kind {
                JsonKind::Null => {}
                JsonKind::Object => shapes.push(Shape::Record(Box::new(self.record(keywords, spot)?))),
                JsonKind::Array => shapes.push(Shape::List(self.list(keywords, spot)?)),
                kind => shapes.push(self.scalar(keywords, kind)),
            }
        }
        let is_null = kinds.has(JsonKind::Null);
        if !kinds.is_empty() {
            self.strays(keywords, kinds, spot, parts)?;
        }
        if kinds.is_empty() {
            // Without a type, each keyword speaks of its own kind only.
            if keywords.has_object(self.docs) {
                shapes.push(Shape::Record(Box::new(self.record(keywords, spot)?)));
            }
            if keywords.has_list() {
                shapes.push(Shape::List(self.list(keywords, spot)?));
            }
            if keywords.has_number() {
                shapes.push(self.scalar(keywords, JsonKind::Number));
            }
            if keywords.has_string() || (keywords.format.is_some() && shapes.is_empty()) {
                shapes.push(self.scalar(keywords, JsonKind::String));
            }
            ty.implied = shapes.len() == 1;
            if shapes.len() > 1 {
                for shape in shapes.drain(..) {
                    parts.push(self.builder.share(Type { implied: true, ..Type::of(shape) }));
                }
            }
        }
        let shape = match shapes.len() {
            0 if is_null => Shape::Null,
            0 => Shape::Any,
            1 => shapes.pop().unwrap_or(Shape::Any),
            _ => {
                let mut variants = Vec::new();
                for shape in shapes {
                    let ty = self.builder.share(Type::of(shape));
                    variants.push(Variant { element: ElementId::NONE, ty, tag: self.text("") });
                }
                Shape::Union(Union { variants, ..Union::default() })
            }
        };
        ty.shape = match shape {
            Shape::Null | Shape::Any => shape,
            shape if is_null => Shape::Nullable(self.builder.share(Type::of(shape))),
            shape => shape,
        };
        Ok(())
    }

    /// Keywords that speak of another kind than those that are named (a string's length at an object). No value is refused for them, but the document
    /// says them, and whoever reads it keyword by keyword goes by them: so they are kept as what they say.
    fn strays(
        &mut self,
        keywords: &Keywords,
        kinds: Kinds,
        spot: &Spot,
        parts: &mut Vec<TypeId>,
    ) -> Result<(), Refused> {
        let named = |some: &[JsonKind]| some.iter().any(|kind| kinds.has(*kind));
        let mut shapes = Vec::new();
        if keywords.has_object(self.docs) && !named(&[JsonKind::Object]) {
            shapes.push(Shape::Record(Box::new(self.record(keywords, spot)?)));
        }
        if keywords.has_list() && !named(&[JsonKind::Array]) {
            shapes.push(Shape::List(self.list(keywords, spot)?));
        }
        if keywords.has_number() && !named(&[JsonKind::Integer, JsonKind::Number]) {
            shapes.push(self.limits(keywords, JsonKind::Number));
        }
        if keywords.has_string() && !named(&[JsonKind::String, JsonKind::File]) {
            shapes.push(self.limits(keywords, JsonKind::String));
        }
        for shape in shapes {
            parts.push(self.builder.share(Type { implied: true, ..Type::of(shape) }));
        }
        Ok(())
    }

    fn scalar(&mut self, keywords: &Keywords, kind: JsonKind) -> Shape {
        let docs = self.docs;
        let kind = match kind {
            JsonKind::Boolean => ScalarKind::Boolean,
            JsonKind::Integer => ScalarKind::Integer,
            JsonKind::Number => ScalarKind::Number,
            JsonKind::File => ScalarKind::Bytes,
            _ => ScalarKind::String,
        };
        let mut scalar = Box::new(Scalar { kind, ..Scalar::default() });
        if let Some(format) = keywords.format.and_then(|at| docs.text(at)) {
            scalar.format = self.text(format);
        }
        match scalar.kind {
            ScalarKind::Integer | ScalarKind::Number => {
                scalar.minimum = bound(docs, keywords.minimum, keywords.exclusive_minimum, std::cmp::Ordering::Greater);
                scalar.maximum = bound(docs, keywords.maximum, keywords.exclusive_maximum, std::cmp::Ordering::Less);
                scalar.multiple_of = keywords.multiple_of.and_then(|at| docs.number(at));
            }
            ScalarKind::String | ScalarKind::Bytes => {
                let size = |at: Option<At>| at.and_then(|at| size(docs, at));
                scalar.min_length = size(keywords.min_length).filter(|length| *length > 0);
                scalar.max_length = size(keywords.max_length);
                if let Some(pattern) = keywords.pattern.and_then(|at| docs.text(at)) {
                    scalar.pattern = self.text(pattern);
                }
            }
            ScalarKind::Boolean | ScalarKind::Opaque => {}
        }
        Shape::Scalar(scalar)
    }

    /// A scalar's limits without its format.
    fn limits(&mut self, keywords: &Keywords, kind: JsonKind) -> Shape {
        let mut shape = self.scalar(keywords, kind);
        if let Shape::Scalar(scalar) = &mut shape {
            scalar.format = Text::default();
        }
        shape
    }

    fn record(&mut self, keywords: &Keywords, spot: &Spot) -> Result<Record, Refused> {
        let docs = self.docs;
        let mut record = Record::default();
        let count = keywords.properties.map_or(0, |at| docs.entries(at).size_hint().0);
        record.fields.reserve_exact(count);
        let required: Vec<&str> =
            keywords.required.into_iter().flat_map(|at| docs.items(at)).filter_map(|at| docs.text(at)).collect();
        let mut sorted = required.clone();
        sorted.sort_unstable();
        let is_required = |name: &str| sorted.binary_search(&name).is_ok();
        if let Some(properties) = keywords.properties {
            for entry in docs.entries(properties) {
                let value = properties.value(entry);
                let here =
                    Spot { parent: spot.parent, step: [&spot.step, "/properties/", &*escape(entry.key)].concat() };
                let element = self.element(value, Some(entry.position), &here)?;
                self.lifecycle(value, element);
                let (direction, deprecated) = self.said(value);
                let field = Field {
                    element,
                    name: self.text(entry.key),
                    ty: self.schema(value, &Spot { parent: element, step: String::new() })?,
                    presence: if is_required(entry.key) { Presence::Required } else { Presence::Optional },
                    summary: self.words_of(value),
                    direction,
                    deprecated,
                    default: None,
                    arguments: Vec::new(),
                };
                record.fields.push(field);
            }
        }
        let has = |name: &str| keywords.properties.is_some_and(|properties| docs.entry(properties, name).is_some());
        let mut also: Vec<&str> = required.into_iter().filter(|name| !has(name)).collect();
        also.sort_unstable();
        also.dedup();
        record.also_required = also.into_iter().map(|name| self.text(name)).collect();
        if let Some(additional) = keywords.additional_properties
            && !matches!(docs.kind(additional), Kind::Bool(true))
        {
            record.additional = Some(self.schema(additional, &spot.then("/additionalProperties"))?);
        }
        if let Some(patterns) = keywords.pattern_properties {
            for entry in docs.entries(patterns) {
                let here = spot.then(&format!("/patternProperties/{}", escape(entry.key)));
                let ty = self.schema(patterns.value(entry), &here)?;
                record.patterns.push(Pattern { pattern: self.text(entry.key), ty });
            }
        }
        record.min_fields = keywords.min_properties.and_then(|at| size(docs, at)).filter(|size| *size > 0);
        record.max_fields = keywords.max_properties.and_then(|at| size(docs, at));
        for dependent in [keywords.dependent_required, keywords.dependencies].into_iter().flatten() {
            for entry in docs.entries(dependent) {
                let others: Vec<&str> = docs.items(dependent.value(entry)).filter_map(|at| docs.text(at)).collect();
                if !others.is_empty() {
                    let others = others.into_iter().map(|name| self.text(name)).collect();
                    record.dependent.push(Dependent { field: self.text(entry.key), requires: others });
                }
            }
        }
        Ok(record)
    }

    fn list(&mut self, keywords: &Keywords, spot: &Spot) -> Result<List, Refused> {
        let docs = self.docs;
        let mut list = List::default();
        // Before 2020-12 a tuple was a list under `items`, and what comes after it `additionalItems`.
        let is_tuple = keywords.items.is_some_and(|at| matches!(docs.kind(at), Kind::List(_)));
        let (prefix, key, others, rest) = if is_tuple {
            (keywords.items, "items", keywords.additional_items, "additionalItems")
        } else {
            (keywords.prefix_items, "prefixItems", keywords.items, "items")
        };
        if let Some(prefix) = prefix {
            let mut types = Vec::new();
            for (place, part) in docs.items(prefix).enumerate() {
                types.push(self.schema(part, &spot.then(&format!("/{key}/{place}")))?);
            }
            list.prefix = Sequence(types);
        }
        if let Some(others) = others.filter(|others| !matches!(docs.kind(*others), Kind::Bool(true))) {
            list.items = Some(self.schema(others, &spot.then(&format!("/{rest}")))?);
        }
        list.min_items = keywords.min_items.and_then(|at| size(docs, at)).filter(|size| *size > 0);
        list.max_items = keywords.max_items.and_then(|at| size(docs, at));
        list.unique = keywords.unique_items.is_some_and(|at| matches!(docs.kind(at), Kind::Bool(true)));
        Ok(list)
    }

    /// `enum` and `const`: the values that the named kinds allow. Limits beside them stay limits.
    fn listed(
        &mut self,
        keywords: &Keywords,
        kinds: Kinds,
        spot: &Spot,
        ty: &mut Type,
        parts: &mut Vec<TypeId>,
    ) -> Result<(), Refused> {
        let docs = self.docs;
        let key = if keywords.values.is_some() { "enum" } else { "x-extensible-enum" };
        let list = keywords.values.or(keywords.more_values).filter(|_| keywords.constant.is_none());
        let listed = keywords.constant.into_iter().chain(list.into_iter().flat_map(|list| docs.items(list)));
        let only: Option<Vec<Json>> = match (keywords.constant, keywords.values) {
            (Some(_), Some(list)) => {
                let items: Vec<At> = docs.items(list).collect();
                Some(items.into_iter().map(|item| self.json(item)).collect::<Result<_, _>>()?)
            }
            _ => None,
        };
        let mut values: Vec<EnumValue> = Vec::new();
        let mut known = foldhash::HashSet::default();
        let mut is_null = keywords.is_nullable(docs) && self.version < Version::V31;
        for (place, item) in listed.enumerate() {
            let fits = kinds.is_empty() || kinds.iter().any(|kind| fits(docs, item, kind));
            if matches!(docs.kind(item), Kind::Null) {
                is_null |= fits;
                continue;
            }
            let value = self.json(item)?;
            if !fits || only.as_ref().is_some_and(|only| !only.contains(&value)) || !known.insert(value.clone()) {
                continue;
            }
            let step = match keywords.constant {
                Some(_) => [&spot.step, "/const"].concat(),
                None => format!("{}/{key}/{place}", spot.step),
            };
            let element = self.element(item, None, &Spot { parent: spot.parent, step })?;
            values.push(EnumValue { element, value, summary: Words::default(), deprecated: false });
        }
        let open = keywords.more_values.is_some() && keywords.values.is_none() && keywords.constant.is_none();
        let shape = if values.is_empty() && is_null {
            Shape::Null
        } else {
            let shape = Shape::Enum(Enum { values, open });
            if is_null { Shape::Nullable(self.builder.add(Type::of(shape))) } else { shape }
        };
        for (is_limited, kind) in [(keywords.has_string(), JsonKind::String), (keywords.has_number(), JsonKind::Number)]
        {
            if is_limited {
                let limits = self.limits(keywords, kind);
                parts.push(self.builder.share(Type { implied: true, ..Type::of(limits) }));
            }
        }
        ty.shape = shape;
        Ok(())
    }
}

/// A limit. In 2.0 and 3.0 `exclusiveMinimum` says how `minimum` is meant; from 3.1 on it is a limit of its own, and the tighter one holds.
fn bound(docs: &Documents<'_>, limit: Option<At>, exclusive: Option<At>, tighter: std::cmp::Ordering) -> Option<Bound> {
    let limit = limit.and_then(|at| docs.number(at));
    let inclusive = |value: Option<Decimal>| value.map(|value| Bound { value, exclusive: false });
    match (exclusive.map(|at| docs.kind(at)), exclusive.and_then(|at| docs.number(at))) {
        (Some(Kind::Bool(exclusive)), _) => limit.map(|value| Bound { value, exclusive }),
        (_, Some(own)) => match limit {
            Some(limit) if limit.cmp(&own) == tighter => inclusive(Some(limit)),
            _ => Some(Bound { value: own, exclusive: true }),
        },
        _ => inclusive(limit),
    }
}

/// Whether a value is of a kind.
fn fits(docs: &Documents<'_>, at: At, kind: JsonKind) -> bool {
    match (docs.kind(at), kind) {
        (Kind::Null, JsonKind::Null)
        | (Kind::Bool(_), JsonKind::Boolean)
        | (Kind::Number(_), JsonKind::Number)
        | (Kind::String(_), JsonKind::String | JsonKind::File)
        | (Kind::List(_), JsonKind::Array)
        | (Kind::Map(_), JsonKind::Object) => true,
        (Kind::Number(_), JsonKind::Integer) => docs.number(at).is_some_and(|number| number.is_whole()),
        _ => false,
    }
}
