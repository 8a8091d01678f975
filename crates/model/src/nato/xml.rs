//! A small, bounded reader of XML for documents from outside.
//!
//! It gives a tree of elements with resolved namespaces, and refuses whatever can make a document
//! mean something else to another reader, or cost more than its size: document type declarations
//! (and with them every entity but XML's own five), processing instructions, comments, CDATA
//! sections, text beside elements, and anything over the limits.

use std::collections::BTreeMap;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, ResolveResult};
use quick_xml::reader::NsReader;

use super::NatoError;
use crate::limits::{NATO_DEPTH_MAX, NATO_ELEMENTS_MAX, NATO_XML_BYTES_MAX};

/// An attribute's or element's name: namespace (empty: none) and local part.
pub(super) type Name = (String, String);

/// One element.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: Name,
    pub(super) attributes: BTreeMap<Name, String>,
    pub(super) children: Vec<Element>,
    /// Its text, where it has no children.
    pub(super) text: String,
    /// Byte in the document at which it begins.
    pub(super) at: usize,
}

/// Reads a whole document; answers with its root.
pub(super) fn read(bytes: &[u8]) -> Result<Element, NatoError> {
    if bytes.len() > NATO_XML_BYTES_MAX {
        return Err(NatoError::at("", 0, "the document is larger than 64 KiB"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| NatoError::at("", 0, "the document is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(at) = text.find(|c| !is_xml_char(c)) {
        return Err(NatoError::at(text, at, "a character that XML forbids"));
    }
    let mut building = Building {
        text,
        open: Vec::new(),
        root: None,
        count: 0,
    };
    let mut reader = NsReader::from_str(text);
    loop {
        let at = reader.buffer_position() as usize;
        let event = match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => event,
            Err(error) => {
                let at = reader.error_position() as usize;
                return Err(NatoError::at(text, at, error.to_string()));
            }
        };
        building.take(&reader, event, at)?;
    }
    if let Some(open) = building.open.last() {
        return Err(NatoError::at(text, open.at, "this element is never closed"));
    }
    building
        .root
        .ok_or_else(|| NatoError::at(text, text.len(), "there is no element"))
}

/// Whether a character may stand in an XML 1.0 document.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

struct Building<'t> {
    text: &'t str,
    open: Vec<Element>,
    root: Option<Element>,
    count: usize,
}

impl Building<'_> {
    fn fault<T>(&self, at: usize, why: impl Into<String>) -> Result<T, NatoError> {
        Err(NatoError::at(self.text, at, why))
    }

    fn take(
        &mut self,
        reader: &NsReader<&[u8]>,
        event: Event<'_>,
        at: usize,
    ) -> Result<(), NatoError> {
        match event {
            Event::Start(start) => {
                let element = self.element(reader, &start, at)?;
                self.open.push(element);
                Ok(())
            }
            Event::Empty(start) => {
                let element = self.element(reader, &start, at)?;
                self.close(element)
            }
            Event::End(_) => match self.open.pop() {
                Some(element) => self.close(element),
                None => self.fault(at, "nothing is open here to be closed"),
            },
            Event::Text(text) => self.add(&text.xml10_content(), at),
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content();
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(c)) if is_xml_char(c) => Some(c.to_string()),
                    Ok(None) => quick_xml::escape::resolve_xml_entity(&name).map(str::to_owned),
                    _ => None,
                };
                match resolved {
                    Some(text) if !self.open.is_empty() => self.add(&text, at),
                    _ => self.fault(
                        at,
                        "only XML's own five entities and references to allowed characters are read",
                    ),
                }
            }
            Event::Decl(decl) => {
                let utf8 = match decl.encoding() {
                    None => true,
                    Some(Ok(name)) => name.eq_ignore_ascii_case("utf-8"),
                    Some(Err(_)) => false,
                };
                let one = decl.version().is_ok_and(|version| version == "1.0");
                if utf8 && one {
                    Ok(())
                } else {
                    self.fault(at, "only XML 1.0 in UTF-8 is read")
                }
            }
            Event::DocType(_) => self.fault(at, "a document type declaration is not read"),
            Event::PI(_) => self.fault(at, "a processing instruction is not read"),
            // Two readers may differ in whether a comment splits a text.
            Event::Comment(_) => self.fault(at, "a comment is not read"),
            Event::CData(_) => self.fault(at, "a CDATA section is not read"),
            Event::Eof => Ok(()),
        }
    }

    fn element(
        &mut self,
        reader: &NsReader<&[u8]>,
        start: &BytesStart<'_>,
        at: usize,
    ) -> Result<Element, NatoError> {
        self.count += 1;
        if self.open.len() >= NATO_DEPTH_MAX {
            return self.fault(at, format!("more than {NATO_DEPTH_MAX} levels of elements"));
        }
        if self.count > NATO_ELEMENTS_MAX {
            return self.fault(at, format!("more than {NATO_ELEMENTS_MAX} elements"));
        }
        if self.root.is_some() {
            return self.fault(at, "a document has one root element");
        }
        let (namespace, local) = reader.resolver().resolve_element(start.name());
        let name = self.name(namespace, local.as_ref(), at)?;
        let mut attributes = BTreeMap::new();
        for attribute in start.attributes() {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => return self.fault(at, error.to_string()),
            };
            if let Some(PrefixDeclaration::Default | PrefixDeclaration::Named(_)) =
                attribute.key.as_namespace_binding()
            {
                continue;
            }
            let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
            let name = self.name(namespace, local.as_ref(), at)?;
            let value = match attribute.normalized_value(XmlVersion::Explicit1_0) {
                Ok(value) if value.chars().all(is_xml_char) => value.into_owned(),
                _ => return self.fault(at, format!("the value of {} cannot be read", name.1)),
            };
            if attributes.insert(name, value).is_some() {
                return self.fault(at, "an attribute is given twice");
            }
        }
        Ok(Element {
            name,
            attributes,
            children: Vec::new(),
            text: String::new(),
            at,
        })
    }

    fn name(
        &self,
        namespace: ResolveResult<'_>,
        local: &str,
        at: usize,
    ) -> Result<Name, NatoError> {
        match namespace {
            ResolveResult::Bound(namespace) => {
                Ok((namespace.as_ref().to_owned(), local.to_owned()))
            }
            ResolveResult::Unbound => Ok((String::new(), local.to_owned())),
            ResolveResult::Unknown(_) => self.fault(at, "a namespace prefix that is not declared"),
        }
    }

    fn add(&mut self, text: &str, at: usize) -> Result<(), NatoError> {
        match self.open.last_mut() {
            Some(open) => {
                open.text.push_str(text);
                Ok(())
            }
            None if text.trim().is_empty() => Ok(()),
            None => self.fault(at, "text outside of every element"),
        }
    }

    fn close(&mut self, mut element: Element) -> Result<(), NatoError> {
        if !element.children.is_empty() {
            if !element.text.trim().is_empty() {
                return self.fault(element.at, "this element holds text beside elements");
            }
            element.text.clear();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }
}
