//! Definitions and extensions of all files, put together by name.

use foldhash::HashMap;
use shared::surface::{Decimal, Json, Root, Value};

use super::lexer::decode;
use super::syntax::{Defined, Definition, Directive, Document, Item, Literal, Name, Schema};
use super::{Report, quote};

/// A type or a directive with all that its definition and its extensions say.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) defined: Defined,
    pub(super) name: Name<'a>,
    pub(super) description: &'a str,
    pub(super) interfaces: Vec<Name<'a>>,
    pub(super) directives: Vec<Directive<'a>>,
    pub(super) items: Vec<Item<'a>>,
    /// The places of items by their names.
    places: HashMap<&'a str, usize>,
    pub(super) locations: Vec<&'a str>,
    pub(super) is_repeatable: bool,
}

impl<'a> Entry<'a> {
    pub(super) fn new(definition: Definition<'a>, report: &mut Report<'_>) -> Self {
        let Definition { defined, name, description, directives, locations, is_repeatable, .. } = definition;
        let mut entry = Self {
            defined,
            name,
            description,
            interfaces: Vec::new(),
            directives,
            items: Vec::new(),
            places: HashMap::default(),
            locations,
            is_repeatable,
        };
        entry.add(definition.interfaces, definition.items, report);
        entry
    }

    fn add(&mut self, interfaces: Vec<Name<'a>>, items: Vec<Item<'a>>, report: &mut Report<'_>) {
        self.interfaces.extend(interfaces);
        for item in items {
            let place = self.items.len();
            let known = *self.places.entry(item.name.text).or_insert(place);
            if known == place {
                self.items.push(item);
            } else if !report.warnings.is_full() {
                let first = self.items.get(known).map_or(0, |item| item.name.at.line);
                let message = format!(
                    "{} has {} twice (first on line {first}): the first one counts.",
                    self,
                    quote(item.name.text)
                );
                report.warn("duplicate-item", item.name.at, &self.path_of(item.name.text), message);
            }
        }
    }

    /// A field, an argument or a value by its name.
    pub(super) fn item(&self, name: &str) -> Option<&Item<'a>> {
        self.items.get(*self.places.get(name)?)
    }

    /// The schema coordinate of the type or directive.
    pub(super) fn path(&self) -> String {
        if self.defined == Defined::Directive { format!("@{}", self.name.text) } else { self.name.text.to_owned() }
    }

    /// The schema coordinate of an item.
    pub(super) fn path_of(&self, item: &str) -> String {
        self.path() + &self.step(item)
    }

    /// What an item adds to the path.
    pub(super) fn step(&self, item: &str) -> String {
        if self.defined == Defined::Directive { format!("({item}:)") } else { format!(".{item}") }
    }

    pub(super) fn directive(&self, name: &str) -> Option<&Directive<'a>> {
        self.directives.iter().find(|directive| directive.name.text == name)
    }
}

impl std::fmt::Display for Entry<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&quote(&self.path()))
    }
}

/// A schema.
#[derive(Debug, Default)]
pub(super) struct Together<'a> {
    pub(super) description: &'a str,
    /// The schema's own.
    pub(super) applied: Vec<Directive<'a>>,
    /// The root types, each root once.
    pub(super) roots: Vec<(Root, Name<'a>)>,
    pub(super) types: Vec<Entry<'a>>,
    pub(super) directives: Vec<Entry<'a>>,
    /// Whether it is a part of a federation: there, types of other parts are extended, and directives come from outside.
    is_federated: bool,
    types_by_name: HashMap<&'a str, usize>,
    directives_by_name: HashMap<&'a str, usize>,
}

impl<'a> Together<'a> {
    pub(super) fn ty(&self, name: &str) -> Option<&Entry<'a>> {
        self.types.get(*self.types_by_name.get(name)?)
    }

    /// Whether types and directives may be somebody else's.
    pub(super) fn is_federated(&self) -> bool {
        self.is_federated
    }

    pub(super) fn directive(&self, name: &str) -> Option<&Entry<'a>> {
        self.directives.get(*self.directives_by_name.get(name)?)
    }

    /// The definition or extension goes to the entry of its name.
    fn put(
        &mut self,
        definition: Definition<'a>,
        extended: &mut HashMap<usize, Vec<Vec<Directive<'a>>>>,
        report: &mut Report<'_>,
    ) {
        let (entries, by_name) = match definition.defined {
            Defined::Directive => (&mut self.directives, &mut self.directives_by_name),
            _ => (&mut self.types, &mut self.types_by_name),
        };
        let name = definition.name;
        let place = *by_name.entry(name.text).or_insert(entries.len());
        let Some(known) = entries.get_mut(place) else {
            let extends = definition.extends;
            let entry = Entry::new(definition, report);
            if extends && !self.is_federated {
                let message = format!("{entry} is extended, but not defined: the extension counts as its definition.");
                report.warn("extension-without-definition", name.at, name.text, message);
            }
            entries.push(entry);
            return;
        };
        let Definition { defined, extends, description, interfaces, directives, items, locations, .. } = definition;
        let same = known.defined == defined;
        if !extends || !same {
            let first = known.name.at.line;
            let (code, what) =
                if extends { ("wrong-extension", "extended as") } else { ("duplicate-definition", "defined again as") };
            let fate = if same { "both count together" } else { "this one is left out" };
            let keyword = defined.keyword();
            let message = format!("{known} is {what} `{keyword}` (first on line {first}): {fate}.");
            report.warn(code, name.at, &known.path(), message);
        }
        if same {
            known.add(interfaces, items, report);
            if known.description.is_empty() {
                known.description = description;
            }
            if extends {
                extended.entry(place).or_default().push(directives);
            } else {
                known.directives.extend(directives);
                known.locations.extend(locations);
            }
        }
    }

    /// The schema's definition and extensions.
    fn put_schemas(&mut self, schemas: Vec<Schema<'a>>, report: &mut Report<'_>) {
        let is_explicit = schemas.iter().any(|schema| !schema.extends);
        let mut extended = Vec::new();
        let mut is_defined = false;
        for schema in schemas {
            if !schema.extends && std::mem::replace(&mut is_defined, true) {
                let message = "The schema is defined again: both count together.".to_owned();
                report.warn("duplicate-definition", schema.at, "", message);
            }
            for (root, name) in schema.roots {
                if self.roots.iter().any(|(known, _)| *known == root) {
                    let message = format!("The schema has two root types for {}: the first one counts.", keyword(root));
                    report.warn("duplicate-root", name.at, name.text, message);
                } else {
                    self.roots.push((root, name));
                }
            }
            if self.description.is_empty() {
                self.description = schema.description;
            }
            if schema.extends { extended.push(schema.directives) } else { self.applied.extend(schema.directives) }
        }
        self.applied.extend(in_order(extended));
        if !is_explicit {
            for (root, name) in
                [(Root::Query, "Query"), (Root::Mutation, "Mutation"), (Root::Subscription, "Subscription")]
            {
                let ty = self.ty(name).filter(|ty| ty.defined == Defined::Object).map(|ty| ty.name);
                if let Some(name) = ty.filter(|_| self.roots.iter().all(|(known, _)| *known != root)) {
                    self.roots.push((root, name));
                }
            }
        }
        self.roots.sort_by_key(|(root, _)| *root as u8);
    }
}

/// A root as the language names it.
pub(super) fn keyword(root: Root) -> &'static str {
    match root {
        Root::Query => "query",
        Root::Mutation => "mutation",
        Root::Subscription => "subscription",
    }
}

/// Whether it is one of the scalars that every schema has.
pub(super) fn is_built_in(name: &str) -> bool {
    matches!(name, "Int" | "Float" | "String" | "Boolean" | "ID")
}

/// Puts the definitions of files together.
pub(super) fn put<'a>(documents: Vec<Document<'a>>, report: &mut Report<'_>) -> Together<'a> {
    let mut together = Together::default();
    let mut schemas = Vec::new();
    let mut definitions = Vec::new();
    for document in documents {
        schemas.extend(document.schemas);
        definitions.extend(document.definitions);
    }
    // Schemas as definitions: what is defined goes before what extends it, wherever it stands.
    schemas.sort_by_key(|schema| schema.extends);
    let has = |directives: &[Directive<'_>], name| directives.iter().any(|directive| directive.name.text == name);
    together.is_federated = schemas.iter().any(|schema| has(&schema.directives, "link"))
        || definitions.iter().any(|definition| has(&definition.directives, "key"));
    let (extensions, definitions): (Vec<_>, Vec<_>) =
        definitions.into_iter().partition(|definition| definition.extends);
    let mut extended = HashMap::default();
    for definition in definitions.into_iter().chain(extensions) {
        together.put(definition, &mut extended, report);
    }
    for (place, lists) in extended {
        if let Some(entry) = together.types.get_mut(place) {
            entry.directives.extend(in_order(lists));
        }
    }
    together.put_schemas(schemas, report);
    together
}

/// The directives of extensions. Where the order of extensions is nobody's choice, theirs must not depend on it.
fn in_order(mut lists: Vec<Vec<Directive<'_>>>) -> impl Iterator<Item = Directive<'_>> {
    if lists.len() > 1 {
        lists.sort_by_cached_key(|list| Json::of(&Value::List(list.iter().map(directive).collect())));
    }
    lists.into_iter().flatten()
}

/// A directive as JSON: its name, and its arguments where there are any.
pub(super) fn directive(directive: &Directive<'_>) -> Value {
    let mut entries = vec![("name".to_owned(), Value::String(directive.name.text.to_owned()))];
    if !directive.arguments.is_empty() {
        entries.push(("arguments".to_owned(), object(&directive.arguments)));
    }
    Value::Map(entries.into_iter().collect())
}

fn object(fields: &[(Name<'_>, Literal<'_>)]) -> Value {
    // Of two fields of one name the first counts.
    Value::Map(fields.iter().rev().map(|(name, value)| (name.text.to_owned(), value_of(value))).collect())
}

/// A literal as JSON.
pub(super) fn value_of(literal: &Literal<'_>) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        // An exponent beyond 32 bits is no number that anyone could use.
        Literal::Int(number) | Literal::Float(number) => {
            Decimal::parse(number).map_or_else(|| Value::String((*number).to_owned()), Value::Number)
        }
        Literal::Text(written) => Value::String(decode(written).into_owned()),
        Literal::Name(name) => Value::String((*name).to_owned()),
        Literal::List(items) => Value::List(items.iter().map(value_of).collect()),
        Literal::Object(fields) => object(fields),
    }
}
