//! Definitions become types.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use foldhash::{HashMap, HashSet};
use shared::surface::{
    Builder, Choice, ElementId, Enum, EnumValue, Json, Name, Position, Record, ServerId, Shape, Type, TypeId, Value,
};

use super::ast::{Extensions, Head, Reserved, Setting};
use super::features::Features;
use super::index::{EnumDef, ExtendDef, Index, Loaded, MessageDef, Symbol, Want};
use super::lex::{self, Spot};
use super::options::{self, Options, Reader, switch};
use crate::readers::{Warnings, quote};

/// Where something stands, and what holds there.
pub(super) struct Here<'h> {
    pub(super) file: usize,
    /// Where names are looked up from.
    pub(super) scope: &'h str,
    /// The element that it stands in.
    pub(super) parent: ElementId,
    pub(super) features: &'h Rc<Features>,
}

pub(super) struct Author<'f> {
    pub(super) loaded: &'f [Loaded<'f>],
    pub(super) index: &'f Index<'f>,
    pub(super) builder: Builder,
    pub(super) warnings: Warnings,
    types: HashMap<Symbol, TypeId>,
    waiting: VecDeque<(Symbol, TypeId)>,
    /// What is added to messages, by message.
    extensions: HashMap<usize, Vec<&'f ExtendDef<'f>>>,
    /// The numbers of files in the surface.
    numbers: Vec<u32>,
    /// The keys of what files say for all in them, for files that have definitions here.
    pub(super) keys: BTreeMap<usize, (Json, Options)>,
    /// The methods so far, `service/method`.
    pub(super) methods: HashSet<String>,
    pub(super) servers: HashMap<String, ServerId>,
}

impl<'f> Author<'f> {
    pub(super) fn new(loaded: &'f [Loaded<'f>], index: &'f Index<'f>, builder: Builder, warnings: Warnings) -> Self {
        let mut number = 0;
        let mut numbers = Vec::with_capacity(loaded.len());
        for file in loaded {
            numbers.push(if file.is_uploaded { number } else { 0 });
            number += u32::from(file.is_uploaded);
        }
        Self {
            loaded,
            index,
            builder,
            warnings,
            types: HashMap::default(),
            waiting: VecDeque::new(),
            extensions: HashMap::default(),
            numbers,
            keys: BTreeMap::new(),
            methods: HashSet::default(),
            servers: HashMap::default(),
        }
    }

    fn is_root(&self, file: usize) -> bool {
        self.loaded.get(file).is_some_and(|file| file.is_root)
    }

    /// Whether all of a file is told, not only its structure.
    fn is_told(&self, file: usize) -> bool {
        self.loaded.get(file).is_some_and(|file| !file.is_known)
    }

    pub(super) fn shown(&self, file: usize) -> &'f str {
        self.loaded.get(file).map_or("", |file| file.shown)
    }

    pub(super) fn package(&self, file: usize) -> &'f str {
        self.loaded.get(file).map_or("", |file| &file.ast.package)
    }

    /// Everything that the roots define, and the messages that they extend.
    pub(super) fn roots(&mut self) {
        let index = self.index;
        for extend in &index.extends {
            self.extend(extend);
        }
        for (id, def) in index.messages.iter().enumerate() {
            if self.is_root(def.file) {
                self.wanted(Symbol::Message(id));
            }
        }
        for (id, def) in index.enums.iter().enumerate() {
            if self.is_root(def.file) {
                self.wanted(Symbol::Enum(id));
            }
        }
    }

    fn extend(&mut self, def: &'f ExtendDef<'f>) {
        let is_root = self.is_root(def.file);
        match self.named(def.file, &def.scope, &def.ast.of, def.ast.spot) {
            Some(symbol @ Symbol::Message(id)) => {
                // What others add to the compiler's options is no part of this API.
                let of = self.index.name(symbol);
                let is_option =
                    of.starts_with("google.protobuf.") && (of.ends_with("Options") || of.ends_with("FeatureSet"));
                if is_root || !is_option {
                    self.extensions.entry(id).or_default().push(def);
                }
                if is_root {
                    self.wanted(symbol);
                }
            }
            Some(_) => {
                let message = format!("{} is no message, so it cannot be extended.", quote(&def.ast.of));
                self.warnings.push("no-message", message, self.shown(def.file), def.ast.spot.line, &def.ast.of);
            }
            None => {}
        }
    }

    /// What a name means; where it means nothing there is a warning.
    pub(super) fn named(&mut self, file: usize, scope: &str, name: &str, spot: Spot) -> Option<Symbol> {
        let Some(found) = self.index.resolve(file, scope, name, Want::Type) else {
            let message = format!("The type {} is defined nowhere in the upload.", quote(name));
            self.warnings.push("unresolved-type", message, self.shown(file), spot.line, name);
            return None;
        };
        if !found.is_visible {
            let message = format!("The type {} is found in a file that is not imported.", quote(name));
            self.warnings.push("not-imported", message, self.shown(file), spot.line, name);
        }
        Some(found.symbol)
    }

    /// The type that a symbol stands for; it is made later.
    pub(super) fn wanted(&mut self, symbol: Symbol) -> TypeId {
        if let Some(id) = self.types.get(&symbol) {
            return *id;
        }
        let id = self.builder.reserve();
        self.types.insert(symbol, id);
        self.waiting.push_back((symbol, id));
        id
    }

    /// Makes the types that wait, and those that they lead to.
    pub(super) fn settle(&mut self) {
        let index = self.index;
        while let Some((symbol, id)) = self.waiting.pop_front() {
            let ty = match symbol {
                Symbol::Message(place) => index.messages.get(place).map(|def| self.message(place, def)),
                Symbol::Enum(place) => index.enums.get(place).map(|def| self.enumeration(def)),
                Symbol::Extension(_) => None,
            };
            if let Some(ty) = ty {
                self.builder.define(id, ty);
            }
        }
    }

    pub(super) fn place(&mut self, file: usize, spot: Spot, parent: ElementId, step: &str) -> ElementId {
        let is_uploaded = self.loaded.get(file).is_some_and(|file| file.is_uploaded);
        let number = self.numbers.get(file).copied().unwrap_or_default();
        let spot = if is_uploaded { spot } else { Spot::default() };
        let step = self.builder.text(step);
        self.builder.element(Position { file: number, line: spot.line, column: spot.column, parent, step })
    }

    /// The options of something, whether it is deprecated, and its element told what is left of them.
    pub(super) fn options(&mut self, file: usize, scope: &str, settings: &[Setting<'_>]) -> (Options, bool) {
        if settings.is_empty() {
            return (Options::new(), false);
        }
        let reader = Reader { index: self.index, file, path: self.shown(file) };
        let mut options = reader.read(scope, settings, &mut self.warnings);
        let deprecated = switch(&mut options, "deprecated");
        (options, deprecated)
    }

    /// Tells of an element what of its options is nothing else.
    pub(super) fn tell(&mut self, file: usize, element: ElementId, mut options: Options) {
        options.remove("features");
        if self.is_told(file)
            && let Some(json) = options::json(options)
        {
            self.builder.facet(element, "protobuf.options", &json);
        }
    }

    fn message(&mut self, place: usize, def: &'f MessageDef<'f>) -> Type {
        let ast = def.ast;
        let element = self.place(def.file, ast.head.spot, ElementId::NONE, &def.name);
        let (options, deprecated) = self.options(def.file, &def.name, &ast.options);
        self.tell(def.file, element, options);
        self.about_type(def.file, element, def.is_nested, def.features.is_legacy_json);
        if self.is_told(def.file) {
            self.reserved(element, &ast.reserved);
            self.ranges(def, element, &ast.extensions);
        }
        let mut record = Record::default();
        let mut members: Vec<Vec<_>> = vec![Vec::new(); ast.oneofs.len()];
        let here = Here { file: def.file, scope: &def.name, parent: element, features: &def.features };
        for field in &ast.fields {
            let made = self.field(&here, field, None);
            if let Some(members) = field.oneof.and_then(|place| members.get_mut(place)) {
                members.push(made.name.clone());
            }
            record.fields.push(made);
        }
        for (oneof, fields) in ast.oneofs.iter().zip(members) {
            let element = self.place(def.file, oneof.head.spot, element, &format!(".{}", oneof.head.name));
            let (options, _) = self.options(def.file, &def.name, &oneof.options);
            self.tell(def.file, element, options);
            record.choices.push(Choice { element, name: self.builder.text(oneof.head.name), fields, required: false });
        }
        for added in self.extensions.get(&place).cloned().unwrap_or_default() {
            let here = Here { file: added.file, scope: &added.scope, parent: element, features: &added.features };
            for field in &added.ast.fields {
                let name = super::index::join(&added.scope, field.head.name);
                let made = self.field(&here, field, Some(&name));
                record.fields.push(made);
            }
        }
        Type { element, deprecated, ..self.ty(&def.name, &ast.head, Shape::Record(Box::new(record))) }
    }

    fn ty(&mut self, name: &str, head: &Head<'_>, shape: Shape) -> Type {
        let summary = self.builder.words(&lex::summary(head.comment));
        Type { name: Name::Nominal(self.builder.text(name)), summary, ..Type::of(shape) }
    }

    /// What a type has from where it stands.
    fn about_type(&mut self, file: usize, element: ElementId, is_nested: bool, is_legacy_json: bool) {
        if is_nested {
            self.builder.facet(element, "protobuf.package", &Json::of_text(self.package(file)));
        } else if self.is_told(file) {
            let key = self.key(file);
            self.builder.facet(element, "protobuf.file", &key);
        }
        if is_legacy_json {
            self.builder.facet(element, "protobuf.json", &Json::of_text("legacy"));
        }
    }

    fn reserved(&mut self, element: ElementId, reserved: &Reserved<'_>) {
        let mut names: Vec<&str> = reserved.names.iter().map(|name| &**name).collect();
        names.sort_unstable();
        names.dedup();
        let mut map = BTreeMap::new();
        if !names.is_empty() {
            let names = names.into_iter().map(|name| Value::String(name.to_owned()));
            map.insert("names".to_owned(), Value::List(names.collect()));
        }
        if !reserved.ranges.is_empty() {
            map.insert("numbers".to_owned(), joined(&reserved.ranges));
        }
        if !map.is_empty() {
            self.builder.facet(element, "protobuf.reserved", &Json::of(&Value::Map(map)));
        }
    }

    fn ranges(&mut self, def: &MessageDef<'_>, element: ElementId, extensions: &[Extensions<'_>]) {
        // By what is said of them: ranges of which the same is said are one set.
        let mut said: BTreeMap<String, (Options, Vec<(i64, i64)>)> = BTreeMap::new();
        for declared in extensions {
            let (options, _) = self.options(def.file, &def.name, &declared.options);
            let key = options::json(options.clone()).map_or_else(String::new, |json| json.text().to_owned());
            said.entry(key).or_insert_with(|| (options, Vec::new())).1.extend(&declared.ranges);
        }
        if said.is_empty() {
            return;
        }
        let ranges = said.into_values().map(|(options, ranges)| {
            let mut map = BTreeMap::from([("numbers".to_owned(), joined(&ranges))]);
            if !options.is_empty() {
                map.insert("options".to_owned(), Value::Map(options));
            }
            Value::Map(map)
        });
        let ranges = Value::List(ranges.collect());
        self.builder.facet(element, "protobuf.extensions", &Json::of(&ranges));
    }

    fn enumeration(&mut self, def: &'f EnumDef<'f>) -> Type {
        let ast = def.ast;
        let element = self.place(def.file, ast.head.spot, ElementId::NONE, &def.name);
        let (options, deprecated) = self.options(def.file, &def.name, &ast.options);
        self.tell(def.file, element, options);
        self.about_type(def.file, element, def.is_nested, def.features.is_legacy_json);
        self.features(element, &def.features);
        if self.is_told(def.file) {
            self.reserved(element, &ast.reserved);
        }
        let first = ast.values.first().map_or(0, |value| value.number);
        if def.features.is_closed && first != 0 {
            self.builder.facet(element, "protobuf.default", &Json::of_number(first));
        }
        let mut values = Vec::with_capacity(ast.values.len());
        for value in &ast.values {
            let element = self.place(def.file, value.head.spot, element, &format!(".{}", value.head.name));
            let (options, deprecated) = self.options(def.file, &def.name, &value.options);
            self.tell(def.file, element, options);
            self.builder.facet(element, "protobuf.number", &Json::of_number(value.number));
            let name = self.builder.json(&Json::of_text(value.head.name));
            let summary = self.builder.words(&lex::summary(value.head.comment));
            values.push(EnumValue { element, value: name, summary, deprecated });
        }
        let shape = Shape::Enum(Enum { values, open: !def.features.is_closed });
        Type { element, deprecated, ..self.ty(&def.name, &ast.head, shape) }
    }

    /// Features of a language that hold for an element.
    pub(super) fn features(&mut self, element: ElementId, features: &Features) {
        if let Some(json) = features.others() {
            self.builder.facet(element, "protobuf.features", &json);
        }
    }
}

/// Ranges of numbers in order, those that meet joined.
fn joined(ranges: &[(i64, i64)]) -> Value {
    let mut ranges: Vec<(i64, i64)> = ranges.iter().filter(|(first, last)| first <= last).copied().collect();
    ranges.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    let number = |number: i64| options::number(&number.to_string());
    Value::List(joined.into_iter().map(|(first, last)| Value::List(vec![number(first), number(last)])).collect())
}
