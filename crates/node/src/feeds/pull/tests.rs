//! Pages and documents of any bytes.

use proptest::prelude::*;

use super::*;

const INDICATOR: &str = r#"{"type":"indicator","spec_version":"SPEC","id":"indicator--6f2c8b1e-3c0a-4f2f-9a52-0d6f7a4c1b11","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","pattern":"[url:value = 'x']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z","x_size":1234567890,"x_half":0.10}"#;

#[test]
fn a_page_gives_what_it_holds_and_where_to_go_on() {
    let good = INDICATOR.replace("SPEC", "2.1");
    let body = format!("{{\"more\":true,\"next\":7,\"objects\":[{good},{{\"type\":\"x\"}}]}}");
    let (page, found, refused, mended) = page(body.as_bytes(), Some(1), None).unwrap();
    assert_eq!(
        (page.more, page.next.as_deref(), page.objects),
        (true, Some("7"), 2)
    );
    assert_eq!((page.first, page.last), (Some(1), None));
    assert_eq!((found.len(), refused.len(), mended), (1, 1, false));
    for empty in [
        "",
        " \n",
        "{}",
        "{\"objects\":null}",
        "{\"more\":null,\"next\":\"\"}",
    ] {
        let (page, found, _, _) = self::page(empty.as_bytes(), None, None).unwrap();
        assert_eq!(
            (page.more, page.next, found.len()),
            (false, None, 0),
            "{empty}"
        );
    }
    for broken in [
        "{\"objects\":[",
        "[]x",
        "<html>",
        "{\"more\":\"yes\"}",
        "{\"objects\":{}}",
        "\u{0}",
    ] {
        assert!(
            self::page(broken.as_bytes(), None, None).is_err(),
            "{broken}"
        );
    }
}

#[test]
fn only_the_spec_version_that_is_the_type_is_mended() {
    let read = |spec: &str| {
        let body = format!("{{\"objects\":[{}]}}", INDICATOR.replace("SPEC", spec));
        let (_, found, _, mended) = page(body.as_bytes(), None, None).unwrap();
        (found, mended)
    };
    let (plain, _) = read("2.1");
    let (found, mended) = read("indicator");
    assert!(mended);
    // Numbers and everything else are as they were.
    assert_eq!(found[0].1.bytes(), plain[0].1.bytes());
    assert!(read("3.0").0.is_empty());
}

#[test]
fn packed_documents_are_unpacked_and_damaged_ones_refused() {
    use std::io::Write;
    let text = b"{\"type\":\"bundle\"}".to_vec();
    let zst = zstd::encode_all(&*text, 3).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&text).unwrap();
    let gz = gz.finish().unwrap();
    for packed in [text.clone(), zst.clone(), gz.clone()] {
        assert_eq!(plain(packed).unwrap(), text);
    }
    assert!(plain(zst[..zst.len() - 3].to_vec()).is_err());
    assert!(plain(gz[..gz.len() - 9].to_vec()).is_err());
}

proptest! {
    #[test]
    fn no_page_and_no_document_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = page(&bytes, None, None);
        let _ = plain(bytes.clone()).and_then(|plain| parse(&plain));
    }

    #[test]
    fn no_cut_or_changed_page_panics(at in 0usize..600, byte in any::<u8>(), cut in any::<bool>()) {
        let body = format!("{{\"more\":true,\"next\":\"n\",\"objects\":[{}]}}", INDICATOR.replace("SPEC", "indicator"));
        let mut bytes = body.into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let _ = page(&bytes, None, None);
    }
}
