//! How each part of a surface is written and read, said once: the same walk makes the bytes of the surface and the canonical form of its meaning.

use super::pack::{Reader, Unreadable};
use super::{
    Action, Alternative, Bound, Choice, Condition, Contains, Content, Decimal, Dependent, Direction, Discriminator,
    ElementId, Enum, EnumValue, Facet, Field, Fits, Flow, Format, HttpBinding, Input, Json, Keyword, List, Map, Mapped,
    Name, Need, Operation, OperationKind, Outcome, Pattern, Place, Position, Presence, Record, Residual, Root, Scalar,
    ScalarKind, Scheme, SchemeId, SchemeKind, Sequence, Server, ServerId, Shape, Text, Type, TypeId, Union, Variable,
    Variant, Words,
};

/// What a part is written to.
pub(super) trait Sink {
    /// A number.
    fn number(&mut self, number: u64);
    /// A text that is meaning.
    fn text(&mut self, text: &Text);
    /// A text that is not.
    fn words(&mut self, text: &Text);
    /// An element, in whose place meaning has the facets.
    fn element(&mut self, id: ElementId);
    fn type_id(&mut self, id: TypeId);
    fn scheme(&mut self, id: SchemeId);
    fn server(&mut self, id: ServerId);
    /// A list; where it is a set, its order is not meaning.
    fn list<T: Packed>(&mut self, items: &[T], is_set: bool);
    /// A structure; trailing parts may be left out where they are empty.
    fn open(&mut self) -> usize;
    /// A part of the open structure.
    fn part<T: Packed>(&mut self, part: &T);
    fn close(&mut self, open: usize);
}

/// A part of a surface.
pub(super) trait Packed: Sized {
    fn write<S: Sink>(&self, sink: &mut S);
    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable>;
}

/// Structures: their fields in order, those that are often empty last.
macro_rules! structures {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl Packed for $name {
            fn write<S: Sink>(&self, sink: &mut S) {
                let open = sink.open();
                $(sink.part(&self.$field);)*
                sink.close(open);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
                let open = reader.open()?;
                let read = Self { $($field: Packed::read(reader)?),* };
                reader.close(open)?;
                Ok(read)
            }
        }
    )*};
}

/// Alternatives with parts: a number and the parts.
macro_rules! alternatives {
    ($($name:ident { $($tag:literal => $variant:ident { $($field:tt: $part:ident),* }),* $(,)? })*) => {$(
        impl Packed for $name {
            fn write<S: Sink>(&self, sink: &mut S) {
                let open = sink.open();
                match self {
                    $(Self::$variant { $($field: $part),* } => {
                        sink.part(&Tag($tag));
                        $(sink.part($part);)*
                    })*
                }
                sink.close(open);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
                let open = reader.open()?;
                let read = match u64::read(reader)? {
                    $($tag => Self::$variant { $($field: Packed::read(reader)?),* },)*
                    _ => return Err(Unreadable::Damaged),
                };
                reader.close(open)?;
                Ok(read)
            }
        }
    )*};
}

/// Alternatives without parts: a number.
macro_rules! choices {
    ($($name:ident { $($tag:literal => $variant:ident),* $(,)? })*) => {$(
        impl Packed for $name {
            fn write<S: Sink>(&self, sink: &mut S) {
                sink.number(match self { $(Self::$variant => $tag),* });
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
                match reader.number()? {
                    $($tag => Ok(Self::$variant),)*
                    _ => Err(Unreadable::Damaged),
                }
            }
        }
    )*};
}

/// Which alternative it is.
struct Tag(u64);

impl Packed for Tag {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.number(self.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.number().map(Self)
    }
}

structures! {
    Operation { element, id, kind, summary, inputs, outcomes, tags, security, servers, deprecated, http }
    HttpBinding { method, path, body, response_body }
    Input { element, name, place, presence, contents, summary, deprecated, default }
    Content { element, ty, media_type, item }
    Outcome { element, status, contents, summary, headers }
    Alternative { needs }
    Need { scheme, scopes }
    Scheme { element, name, kind }
    Flow { kind, authorization_url, token_url, refresh_url, scopes }
    Server { element, url, protocol, variables }
    Variable { name, default, values }
    Type { shape, element, name, summary, implied, default, residuals, deprecated }
    Scalar { kind, format, pattern, min_length, max_length, minimum, maximum, multiple_of }
    Bound { value, exclusive }
    Enum { values, open }
    EnumValue { element, value, summary, deprecated }
    Record {
        fields, additional, also_required, patterns, min_fields, max_fields, choices, dependent, interfaces, is_interface,
    }
    Field { element, name, ty, presence, summary, direction, default, arguments, deprecated }
    Pattern { pattern, ty }
    Choice { element, name, fields, required }
    Dependent { field, requires }
    List { items, min_items, max_items, unique, prefix }
    Map { key, value }
    Union { variants, fits, discriminator }
    Variant { element, ty, tag }
    Discriminator { field, mapping, otherwise }
    Mapped { value, ty }
    Keyword { keyword, value }
    Condition { condition, then, otherwise }
    Contains { ty, min, max }
    Position { file, line, column, parent, step }
    Facet { key, value }
}

alternatives! {
    OperationKind {
        1 => Http { method: method, path: path },
        2 => Webhook { method: method, name: name },
        3 => Callback { of: of, name: name, expression: expression, method: method },
        4 => Field { root: root, name: name },
        5 => Rpc { service: service, method: method, client_streams: client, server_streams: server },
        6 => Channel { address: address, action: action },
        7 => Soap { interface: interface, name: name, action: action },
    }
    SchemeKind {
        1 => ApiKey { place: place, name: name },
        2 => Http { scheme: scheme },
        3 => OAuth2 { flows: flows },
        4 => OpenId { url: url },
        5 => MutualTls {},
        6 => Other { kind: kind },
    }
    Shape {
        1 => Any {},
        2 => Never {},
        3 => Null {},
        4 => Scalar { 0: scalar },
        5 => Enum { 0: values },
        6 => Record { 0: record },
        7 => List { 0: list },
        8 => Map { 0: map },
        9 => Union { 0: union },
        10 => Intersection { 0: parts },
        11 => Nullable { 0: ty },
    }
    Residual {
        1 => Not { 0: ty },
        2 => If { 0: condition },
        3 => DependentSchema { 0: dependent },
        4 => Contains { 0: contains },
        5 => UnevaluatedFields { 0: ty },
        6 => UnevaluatedItems { 0: ty },
        7 => FieldNames { 0: ty },
        8 => ContentSchema { 0: ty },
        9 => Other { 0: keyword },
    }
}

choices! {
    Format { 1 => OpenApi, 2 => GraphQl, 3 => Protobuf, 4 => AsyncApi, 5 => Raml, 6 => Wsdl }
    Root { 0 => Query, 1 => Mutation, 2 => Subscription }
    Action { 0 => Send, 1 => Receive }
    Place { 0 => Path, 1 => Query, 2 => Header, 3 => Cookie, 4 => QueryString, 5 => Body, 6 => Argument, 7 => Message }
    Presence { 0 => Optional, 1 => Required, 2 => Implicit }
    Direction { 0 => Both, 1 => ReadOnly, 2 => WriteOnly }
    Fits { 0 => Any, 1 => One, 2 => Tagged, 3 => Base }
    ScalarKind { 0 => String, 1 => Integer, 2 => Number, 3 => Boolean, 4 => Bytes, 5 => Opaque }
}

impl Packed for bool {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.number(u64::from(*self));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match reader.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unreadable::Damaged),
        }
    }
}

impl Packed for u64 {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.number(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.number()
    }
}

impl Packed for u32 {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.number(u64::from(*self));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Self::try_from(reader.number()?).map_err(|_| Unreadable::Damaged)
    }
}

impl Packed for Text {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.text(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.text()
    }
}

impl Packed for Words {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.words(&self.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.text().map(Self)
    }
}

impl Packed for Json {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.text(&self.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.text().map(Self)
    }
}

impl Packed for Decimal {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.text(&self.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Self::parse(&reader.text()?).ok_or(Unreadable::Damaged)
    }
}

impl Packed for ElementId {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.element(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.element()
    }
}

impl Packed for TypeId {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.type_id(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.type_id()
    }
}

impl Packed for SchemeId {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.scheme(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.scheme()
    }
}

impl Packed for ServerId {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.server(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.server()
    }
}

/// A name, of which only a nominal one is meaning.
impl Packed for Name {
    fn write<S: Sink>(&self, sink: &mut S) {
        let open = sink.open();
        match self {
            Self::Anonymous => {}
            Self::Alias(name) => sink.part(&Words(Text::clone(name))),
            Self::Nominal(name) => {
                sink.part(&Words::default());
                sink.part(name);
            }
        }
        sink.close(open);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let open = reader.open()?;
        let (alias, nominal) = (reader.text()?, reader.text()?);
        reader.close(open)?;
        Ok(match (&*alias, &*nominal) {
            ("", "") => Self::Anonymous,
            (_, "") => Self::Alias(alias),
            _ => Self::Nominal(nominal),
        })
    }
}

impl<T: Packed> Packed for Vec<T> {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.list(self, true);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.list()
    }
}

impl Packed for Sequence {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.list(&self.0, false);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.list().map(Self)
    }
}

impl<T: Packed> Packed for Box<T> {
    fn write<S: Sink>(&self, sink: &mut S) {
        T::write(self, sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        T::read(reader).map(Self::new)
    }
}

impl<T: Packed> Packed for Option<T> {
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.list(self.as_slice(), true);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let mut read = reader.list()?;
        match (read.pop(), read.pop()) {
            (value, None) => Ok(value),
            _ => Err(Unreadable::Damaged),
        }
    }
}
