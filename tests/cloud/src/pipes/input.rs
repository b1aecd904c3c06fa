//! Input templates of pipes: text with `<$.path>` and `<aws.pipes.…>` in it.

use serde_json::Value;

use crate::policy::{ACCOUNT, REGION};

/// A parsed template.
pub(crate) struct InputTemplate(Vec<Part>);

enum Part {
    Text(String),
    /// A variable, and whether it stands inside quotes.
    Variable(Variable, bool),
}

enum Variable {
    Path(String, Vec<Step>),
    PipeName,
    PipeArn,
    Ingested,
    Event,
}

enum Step {
    Name(String),
    Index(usize),
}

impl InputTemplate {
    /// Parses a template; a variable that is not known is an error.
    pub(crate) fn parse(template: &str) -> Result<Self, String> {
        let (mut parts, mut rest, mut quoted) = (Vec::new(), template, false);
        while let Some((before, after)) = rest.split_once('<') {
            let mut escaped = false;
            for letter in before.chars() {
                match letter {
                    '"' if !escaped => quoted = !quoted,
                    _ => {}
                }
                escaped = letter == '\\' && !escaped;
            }
            parts.push(Part::Text(before.to_owned()));
            let (name, after) = after.split_once('>').ok_or_else(|| format!("a variable is not closed: {template}"))?;
            parts.push(Part::Variable(variable(name)?, quoted));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// Fills the template. Outside quotes a text gets its quotes; a path that leads nowhere is an error there, for the result would not be JSON.
    pub(crate) fn render(&self, record: &Value, pipe: &str, now: &str) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Variable(variable, quoted) => {
                    let value = match variable {
                        Variable::Path(_, steps) => walk(record, steps).cloned(),
                        Variable::PipeName => Some(Value::from(pipe)),
                        Variable::PipeArn => Some(Value::from(format!("arn:aws:pipes:{REGION}:{ACCOUNT}:pipe/{pipe}"))),
                        Variable::Ingested => Some(Value::from(now)),
                        Variable::Event => Some(record.clone()),
                    };
                    match (value, quoted) {
                        (Some(value), false) => text.push_str(&value.to_string()),
                        (Some(Value::String(inner)), true) => text.push_str(&inside(&inner)),
                        (Some(value), true) => text.push_str(&inside(&value.to_string())),
                        (None, true) => {}
                        (None, false) => return Err(format!("the record has no {}", variable.name())),
                    }
                }
            }
        }
        Ok(text)
    }
}

impl Variable {
    fn name(&self) -> &str {
        match self {
            Self::Path(path, _) => path,
            Self::PipeName => "aws.pipes.pipe-name",
            Self::PipeArn => "aws.pipes.pipe-arn",
            Self::Ingested => "aws.pipes.event.ingestion-time",
            Self::Event => "aws.pipes.event.json",
        }
    }
}

/// A text as it stands between the quotes of a JSON string.
fn inside(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

fn variable(name: &str) -> Result<Variable, String> {
    match name.trim() {
        "aws.pipes.pipe-name" => Ok(Variable::PipeName),
        "aws.pipes.pipe-arn" => Ok(Variable::PipeArn),
        "aws.pipes.event.ingestion-time" => Ok(Variable::Ingested),
        "aws.pipes.event" | "aws.pipes.event.json" => Ok(Variable::Event),
        path => {
            let wrong = || format!("the variable <{path}> is not played");
            let steps = path.strip_prefix('$').ok_or_else(wrong)?;
            let mut parsed = Vec::new();
            for name in steps.split('.').skip(1) {
                let mut pieces = name.split('[');
                parsed.push(Step::Name(pieces.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?.to_owned()));
                for index in pieces {
                    parsed.push(Step::Index(
                        index.strip_suffix(']').and_then(|index| index.parse().ok()).ok_or_else(wrong)?,
                    ));
                }
            }
            Ok(Variable::Path(path.to_owned(), parsed))
        }
    }
}

fn walk<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.get(name),
        Step::Index(index) => value.get(index),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(template: &str, record: &Value) -> Result<String, String> {
        InputTemplate::parse(template).unwrap().render(record, "P", "2026-11-22T00:00:00Z")
    }

    #[test]
    fn a_text_gets_quotes_and_escapes_where_it_has_none() {
        let record = json!({"new": {"data": {"S": "{\"a\":\"\\n\"}"}, "n": {"N": "3"}, "list": [1, {"x": "y"}]}});
        let text = render(r#"{"data":<$.new.data.S>,"n":<$.new.n.N>,"x":<$.new.list[1].x>,"s":"id <$.new.n.N>!","p":"<aws.pipes.pipe-name>"}"#, &record).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value, json!({"data": "{\"a\":\"\\n\"}", "n": "3", "x": "y", "s": "id 3!", "p": "P"}));
    }

    #[test]
    fn a_path_that_leads_nowhere_is_empty_in_quotes_and_an_error_outside() {
        assert_eq!(render(r#"{"a":"<$.b>"}"#, &json!({})).unwrap(), r#"{"a":""}"#);
        assert_eq!(render(r#"{"a":<$.b.c>}"#, &json!({})).unwrap_err(), "the record has no $.b.c");
    }

    #[test]
    fn an_unknown_variable_is_refused() {
        assert!(InputTemplate::parse("<aws.events.rule-name>").is_err());
        assert!(InputTemplate::parse("<$.a").is_err());
    }
}
