//! Who made a document, as the document itself says it: detected, not decoded.
//!
//! Formats are known by their first bytes. Nothing is decompressed: where properties of a document
//! lie in a compressed part, the part's presence is the finding, because nobody can see here that
//! it is empty. All reading is bounded by the payload, which is bounded by the object.

/// What was found in a payload, in words; at most one line a kind of trace.
pub(crate) fn traces(bytes: &[u8]) -> Vec<&'static str> {
    if bytes.starts_with(b"%PDF-") || find(&bytes[..bytes.len().min(1024)], b"%PDF-").is_some() {
        return pdf(bytes);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return zip(bytes);
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return png(bytes);
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return jpeg(bytes);
    }
    // Compound files (older Word, Excel, Outlook) keep authors in a stream of this name, UTF-16.
    if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        let name = b"S\0u\0m\0m\0a\0r\0y\0I\0n\0f\0o\0r\0m\0a\0t\0i\0o\0n\0";
        let found = find(bytes, name).map(|_| "an Office document with a summary of its authors");
        return found.into_iter().collect();
    }
    Vec::new()
}

fn pdf(bytes: &[u8]) -> Vec<&'static str> {
    let mut found = Vec::new();
    if any(bytes, &[b"/Author", b"/Creator", b"/Producer", b"/Company"]) {
        found.push("a PDF that names its author or the program that made it");
    }
    if any(
        bytes,
        &[
            b"<dc:creator",
            b"pdf:Producer",
            b"xmp:CreatorTool",
            b"xmpMM:",
        ],
    ) {
        found.push("a PDF with XMP metadata");
    }
    if any(bytes, &[b"/ObjStm", b"/Encrypt"]) {
        found.push("a PDF with parts that cannot be looked into");
    }
    found
}

fn zip(bytes: &[u8]) -> Vec<&'static str> {
    let mut found = Vec::new();
    if any(
        bytes,
        &[
            b"docProps/core.xml",
            b"docProps/app.xml",
            b"docProps/custom.xml",
        ],
    ) {
        found.push("an Office document with a properties part");
    }
    if find(bytes, b"application/vnd.oasis.opendocument").is_some()
        && find(bytes, b"meta.xml").is_some()
    {
        found.push("an OpenDocument file with a metadata part");
    }
    if found.is_empty() {
        found.push("an archive that cannot be looked into");
    }
    found
}

fn png(bytes: &[u8]) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut at = 8usize;
    // Chunks (RFC 2083, section 3.2): length, name, data, check sum.
    while let Some(head) = bytes.get(at..at.saturating_add(8)) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let words = match &head[4..] {
            b"tEXt" | b"iTXt" | b"zTXt" => "a picture with texts about its making",
            b"eXIf" => "a picture with EXIF data",
            b"IEND" => break,
            _ => "",
        };
        if !words.is_empty() && !found.contains(&words) {
            found.push(words);
        }
        at = at.saturating_add(length).saturating_add(12);
    }
    found
}

fn jpeg(bytes: &[u8]) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut at = 2usize;
    // Segments (ITU T.81, annex B): marker, length that counts itself, data.
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..).and_then(|rest| rest.first_chunk())
    {
        if marker == 0xda {
            break;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let data = bytes
            .get(at + 4..(at + 2).saturating_add(length))
            .unwrap_or_default();
        match marker {
            0xe1 if data.starts_with(b"Exif\0\0") => found.push(exif(&data[6..])),
            0xe1 if data.starts_with(b"http://ns.adobe.com/") => {
                found.push("a picture with XMP metadata")
            }
            0xed => found.push("a picture with IPTC data"),
            0xfe => found.push("a picture with a comment"),
            _ => {}
        }
        at = at.saturating_add(length.max(2)).saturating_add(2);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether the first directory of EXIF data (TIFF 6.0, section 2) points to a position.
fn exif(data: &[u8]) -> &'static str {
    const POSITION: u16 = 0x8825;
    let little = data.starts_with(b"II");
    let short = |at: usize| {
        let pair = data.get(at..at.checked_add(2)?)?;
        let pair = [pair[0], pair[1]];
        Some(if little {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        })
    };
    let first = || {
        let four = data.get(4..8)?;
        let four = [four[0], four[1], four[2], four[3]];
        let at = if little {
            u32::from_le_bytes(four)
        } else {
            u32::from_be_bytes(four)
        } as usize;
        let count = short(at)?;
        (0..usize::from(count)).find(|entry| short(at + 2 + entry * 12) == Some(POSITION))
    };
    match first() {
        Some(_) => "a picture that says where it was taken",
        None => "a picture with EXIF data",
    }
}

fn any(bytes: &[u8], wanted: &[&[u8]]) -> bool {
    wanted.iter().any(|wanted| find(bytes, wanted).is_some())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = 0;
    while let Some(step) = bytes.get(at..)?.iter().position(|byte| *byte == first) {
        at += step;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
    None
}
