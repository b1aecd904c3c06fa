//! Types and fields of a version, as they are searched.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use shared::surface::{ElementId, Shape, Surface, TypeId};

use super::words::Kind;

/// Types and fields of a version that are searched. What goes beyond is not found, and the version says so.
pub const ENTRIES_MAX: usize = 20_000;
/// Characters of a name: a hundred of these are kept in one row.
const NAME_MAX: usize = 200;
/// Characters of a summary.
const SUMMARY_MAX: usize = 120;

/// A type with a name, or a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where a field stands: in the type of this name, or in one without a name of the operation with this id. Nothing for a type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// One line of what it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Whether the document calls it deprecated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// The line in the document where it stands.
    pub line: u32,
}

impl Entry {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.within.is_some() { Kind::Field } else { Kind::Type }
    }
}

/// What is searched of a surface's types, and how much there is.
#[derive(Debug, Default)]
pub struct Entries {
    /// The types and then the fields, up to [`ENTRIES_MAX`].
    pub kept: Vec<Entry>,
    /// How many there are.
    pub count: usize,
}

struct Walk<'s> {
    surface: &'s Surface,
    entries: Entries,
    /// Elements that are operations too (root fields of GraphQL): these are found as such.
    operations: HashSet<ElementId>,
    seen: Vec<bool>,
}

fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

impl Entries {
    /// The types of the document that have a name, and the fields of all of its types. Each stands there once.
    #[must_use]
    pub fn of(surface: &Surface) -> Self {
        let operations = surface.operations.iter().map(|operation| operation.element).collect();
        let seen = vec![false; surface.types.len()];
        let mut walk = Walk { surface, entries: Self::default(), operations, seen };
        let own = |id: &TypeId| {
            let ty = surface.get(*id);
            !ty.name.text().is_empty() && surface.position(ty.element).is_some()
        };
        let named: Vec<TypeId> = (0..).map(TypeId).take(surface.types.len()).filter(own).collect();
        for id in &named {
            let ty = surface.get(*id);
            walk.push(ty.name.text(), None, ty.element, &ty.summary.0, ty.deprecated);
        }
        for id in named {
            walk.fields(id, surface.get(id).name.text());
        }
        for operation in &surface.operations {
            let outcomes = operation.outcomes.iter().flat_map(|outcome| &outcome.contents);
            for content in operation.inputs.iter().flat_map(|input| &input.contents).chain(outcomes) {
                if surface.get(content.ty).name.text().is_empty() {
                    walk.fields(content.ty, &operation.id);
                }
            }
        }
        walk.entries
    }
}

impl Walk<'_> {
    fn push(&mut self, name: &str, within: Option<&str>, element: ElementId, summary: &str, deprecated: bool) {
        self.entries.count += 1;
        if self.entries.kept.len() >= ENTRIES_MAX {
            return;
        }
        self.entries.kept.push(Entry {
            name: cut(name, NAME_MAX),
            within: within.map(|within| cut(within, NAME_MAX)),
            summary: cut(summary, SUMMARY_MAX),
            deprecated,
            line: self.surface.position(element).map_or(1, |position| position.line),
        });
    }

    /// The fields of a type, and of the types without a name that it is made of.
    fn fields(&mut self, id: TypeId, within: &str) {
        let surface = self.surface;
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            match self.seen.get_mut(id.0 as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            let shape = &surface.get(id).shape;
            if let Shape::Record(record) = shape {
                for field in &record.fields {
                    if self.operations.contains(&field.element) {
                        continue;
                    }
                    self.push(&field.name, Some(within), field.element, &field.summary.0, field.deprecated);
                }
            }
            let mut parts = parts(shape);
            parts.retain(|part| surface.get(*part).name.text().is_empty());
            waiting.extend(parts.into_iter().rev());
        }
    }
}

/// The types that a type is made of.
fn parts(shape: &Shape) -> Vec<TypeId> {
    match shape {
        Shape::Record(record) => {
            let patterns = record.patterns.iter().map(|pattern| pattern.ty);
            record.fields.iter().map(|field| field.ty).chain(record.additional).chain(patterns).collect()
        }
        Shape::List(list) => list.prefix.0.iter().copied().chain(list.items).collect(),
        Shape::Map(map) => vec![map.value],
        Shape::Union(union) => union.variants.iter().map(|variant| variant.ty).collect(),
        Shape::Intersection(parts) => parts.clone(),
        Shape::Nullable(inner) => vec![*inner],
        _ => Vec::new(),
    }
}
