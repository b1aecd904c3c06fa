//! What a type system document is made of.

use shared::surface::Root;

use super::lexer::At;

/// A name where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    pub(super) at: At,
}

/// A value that is written out: no variables.
#[derive(Clone, Debug)]
pub(super) enum Literal<'a> {
    Null,
    Bool(bool),
    Int(&'a str),
    Float(&'a str),
    /// A string as it is written.
    Text(&'a str),
    /// A value of an enumeration.
    Name(&'a str),
    List(Vec<Self>),
    Object(Vec<(Name<'a>, Self)>),
}

/// What is around a type's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrap {
    List,
    NonNull,
}

/// A type as it is referred to.
#[derive(Clone, Debug)]
pub(super) struct Ref<'a> {
    pub(super) name: Name<'a>,
    /// From the inside out.
    pub(super) wraps: Vec<Wrap>,
}

impl Ref<'_> {
    pub(super) fn is_non_null(&self) -> bool {
        self.wraps.last() == Some(&Wrap::NonNull)
    }
}

impl std::fmt::Display for Ref<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lists = self.wraps.iter().filter(|wrap| **wrap == Wrap::List).count();
        (0..lists).try_for_each(|_| out.write_str("["))?;
        out.write_str(self.name.text)?;
        self.wraps.iter().try_for_each(|wrap| out.write_str(if *wrap == Wrap::List { "]" } else { "!" }))
    }
}

/// A directive that is applied.
#[derive(Clone, Debug)]
pub(super) struct Directive<'a> {
    /// Without the `@`.
    pub(super) name: Name<'a>,
    pub(super) arguments: Vec<(Name<'a>, Literal<'a>)>,
}

impl<'a> Directive<'a> {
    pub(super) fn argument(&self, name: &str) -> Option<&Literal<'a>> {
        self.arguments.iter().find(|(known, _)| known.text == name).map(|(_, value)| value)
    }
}

/// What stands in a definition: a field, an argument, a value of an enumeration, a member of a union.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    pub(super) name: Name<'a>,
    /// As it is written; empty for none.
    pub(super) description: &'a str,
    pub(super) arguments: Vec<Self>,
    /// Of fields and arguments.
    pub(super) ty: Option<Ref<'a>>,
    pub(super) default: Option<Literal<'a>>,
    pub(super) directives: Vec<Directive<'a>>,
}

/// What is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defined {
    Scalar,
    Object,
    Interface,
    Union,
    Enum,
    Input,
    Directive,
}

impl Defined {
    /// As the language names it.
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Object => "type",
            Self::Interface => "interface",
            Self::Union => "union",
            Self::Enum => "enum",
            Self::Input => "input",
            Self::Directive => "directive",
        }
    }

    pub(super) fn of(keyword: &str) -> Option<Self> {
        [Self::Scalar, Self::Object, Self::Interface, Self::Union, Self::Enum, Self::Input, Self::Directive]
            .into_iter()
            .find(|defined| defined.keyword() == keyword)
    }

    /// Whether a value of it can be sent.
    pub(super) fn is_input(self) -> bool {
        matches!(self, Self::Scalar | Self::Enum | Self::Input)
    }

    /// Whether a value of it can come back.
    pub(super) fn is_output(self) -> bool {
        !matches!(self, Self::Input | Self::Directive)
    }
}

/// A definition of a type or a directive, or an extension.
#[derive(Clone, Debug)]
pub(super) struct Definition<'a> {
    pub(super) defined: Defined,
    pub(super) extends: bool,
    pub(super) name: Name<'a>,
    pub(super) description: &'a str,
    pub(super) interfaces: Vec<Name<'a>>,
    pub(super) directives: Vec<Directive<'a>>,
    /// Fields, values, members or a directive's arguments.
    pub(super) items: Vec<Item<'a>>,
    /// Where a directive may stand.
    pub(super) locations: Vec<&'a str>,
    pub(super) is_repeatable: bool,
}

/// `schema` or `extend schema`.
#[derive(Clone, Debug)]
pub(super) struct Schema<'a> {
    pub(super) at: At,
    pub(super) extends: bool,
    pub(super) description: &'a str,
    pub(super) directives: Vec<Directive<'a>>,
    pub(super) roots: Vec<(Root, Name<'a>)>,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(super) struct Document<'a> {
    pub(super) schemas: Vec<Schema<'a>>,
    pub(super) definitions: Vec<Definition<'a>>,
}
