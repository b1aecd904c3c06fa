//! A `.proto` file as it is written: names are not looked up, options not judged.

use std::borrow::Cow;

use super::lex::Spot;

/// The language of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Syntax {
    #[default]
    Proto2,
    Proto3,
    Edition2023,
    Edition2024,
}

impl Syntax {
    /// As a surface names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Proto2 => "proto2",
            Self::Proto3 => "proto3",
            Self::Edition2023 => "2023",
            Self::Edition2024 => "2024",
        }
    }

    pub(super) fn is_edition(self) -> bool {
        matches!(self, Self::Edition2023 | Self::Edition2024)
    }
}

#[derive(Debug, Default)]
pub(super) struct File<'a> {
    pub(super) syntax: Syntax,
    pub(super) package: Cow<'a, str>,
    pub(super) imports: Vec<Import>,
    pub(super) options: Vec<Setting<'a>>,
    pub(super) messages: Vec<Message<'a>>,
    pub(super) enums: Vec<Enum<'a>>,
    pub(super) services: Vec<Service<'a>>,
    pub(super) extends: Vec<Extend<'a>>,
    /// What is wrong and can be lived with.
    pub(super) notes: Vec<Note>,
}

#[derive(Debug)]
pub(super) struct Note {
    pub(super) code: &'static str,
    pub(super) spot: Spot,
    pub(super) message: String,
}

#[derive(Debug)]
pub(super) struct Import {
    pub(super) spot: Spot,
    pub(super) path: String,
    pub(super) is_public: bool,
}

/// How a declaration begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head<'a> {
    pub(super) spot: Spot,
    pub(super) comment: &'a str,
    pub(super) name: &'a str,
}

#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub(super) head: Head<'a>,
    pub(super) fields: Vec<Field<'a>>,
    pub(super) oneofs: Vec<Oneof<'a>>,
    pub(super) messages: Vec<Message<'a>>,
    pub(super) enums: Vec<Enum<'a>>,
    pub(super) extends: Vec<Extend<'a>>,
    pub(super) extensions: Vec<Extensions<'a>>,
    pub(super) reserved: Reserved<'a>,
    pub(super) options: Vec<Setting<'a>>,
}

/// Numbers and names that must not be used again.
#[derive(Debug, Default)]
pub(super) struct Reserved<'a> {
    /// First and last.
    pub(super) ranges: Vec<(i64, i64)>,
    pub(super) names: Vec<Cow<'a, str>>,
}

/// Numbers that others may use, with what is said of them.
#[derive(Debug)]
pub(super) struct Extensions<'a> {
    pub(super) ranges: Vec<(i64, i64)>,
    pub(super) options: Vec<Setting<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Optional,
    Required,
    Repeated,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum FieldType<'a> {
    Named(Cow<'a, str>),
    Map(Cow<'a, str>, Cow<'a, str>),
    /// A message that is declared where it is used: its name in lower case is the field's.
    Group,
}

#[derive(Debug)]
pub(super) struct Field<'a> {
    pub(super) head: Head<'a>,
    pub(super) label: Option<Label>,
    pub(super) ty: FieldType<'a>,
    pub(super) number: i64,
    pub(super) options: Vec<Setting<'a>>,
    /// The place of its `oneof` among the message's.
    pub(super) oneof: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Oneof<'a> {
    pub(super) head: Head<'a>,
    pub(super) options: Vec<Setting<'a>>,
}

#[derive(Debug, Default)]
pub(super) struct Enum<'a> {
    pub(super) head: Head<'a>,
    pub(super) values: Vec<EnumValue<'a>>,
    pub(super) reserved: Reserved<'a>,
    pub(super) options: Vec<Setting<'a>>,
}

#[derive(Debug)]
pub(super) struct EnumValue<'a> {
    pub(super) head: Head<'a>,
    pub(super) number: i64,
    pub(super) options: Vec<Setting<'a>>,
}

/// Fields that a file adds to a message of elsewhere.
#[derive(Debug)]
pub(super) struct Extend<'a> {
    pub(super) of: Cow<'a, str>,
    pub(super) spot: Spot,
    pub(super) fields: Vec<Field<'a>>,
}

#[derive(Debug, Default)]
pub(super) struct Service<'a> {
    pub(super) head: Head<'a>,
    pub(super) methods: Vec<Method<'a>>,
    pub(super) options: Vec<Setting<'a>>,
}

#[derive(Debug)]
pub(super) struct Method<'a> {
    pub(super) head: Head<'a>,
    pub(super) input: Cow<'a, str>,
    pub(super) output: Cow<'a, str>,
    pub(super) client_streams: bool,
    pub(super) server_streams: bool,
    pub(super) options: Vec<Setting<'a>>,
}

/// `option (a.b).c = value`.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) spot: Spot,
    pub(super) name: Vec<Step<'a>>,
    pub(super) value: Literal<'a>,
}

/// A part of an option's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step<'a> {
    pub(super) text: Cow<'a, str>,
    /// It stands in parentheses: it is the name of an extension.
    pub(super) is_extension: bool,
}

/// A value as it is written.
#[derive(Debug)]
pub(super) enum Literal<'a> {
    Word(&'a str),
    /// As [`Decimal`](shared::surface::Decimal) reads it, or `inf`, `nan` with a sign.
    Number(String),
    Text(Vec<u8>),
    List(Vec<Literal<'a>>),
    Message(Vec<(Step<'a>, Literal<'a>)>),
}
