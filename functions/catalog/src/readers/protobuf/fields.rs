//! Fields: what they hold, whether they are there, and how they travel.

use shared::surface::{
    Direction, ElementId, Field, Json, List, Map, Name, Presence, Scalar, ScalarKind, Shape, Type, TypeId, Value, Words,
};
use shared::text::camel;

use super::ast::{self, FieldType, Label};
use super::index::{Symbol, join};
use super::lex::{self, Spot};
use super::options::Options;
use super::types::{Author, Here};

/// What a type is to its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Scalar(ScalarKind),
    Enum,
    Message,
    Unknown,
}

fn scalar(name: &str) -> Option<ScalarKind> {
    Some(match name {
        "double" | "float" => ScalarKind::Number,
        "int32" | "int64" | "uint32" | "uint64" | "sint32" | "sint64" | "fixed32" | "fixed64" | "sfixed32"
        | "sfixed64" => ScalarKind::Integer,
        "bool" => ScalarKind::Boolean,
        "string" => ScalarKind::String,
        "bytes" => ScalarKind::Bytes,
        _ => return None,
    })
}

impl Author<'_> {
    /// A field; `extension` is its full name where it is one.
    pub(super) fn field(&mut self, here: &Here<'_>, ast: &ast::Field<'_>, extension: Option<&str>) -> Field {
        let name = match extension {
            Some(name) => format!("[{name}]"),
            None if ast.ty == FieldType::Group => ast.head.name.to_ascii_lowercase(),
            None => ast.head.name.to_owned(),
        };
        let separator = if extension.is_some() { "" } else { "." };
        let element = self.place(here.file, ast.head.spot, here.parent, &format!("{separator}{name}"));
        let (mut options, deprecated) = self.options(here.file, here.scope, &ast.options);
        let features = here.features.with(&options);
        let mut is_text = false;
        let (one, kind) = match &ast.ty {
            FieldType::Group => {
                let group = join(here.scope, ast.head.name);
                self.reference(here, element, &format!(".{group}"), ast.head.spot, &mut is_text)
            }
            FieldType::Named(name) => self.reference(here, element, name, ast.head.spot, &mut is_text),
            FieldType::Map(key, value) => {
                let (key, _) = self.reference(here, element, key, ast.head.spot, &mut is_text);
                let (value, _) = self.reference(here, element, value, ast.head.spot, &mut is_text);
                (self.builder.plain(Shape::Map(Map { key, value })), Kind::Unknown)
            }
        };
        let is_map = matches!(ast.ty, FieldType::Map(..));
        let is_list = ast.label == Some(Label::Repeated) && !is_map;
        let ty =
            if is_list { self.builder.plain(Shape::List(List { items: Some(one), ..List::default() })) } else { one };
        let packed = options.remove("packed").map(|packed| packed == Value::Bool(true));
        let is_packable = !matches!(kind, Kind::Message | Kind::Unknown)
            && !matches!(kind, Kind::Scalar(ScalarKind::String | ScalarKind::Bytes));
        let is_delimited = kind == Kind::Message && (ast.ty == FieldType::Group || features.is_delimited);
        if is_list && is_packable && packed.unwrap_or(features.is_packed) {
            self.builder.facet(element, "protobuf.encoding", &Json::of_text("packed"));
        } else if is_delimited {
            self.builder.facet(element, "protobuf.encoding", &Json::of_text("delimited"));
        }
        if is_text && !features.is_utf8 {
            self.builder.facet(element, "protobuf.utf8", &Json::of_text("none"));
        }
        self.builder.facet(element, "protobuf.number", &Json::of_number(ast.number));
        let default = self.told(element, ast, &mut options);
        self.tell(here.file, element, options);
        self.features(element, &features);
        let presence = match ast.label {
            _ if is_list || is_map => Presence::Implicit,
            Some(Label::Required) => Presence::Required,
            _ if features.is_required && extension.is_none() && ast.oneof.is_none() => Presence::Required,
            Some(Label::Optional) => Presence::Optional,
            _ if extension.is_some() || ast.oneof.is_some() => Presence::Optional,
            _ if matches!(kind, Kind::Message | Kind::Unknown) || !features.is_implicit => Presence::Optional,
            _ => Presence::Implicit,
        };
        let summary = self.builder.words(&lex::summary(ast.head.comment));
        let (name, direction, arguments) = (self.builder.text(&name), Direction::Both, Vec::new());
        Field { element, name, ty, presence, summary, direction, deprecated, default, arguments }
    }

    /// Takes what a field says of itself out of its options; its default, unless that is what it would be anyway.
    fn told(&mut self, element: ElementId, ast: &ast::Field<'_>, options: &mut Options) -> Option<Json> {
        if let Some(Value::String(name)) = options.remove("json_name")
            && name != camel(ast.head.name)
        {
            self.builder.facet(element, "protobuf.json_name", &Json::of_text(&name));
        }
        let default = Json::of(&options.remove("default")?);
        (!matches!(default.text(), "0" | "\"\"" | "false")).then_some(default)
    }

    /// The type that a name means.
    fn reference(
        &mut self,
        here: &Here<'_>,
        element: ElementId,
        name: &str,
        spot: Spot,
        is_text: &mut bool,
    ) -> (TypeId, Kind) {
        if let Some(kind) = scalar(name) {
            *is_text |= kind == ScalarKind::String;
            let format = self.builder.text(name);
            return (
                self.builder.plain(Shape::Scalar(Box::new(Scalar { kind, format, ..Scalar::default() }))),
                Kind::Scalar(kind),
            );
        }
        match self.named(here.file, here.scope, name, spot) {
            Some(symbol @ Symbol::Enum(_)) => (self.wanted(symbol), Kind::Enum),
            Some(symbol) => (self.wanted(symbol), Kind::Message),
            None => (self.unresolved(here.file, element, name, spot), Kind::Unknown),
        }
    }

    /// What stands for a type that is nowhere.
    pub(super) fn unresolved(&mut self, file: usize, parent: ElementId, name: &str, spot: Spot) -> TypeId {
        let element = self.place(file, spot, parent, "");
        self.builder.facet(element, "surface.unresolved", &Json::of_text(name));
        self.builder.add(Type { element, name: Name::Anonymous, summary: Words::default(), ..Type::of(Shape::Any) })
    }
}
