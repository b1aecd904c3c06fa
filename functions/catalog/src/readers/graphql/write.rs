//! From a schema to its surface.

use foldhash::HashMap;
use shared::surface::{
    Builder, Choice, Content, Direction, ElementId, Enum, EnumValue, Field, Fits, Format, Input, Json, List, Name,
    Operation, OperationKind, Outcome, Place, Position, Presence, Record, Root, Scalar, ScalarKind, Shape, Surface,
    Type, TypeId, Union, Value, Variant, Words,
};

use super::lexer::{At, decode, first_line};
use super::syntax::{Defined, Directive, Item, Literal, Ref, Wrap};
use super::together::{Entry, Together, directive, is_built_in, keyword, value_of};
use super::{Refused, Report, quote};
use crate::readers::{OPERATIONS_MAX, cut};

/// Characters of a summary.
const SUMMARY_MAX: usize = 120;
/// The reason of `@deprecated` where none is given.
const DEPRECATION_REASON: &str = "No longer supported";

/// Writes the surface.
pub(super) fn write(together: &Together<'_>, report: &mut Report<'_>) -> Result<Surface, Refused> {
    let mut writer = Writer { builder: Builder::new(Format::GraphQl), together, ids: HashMap::default() };
    for path in &report.paths {
        writer.builder.file(path);
    }
    let title = first_line(together.description);
    writer.builder.about("", &title, "");
    for entry in &together.types {
        let id = writer.builder.reserve();
        writer.ids.insert(entry.name.text, id);
    }
    for entry in &together.types {
        let ty = writer.ty(entry);
        let id = writer.named(&entry.name);
        writer.builder.define(id, ty);
    }
    for entry in &together.directives {
        let ty = writer.directive_definition(entry);
        writer.builder.add(ty);
    }
    writer.applied(ElementId::NONE, &together.applied);
    let roots =
        together.roots.iter().map(|(root, name)| (keyword(*root).to_owned(), Value::String(name.text.to_owned())));
    writer.builder.facet(ElementId::NONE, "graphql.roots", &Json::of(&Value::Map(roots.collect())));
    for (root, name) in &together.roots {
        writer.operations(*root, name.text)?;
    }
    Ok(writer.builder.finish())
}

struct Writer<'a, 'b> {
    builder: Builder,
    together: &'b Together<'a>,
    /// Types by name: defined, built in or missing.
    ids: HashMap<&'a str, TypeId>,
}

impl<'a> Writer<'a, '_> {
    fn element(&mut self, at: At, parent: ElementId, step: &str) -> ElementId {
        let step = self.builder.text(step);
        self.builder.element(Position { file: at.file, line: at.line, column: at.column, parent, step })
    }

    fn summary(&mut self, description: &str) -> Words {
        if description.is_empty() {
            return Words::default();
        }
        self.builder.words(cut(&first_line(description), SUMMARY_MAX).trim())
    }

    /// What directives say of an element; whether it is deprecated.
    fn applied(&mut self, element: ElementId, directives: &[Directive<'_>]) -> bool {
        let mut others = Vec::new();
        let mut is_deprecated = false;
        for applied in directives {
            match applied.name.text {
                "deprecated" => {
                    let reason = match applied.argument("reason") {
                        Some(Literal::Text(reason)) => decode(reason),
                        _ => DEPRECATION_REASON.into(),
                    };
                    self.builder.facet(element, "graphql.deprecation_reason", &Json::of_text(&reason));
                    is_deprecated = true;
                }
                "specifiedBy" => {
                    let url = applied.argument("url").map_or(Value::Null, value_of);
                    self.builder.facet(element, "graphql.specified_by", &Json::of(&url));
                }
                "oneOf" => {}
                _ => others.push(directive(applied)),
            }
        }
        if !others.is_empty() {
            self.builder.facet(element, "graphql.directives", &Json::of(&Value::List(others)));
        }
        is_deprecated
    }

    /// The type of a name, without `Nullable` around it.
    fn named(&mut self, name: &super::syntax::Name<'a>) -> TypeId {
        if let Some(known) = self.ids.get(name.text) {
            return *known;
        }
        let id = if is_built_in(name.text) {
            let ty = Type { name: Name::Nominal(self.builder.text(name.text)), ..Type::of(built_in(name.text)) };
            self.builder.add(ty)
        } else {
            let element = self.element(name.at, ElementId::NONE, name.text);
            self.builder.facet(element, "surface.unresolved", &Json::of_text(name.text));
            self.builder.add(Type { element, ..Type::of(Shape::Any) })
        };
        self.ids.insert(name.text, id);
        id
    }

    fn reference(&mut self, reference: &Ref<'a>) -> TypeId {
        let mut id = self.named(&reference.name);
        let mut non_null = false;
        for wrap in &reference.wraps {
            match wrap {
                Wrap::NonNull => non_null = true,
                Wrap::List => {
                    let items = self.maybe(id, std::mem::take(&mut non_null));
                    id = self.builder.plain(Shape::List(List { items: Some(items), ..List::default() }));
                }
            }
        }
        self.maybe(id, non_null)
    }

    fn type_of(&mut self, item: &Item<'a>) -> TypeId {
        match &item.ty {
            Some(ty) => self.reference(ty),
            None => self.any(),
        }
    }

    fn maybe(&mut self, id: TypeId, non_null: bool) -> TypeId {
        if non_null { id } else { self.builder.plain(Shape::Nullable(id)) }
    }

    fn any(&mut self) -> TypeId {
        self.builder.plain(Shape::Any)
    }

    fn ty(&mut self, entry: &Entry<'a>) -> Type {
        let element = self.element(entry.name.at, ElementId::NONE, entry.name.text);
        let deprecated = self.applied(element, &entry.directives);
        let shape = match entry.defined {
            Defined::Scalar => built_in(entry.name.text),
            Defined::Enum => {
                let values = entry.items.iter().map(|item| self.value(element, item)).collect();
                Shape::Enum(Enum { values, open: false })
            }
            Defined::Union => {
                let variants = entry.items.iter().map(|item| self.variant(element, item)).collect();
                Shape::Union(Union { fits: Fits::Tagged, variants, discriminator: None })
            }
            Defined::Input | Defined::Directive => Shape::Record(Box::new(self.input(element, entry))),
            Defined::Object | Defined::Interface => {
                let fields = entry.items.iter().map(|item| self.field(element, item)).collect();
                let mut interfaces: Vec<TypeId> = entry.interfaces.iter().map(|name| self.named(name)).collect();
                interfaces.sort_unstable();
                interfaces.dedup();
                let is_interface = entry.defined == Defined::Interface;
                Shape::Record(Box::new(Record { fields, interfaces, is_interface, ..Record::default() }))
            }
        };
        let name = Name::Nominal(self.builder.text(entry.name.text));
        let summary = self.summary(entry.description);
        Type { element, name, summary, deprecated, ..Type::of(shape) }
    }

    fn directive_definition(&mut self, entry: &Entry<'a>) -> Type {
        let path = entry.path();
        let element = self.element(entry.name.at, ElementId::NONE, &path);
        let mut locations = entry.locations.clone();
        locations.sort_unstable();
        locations.dedup();
        let locations = locations.into_iter().map(|location| Value::String(location.to_owned())).collect();
        self.builder.facet(element, "graphql.locations", &Json::of(&Value::List(locations)));
        if entry.is_repeatable {
            self.builder.facet(element, "graphql.repeatable", &Json::of_bool(true));
        }
        let shape = Shape::Record(Box::new(self.input(element, entry)));
        let name = Name::Nominal(self.builder.text(&path));
        Type { element, name, summary: self.summary(entry.description), ..Type::of(shape) }
    }

    /// The fields of an input, or the arguments of a directive's definition.
    fn input(&mut self, element: ElementId, entry: &Entry<'a>) -> Record {
        let mut fields = Vec::with_capacity(entry.items.len());
        for item in &entry.items {
            let argument = self.argument(element, item, &entry.step(item.name.text));
            let ty = argument.contents.first().map_or_else(|| self.any(), |content| content.ty);
            fields.push(Field {
                element: argument.element,
                name: argument.name,
                ty,
                presence: argument.presence,
                summary: argument.summary,
                direction: Direction::Both,
                deprecated: argument.deprecated,
                default: argument.default,
                arguments: Vec::new(),
            });
        }
        let choices = if entry.directive("oneOf").is_some() {
            let fields = fields.iter().map(|field| field.name.clone()).collect();
            vec![Choice { element, name: self.builder.text(""), fields, required: true }]
        } else {
            Vec::new()
        };
        let additional = Some(self.builder.plain(Shape::Never));
        Record { fields, additional, choices, ..Record::default() }
    }

    fn field(&mut self, parent: ElementId, item: &Item<'a>) -> Field {
        let element = self.element(item.name.at, parent, &format!(".{}", item.name.text));
        let deprecated = self.applied(element, &item.directives);
        let argument = |argument: &Item<'a>| self.argument(element, argument, &format!("({}:)", argument.name.text));
        let mut arguments: Vec<Input> = item.arguments.iter().map(argument).collect();
        // Of two arguments of one name the first counts.
        let mut known = foldhash::HashSet::default();
        arguments.retain(|argument| known.insert(argument.name.clone()));
        let ty = self.type_of(item);
        Field {
            element,
            name: self.builder.text(item.name.text),
            ty,
            presence: Presence::Required,
            summary: self.summary(item.description),
            direction: Direction::Both,
            deprecated,
            default: None,
            arguments,
        }
    }

    fn argument(&mut self, parent: ElementId, item: &Item<'a>, step: &str) -> Input {
        let element = self.element(item.name.at, parent, step);
        let deprecated = self.applied(element, &item.directives);
        let ty = self.type_of(item);
        let is_required = item.default.is_none() && item.ty.as_ref().is_some_and(Ref::is_non_null);
        let default = item.default.as_ref().map(|default| Json::of(&value_of(default)));
        Input {
            element,
            place: Place::Argument,
            name: self.builder.text(item.name.text),
            presence: if is_required { Presence::Required } else { Presence::Optional },
            summary: self.summary(item.description),
            deprecated,
            contents: vec![self.content(ty)],
            default: default.map(|default| self.builder.json(&default)),
        }
    }

    fn content(&mut self, ty: TypeId) -> Content {
        Content { element: ElementId::NONE, media_type: self.builder.text(""), ty, item: None }
    }

    fn value(&mut self, parent: ElementId, item: &Item<'a>) -> EnumValue {
        let element = self.element(item.name.at, parent, &format!(".{}", item.name.text));
        let deprecated = self.applied(element, &item.directives);
        let value = self.builder.json(&Json::of_text(item.name.text));
        EnumValue { element, value, summary: self.summary(item.description), deprecated }
    }

    fn variant(&mut self, parent: ElementId, item: &Item<'a>) -> Variant {
        let element = self.element(item.name.at, parent, &format!(".{}", item.name.text));
        Variant { element, ty: self.named(&item.name), tag: self.builder.text(item.name.text) }
    }

    /// The fields of a root type are operations.
    fn operations(&mut self, root: Root, name: &str) -> Result<(), Refused> {
        let fields = match self.ids.get(name).map(|id| &self.builder.get(*id).shape) {
            Some(Shape::Record(record)) if record.additional.is_none() => record.fields.clone(),
            _ => return Ok(()),
        };
        if self.builder.surface().operations.len() + fields.len() > OPERATIONS_MAX {
            let message = format!(
                "The schema has too many operations with the fields of {}: {OPERATIONS_MAX} are read.",
                quote(name)
            );
            return Err(Refused::new("too-many-operations", message));
        }
        let kind = match root {
            Root::Query => "Query",
            Root::Mutation => "Mutation",
            Root::Subscription => "Subscription",
        };
        let entry = self.together.ty(name);
        for field in fields {
            // What comes out stands at the field's type.
            let ty = entry.and_then(|entry| entry.item(&field.name)?.ty.as_ref());
            let at = ty.map(|ty| ty.name.at).unwrap_or_default();
            let outcome = Outcome {
                element: self.element(at, field.element, ""),
                status: self.builder.text("ok"),
                summary: Words::default(),
                contents: vec![self.content(field.ty)],
                headers: Vec::new(),
            };
            let id = self.builder.text(&format!("{kind}.{}", field.name));
            self.builder.operation(Operation {
                element: field.element,
                id,
                kind: OperationKind::Field { root, name: field.name },
                summary: field.summary,
                tags: Vec::new(),
                deprecated: field.deprecated,
                inputs: field.arguments,
                outcomes: vec![outcome],
                security: Vec::new(),
                servers: Vec::new(),
                http: Vec::new(),
            });
        }
        Ok(())
    }
}

/// The scalars that every schema has; any other is one that only its name tells.
fn built_in(name: &str) -> Shape {
    let (kind, format) = match name {
        "Int" => (ScalarKind::Integer, "int32"),
        "Float" => (ScalarKind::Number, "double"),
        "Boolean" => (ScalarKind::Boolean, ""),
        "String" | "ID" => (ScalarKind::String, ""),
        _ => (ScalarKind::Opaque, ""),
    };
    Shape::Scalar(Box::new(Scalar { kind, format: format.into(), ..Scalar::default() }))
}
