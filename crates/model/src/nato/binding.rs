//! Binding labels to an object after ADatP-4778.
//!
//! The labels are embedded in the binding, one `Metadata` each; the object is referenced by the
//! hash of its canonical bytes as an RFC 6920 name, so the binding says which bytes it means
//! wherever they are kept. The binding is not signed here: integrity is the log's.

use super::write::Writer;
use super::{ConfidentialityLabel, NAMESPACE_BINDING, NatoError};
use crate::object::Object;

/// The media type of the referenced bytes.
const MEDIA_TYPE: &str = "application/stix+json;version=2.1";

impl ConfidentialityLabel {
    /// An ADatP-4778 document that binds these labels to an object.
    ///
    /// # Errors
    /// When there is no label, or one cannot be written.
    pub fn bind(labels: &[ConfidentialityLabel], object: &Object) -> Result<String, NatoError> {
        if labels.is_empty() {
            return Err(NatoError::value("the binding", "needs a label"));
        }
        let mut out = Writer::document();
        let namespaces = [
            ("xmlns:mb", NAMESPACE_BINDING.to_owned()),
            (
                "xmlns:xmime",
                "http://www.w3.org/2005/05/xmlmime".to_owned(),
            ),
        ];
        out.open("mb:BindingInformation", &namespaces)?;
        out.open("mb:MetadataBindingContainer", &[])?;
        let id = [("Id", object.id().as_str().to_owned())];
        out.open("mb:MetadataBinding", &id)?;
        for label in labels {
            out.open("mb:Metadata", &[])?;
            label.write(&mut out)?;
            out.close("mb:Metadata");
        }
        let reference = [
            (
                "URI",
                format!("ni:///sha-256;{}", base64url(&object.hash().0)),
            ),
            ("xmime:contentType", MEDIA_TYPE.to_owned()),
        ];
        out.empty("mb:DataReference", &reference)?;
        out.close("mb:MetadataBinding");
        out.close("mb:MetadataBindingContainer");
        out.close("mb:BindingInformation");
        out.finish()
    }
}

/// RFC 4648 section 5 without padding, as RFC 6920 asks.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let mut bits = 0;
        for at in 0..3 {
            bits = bits << 8 | u32::from(*group.get(at).unwrap_or(&0));
        }
        for at in 0..=group.len() {
            let digit = bits >> (18 - 6 * at) & 63;
            out.push(char::from(ALPHABET[digit as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64url;

    #[test]
    fn base64url_is_that_of_the_rfc() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (b"\xfb\xff", "-_8"),
        ] {
            assert_eq!(base64url(bytes), text);
        }
    }
}
