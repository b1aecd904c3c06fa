//! template.yaml as text: its resources in the order in which they stand, each with its lines. What the resources do is the local cloud's business.

/// A resource and its lines.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its logical id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Its lines, without comments, the first one with the id left out.
    pub lines: Vec<String>,
}

impl Resource {
    /// Whether a line says just this, whatever its indentation.
    pub fn says(&self, line: &str) -> bool {
        self.lines.iter().any(|have| have.trim() == line)
    }

    /// The logical ids that its lines name through `!Ref`, `!GetAtt` and `${…}`.
    pub fn names(&self) -> Vec<String> {
        self.lines.iter().flat_map(|line| references(line)).collect()
    }

    /// The lines below a line such as `Policies:`, as far as they are indented deeper or are its list.
    pub fn below(&self, heading: &str) -> Vec<&str> {
        let mut inside: Option<usize> = None;
        let mut found = Vec::new();
        for line in &self.lines {
            let depth = line.len() - line.trim_start().len();
            match inside {
                Some(limit) if depth > limit || (depth == limit && line.trim_start().starts_with("- ")) => {
                    found.push(line.as_str());
                }
                _ => inside = (line.trim() == heading).then_some(depth),
            }
        }
        found
    }
}

/// The logical ids that a line names.
pub fn references(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for mark in ["!Ref ", "!GetAtt ", "${"] {
        for (at, _) in line.match_indices(mark) {
            let rest = line.get(at + mark.len()..).unwrap_or("");
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            // `AWS::StackName` and its like are no resources.
            if !name.is_empty() && !rest.starts_with("AWS::") {
                found.push(name);
            }
        }
    }
    found
}

/// All resources of a template, in order.
pub fn resources(template: &str) -> Vec<Resource> {
    let mut found: Vec<Resource> = Vec::new();
    let section = template
        .lines()
        .skip_while(|line| *line != "Resources:")
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with(' '));
    for line in section {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let indented = line.strip_prefix("  ").unwrap_or(line);
        if let Some(id) = indented.strip_suffix(':').filter(|id| !id.starts_with(' ')) {
            found.push(Resource { id: id.to_owned(), kind: String::new(), lines: Vec::new() });
        } else if let Some(resource) = found.last_mut() {
            if let Some(kind) = line.strip_prefix("    Type: ") {
                kind.clone_into(&mut resource.kind);
            }
            resource.lines.push(line.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
Parameters:
  P:
    Type: String
Resources:
  # ---- a
  A:
    Type: AWS::Serverless::Function
    Properties:
      Policies:
        - Statement:
            # A remark.
            - Action: dynamodb:GetItem
              Resource: !GetAtt ATable.Arn
      CodeUri: a/

  ATable:
    Type: AWS::DynamoDB::Table
    Properties:
      X: !Sub \"${A.Arn}/${AWS::Region}\"
Outputs:
  O:
    Value: !Ref A
";

    #[test]
    fn resources_come_in_order_with_their_lines() {
        let found = resources(SAMPLE);
        let ids: Vec<_> = found.iter().map(|resource| (resource.id.as_str(), resource.kind.as_str())).collect();
        assert_eq!(ids, [("A", "AWS::Serverless::Function"), ("ATable", "AWS::DynamoDB::Table")]);
        assert!(found[0].says("CodeUri: a/"));
        assert_eq!(found[0].names(), ["ATable"]);
        assert_eq!(found[1].names(), ["A"]);
    }

    #[test]
    fn what_stands_below_a_heading_ends_with_its_indentation() {
        let found = resources(SAMPLE);
        let below = found[0].below("Policies:");
        assert_eq!(below.len(), 3);
        assert!(below[2].contains("ATable"));
    }
}
