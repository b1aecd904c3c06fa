//! The grammar of type system documents, as the GraphQL specification (September 2025) has it: a text becomes definitions.

use shared::surface::Root;

use super::lexer::{At, Fault, Kind, Lexer, Token};
use super::quote;
use super::syntax::{Defined, Definition, Directive, Document, Item, Literal, Name, Ref, Schema, Wrap};
use crate::readers::DEPTH_MAX;

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum Unread {
    Syntax(Fault),
    TooDeep(At),
    TooMany(At),
    /// It has a query or another operation in it.
    Executable(At),
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        Self::Syntax(fault)
    }
}

type Parsed<T> = Result<T, Unread>;

/// Reads a file; `parts` is how many things it and the files after it may be made of.
pub(super) fn parse<'a>(text: &'a str, file: u32, parts: &mut usize) -> Parsed<Document<'a>> {
    let mut lexer = Lexer::new(text, file);
    let token = lexer.token()?;
    let mut parser = Parser { lexer, token, parts };
    let mut document = Document::default();
    while parser.token.kind != Kind::End {
        parser.definition(&mut document)?;
    }
    Ok(document)
}

/// Whether the first words of a text are those of a definition or a query. `type: object` is YAML, and `enum E { A = 0; }` could be protobuf.
pub(super) fn begins(text: &str) -> bool {
    let mut lexer = Lexer::new(text, 0);
    let mut token = || lexer.token().ok().filter(|token| token.kind != Kind::End);
    let Some(mut first) = token() else { return false };
    if first.kind == Kind::Text {
        let Some(described) = token() else { return false };
        first = described;
    }
    let Some(second) = token() else { return false };
    let is_name = second.kind == Kind::Name;
    match first.text {
        "schema" => matches!(second.text, "{" | "@"),
        "query" | "mutation" | "subscription" => is_name || matches!(second.text, "{" | "("),
        "directive" => second.text == "@",
        "extend" => second.text == "schema" || Defined::of(second.text).is_some(),
        "enum" => {
            is_name && token().is_some_and(|mark| mark.text == "@" || mark.text == "{") && {
                token();
                token().is_some_and(|after| after.text != "=")
            }
        }
        "fragment" => is_name,
        keyword => Defined::of(keyword).is_some() && is_name,
    }
}

struct Parser<'a, 'b> {
    lexer: Lexer<'a>,
    /// The next token.
    token: Token<'a>,
    parts: &'b mut usize,
}

/// Where a directive may stand, as the specification lists it.
const LOCATIONS: [&str; 19] = [
    "QUERY",
    "MUTATION",
    "SUBSCRIPTION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
    "SCHEMA",
    "SCALAR",
    "OBJECT",
    "FIELD_DEFINITION",
    "ARGUMENT_DEFINITION",
    "INTERFACE",
    "UNION",
    "ENUM",
    "ENUM_VALUE",
    "INPUT_OBJECT",
    "INPUT_FIELD_DEFINITION",
];

impl<'a> Parser<'a, '_> {
    fn advance(&mut self) -> Parsed<Token<'a>> {
        let next = self.lexer.token()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn unexpected<T>(&self, wanted: &str) -> Parsed<T> {
        let found =
            if self.token.kind == Kind::End { "the end of the file".to_owned() } else { quote(self.token.text) };
        Err(Fault { at: self.token.at, message: format!("{wanted} was expected, not {found}") }.into())
    }

    fn is_mark(&self, mark: &str) -> bool {
        self.token.kind == Kind::Mark && self.token.text == mark
    }

    fn skip_mark(&mut self, mark: &str) -> Parsed<bool> {
        let is_there = self.is_mark(mark);
        if is_there {
            self.advance()?;
        }
        Ok(is_there)
    }

    fn mark(&mut self, mark: &str) -> Parsed<()> {
        if self.skip_mark(mark)? { Ok(()) } else { self.unexpected(&format!("`{mark}`")) }
    }

    fn is_word(&self, word: &str) -> bool {
        self.token.kind == Kind::Name && self.token.text == word
    }

    fn name(&mut self) -> Parsed<Name<'a>> {
        if self.token.kind != Kind::Name {
            return self.unexpected("a name");
        }
        let token = self.advance()?;
        Ok(Name { text: token.text, at: token.at })
    }

    /// Counts one more part.
    fn part(&mut self) -> Parsed<()> {
        *self.parts = self.parts.checked_sub(1).ok_or(Unread::TooMany(self.token.at))?;
        Ok(())
    }

    /// At least one of something between marks; nothing where the first mark is not there.
    fn many<T>(&mut self, open: &str, close: &str, one: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        if self.skip_mark(open)? {
            while items.is_empty() || !self.is_mark(close) {
                self.part()?;
                items.push(one(self)?);
            }
            self.advance()?;
        }
        Ok(items)
    }

    /// At least one of something with a mark between each, and perhaps before the first.
    fn separated<T>(&mut self, mark: &str, one: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.skip_mark(mark)?;
        let mut items = Vec::new();
        loop {
            self.part()?;
            items.push(one(self)?);
            if !self.skip_mark(mark)? {
                return Ok(items);
            }
        }
    }

    fn description(&mut self) -> Parsed<&'a str> {
        if self.token.kind == Kind::Text { Ok(self.advance()?.text) } else { Ok("") }
    }

    fn definition(&mut self, document: &mut Document<'a>) -> Parsed<()> {
        self.part()?;
        let described = self.token.at;
        let description = self.description()?;
        let start = self.token.at;
        if self.is_mark("{") || ["query", "mutation", "subscription", "fragment"].iter().any(|word| self.is_word(word))
        {
            return Err(Unread::Executable(start));
        }
        let is_definition = self.is_word("schema") || Defined::of(self.token.text).is_some();
        if !description.is_empty() && self.token.kind == Kind::Name && !is_definition {
            let message = "the description that begins here is not followed by a definition".to_owned();
            return Err(Fault { at: described, message }.into());
        }
        let extends = self.is_word("extend");
        if extends {
            self.advance()?;
        }
        if self.is_word("schema") {
            self.advance()?;
            document.schemas.push(self.schema(start, extends, description)?);
            return Ok(());
        }
        let defined = Defined::of(self.token.text).filter(|_| self.token.kind == Kind::Name);
        match defined.filter(|defined| !extends || *defined != Defined::Directive) {
            None => self.unexpected("a definition of a schema, a type or a directive"),
            Some(Defined::Directive) => {
                self.advance()?;
                document.definitions.push(self.directive_definition(description)?);
                Ok(())
            }
            Some(defined) => {
                self.advance()?;
                document.definitions.push(self.type_definition(defined, extends, description)?);
                Ok(())
            }
        }
    }

    fn schema(&mut self, at: At, extends: bool, description: &'a str) -> Parsed<Schema<'a>> {
        let directives = self.directives()?;
        let roots = self.many("{", "}", |parser| {
            let root = match parser.token.text {
                "query" => Root::Query,
                "mutation" => Root::Mutation,
                "subscription" => Root::Subscription,
                _ => return parser.unexpected("`query`, `mutation` or `subscription`"),
            };
            parser.name()?;
            parser.mark(":")?;
            Ok((root, parser.name()?))
        })?;
        // Only an extension may have directives alone.
        if roots.is_empty() && (!extends || directives.is_empty()) {
            return self.unexpected("`{`");
        }
        Ok(Schema { at, extends, description, directives, roots })
    }

    fn type_definition(&mut self, defined: Defined, extends: bool, description: &'a str) -> Parsed<Definition<'a>> {
        let name = self.name()?;
        let has_interfaces = matches!(defined, Defined::Object | Defined::Interface);
        let mut interfaces = Vec::new();
        if has_interfaces && self.is_word("implements") {
            self.advance()?;
            interfaces = self.separated("&", Self::name)?;
        }
        let directives = self.directives()?;
        let items = match defined {
            Defined::Object | Defined::Interface => self.many("{", "}", Self::field)?,
            Defined::Input => self.many("{", "}", Self::input)?,
            Defined::Enum => self.many("{", "}", Self::value_definition)?,
            Defined::Union if self.skip_mark("=")? => self.separated("|", |parser| Ok(bare(parser.name()?, "")))?,
            _ => Vec::new(),
        };
        if extends && interfaces.is_empty() && directives.is_empty() && items.is_empty() {
            return self.unexpected("what it is extended by");
        }
        let (locations, is_repeatable) = (Vec::new(), false);
        Ok(Definition { defined, extends, name, description, interfaces, directives, items, locations, is_repeatable })
    }

    fn directive_definition(&mut self, description: &'a str) -> Parsed<Definition<'a>> {
        self.mark("@")?;
        let name = self.name()?;
        let items = self.many("(", ")", Self::input)?;
        let is_repeatable = self.is_word("repeatable");
        if is_repeatable {
            self.advance()?;
        }
        if !self.is_word("on") {
            return self.unexpected("`on`");
        }
        self.advance()?;
        let locations = self.separated("|", |parser| {
            if parser.token.kind == Kind::Name && LOCATIONS.contains(&parser.token.text) {
                return Ok(parser.name()?.text);
            }
            parser.unexpected("a place where a directive may stand")
        })?;
        let (interfaces, directives) = (Vec::new(), Vec::new());
        let (defined, extends) = (Defined::Directive, false);
        Ok(Definition { defined, extends, name, description, interfaces, directives, items, locations, is_repeatable })
    }

    fn field(&mut self) -> Parsed<Item<'a>> {
        let description = self.description()?;
        let name = self.name()?;
        let arguments = self.many("(", ")", Self::input)?;
        self.mark(":")?;
        let ty = Some(self.reference()?);
        Ok(Item { arguments, ty, directives: self.directives()?, ..bare(name, description) })
    }

    /// An argument, or a field of an input.
    fn input(&mut self) -> Parsed<Item<'a>> {
        let description = self.description()?;
        let name = self.name()?;
        self.mark(":")?;
        let ty = Some(self.reference()?);
        let default = if self.skip_mark("=")? { Some(self.literal(0)?) } else { None };
        Ok(Item { ty, default, directives: self.directives()?, ..bare(name, description) })
    }

    fn value_definition(&mut self) -> Parsed<Item<'a>> {
        let description = self.description()?;
        if matches!(self.token.text, "true" | "false" | "null") {
            return self.unexpected("a name other than `true`, `false` and `null`");
        }
        let name = self.name()?;
        Ok(Item { directives: self.directives()?, ..bare(name, description) })
    }

    fn directives(&mut self) -> Parsed<Vec<Directive<'a>>> {
        let mut directives = Vec::new();
        while self.skip_mark("@")? {
            self.part()?;
            let name = self.name()?;
            let arguments = self.many("(", ")", |parser| {
                let name = parser.name()?;
                parser.mark(":")?;
                Ok((name, parser.literal(0)?))
            })?;
            directives.push(Directive { name, arguments });
        }
        Ok(directives)
    }

    fn reference(&mut self) -> Parsed<Ref<'a>> {
        let mut open = 0;
        while self.skip_mark("[")? {
            open += 1;
            if open > DEPTH_MAX {
                return Err(Unread::TooDeep(self.token.at));
            }
        }
        let mut reference = Ref { name: self.name()?, wraps: Vec::new() };
        loop {
            if self.skip_mark("!")? {
                reference.wraps.push(Wrap::NonNull);
            }
            if open == 0 {
                return Ok(reference);
            }
            self.mark("]")?;
            reference.wraps.push(Wrap::List);
            open -= 1;
        }
    }

    fn literal(&mut self, depth: usize) -> Parsed<Literal<'a>> {
        if depth > DEPTH_MAX {
            return Err(Unread::TooDeep(self.token.at));
        }
        self.part()?;
        let literal = match (self.token.kind, self.token.text) {
            (Kind::Int, number) => Literal::Int(number),
            (Kind::Float, number) => Literal::Float(number),
            (Kind::Text, written) => Literal::Text(written),
            (Kind::Name, "null") => Literal::Null,
            (Kind::Name, "true") => Literal::Bool(true),
            (Kind::Name, "false") => Literal::Bool(false),
            (Kind::Name, name) => Literal::Name(name),
            (Kind::Mark, "[") => {
                self.advance()?;
                let mut items = Vec::new();
                while !self.is_mark("]") {
                    items.push(self.literal(depth + 1)?);
                }
                Literal::List(items)
            }
            (Kind::Mark, "{") => {
                self.advance()?;
                let mut fields = Vec::new();
                while !self.is_mark("}") {
                    let name = self.name()?;
                    self.mark(":")?;
                    fields.push((name, self.literal(depth + 1)?));
                }
                Literal::Object(fields)
            }
            _ => return self.unexpected("a value"),
        };
        self.advance()?;
        Ok(literal)
    }
}

fn bare<'a>(name: Name<'a>, description: &'a str) -> Item<'a> {
    Item { name, description, arguments: Vec::new(), ty: None, default: None, directives: Vec::new() }
}
