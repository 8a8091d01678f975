//! From XML to a [`ConfidentialityLabel`].
//!
//! Every element and attribute of the standard's namespace is understood or refused. What others
//! may add (`xs:any` of another namespace) is noted by name.

use super::xml::{self, Element};
use super::{
    Category, CategoryKind, ConfidentialityLabel, Information, NAMESPACE_BINDING, NAMESPACE_LABEL,
    NatoError, ORIGINATOR_KINDS, Originator, Role, Succession,
};
use crate::time::Timestamp;

impl ConfidentialityLabel {
    /// Reads a document whose root is a label.
    ///
    /// # Errors
    /// What is not well-formed, not allowed by the standard, not understood or over a limit, with
    /// its place.
    pub fn parse(xml: &[u8]) -> Result<ConfidentialityLabel, NatoError> {
        let reader = Reader { xml };
        reader.label(&xml::read(xml)?)
    }

    /// Reads the labels of a document: its root is a label, or an ADatP-4778 binding whose metadata
    /// are labels.
    ///
    /// # Errors
    /// As `parse`; and when a binding holds no label, or metadata that are no label.
    pub fn parse_all(xml: &[u8]) -> Result<Vec<ConfidentialityLabel>, NatoError> {
        let reader = Reader { xml };
        let root = xml::read(xml)?;
        if !is(&root, NAMESPACE_BINDING, "BindingInformation") {
            return Ok(vec![reader.label(&root)?]);
        }
        let mut labels = Vec::new();
        let containers = root.children.iter();
        let containers =
            containers.filter(|child| is(child, NAMESPACE_BINDING, "MetadataBindingContainer"));
        let bindings = containers
            .flat_map(|container| &container.children)
            .filter(|child| is(child, NAMESPACE_BINDING, "MetadataBinding"));
        for metadata in bindings
            .flat_map(|binding| &binding.children)
            .filter(|child| is(child, NAMESPACE_BINDING, "Metadata"))
        {
            match metadata.children.as_slice() {
                [label] => labels.push(reader.label(label)?),
                _ => return reader.fault(metadata, "metadata of a binding hold one label each"),
            }
        }
        if labels.is_empty() {
            return reader.fault(&root, "the binding holds no label");
        }
        Ok(labels)
    }
}

fn is(element: &Element, namespace: &str, local: &str) -> bool {
    element.name.0 == namespace && element.name.1 == local
}

/// What `ConfidentialityLabelBaseType` holds, and what else was met.
struct Base<'e> {
    information: Information,
    originator: Option<Originator>,
    created: Timestamp,
    succession: Option<&'e Element>,
}

struct Reader<'x> {
    xml: &'x [u8],
}

impl Reader<'_> {
    fn fault<T>(&self, element: &Element, why: impl Into<String>) -> Result<T, NatoError> {
        let text = std::str::from_utf8(self.xml).unwrap_or_default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Err(NatoError::at(text, element.at, why))
    }

    fn label(&self, root: &Element) -> Result<ConfidentialityLabel, NatoError> {
        let role = Role::ALL
            .into_iter()
            .find(|role| is(root, NAMESPACE_LABEL, role.element()));
        let Some(role) = role else {
            return self.fault(
                root,
                "this is no ADatP-4774 label (an originatorConfidentialityLabel of its namespace)",
            );
        };
        let mut unknown = Vec::new();
        let mut id = None;
        let mut review = None;
        for ((namespace, local), value) in &root.attributes {
            match (namespace.as_str(), local.as_str()) {
                ("", "Id") if is_xml_name(value) => id = Some(value.clone()),
                ("", "Id") => return self.fault(root, "an Id is an XML name"),
                ("", "ReviewDateTime") => review = Some(self.date(root, value)?),
                _ => unknown.push(qualified(namespace, local)),
            }
        }
        let base = self.base(root, &mut unknown)?;
        let succession = match base.succession {
            Some(element) => Some(self.succession(element, &mut unknown)?),
            None => None,
        };
        Ok(ConfidentialityLabel {
            role,
            id,
            review,
            information: base.information,
            originator: base.originator,
            created: base.created,
            succession,
            unknown,
        })
    }

    fn base<'e>(
        &self,
        element: &'e Element,
        unknown: &mut Vec<String>,
    ) -> Result<Base<'e>, NatoError> {
        let mut information = None;
        let mut originator = None;
        let mut created = None;
        let mut succession = None;
        self.no_text(element)?;
        for child in &element.children {
            if child.name.0 != NAMESPACE_LABEL {
                unknown.push(qualified(&child.name.0, &child.name.1));
                continue;
            }
            let fresh = match child.name.1.as_str() {
                "ConfidentialityInformation" => {
                    let read = self.information(child, unknown)?;
                    information.replace(read).is_none()
                }
                "OriginatorID" => originator.replace(self.originator(child)?).is_none(),
                "CreationDateTime" => {
                    self.only_attributes(child, &[])?;
                    created
                        .replace(self.date(child, self.leaf(child)?)?)
                        .is_none()
                }
                "SuccessionHandling" => succession.replace(child).is_none(),
                other => return self.fault(child, format!("{other:.40} has no place here")),
            };
            if !fresh {
                return self.fault(child, "this element is given twice");
            }
        }
        let (Some(information), Some(created)) = (information, created) else {
            return self.fault(
                element,
                "a label needs a ConfidentialityInformation and a CreationDateTime",
            );
        };
        Ok(Base {
            information,
            originator,
            created,
            succession,
        })
    }

    fn information(
        &self,
        element: &Element,
        unknown: &mut Vec<String>,
    ) -> Result<Information, NatoError> {
        self.no_text(element)?;
        self.only_attributes(element, &[])?;
        let mut policy = None;
        let mut policy_uri = None;
        let mut classification = None;
        let mut privacy_mark = None;
        let mut categories = Vec::new();
        for child in &element.children {
            if child.name.0 != NAMESPACE_LABEL {
                unknown.push(qualified(&child.name.0, &child.name.1));
                continue;
            }
            let fresh = match child.name.1.as_str() {
                "PolicyIdentifier" => {
                    self.only_attributes(child, &["URI"])?;
                    policy_uri = attribute(child, "URI").map(str::to_owned);
                    policy.replace(self.token(child)?).is_none()
                }
                "Classification" => {
                    self.only_attributes(child, &[])?;
                    classification.replace(self.token(child)?).is_none()
                }
                "PrivacyMark" => {
                    self.only_attributes(child, &[])?;
                    privacy_mark.replace(self.leaf(child)?.to_owned()).is_none()
                }
                "Category" => {
                    categories.push(self.category(child)?);
                    true
                }
                other => return self.fault(child, format!("{other:.40} has no place here")),
            };
            if !fresh {
                return self.fault(child, "this element is given twice");
            }
        }
        let (Some(policy), Some(classification)) = (policy, classification) else {
            return self.fault(
                element,
                "a ConfidentialityInformation needs a PolicyIdentifier and a Classification",
            );
        };
        Ok(Information {
            policy,
            policy_uri,
            classification,
            privacy_mark,
            categories,
        })
    }

    fn category(&self, element: &Element) -> Result<Category, NatoError> {
        self.no_text(element)?;
        self.only_attributes(element, &["Type", "TagName", "URI"])?;
        let kind = attribute(element, "Type").and_then(|word| {
            CategoryKind::ALL
                .into_iter()
                .find(|kind| kind.word() == word)
        });
        let (Some(kind), Some(tag)) = (kind, attribute(element, "TagName")) else {
            return self.fault(
                element,
                "a Category needs a TagName, and a Type that is RESTRICTIVE, PERMISSIVE or INFORMATIVE",
            );
        };
        let mut values = Vec::new();
        for child in &element.children {
            if !is(child, NAMESPACE_LABEL, "GenericValue") {
                return self.fault(child, "a Category holds GenericValue elements only");
            }
            self.only_attributes(child, &[])?;
            values.push(self.leaf(child)?.to_owned());
        }
        Ok(Category {
            kind,
            tag: tag.to_owned(),
            uri: attribute(element, "URI").map(str::to_owned),
            values,
        })
    }

    fn originator(&self, element: &Element) -> Result<Originator, NatoError> {
        self.only_attributes(element, &["IDType"])?;
        match attribute(element, "IDType") {
            Some(kind) if ORIGINATOR_KINDS.contains(&kind) => Ok(Originator {
                kind: kind.to_owned(),
                value: self.leaf(element)?.to_owned(),
            }),
            _ => self.fault(
                element,
                "an OriginatorID needs an IDType of the standard's list",
            ),
        }
    }

    fn succession(
        &self,
        element: &Element,
        unknown: &mut Vec<String>,
    ) -> Result<Succession, NatoError> {
        self.no_text(element)?;
        self.only_attributes(element, &[])?;
        let [at, successor] = element.children.as_slice() else {
            return self.fault(
                element,
                "a SuccessionHandling holds a SuccessionDateTime and a SuccessorConfidentialityLabel",
            );
        };
        if !is(at, NAMESPACE_LABEL, "SuccessionDateTime")
            || !is(successor, NAMESPACE_LABEL, "SuccessorConfidentialityLabel")
        {
            return self.fault(
                element,
                "a SuccessionHandling holds a SuccessionDateTime and a SuccessorConfidentialityLabel",
            );
        }
        self.only_attributes(at, &[])?;
        self.only_attributes(successor, &[])?;
        let base = self.base(successor, unknown)?;
        if let Some(again) = base.succession {
            return self.fault(again, "a successor has no succession of its own");
        }
        Ok(Succession {
            at: self.date(at, self.leaf(at)?)?,
            information: base.information,
            originator: base.originator,
            created: base.created,
        })
    }

    /// The text of an element that holds nothing else.
    fn leaf<'e>(&self, element: &'e Element) -> Result<&'e str, NatoError> {
        match element.children.first() {
            Some(child) => self.fault(child, "text is expected here, not an element"),
            None => Ok(&element.text),
        }
    }

    /// The text of an element of type `xs:token`, not empty.
    fn token(&self, element: &Element) -> Result<String, NatoError> {
        let words: Vec<&str> = self.leaf(element)?.split_whitespace().collect();
        if words.is_empty() {
            return self.fault(element, "this element must not be empty");
        }
        Ok(words.join(" "))
    }

    /// Elements only, no text of its own.
    fn no_text(&self, element: &Element) -> Result<(), NatoError> {
        if element.text.trim().is_empty() {
            Ok(())
        } else {
            self.fault(element, "elements are expected here, not text")
        }
    }

    fn only_attributes(&self, element: &Element, allowed: &[&str]) -> Result<(), NatoError> {
        let stranger = element
            .attributes
            .keys()
            .find(|(namespace, local)| !namespace.is_empty() || !allowed.contains(&local.as_str()));
        match stranger {
            Some((_, local)) => self.fault(
                element,
                format!("the attribute {local:.40} has no place here"),
            ),
            None => Ok(()),
        }
    }

    /// An `xs:dateTime` with a zone, as an instant.
    fn date(&self, element: &Element, text: &str) -> Result<Timestamp, NatoError> {
        instant(text.trim()).map_or_else(
            || {
                self.fault(
                    element,
                    "a time is written like 2026-12-01T00:00:00Z, with Z or an offset",
                )
            },
            Ok,
        )
    }
}

/// An instant with `Z` or an offset of hours and minutes.
fn instant(text: &str) -> Option<Timestamp> {
    if text.ends_with('Z') {
        return Timestamp::parse(text).ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let sign = match offset.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = offset[1..].split_once(':')?;
    let number = |text: &str, max: i128| {
        let value: i128 = text.parse().ok()?;
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) && value <= max)
            .then_some(value)
    };
    let minutes = number(hours, 14)? * 60 + number(minutes, 59)?;
    let local = Timestamp::parse(&format!("{local}Z")).ok()?;
    let shifted = local.unix_nanos() - sign * minutes * 60_000_000_000;
    // Within the years that a timestamp can write.
    let shifted = Timestamp::from_unix_nanos(shifted);
    Timestamp::parse(&shifted.to_string()).ok()
}

fn attribute<'e>(element: &'e Element, local: &str) -> Option<&'e str> {
    element
        .attributes
        .get(&(String::new(), local.to_owned()))
        .map(String::as_str)
}

fn qualified(namespace: &str, local: &str) -> String {
    if namespace.is_empty() {
        local.to_owned()
    } else {
        format!("{{{namespace}}}{local}")
    }
}

/// Whether a text can be an XML identifier, of ASCII.
pub(super) fn is_xml_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        && text.len() <= 256
}
