//! What stands between braces: messages, enumerations, services.

use std::borrow::Cow;

use super::Parser;
use crate::readers::protobuf::ast::{
    Enum, EnumValue, Extend, Extensions, Field, FieldType, Head, Label, Message, Method, Oneof, Reserved, Service,
    Syntax,
};
use crate::readers::protobuf::lex::{Spot, Token};
use crate::readers::{Refused, quote};

/// The last number that a range to `max` has.
const NUMBER_MAX: i64 = 536_870_911;

impl<'a> Parser<'a, '_> {
    pub(super) fn message(&mut self) -> Result<Message<'a>, Refused> {
        let head = self.head(Some("message"))?;
        self.message_body(head)
    }

    fn message_body(&mut self, head: Head<'a>) -> Result<Message<'a>, Refused> {
        let mut message = Message { head, ..Message::default() };
        self.block(|parser| {
            match parser.token {
                Token::Word("message") => message.messages.push(parser.message()?),
                Token::Word("enum") => message.enums.push(parser.enumeration()?),
                Token::Word("option") => message.options.push(parser.option()?),
                Token::Word("extend") => {
                    let extend = parser.extend(&mut message.messages)?;
                    message.extends.push(extend);
                }
                Token::Word("oneof") => parser.oneof(&mut message)?,
                Token::Word("reserved") => parser.reserved(&mut message.reserved, NUMBER_MAX)?,
                Token::Word("extensions") => {
                    parser.count()?;
                    parser.bump()?;
                    let ranges = parser.ranges(NUMBER_MAX)?;
                    let options = parser.options()?;
                    parser.expect(';')?;
                    message.extensions.push(Extensions { ranges, options });
                }
                _ => message.fields.extend(parser.field(&mut message.messages, &mut message.enums, None)?),
            }
            Ok(())
        })?;
        Ok(message)
    }

    /// What stands between braces, one by one. A `;` alone says nothing.
    fn block(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Refused>) -> Result<(), Refused> {
        self.enter()?;
        self.expect('{')?;
        while !self.eat('}')? {
            if !self.eat(';')? {
                each(self)?;
            }
        }
        self.leave();
        Ok(())
    }

    /// A field; nothing where `export message …` turned out to be a declaration of edition 2024.
    fn field(
        &mut self,
        messages: &mut Vec<Message<'a>>,
        enums: &mut Vec<Enum<'a>>,
        oneof: Option<usize>,
    ) -> Result<Option<Field<'a>>, Refused> {
        self.count()?;
        let (spot, comment) = (self.spot, self.comment);
        let label = match self.token {
            Token::Word("optional") => Some(Label::Optional),
            Token::Word("required") => Some(Label::Required),
            Token::Word("repeated") => Some(Label::Repeated),
            _ => None,
        };
        if label.is_some() {
            self.bump()?;
        }
        let named = self.path("a field or a declaration", true)?;
        if self.syntax == Syntax::Edition2024 && matches!(&*named, "export" | "local") {
            if self.is_word("message") {
                messages.push(self.message()?);
                return Ok(None);
            }
            if self.is_word("enum") {
                enums.push(self.enumeration()?);
                return Ok(None);
            }
        }
        let mut ty = self.field_type(named)?;
        let name_spot = self.spot;
        let name = self.word("the name of the field")?;
        self.short(name, name_spot)?;
        self.expect('=')?;
        let number = self.number("the number of the field")?;
        let options = self.options()?;
        let may_be_group = matches!(&ty, FieldType::Named(named) if named == "group");
        if may_be_group && self.is('{') {
            ty = FieldType::Group;
            messages.push(self.message_body(Head { spot, comment, name })?);
        } else {
            self.expect(';')?;
        }
        self.label(label, &ty, oneof.is_some(), name_spot, name);
        Ok(Some(Field { head: Head { spot, comment, name }, label, ty, number, options, oneof }))
    }

    fn field_type(&mut self, named: Cow<'a, str>) -> Result<FieldType<'a>, Refused> {
        if named != "map" || !self.eat('<')? {
            return Ok(FieldType::Named(named));
        }
        let key = self.path("the type of the keys", true)?;
        self.expect(',')?;
        let value = self.path("the type of the values", true)?;
        self.expect('>')?;
        Ok(FieldType::Map(key, value))
    }

    /// Notes a label that the syntax does not have, and one that is missing.
    fn label(&mut self, label: Option<Label>, ty: &FieldType<'_>, in_oneof: bool, spot: Spot, name: &str) {
        let is_map = matches!(ty, FieldType::Map(..));
        let wrong = match (self.syntax, label) {
            (_, Some(_)) if in_oneof || is_map => "has a label where none may be",
            (Syntax::Proto2, None) if !in_oneof && !is_map => "needs a label: optional, required or repeated",
            (Syntax::Proto3, Some(Label::Required)) => "is required, which proto3 does not have",
            (syntax, Some(Label::Required | Label::Optional)) if syntax.is_edition() => {
                "has a label that editions do not have; `features.field_presence` says it"
            }
            (syntax, _) if *ty == FieldType::Group && syntax != Syntax::Proto2 => "is a group, which only proto2 has",
            _ => return,
        };
        self.note("label", spot, format!("The field {} {wrong}.", quote(name)));
    }

    fn oneof(&mut self, message: &mut Message<'a>) -> Result<(), Refused> {
        let head = self.head(Some("oneof"))?;
        let place = message.oneofs.len();
        let mut options = Vec::new();
        self.block(|parser| {
            match parser.token {
                Token::Word("option") => options.push(parser.option()?),
                _ => message.fields.extend(parser.field(&mut message.messages, &mut message.enums, Some(place))?),
            }
            Ok(())
        })?;
        message.oneofs.push(Oneof { head, options });
        Ok(())
    }

    pub(super) fn extend(&mut self, messages: &mut Vec<Message<'a>>) -> Result<Extend<'a>, Refused> {
        self.count()?;
        self.bump()?;
        let spot = self.spot;
        let of = self.path("the message that is extended", true)?;
        let mut fields = Vec::new();
        self.block(|parser| {
            fields.extend(parser.field(messages, &mut Vec::new(), None)?);
            Ok(())
        })?;
        Ok(Extend { of, spot, fields })
    }

    fn ranges(&mut self, max: i64) -> Result<Vec<(i64, i64)>, Refused> {
        let mut ranges = Vec::new();
        loop {
            self.count()?;
            let first = self.number("a number")?;
            let mut last = first;
            if self.eat_word("to")? {
                last = if self.eat_word("max")? { max } else { self.number("a number or `max`")? };
            }
            ranges.push((first, last));
            if !self.eat(',')? {
                return Ok(ranges);
            }
        }
    }

    fn reserved(&mut self, reserved: &mut Reserved<'a>, max: i64) -> Result<(), Refused> {
        self.bump()?;
        if matches!(self.token, Token::Integer(_) | Token::Symbol('-')) {
            reserved.ranges.extend(self.ranges(max)?);
            return self.expect(';');
        }
        loop {
            self.count()?;
            let name = match self.token {
                Token::Word(word) => {
                    self.bump()?;
                    Cow::Borrowed(word)
                }
                _ => Cow::Owned(self.utf8("numbers or names")?),
            };
            reserved.names.push(name);
            if !self.eat(',')? {
                return self.expect(';');
            }
        }
    }

    pub(super) fn enumeration(&mut self) -> Result<Enum<'a>, Refused> {
        let head = self.head(Some("enum"))?;
        let mut found = Enum { head, ..Enum::default() };
        self.block(|parser| {
            match parser.token {
                Token::Word("option") => found.options.push(parser.option()?),
                Token::Word("reserved") => parser.reserved(&mut found.reserved, i64::from(i32::MAX))?,
                _ => {
                    let head = parser.head(None)?;
                    parser.expect('=')?;
                    let number = parser.number("the number of the value")?;
                    let options = parser.options()?;
                    parser.expect(';')?;
                    found.values.push(EnumValue { head, number, options });
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    pub(super) fn service(&mut self) -> Result<Service<'a>, Refused> {
        let head = self.head(Some("service"))?;
        let mut service = Service { head, ..Service::default() };
        self.block(|parser| {
            match parser.token {
                Token::Word("option") => service.options.push(parser.option()?),
                Token::Word("rpc") => service.methods.push(parser.method()?),
                _ => return parser.unexpected("`rpc` or `option`"),
            }
            Ok(())
        })?;
        Ok(service)
    }

    fn method(&mut self) -> Result<Method<'a>, Refused> {
        let head = self.head(Some("rpc"))?;
        let (input, client_streams) = self.streamed()?;
        if !self.eat_word("returns")? {
            return self.unexpected("`returns`");
        }
        let (output, server_streams) = self.streamed()?;
        let mut options = Vec::new();
        if self.is('{') {
            self.block(|parser| {
                if !parser.is_word("option") {
                    return parser.unexpected("`option` or `}`");
                }
                options.push(parser.option()?);
                Ok(())
            })?;
        } else {
            self.expect(';')?;
        }
        Ok(Method { head, input, output, client_streams, server_streams, options })
    }

    /// `(stream a.B)`; a type may be called `stream` too.
    fn streamed(&mut self) -> Result<(Cow<'a, str>, bool), Refused> {
        self.expect('(')?;
        let streams = self.eat_word("stream")?;
        if streams && self.eat(')')? {
            return Ok(("stream".into(), false));
        }
        let ty = self.path("the type of the message", true)?;
        self.expect(')')?;
        Ok((ty, streams))
    }
}
