//! Options: however they are written, the same ones become the same value.

use std::collections::BTreeMap;

use shared::surface::{Decimal, Json, Value};

use super::ast::{Literal, Setting, Step};
use super::index::{Index, Want};
use super::lex::Spot;
use crate::readers::{Warnings, quote};

/// Options by name; an extension's stands in parentheses, with its package.
pub(super) type Options = BTreeMap<String, Value>;

/// What an option is where nobody sets it: saying so changes nothing.
const DEFAULTS: [(&str, &str); 6] = [
    ("optimize_for", "SPEED"),
    ("ctype", "STRING"),
    ("jstype", "JS_NORMAL"),
    ("idempotency_level", "IDEMPOTENCY_UNKNOWN"),
    ("retention", "RETENTION_UNKNOWN"),
    ("verification", "DECLARATION"),
];

/// Looks names of options up, from one file.
pub(super) struct Reader<'i, 'a> {
    pub(super) index: &'i Index<'a>,
    pub(super) file: usize,
    pub(super) path: &'i str,
}

impl Reader<'_, '_> {
    /// The options that are set in a scope.
    pub(super) fn read<'s, 'l: 's>(
        &self,
        scope: &str,
        settings: impl IntoIterator<Item = &'s Setting<'l>>,
        warnings: &mut Warnings,
    ) -> Options {
        let mut options = Options::new();
        for setting in settings {
            let value = self.value(scope, &setting.value, setting.spot, warnings);
            let mut map = &mut options;
            let mut steps = setting.name.iter().peekable();
            while let Some(step) = steps.next() {
                let name = self.name(scope, step, setting.spot, warnings);
                if steps.peek().is_none() {
                    add(map, name, value);
                    break;
                }
                // What a path leads through is one message, however often it is named.
                let inner = map.entry(name).or_insert_with(|| Value::Map(BTreeMap::new()));
                match inner {
                    Value::Map(inner) => map = inner,
                    _ => break,
                }
            }
        }
        options.retain(|name, value| !is_default(name, value));
        options
    }

    fn name(&self, scope: &str, step: &Step<'_>, spot: Spot, warnings: &mut Warnings) -> String {
        if !step.is_extension {
            return step.text.clone().into_owned();
        }
        // The type of an `Any` is looked up where it is used, by nobody here.
        if step.text.contains('/') {
            return format!("({})", step.text);
        }
        if let Some(found) = self.index.resolve(self.file, scope, &step.text, Want::Extension) {
            return format!("({})", self.index.name(found.symbol));
        }
        let message = format!("The option {} is not known: no file that is imported defines it.", quote(&step.text));
        warnings.push("unresolved-option", message, self.path, spot.line, &step.text);
        format!("({})", step.text.trim_start_matches('.'))
    }

    fn value(&self, scope: &str, literal: &Literal<'_>, spot: Spot, warnings: &mut Warnings) -> Value {
        match literal {
            Literal::Word("true") => Value::Bool(true),
            Literal::Word("false") => Value::Bool(false),
            Literal::Word(word) => Value::String((*word).to_owned()),
            Literal::Number(number) => self::number(number),
            Literal::Text(bytes) => text(bytes),
            Literal::List(items) => {
                let items = items.iter().map(|item| self.value(scope, item, spot, warnings));
                let mut items: Vec<Value> = items.collect();
                // A list of one and its one item are the same to a repeated field, and nothing else has lists.
                match items.pop() {
                    Some(item) if items.is_empty() => item,
                    last => {
                        items.extend(last);
                        Value::List(items)
                    }
                }
            }
            Literal::Message(entries) => {
                let mut map = BTreeMap::new();
                for (step, literal) in entries {
                    let value = self.value(scope, literal, spot, warnings);
                    add(&mut map, self.name(scope, step, spot, warnings), value);
                }
                Value::Map(map)
            }
        }
    }
}

/// Adds a value; one that is there already makes a list, because only a repeated field is set twice.
fn add(map: &mut BTreeMap<String, Value>, name: String, value: Value) {
    let Some(known) = map.get_mut(&name) else {
        map.insert(name, value);
        return;
    };
    let mut items = match std::mem::replace(known, Value::Null) {
        Value::List(items) => items,
        first => vec![first],
    };
    match value {
        Value::List(more) => items.extend(more),
        value => items.push(value),
    }
    *known = Value::List(items);
}

fn is_default(name: &str, value: &Value) -> bool {
    match value {
        // An empty list sets nothing.
        Value::List(items) => items.is_empty(),
        // Whether a field is packed where it does not say so depends on the syntax.
        Value::Bool(value) if !name.starts_with('(') && name != "packed" => *value == (name == "cc_enable_arenas"),
        Value::String(word) => DEFAULTS.contains(&(name, word)),
        _ => false,
    }
}

/// A number of the language as a value: those that JSON does not have are texts.
pub(super) fn number(text: &str) -> Value {
    Decimal::parse(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// Bytes as a value: a text where they are one.
pub(super) fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => Value::Map(BTreeMap::from([("bytes".to_owned(), Value::String(bytes.escape_ascii().to_string()))])),
    }
}

/// Options as a facet; nothing for none.
pub(super) fn json(options: Options) -> Option<Json> {
    if options.is_empty() { None } else { Some(Json::of(&Value::Map(options))) }
}

/// The text of an option.
pub(super) fn word<'o>(options: &'o Options, name: &str) -> Option<&'o str> {
    match options.get(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Takes a switch out of the options.
pub(super) fn switch(options: &mut Options, name: &str) -> bool {
    matches!(options.remove(name), Some(Value::Bool(true)))
}
