//! The types of a surface: what a value may be.

use super::{Decimal, ElementId, Input, Json, Text, Words};

/// A type's place in [`Surface::types`](super::Surface::types). References and cycles are simply such numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

/// A type: what a value may be. Everything here holds at once: a value must fit the [`shape`](Self::shape) **and** every residual.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Where it stands; [`ElementId::NONE`] for a shared one.
    pub element: ElementId,
    /// What it is called, and whether that can be observed.
    pub name: Name,
    /// One line of what it is, for people.
    pub summary: Words,
    /// What it is made of.
    pub shape: Shape,
    /// The document does not say that a value must be of the shape's kind (JSON Schema without `type`): a value of **another** JSON kind fits too.
    /// `{maxLength: 5}` is an implied string: `"abc"` and 7 fit, `"abcdef"` does not.
    pub implied: bool,
    /// Whether the document calls it deprecated, wherever it is used.
    pub deprecated: bool,
    /// The value that is taken where none is given, if the type itself says so (JSON Schema). A use may have its own.
    pub default: Option<Json>,
    /// What the algebra does not express: at most one for each keyword.
    pub residuals: Vec<Residual>,
}

impl Type {
    /// A type of this shape and nothing else.
    #[must_use]
    pub fn of(shape: Shape) -> Self {
        Self {
            element: ElementId::NONE,
            name: Name::Anonymous,
            summary: Words::default(),
            shape,
            implied: false,
            deprecated: false,
            default: None,
            residuals: Vec::new(),
        }
    }
}

/// What a type is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Name {
    /// It has no name: it is written where it is used.
    #[default]
    Anonymous,
    /// A name for people and tools, which no caller can observe (a component of OpenAPI). Not in the digest: structure alone matters.
    Alias(Text),
    /// A name that callers see, so that two types of one structure and two names differ (protobuf: `pkg.Message`; GraphQL: `User`). In the digest.
    Nominal(Text),
}

impl Name {
    /// The name, empty for none.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::Alias(name) | Self::Nominal(name) => name,
        }
    }
}

/// What a type is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Any value at all; what an unresolved reference stands for, too, with a facet `surface.unresolved` (its text).
    Any,
    /// No value (JSON Schema `false`).
    Never,
    /// Only null.
    Null,
    /// One value without parts.
    Scalar(Box<Scalar>),
    /// One of the values that are listed. A `const` is one of one value.
    Enum(Enum),
    /// Fields by name: an object of JSON, a message of protobuf, an object, interface or input of GraphQL, a complex type of XML Schema.
    Record(Box<Record>),
    /// Values in order: a list, or a tuple where [`List::prefix`] is not empty.
    List(List),
    /// Values by key where the format has a map of its own (protobuf's `map<string, T>`). JSON objects are [`Record`]s, whatever names they may have.
    Map(Map),
    /// One of several types.
    Union(Union),
    /// All of these at once, in no order.
    Intersection(Vec<TypeId>),
    /// This type, or null. The one form for it: `nullable`, `type: [x, null]`, `anyOf: [x, {type: null}]`; in GraphQL everything without `!`.
    Nullable(TypeId),
}

/// A value without parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scalar {
    /// Its kind.
    pub kind: ScalarKind,
    /// What the format says more closely: `date-time`, `int32`; protobuf's own name of the kind, such as `sfixed64`, which decides about the wire.
    pub format: Text,
    /// The pattern (a regular expression of the format's dialect, not anchored unless it says so); empty for none.
    pub pattern: Text,
    /// The least number.
    pub minimum: Option<Bound>,
    /// The greatest number.
    pub maximum: Option<Bound>,
    /// What a number must be a multiple of.
    pub multiple_of: Option<Decimal>,
    /// The least length, in characters (bytes for [`ScalarKind::Bytes`]).
    pub min_length: Option<u64>,
    /// The greatest length.
    pub max_length: Option<u64>,
}

/// A limit of a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bound {
    /// The limit.
    pub value: Decimal,
    /// Whether the limit itself is out.
    pub exclusive: bool,
}

/// The kinds of scalars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ScalarKind {
    /// Text.
    #[default]
    String,
    /// A whole number; in JSON a [`Number`](Self::Number) without fraction.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Bytes: a file, protobuf's `bytes`.
    Bytes,
    /// A scalar that only its name tells (a custom scalar of GraphQL): its type has a nominal name.
    Opaque,
}

/// One of listed values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Enum {
    /// The values, in the order of the document; order is not meaning.
    pub values: Vec<EnumValue>,
    /// Whether receivers must expect values that are not listed (proto3, `x-extensible-enum`).
    pub open: bool,
}

/// A value of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnumValue {
    /// Where it stands.
    pub element: ElementId,
    /// The value: any JSON; the name as a string in GraphQL and protobuf (there the number is the facet `protobuf.number`).
    pub value: Json,
    /// One line of what it is, for people.
    pub summary: Words,
    /// Whether it is called deprecated.
    pub deprecated: bool,
}

/// Fields by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// The fields, in the order of the document; order is not meaning (where it is, as in XML Schema's `sequence`, a facet says so).
    pub fields: Vec<Field>,
    /// What fields of other names must be. `None`: anything may be there (JSON Schema without `additionalProperties`);
    /// [`Shape::Never`]: nothing may (`additionalProperties: false`, an input of GraphQL). Applies to names that neither a field nor a pattern has.
    pub additional: Option<TypeId>,
    /// Names that must be there without being among the fields (`required: [x]` where no property `x` is).
    pub also_required: Vec<Text>,
    /// What fields whose names match a regular expression must be, beside what else holds for them.
    pub patterns: Vec<Pattern>,
    /// How few fields there may be.
    pub min_fields: Option<u64>,
    /// How many fields there may be.
    pub max_fields: Option<u64>,
    /// Fields of which at most one (or exactly one) is there: protobuf's `oneof`, GraphQL's `@oneOf`.
    pub choices: Vec<Choice>,
    /// If a field is there, those others must be (`dependentRequired`).
    pub dependent: Vec<Dependent>,
    /// The interfaces that it implements (GraphQL).
    pub interfaces: Vec<TypeId>,
    /// Whether it is an interface itself: a value is one of the records that implement it.
    pub is_interface: bool,
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Where it stands.
    pub element: ElementId,
    /// Its name as callers see it. In protobuf its number, its JSON name and its wire encoding are facets.
    pub name: Text,
    /// What its value is.
    pub ty: TypeId,
    /// Whether it must be there.
    pub presence: Presence,
    /// One line of what it is, for people.
    pub summary: Words,
    /// Who sends it.
    pub direction: Direction,
    /// Whether it is called deprecated, by itself or by its type.
    pub deprecated: bool,
    /// The value that is taken where it is missing, if the field says so (GraphQL's input fields, proto2). See [`Type::default`].
    pub default: Option<Json>,
    /// What it can be asked with (GraphQL's fields), each with [`Place::Argument`](super::Place::Argument).
    pub arguments: Vec<Input>,
}

/// Whether something must be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It may be missing.
    #[default]
    Optional,
    /// It must be there.
    Required,
    /// It is always there as far as one can tell: missing and the kind's zero are one (proto3 without `optional`).
    Implicit,
}

/// Who sends a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Whoever sends the record.
    #[default]
    Both,
    /// Only answers have it (`readOnly`).
    ReadOnly,
    /// Only requests have it (`writeOnly`).
    WriteOnly,
}

/// Fields by a pattern of their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The regular expression. No two of a record are the same.
    pub pattern: Text,
    /// What the fields are.
    pub ty: TypeId,
}

/// Fields of a record of which one alone may be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Choice {
    /// Where it stands.
    pub element: ElementId,
    /// Its name (protobuf's `oneof`); empty for none.
    pub name: Text,
    /// The names of the fields.
    pub fields: Vec<Text>,
    /// Whether one must be there.
    pub required: bool,
}

/// What a field brings with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dependent {
    /// If this field is there,
    pub field: Text,
    /// so must these be.
    pub requires: Vec<Text>,
}

/// Values in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct List {
    /// What the items are that come after the prefix; `None`: anything; [`Shape::Never`]: there are none.
    pub items: Option<TypeId>,
    /// What the first items are, one by one: a tuple. They may be missing unless [`min_items`](Self::min_items) says otherwise.
    pub prefix: Sequence,
    /// How few items there may be.
    pub min_items: Option<u64>,
    /// How many items there may be.
    pub max_items: Option<u64>,
    /// Whether no two items may be equal.
    pub unique: bool,
}

/// Types whose order is meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sequence(pub Vec<TypeId>);

/// Values by key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Map {
    /// What the keys are.
    pub key: TypeId,
    /// What the values are.
    pub value: TypeId,
}

/// One of several types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Union {
    /// How many of the variants a value fits.
    pub fits: Fits,
    /// The variants, in no order.
    pub variants: Vec<Variant>,
    /// The field that tells the variants apart. Also on a union of one kind: with [`Fits::Base`].
    pub discriminator: Option<Discriminator>,
}

/// How many variants of a union a value fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fits {
    /// At least one (`anyOf`; several types in `type`).
    #[default]
    Any,
    /// Exactly one, judged by trying each (`oneOf`).
    One,
    /// Exactly one, named by the value itself (a union of GraphQL: `__typename`).
    Tagged,
    /// The one variant is a base, and the discriminator's mapping names what else the value may be more closely: OpenAPI's inheritance by `allOf`
    /// with a `discriminator` at the base.
    Base,
}

/// One type of a union.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Where it stands.
    pub element: ElementId,
    /// The type.
    pub ty: TypeId,
    /// What it is called where a value says so; empty where nothing does.
    pub tag: Text,
}

/// The field by which a union's variants are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Discriminator {
    /// The field's name.
    pub field: Text,
    /// Its values, each with the type that it stands for. A reader writes out what the format only implies (OpenAPI: a component's name), because
    /// there it is observable.
    pub mapping: Vec<Mapped>,
    /// The type for a value that is not listed, or for none (OpenAPI 3.2's `defaultMapping`).
    pub otherwise: Option<TypeId>,
}

/// A value of a discriminator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mapped {
    /// The value; no two of a mapping are the same.
    pub value: Text,
    /// What it stands for.
    pub ty: TypeId,
}

/// What the algebra does not express, kept whole. It can be told whether two are the same; what a change does is for the engine to say, or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Residual {
    /// The value must not fit this (`not`).
    Not(TypeId),
    /// `if`, `then`, `else`; those that are missing are `None`.
    If(Condition),
    /// If the field is there, the record must fit the type (`dependentSchemas`, and `dependencies` with a schema).
    DependentSchema(Pattern),
    /// So many items must fit this (`contains`, `minContains`, `maxContains`).
    Contains(Contains),
    /// What no other keyword looked at (`unevaluatedProperties`).
    UnevaluatedFields(TypeId),
    /// What no other keyword looked at (`unevaluatedItems`).
    UnevaluatedItems(TypeId),
    /// What the fields' names must be (`propertyNames`).
    FieldNames(TypeId),
    /// What the text holds when it is decoded (`contentSchema`).
    ContentSchema(TypeId),
    /// A keyword that is kept as it is; it holds no types.
    Other(Keyword),
}

/// A keyword and its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keyword {
    /// The keyword.
    pub keyword: Text,
    /// Its value.
    pub value: Json,
}

/// `if`, `then`, `else`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// What is tried.
    pub condition: TypeId,
    /// What must hold if it fits.
    pub then: Option<TypeId>,
    /// What must hold if it does not.
    pub otherwise: Option<TypeId>,
}

/// How many items must fit a type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contains {
    /// The type.
    pub ty: TypeId,
    /// How few; 1 where nothing is said.
    pub min: Option<u64>,
    /// How many.
    pub max: Option<u64>,
}
