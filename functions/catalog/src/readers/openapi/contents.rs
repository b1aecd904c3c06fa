//! What goes into an operation and what comes out: parameters, bodies, responses, headers.

use shared::surface::{
    Content, ElementId, Field, Input, Json, Outcome, Place, Presence, Record, Shape, Type, TypeId, Words,
};

use super::documents::At;
use super::{Reader, Spot, Version, escape};
use crate::readers::tree::Kind;
use crate::readers::{Refused, quote};

/// Headers that OpenAPI 3 leaves to its other parts, whatever a parameter says.
const NOT_HEADERS: [&str; 3] = ["accept", "content-type", "authorization"];

/// A parameter of an operation, where it is written and where it is meant.
struct Parameter {
    node: At,
    spot: Spot,
    place: String,
    name: String,
}

impl Reader<'_, '_> {
    /// The parameters and the body.
    pub(super) fn inputs(&mut self, operation: At, items: &[At], spot: &Spot) -> Result<Vec<Input>, Refused> {
        let docs = self.docs;
        let mut parameters: Vec<Parameter> = Vec::new();
        for owner in std::iter::once(operation).chain(items.iter().copied()) {
            let Some(list) = docs.get(owner, "parameters") else { continue };
            let mut own: Vec<Parameter> = Vec::new();
            for (place, item) in docs.items(list).enumerate() {
                let Some(node) = self.followed(item) else { continue };
                let here = if owner == operation {
                    spot.then(&format!("/parameters/{place}"))
                } else {
                    Spot { parent: ElementId::NONE, step: docs.pointer(item) }
                };
                let spot = self.spot(item, node, here);
                let (place, name) = (docs.text_of(node, "in").to_owned(), docs.text_of(node, "name").to_owned());
                // What an operation says goes before what its path says.
                let is_known = |known: &Parameter| known.place == place && known.name == name;
                if own.iter().any(is_known) {
                    let message = format!("The parameter {} is there twice; the first one holds.", quote(&name));
                    self.warn("duplicate-parameter", message, item);
                } else if !parameters.iter().any(is_known) {
                    own.push(Parameter { node, spot, place, name });
                }
            }
            parameters.extend(own);
        }
        let mut inputs = Vec::new();
        let mut form = Vec::new();
        for parameter in parameters {
            if self.version == Version::V2 && parameter.place == "formData" {
                form.push(parameter);
            } else if let Some(input) = self.parameter(operation, parameter)? {
                inputs.push(input);
            }
        }
        if !form.is_empty() {
            inputs.push(self.form(operation, form, spot)?);
        }
        if self.version > Version::V2
            && let Some(written) = docs.get(operation, "requestBody")
            && let Some(body) = self.followed(written)
        {
            let here = self.spot(written, body, spot.then("/requestBody"));
            let (element, here) = self.shared_element(body, &here)?;
            let contents = self.contents(body, &here)?;
            let presence = if docs.is_true(body, "required") { Presence::Required } else { Presence::Optional };
            let summary = self.summary(body);
            inputs.push(Input { presence, summary, ..self.input(element, Place::Body, "", contents) });
        }
        Ok(inputs)
    }

    fn input(&mut self, element: ElementId, place: Place, name: &str, contents: Vec<Content>) -> Input {
        Input {
            element,
            place,
            name: self.text(name),
            presence: if place == Place::Path { Presence::Required } else { Presence::Optional },
            summary: Words::default(),
            deprecated: false,
            contents,
            default: None,
        }
    }

    /// The element of something that several may refer to: made once, so that it has one place.
    fn shared_element(&mut self, at: At, spot: &Spot) -> Result<(ElementId, Spot), Refused> {
        let element = if let Some(known) = self.positions.get(&at) {
            *known
        } else {
            let element = self.element(at, None, spot)?;
            self.positions.insert(at, element);
            element
        };
        Ok((element, Spot { parent: element, step: String::new() }))
    }

    fn parameter(&mut self, operation: At, parameter: Parameter) -> Result<Option<Input>, Refused> {
        let docs = self.docs;
        let Parameter { node, spot, place, name } = parameter;
        let place = match &*place {
            "path" => Place::Path,
            "query" => Place::Query,
            "header" if self.version > Version::V2 && NOT_HEADERS.contains(&&*name.to_ascii_lowercase()) => {
                return Ok(None);
            }
            "header" => Place::Header,
            "cookie" => Place::Cookie,
            "querystring" if self.version == Version::V31 => Place::QueryString,
            "body" if self.version == Version::V2 => Place::Body,
            other => {
                let message = format!("A parameter cannot be in {}; it is left out.", quote(other));
                self.warn("parameter", message, node);
                return Ok(None);
            }
        };
        let (element, here) = self.shared_element(node, &spot)?;
        let contents = if place == Place::Body {
            let types = self.media_types(operation, "consumes");
            let ty = self.schema_under(node, "schema", &here)?;
            self.same_content(&types, ty)
        } else if self.version == Version::V2 {
            let ty = self.schema(node, &here)?;
            self.same_content(&[String::new()], ty)
        } else if docs.get(node, "content").is_some() {
            self.contents(node, &here)?
        } else {
            let ty = self.schema_under(node, "schema", &here)?;
            self.same_content(&[String::new()], ty)
        };
        self.style(node, element, place);
        self.lifecycle(node, element);
        let described = docs.get(node, "schema").unwrap_or(node);
        let mut input = self.input(element, place, if place == Place::Body { "" } else { &name }, contents);
        if docs.is_true(node, "required") {
            input.presence = Presence::Required;
        }
        input.summary = self.summary(node);
        input.deprecated = docs.is_true(node, "deprecated") || self.said(described).1;
        Ok(Some(input))
    }

    /// How a parameter is written, where that is not the usual way for its place.
    fn style(&mut self, node: At, element: ElementId, place: Place) {
        let docs = self.docs;
        let usual = if matches!(place, Place::Query | Place::Cookie) { "form" } else { "simple" };
        let is_list = docs.text_of(node, "type") == "array";
        let (style, explode) = if self.version == Version::V2 {
            match (docs.text_of(node, "collectionFormat"), is_list) {
                (_, false) => (usual, None),
                ("multi", _) => ("form", Some(true)),
                ("ssv", _) => ("spaceDelimited", Some(false)),
                ("pipes", _) => ("pipeDelimited", Some(false)),
                ("tsv", _) => ("tabDelimited", Some(false)),
                _ => (usual, Some(false)),
            }
        } else {
            let style = docs.text_of(node, "style");
            let explode = docs.get(node, "explode").and_then(|at| match docs.kind(at) {
                Kind::Bool(explode) => Some(explode),
                _ => None,
            });
            (if style.is_empty() { usual } else { style }, explode)
        };
        let explode = explode.unwrap_or(style == "form");
        if style != usual {
            self.builder.facet(element, "openapi.style", &Json::of_text(style));
        }
        if explode != (style == "form") {
            self.builder.facet(element, "openapi.explode", &Json::of_bool(explode));
        }
        for (key, facet) in [("allowReserved", "openapi.allow-reserved"), ("allowEmptyValue", "openapi.allow-empty")] {
            if docs.is_true(node, key) {
                self.builder.facet(element, facet, &Json::of_bool(true));
            }
        }
    }

    /// The fields of a form of 2.0 as one body.
    fn form(&mut self, operation: At, fields: Vec<Parameter>, spot: &Spot) -> Result<Input, Refused> {
        let docs = self.docs;
        let has_file = fields.iter().any(|field| docs.text_of(field.node, "type") == "file");
        let element = self.element(operation, None, &spot.then("/parameters"))?;
        let mut record = Record::default();
        let mut presence = Presence::Optional;
        for Parameter { node, spot, name, .. } in fields {
            let (element, here) = self.shared_element(node, &spot)?;
            let ty = self.schema(node, &here)?;
            self.style(node, element, Place::Query);
            let is_required = docs.is_true(node, "required");
            if is_required {
                presence = Presence::Required;
            }
            record.fields.push(Field {
                element,
                name: self.text(&name),
                ty,
                presence: if is_required { Presence::Required } else { Presence::Optional },
                summary: self.summary(node),
                direction: shared::surface::Direction::Both,
                deprecated: false,
                default: None,
                arguments: Vec::new(),
            });
        }
        let ty = self.builder.add(Type { element, ..Type::of(Shape::Record(Box::new(record))) });
        let mut types = self.named_media_types(operation, "consumes");
        types.retain(|media_type| media_type.contains("form"));
        if types.is_empty() {
            types.push(if has_file { "multipart/form-data" } else { "application/x-www-form-urlencoded" }.to_owned());
        }
        let contents = self.same_content(&types, ty);
        Ok(Input { presence, ..self.input(element, Place::Body, "", contents) })
    }

    /// The type of the schema under a key; anything where there is none.
    fn schema_under(&mut self, node: At, key: &str, spot: &Spot) -> Result<TypeId, Refused> {
        match self.docs.get(node, key) {
            Some(schema) => self.schema(schema, &spot.then(&format!("/{key}"))),
            None => Ok(self.any()),
        }
    }

    fn same_content(&mut self, media_types: &[String], ty: TypeId) -> Vec<Content> {
        let content = |media_type: &String| Content {
            element: ElementId::NONE,
            media_type: self.builder.text(media_type),
            ty,
            item: None,
        };
        media_types.iter().map(content).collect()
    }

    /// The media types that an operation of 2.0 names, itself or by the document.
    fn named_media_types(&self, operation: At, key: &str) -> Vec<String> {
        let docs = self.docs;
        let list = docs.get(operation, key).or_else(|| docs.get(docs.root(), key));
        let types = list.into_iter().flat_map(|list| docs.items(list)).filter_map(|at| docs.text(at));
        types.take(100).map(media_type).collect()
    }

    fn media_types(&self, operation: At, key: &str) -> Vec<String> {
        let mut types = self.named_media_types(operation, key);
        if types.is_empty() {
            types.push("application/json".to_owned());
        }
        types
    }

    /// What stands under `content`, by media type.
    fn contents(&mut self, node: At, spot: &Spot) -> Result<Vec<Content>, Refused> {
        let docs = self.docs;
        let Some(listed) = docs.get(node, "content") else { return Ok(Vec::new()) };
        let mut contents: Vec<Content> = Vec::new();
        for entry in docs.entries(listed) {
            let Some(content) = self.followed(listed.value(entry)) else { continue };
            let here = spot.then(&format!("/content/{}", escape(entry.key)));
            let element = self.element(content, Some(entry.position), &here)?;
            let here = Spot { parent: element, step: String::new() };
            let media_type = self.text(&media_type(entry.key));
            if contents.iter().any(|known| known.media_type == media_type) {
                let message = format!("The media type {} is there twice.", quote(entry.key));
                self.warn("duplicate-media-type", message, content);
                continue;
            }
            for (key, facet) in [
                ("encoding", "openapi.encoding"),
                ("itemEncoding", "openapi.item-encoding"),
                ("prefixEncoding", "openapi.prefix-encoding"),
            ] {
                if let Some(value) = docs.get(content, key) {
                    let value = self.json(value)?;
                    self.builder.facet(element, facet, &value);
                }
            }
            let ty = self.schema_under(content, "schema", &here)?;
            let item = match docs.get(content, "itemSchema") {
                Some(item) => Some(self.schema(item, &here.then("/itemSchema"))?),
                None => None,
            };
            contents.push(Content { element, media_type, ty, item });
        }
        Ok(contents)
    }

    /// What can come of an operation.
    pub(super) fn outcomes(&mut self, operation: At, spot: &Spot) -> Result<Vec<Outcome>, Refused> {
        let docs = self.docs;
        let Some(responses) = docs.get(operation, "responses") else { return Ok(Vec::new()) };
        let mut outcomes = Vec::new();
        for entry in docs.entries(responses).filter(|entry| !entry.key.starts_with("x-")) {
            let written = responses.value(entry);
            let Some(response) = self.followed(written) else { continue };
            let here = spot.then(&format!("/responses/{}", escape(entry.key)));
            let element = self.element(response, Some(entry.position), &here)?;
            let inside = self.spot(written, response, Spot { parent: element, step: String::new() });
            let contents = if self.version > Version::V2 {
                self.contents(response, &inside)?
            } else if docs.get(response, "schema").is_some() {
                let types = self.media_types(operation, "produces");
                let ty = self.schema_under(response, "schema", &inside)?;
                self.same_content(&types, ty)
            } else {
                Vec::new()
            };
            if let Some(links) = docs.get(response, "links") {
                let links = self.json(links)?;
                self.builder.facet(element, "openapi.links", &links);
            }
            let status = match entry.key {
                "default" => self.text("default"),
                status => self.text(&status.chars().take(40).collect::<String>().to_ascii_uppercase()),
            };
            let headers = self.headers(response, &inside)?;
            outcomes.push(Outcome { element, status, summary: self.summary(response), contents, headers });
        }
        Ok(outcomes)
    }

    fn headers(&mut self, response: At, spot: &Spot) -> Result<Vec<Input>, Refused> {
        let docs = self.docs;
        let Some(listed) = docs.get(response, "headers") else { return Ok(Vec::new()) };
        let mut headers = Vec::new();
        for entry in docs.entries(listed) {
            let written = listed.value(entry);
            let Some(header) = self.followed(written) else { continue };
            if self.version > Version::V2 && entry.key.eq_ignore_ascii_case("content-type") {
                continue;
            }
            let here = spot.then(&format!("/headers/{}", escape(entry.key)));
            let element = self.element(written, Some(entry.position), &here)?;
            let here = self.spot(written, header, Spot { parent: element, step: String::new() });
            let contents = if self.version == Version::V2 {
                let ty = self.schema(header, &here)?;
                self.same_content(&[String::new()], ty)
            } else if docs.get(header, "content").is_some() {
                self.contents(header, &here)?
            } else {
                let ty = self.schema_under(header, "schema", &here)?;
                self.same_content(&[String::new()], ty)
            };
            self.style(header, element, Place::Header);
            let mut input = self.input(element, Place::Header, entry.key, contents);
            if docs.is_true(header, "required") {
                input.presence = Presence::Required;
            }
            input.summary = self.summary(header);
            input.deprecated = docs.is_true(header, "deprecated");
            headers.push(input);
        }
        Ok(headers)
    }
}

/// A media type in one form: lower case, without the space that may stand around its parameters.
fn media_type(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).take(200).collect::<String>().to_ascii_lowercase()
}
