//! From schemas to types: which schema a use means, and how its keywords combine.

use foldhash::HashMap;
use shared::surface::{
    Direction, Discriminator, ElementId, Fits, Json, Mapped, Residual, Shape, Type, TypeId, Union, Variant, Words,
};

use super::documents::Target;
use super::keywords::Keywords;
use super::{At, Reader, Spot, Version, Waiting, escape};
use crate::readers::tree::Kind;
use crate::readers::{Refused, quote};

/// Keywords that change nothing of what a value may be, nor of how it is used.
const WORDS: [&str; 13] = [
    "description",
    "title",
    "summary",
    "example",
    "examples",
    "externalDocs",
    "$comment",
    "$schema",
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$defs",
    "definitions",
];
/// Schemas that stand for others in a row.
const HOPS_MAX: usize = 64;

impl Reader<'_, '_> {
    /// The type of a schema where it is used.
    pub(super) fn schema(&mut self, at: At, spot: &Spot) -> Result<TypeId, Refused> {
        let (inner, is_referred) = self.meant(at);
        if is_referred {
            return Ok(self.referred(inner));
        }
        let elsewhere = self.elsewhere(at, inner);
        let ty = self.schema_type(inner, elsewhere.as_ref().unwrap_or(spot), false)?;
        Ok(self.builder.share(ty))
    }

    /// The schema that one stands for, and whether a reference (or an alias) leads to it: `{$ref}` and `{allOf: [x]}` are what they hold.
    fn meant(&self, at: At) -> (At, bool) {
        let mut is_referred = self.docs.is_alias(at);
        let mut at = self.docs.canonical(at);
        for _ in 0..HOPS_MAX {
            let Some(next) = self.stands_for(at) else { break };
            is_referred |= self.docs.reference(at).is_some() || self.docs.is_alias(next);
            at = self.docs.canonical(next);
        }
        (at, is_referred)
    }

    fn stands_for(&self, at: At) -> Option<At> {
        let reference = self.docs.reference(at);
        if let Some((_, target)) = reference
            && (self.version < Version::V31 || self.is_alone(at, &["$ref", "$dynamicRef"]))
        {
            return match target {
                Target::Found(target) => Some(target),
                _ => None,
            };
        }
        let key = ["allOf", "anyOf", "oneOf"].into_iter().find(|key| self.docs.get(at, key).is_some())?;
        let list = self.docs.get(at, key)?;
        let mut items = self.docs.items(list);
        let (only, None) = (items.next()?, items.next()) else { return None };
        self.is_alone(at, &[key]).then_some(only)
    }

    /// Whether a schema has nothing but these keywords and words.
    fn is_alone(&self, at: At, keys: &[&str]) -> bool {
        self.docs.entries(at).all(|entry| {
            let key = entry.key;
            keys.contains(&key) || WORDS.contains(&key) || key.starts_with("x-")
        })
    }

    /// The type of a schema that is referred to: read once, later.
    pub(super) fn referred(&mut self, at: At) -> TypeId {
        let at = self.meant(at).0;
        if let Some(known) = self.types.get(&at) {
            return *known;
        }
        let id = self.builder.reserve();
        self.types.insert(at, id);
        let pointer = self.docs.pointer(at);
        let name = self.component_name(&pointer);
        self.waiting.push(Waiting { at, id, spot: Spot { parent: ElementId::NONE, step: pointer }, name });
        id
    }

    /// The type that a schema describes.
    pub(super) fn schema_type(&mut self, at: At, spot: &Spot, is_named: bool) -> Result<Type, Refused> {
        let docs = self.docs;
        match docs.kind(at) {
            Kind::Map(_) => {}
            Kind::Bool(true) => return Ok(Type::of(Shape::Any)),
            Kind::Bool(false) => return Ok(Type::of(Shape::Never)),
            _ => {
                self.warn("schema", format!("A schema is a map, not {}; anything is taken to fit.", docs.name(at)), at);
                return Ok(Type::of(Shape::Any));
            }
        }
        let keywords = Keywords::of(docs, at);
        let mut ty = Type::of(Shape::Any);
        let inside;
        let spot = if is_named || keywords.has_elements() {
            ty.element = self.element(at, None, spot)?;
            ty.summary = self.summary(at);
            inside = Spot { parent: ty.element, step: String::new() };
            &inside
        } else {
            spot
        };
        let mut parts = Vec::new();
        if let Some((text, target)) = docs.reference(at) {
            match target {
                Target::Found(target) => parts.push(self.referred(target)),
                Target::Dangling | Target::Outside => parts.push(self.unresolved(text, at, spot)?),
            }
            if self.version < Version::V31 {
                ty.shape = intersection(parts);
                return Ok(ty);
            }
        }
        self.own_shape(&keywords, spot, &mut ty, &mut parts)?;
        self.combined(at, &keywords, spot, &mut ty, parts)?;
        ty.residuals = self.residuals(&keywords, spot)?;
        self.facets(&keywords, ty.element)?;
        if let Some(default) = keywords.default {
            ty.default = Some(self.json(default)?);
        }
        ty.deprecated = keywords.deprecated.is_some_and(|at| matches!(docs.kind(at), Kind::Bool(true)));
        Ok(ty)
    }

    /// What a reference that leads nowhere stands for.
    fn unresolved(&mut self, text: &str, at: At, spot: &Spot) -> Result<TypeId, Refused> {
        let element = self.element(at, None, spot)?;
        let text = Json::of_text(&text.chars().take(1_000).collect::<String>());
        self.builder.facet(element, "surface.unresolved", &text);
        Ok(self.builder.add(Type { element, ..Type::of(Shape::Any) }))
    }

    /// Puts the shape of a schema's own keywords together with `allOf`, `anyOf`, `oneOf`, what it refers to, and null.
    fn combined(
        &mut self,
        at: At,
        keywords: &Keywords,
        spot: &Spot,
        ty: &mut Type,
        mut parts: Vec<TypeId>,
    ) -> Result<(), Refused> {
        let own = std::mem::replace(&mut ty.shape, Shape::Any);
        let is_own = own != Shape::Any;
        let mut shape = own;
        if let Some(list) = keywords.all_of {
            for (place, item) in (0_u32..).zip(self.docs.items(list)) {
                parts.push(self.schema(item, &spot.then(&format!("/allOf/{place}")))?);
            }
        }
        let mut unions = Vec::new();
        for (key, list, fits) in [("anyOf", keywords.any_of, Fits::Any), ("oneOf", keywords.one_of, Fits::One)] {
            if let Some(list) = list {
                unions.push(self.union(at, keywords, spot, key, list, fits)?);
            }
        }
        if is_own && (!parts.is_empty() || !unions.is_empty()) {
            let own = self.builder.share(Type { implied: ty.implied, ..Type::of(shape) });
            ty.implied = false;
            parts.insert(0, own);
            shape = Shape::Any;
        }
        match (parts.is_empty(), unions.len()) {
            (true, 0) => ty.shape = shape,
            (true, 1) => ty.shape = unions.pop().unwrap_or(Shape::Any),
            _ => {
                for union in unions {
                    parts.push(self.builder.share(Type::of(union)));
                }
                ty.shape = intersection(parts);
            }
        }
        if let Some(discriminator) = keywords.discriminator
            && keywords.any_of.is_none()
            && keywords.one_of.is_none()
        {
            let mapping = self.discriminator(at, discriminator, &[]);
            let base = self
                .builder
                .share(Type { implied: ty.implied, ..Type::of(std::mem::replace(&mut ty.shape, Shape::Any)) });
            ty.implied = false;
            let variants = vec![Variant { element: ElementId::NONE, ty: base, tag: self.text("") }];
            ty.shape = Shape::Union(Union { fits: Fits::Base, variants, discriminator: Some(mapping) });
        }
        // `nullable` of 3.0 is meant for the whole schema; in 3.1 null is one of the own kinds.
        if self.version < Version::V31
            && keywords.is_nullable(self.docs)
            && !matches!(ty.shape, Shape::Nullable(_) | Shape::Any)
        {
            let inner = self
                .builder
                .share(Type { implied: ty.implied, ..Type::of(std::mem::replace(&mut ty.shape, Shape::Any)) });
            ty.implied = false;
            ty.shape = Shape::Nullable(inner);
        }
        Ok(())
    }

    fn union(
        &mut self,
        at: At,
        keywords: &Keywords,
        spot: &Spot,
        key: &str,
        list: At,
        fits: Fits,
    ) -> Result<Shape, Refused> {
        let docs = self.docs;
        let mut variants = Vec::new();
        let mut named = Vec::new();
        let mut is_nullable = false;
        for (place, item) in (0_u32..).zip(docs.items(list)) {
            if docs.text_of(item, "type") == "null" && self.is_alone(item, &["type"]) {
                is_nullable = true;
                continue;
            }
            let here = spot.then(&format!("/{key}/{place}"));
            let element = self.element(item, None, &here)?;
            let ty = self.schema(item, &Spot { parent: element, step: String::new() })?;
            if let Some((text, Target::Found(_))) = docs.reference(item) {
                named.push((last_token(text), ty));
            }
            variants.push(Variant { element, ty, tag: self.text("") });
        }
        let discriminator = keywords.discriminator.map(|discriminator| self.discriminator(at, discriminator, &named));
        let shape = match (&variants[..], &discriminator) {
            ([], _) if is_nullable => return Ok(Shape::Null),
            ([only], None) if is_nullable => return Ok(Shape::Nullable(only.ty)),
            ([only], None) => return Ok(intersection(vec![only.ty])),
            _ => Shape::Union(Union { fits, variants, discriminator }),
        };
        Ok(if is_nullable { Shape::Nullable(self.builder.share(Type::of(shape))) } else { shape })
    }

    /// A discriminator, with what the format only implies written out: the names of the variants, or of the components that extend the schema.
    fn discriminator(&mut self, at: At, node: At, variants: &[(String, TypeId)]) -> Discriminator {
        let docs = self.docs;
        let field = docs.text(node).unwrap_or_else(|| docs.text_of(node, "propertyName"));
        let field = self.text(field);
        let mut mapping: Vec<Mapped> = Vec::new();
        if let Some(listed) = docs.get(node, "mapping") {
            for entry in docs.entries(listed) {
                let value = listed.value(entry);
                let Some(target) = docs.text(value).and_then(|text| self.component(text)) else {
                    let message =
                        format!("The discriminator's value {} names no schema of this document.", quote(entry.key));
                    self.warn("dangling-ref", message, value);
                    continue;
                };
                mapping.push(Mapped { value: self.text(entry.key), ty: self.referred(target) });
            }
        }
        let mut implied = variants.to_vec();
        if variants.is_empty() {
            for (name, child) in self.children(at) {
                implied.push((name, self.referred(child)));
            }
        }
        for (name, ty) in implied {
            if !mapping.iter().any(|known| known.ty == ty || *known.value == *name) {
                mapping.push(Mapped { value: self.text(&name), ty });
            }
        }
        let otherwise = docs.get(node, "defaultMapping").and_then(|value| self.component(docs.text(value)?));
        let otherwise = otherwise.map(|at| self.referred(at));
        Discriminator { field, mapping, otherwise }
    }

    /// The schema that a mapping's value names: a component by its name, or by its reference.
    fn component(&self, text: &str) -> Option<At> {
        let keys: &[&str] = if self.version == Version::V2 { &["definitions"] } else { &["components", "schemas"] };
        let schemas = keys.iter().try_fold(self.docs.root(), |at, key| self.docs.get(at, key))?;
        let name = match text.strip_prefix('#') {
            Some(pointer) => {
                let prefix = if self.version == Version::V2 { "/definitions/" } else { "/components/schemas/" };
                pointer.strip_prefix(prefix)?.replace("~1", "/").replace("~0", "~")
            }
            None => text.to_owned(),
        };
        self.docs.get(schemas, &name)
    }

    /// The components that extend a schema by `allOf`.
    fn children(&mut self, of: At) -> Vec<(String, At)> {
        let docs = self.docs;
        let keys: &[&str] = if self.version == Version::V2 { &["definitions"] } else { &["components", "schemas"] };
        let children = self.children.get_or_insert_with(|| {
            let mut children: HashMap<At, Vec<(String, At)>> = HashMap::default();
            let Some(schemas) = keys.iter().try_fold(docs.root(), |at, key| docs.get(at, key)) else { return children };
            for entry in docs.entries(schemas) {
                let child = schemas.value(entry);
                let bases = docs.get(child, "allOf").into_iter().flat_map(|list| docs.items(list));
                for base in bases {
                    if let Some((_, Target::Found(base))) = docs.reference(base) {
                        children.entry(base).or_default().push((entry.key.to_string(), docs.canonical(child)));
                    }
                }
            }
            children
        });
        children.get(&docs.canonical(of)).cloned().unwrap_or_default()
    }

    fn residuals(&mut self, keywords: &Keywords, spot: &Spot) -> Result<Vec<Residual>, Refused> {
        let mut residuals = Vec::new();
        let schema = |reader: &mut Self, at: Option<At>, key: &str| match at {
            Some(at) => reader.schema(at, &spot.then(&format!("/{}", escape(key)))).map(Some),
            None => Ok(None),
        };
        if let Some(not) = schema(self, keywords.not, "not")? {
            residuals.push(Residual::Not(not));
        }
        if let Some(condition) = schema(self, keywords.condition, "if")? {
            let (then, otherwise) = (schema(self, keywords.then, "then")?, schema(self, keywords.otherwise, "else")?);
            if then.is_some() || otherwise.is_some() {
                residuals.push(Residual::If(shared::surface::Condition { condition, then, otherwise }));
            }
        }
        for (name, dependent) in keywords.dependent_schemas(self.docs) {
            if let Some(ty) = schema(self, Some(dependent), &format!("dependentSchemas/{}", escape(name)))? {
                let pattern = self.text(name);
                residuals.push(Residual::DependentSchema(shared::surface::Pattern { pattern, ty }));
            }
        }
        if let Some(ty) = schema(self, keywords.contains, "contains")? {
            let number = |at: Option<At>| at.and_then(|at| super::shapes::size(self.docs, at));
            let (min, max) = (number(keywords.min_contains).filter(|min| *min != 1), number(keywords.max_contains));
            residuals.push(Residual::Contains(shared::surface::Contains { ty, min, max }));
        }
        for (at, key, residual) in [
            (
                keywords.unevaluated_properties,
                "unevaluatedProperties",
                Residual::UnevaluatedFields as fn(TypeId) -> Residual,
            ),
            (keywords.unevaluated_items, "unevaluatedItems", Residual::UnevaluatedItems),
            (keywords.property_names, "propertyNames", Residual::FieldNames),
            (keywords.content_schema, "contentSchema", Residual::ContentSchema),
        ] {
            if let Some(ty) = schema(self, at, key)? {
                residuals.push(residual(ty));
            }
        }
        Ok(residuals)
    }

    /// What only OpenAPI knows of a schema.
    fn facets(&mut self, keywords: &Keywords, element: ElementId) -> Result<(), Refused> {
        if element == ElementId::NONE {
            return Ok(());
        }
        for (value, facet) in [
            (keywords.xml, "openapi.xml"),
            (keywords.content_encoding, "openapi.content-encoding"),
            (keywords.content_media_type, "openapi.content-media-type"),
        ] {
            if let Some(value) = value {
                let value = self.json(value)?;
                self.builder.facet(element, facet, &value);
            }
        }
        if let Some(format) = keywords.stray_format(self.docs) {
            let format = self.json(format)?;
            self.builder.facet(element, "openapi.format", &format);
        }
        Ok(())
    }

    /// What a field's schema says of the field, by itself or by what it refers to or extends: its direction, and whether it is deprecated.
    pub(super) fn said(&self, at: At) -> (Direction, bool) {
        let [read_only, write_only, deprecated] = self.marks(at, 3);
        let direction = match (read_only, write_only) {
            (true, false) => Direction::ReadOnly,
            (false, true) => Direction::WriteOnly,
            _ => Direction::Both,
        };
        (direction, deprecated)
    }

    fn marks(&self, at: At, hops: u32) -> [bool; 3] {
        let docs = self.docs;
        let counts = self.version >= Version::V31 || docs.get(at, "$ref").is_none();
        let mut marks = ["readOnly", "writeOnly", "deprecated"].map(|key| counts && docs.is_true(at, key));
        if hops == 0 {
            return marks;
        }
        let target = match docs.reference(at) {
            Some((_, Target::Found(target))) => Some(target),
            _ => None,
        };
        let parts = docs.get(at, "allOf").into_iter().flat_map(|list| docs.items(list)).take(16);
        for part in target.into_iter().chain(parts) {
            for (mark, its) in marks.iter_mut().zip(self.marks(part, hops - 1)) {
                *mark |= its;
            }
        }
        marks
    }

    /// A schema's words, or those of what it refers to.
    pub(super) fn words_of(&mut self, at: At) -> Words {
        let own = self.summary(at);
        match self.docs.reference(at) {
            Some((_, Target::Found(target))) if own.0.is_empty() => self.summary(target),
            _ => own,
        }
    }
}

fn last_token(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or_default();
    last.replace("~1", "/").replace("~0", "~")
}

/// All of these at once.
pub(super) fn intersection(parts: Vec<TypeId>) -> Shape {
    Shape::Intersection(parts)
}
