//! From a [`ConfidentialityLabel`] to XML: one fixed form, which `read` gives back equal.

use super::read::is_xml_name;
use super::xml::is_xml_char;
use super::{
    ConfidentialityLabel, Information, NAMESPACE_LABEL, NatoError, ORIGINATOR_KINDS, Originator,
};
use crate::limits::NATO_XML_BYTES_MAX;
use crate::time::Timestamp;

impl ConfidentialityLabel {
    /// Writes the label as a document of its own.
    ///
    /// # Errors
    /// When a value cannot stand in XML or in such a label, naming it. Elements of other
    /// namespaces (`unknown`) cannot be written.
    pub fn to_xml(&self) -> Result<String, NatoError> {
        let mut out = Writer::document();
        self.write(&mut out)?;
        out.finish()
    }

    pub(super) fn write(&self, out: &mut Writer) -> Result<(), NatoError> {
        if let Some(unknown) = self.unknown.first() {
            return Err(NatoError::value(
                unknown,
                "is of another namespace and was not kept",
            ));
        }
        let element = format!("slab:{}", self.role.element());
        let mut attributes = vec![("xmlns:slab", NAMESPACE_LABEL.to_owned())];
        if let Some(id) = &self.id {
            if !is_xml_name(id) {
                return Err(NatoError::value("Id", "is no XML name"));
            }
            attributes.push(("Id", id.clone()));
        }
        if let Some(review) = self.review {
            attributes.push(("ReviewDateTime", review.to_string()));
        }
        out.open(&element, &attributes)?;
        base(out, &self.information, &self.originator, self.created)?;
        if let Some(succession) = &self.succession {
            out.open("slab:SuccessionHandling", &[])?;
            let at = succession.at.to_string();
            out.leaf("slab:SuccessionDateTime", &[], &at)?;
            out.open("slab:SuccessorConfidentialityLabel", &[])?;
            base(
                out,
                &succession.information,
                &succession.originator,
                succession.created,
            )?;
            out.close("slab:SuccessorConfidentialityLabel");
            out.close("slab:SuccessionHandling");
        }
        out.close(&element);
        Ok(())
    }
}

fn base(
    out: &mut Writer,
    information: &Information,
    originator: &Option<Originator>,
    created: Timestamp,
) -> Result<(), NatoError> {
    out.open("slab:ConfidentialityInformation", &[])?;
    let uri: Vec<_> = information.policy_uri.iter().collect();
    let uri: Vec<_> = uri.into_iter().map(|uri| ("URI", uri.clone())).collect();
    let policy = token("PolicyIdentifier", &information.policy)?;
    out.leaf("slab:PolicyIdentifier", &uri, policy)?;
    let classification = token("Classification", &information.classification)?;
    out.leaf("slab:Classification", &[], classification)?;
    if let Some(mark) = &information.privacy_mark {
        out.leaf("slab:PrivacyMark", &[], mark)?;
    }
    for category in &information.categories {
        let mut attributes = vec![
            ("Type", category.kind.word().to_owned()),
            ("TagName", category.tag.clone()),
        ];
        attributes.extend(category.uri.iter().map(|uri| ("URI", uri.clone())));
        out.open("slab:Category", &attributes)?;
        for value in &category.values {
            out.leaf("slab:GenericValue", &[], value)?;
        }
        out.close("slab:Category");
    }
    out.close("slab:ConfidentialityInformation");
    if let Some(originator) = originator {
        if !ORIGINATOR_KINDS.contains(&originator.kind.as_str()) {
            return Err(NatoError::value("OriginatorID", "has an unknown IDType"));
        }
        let kind = [("IDType", originator.kind.clone())];
        out.leaf("slab:OriginatorID", &kind, &originator.value)?;
    }
    out.leaf("slab:CreationDateTime", &[], &created.to_string())
}

/// A text that is an `xs:token` already: what a reader collapses would not come back.
fn token<'t>(place: &str, text: &'t str) -> Result<&'t str, NatoError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() || words.join(" ") != text {
        return Err(NatoError::value(
            place,
            "must be words with one space between them",
        ));
    }
    Ok(text)
}

/// Elements as indented lines.
pub(super) struct Writer {
    out: String,
    depth: usize,
}

impl Writer {
    pub(super) fn document() -> Writer {
        Writer {
            out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
            depth: 0,
        }
    }

    pub(super) fn open(
        &mut self,
        name: &str,
        attributes: &[(&str, String)],
    ) -> Result<(), NatoError> {
        self.start(name, attributes)?;
        self.out.push_str(">\n");
        self.depth += 1;
        Ok(())
    }

    pub(super) fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.indent();
        self.out.push_str(&format!("</{name}>\n"));
    }

    /// An element with text alone.
    pub(super) fn leaf(
        &mut self,
        name: &str,
        attributes: &[(&str, String)],
        text: &str,
    ) -> Result<(), NatoError> {
        self.start(name, attributes)?;
        self.out.push('>');
        self.escaped(name, text)?;
        self.out.push_str(&format!("</{name}>\n"));
        Ok(())
    }

    /// An element with nothing in it.
    pub(super) fn empty(
        &mut self,
        name: &str,
        attributes: &[(&str, String)],
    ) -> Result<(), NatoError> {
        self.start(name, attributes)?;
        self.out.push_str("/>\n");
        Ok(())
    }

    pub(super) fn finish(self) -> Result<String, NatoError> {
        if self.out.len() > NATO_XML_BYTES_MAX {
            return Err(NatoError::value("the label", "is larger than 64 KiB"));
        }
        Ok(self.out)
    }

    fn indent(&mut self) {
        self.out.extend(std::iter::repeat_n("  ", self.depth));
    }

    fn start(&mut self, name: &str, attributes: &[(&str, String)]) -> Result<(), NatoError> {
        self.indent();
        self.out.push('<');
        self.out.push_str(name);
        for (key, value) in attributes {
            self.out.push_str(&format!(" {key}=\""));
            self.escaped(key, value)?;
            self.out.push('"');
        }
        Ok(())
    }

    fn escaped(&mut self, place: &str, text: &str) -> Result<(), NatoError> {
        for c in text.chars() {
            match c {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                '"' => self.out.push_str("&quot;"),
                // A reader would make spaces or line ends of these.
                '\t' | '\n' | '\r' => self.out.push_str(&format!("&#{};", u32::from(c))),
                c if is_xml_char(c) => self.out.push(c),
                _ => {
                    return Err(NatoError::value(
                        place,
                        "holds a character that XML forbids",
                    ));
                }
            }
        }
        Ok(())
    }
}
