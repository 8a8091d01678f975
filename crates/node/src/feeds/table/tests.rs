//! Tables of any bytes, and what becomes of a row when it comes again.

use proptest::prelude::*;

use super::*;
use crate::feeds::mapping::Mapping;

const URLS: &str = "value = \"url\"\ntype = \"url\"\nvalid_days = 10";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn rows(mapping: &str, bytes: &[u8]) -> Vec<Numbered> {
    let mut rows = Rows::new(Mapping::parse(mapping).unwrap(), bytes.to_vec()).unwrap();
    rows.next(usize::MAX).unwrap()
}

fn first(mapping: &str, bytes: &[u8]) -> Row {
    rows(mapping, bytes).remove(0).1.unwrap()
}

/// What the row becomes, given what is held of it.
fn made(row: &Row, before: Option<&Json>, now: &str) -> Result<Option<Json>, String> {
    let id = id_of("test", Makes::Indicator, row).unwrap();
    let author = source("test", at("2024-01-01T00:00:00Z")).unwrap();
    let wanted = Wanted {
        id: &id,
        author: author.id(),
        types: &["malicious-activity".to_owned()],
        days: Some(10),
        row,
    };
    let object = wanted.indicator(before, at(now))?;
    Ok(object.map(|object| serde_json::from_slice(object.bytes()).unwrap()))
}

#[test]
fn tables_are_read_with_comments_marks_and_quotes() {
    let table = "\u{feff}# by somebody\n\"first\";url\n# more\n1;http://a.example/\n\n2;\"http://b.example/;x\"\n3;nothing\n";
    let mapping = "value = \"url\"\ntype = \"url\"\ndelimiter = \";\"\ncomment = \"#\"";
    let rows = rows(mapping, table.as_bytes());
    let values: Vec<_> = rows
        .iter()
        .map(|(_, row)| row.as_ref().map(|row| row.value.text()))
        .collect();
    assert_eq!(values[0], Ok("http://a.example/".into()));
    assert_eq!(values[1], Ok("http://b.example/;x".into()));
    assert!(values[2].is_err());
    let error = Rows::new(Mapping::parse(URLS).unwrap(), b"a,b\n1,2\n".to_vec());
    assert!(error.err().unwrap().contains("no column"));
    assert!(self::rows(URLS, b"url\n\xff\xfe\n")[0].1.is_err());
}

#[test]
fn a_row_that_comes_again_is_the_same_object() {
    let row = first(URLS, b"url\nhttp://a.example/\n");
    let one = made(&row, None, "2024-01-01T00:00:00Z").unwrap().unwrap();
    assert_eq!(one["valid_until"], "2024-01-11T00:00:00.000Z");
    // Nothing to say while it is listed, until half of its days is over.
    assert_eq!(made(&row, Some(&one), "2024-01-05T00:00:00Z"), Ok(None));
    let renewed = made(&row, Some(&one), "2024-01-07T00:00:00Z")
        .unwrap()
        .unwrap();
    assert_eq!(renewed["id"], one["id"]);
    assert_eq!(renewed["created"], one["created"]);
    assert_eq!(renewed["valid_from"], one["valid_from"]);
    assert_eq!(renewed["valid_until"], "2024-01-17T00:00:00.000Z");
    assert_eq!(renewed["modified"], "2024-01-07T00:00:00.000Z");
    // What changed is a newer version, also by a clock that was set back.
    let named = Row {
        name: Some("known by name".into()),
        ..row.clone()
    };
    let changed = made(&named, Some(&renewed), "2024-01-06T00:00:00Z")
        .unwrap()
        .unwrap();
    assert_eq!(changed["modified"], "2024-01-07T00:00:00.001Z");
    // What the nation revoked stays so.
    let mut revoked = one.clone();
    revoked["revoked"] = true.into();
    assert!(
        made(&row, Some(&revoked), "2024-01-05T00:00:00Z")
            .unwrap_err()
            .contains("revoked")
    );
}

#[test]
fn observables_have_the_ids_of_the_standard() {
    // STIX 2.1 §2.9: UUIDv5 of the canonical contributing properties.
    for (kind, text, wanted) in [
        (
            "ip",
            "198.51.100.3",
            "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4",
        ),
        (
            "ip",
            "198.51.100.0/24",
            "ipv4-addr--1ea47840-aa39-5aa8-b4a2-cd203eb6662a",
        ),
        (
            "md5",
            "d41d8cd98f00b204e9800998ecf8427e",
            "file--02fff920-f614-527c-81d1-6353633a6d21",
        ),
        (
            "url",
            "https://example.com/research/index.html",
            "url--47c3cf9a-5027-5bf0-997a-017c7edc7c55",
        ),
    ] {
        let mapping = format!("header = false\nvalue = 1\ntype = \"{kind}\"");
        let row = first(&mapping, text.as_bytes());
        let id = id_of("any", Makes::Observable, &row).unwrap();
        assert_eq!(id.as_str(), wanted);
        let object = observable(&id, &row).unwrap();
        assert_eq!(object.id(), &id);
    }
    let row = first(
        "header = false\nvalue = 1\ntype = \"ip-port\"",
        b"198.51.100.3:80\n",
    );
    assert!(id_of("any", Makes::Observable, &row).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_table_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), header in any::<bool>()) {
        let mapping = Mapping::parse(&format!(
            "header = {header}\nvalue = 1\ntype = \"file-name\"\ncomment = \"#\"\nvalid_days = 5"
        )).unwrap();
        let Ok(mut rows) = Rows::new(mapping, bytes) else { return Ok(()) };
        while let Ok(batch) = rows.next(3) {
            if batch.is_empty() {
                break;
            }
            for row in batch.into_iter().filter_map(|(_, row)| row.ok()) {
                let first = made(&row, None, "2024-01-01T00:00:00Z").unwrap().unwrap();
                // The pattern holds the value and nothing else.
                prop_assert_eq!(made(&row, Some(&first), "2024-01-01T00:00:00Z"), Ok(None));
                let observed = id_of("x", Makes::Observable, &row).and_then(|id| observable(&id, &row));
                prop_assert!(observed.is_ok());
            }
        }
    }

    /// Whatever a mapping asks for and a table holds: each row becomes an object that stands by
    /// itself, or is refused in words.
    #[test]
    fn no_mapping_of_a_hostile_table_panics(
        tokens in prop::collection::vec(0..HOSTILE.len(), 0..60),
        separators in (any::<char>(), any::<char>(), any::<Option<char>>()),
        columns in prop::collection::vec(1usize..5, 6),
        kind in 0usize..13,
        days in any::<Option<u32>>(),
        flags in any::<(bool, bool)>(),
    ) {
        let kinds = [
            "ipv4-addr", "ipv6-addr", "ip", "ip-port", "domain-name", "url", "email-addr",
            "file-name", "file-hash", "md5", "sha1", "sha256", "sha512",
        ];
        let (header, refang) = flags;
        let quoted = |c: char| toml::Value::String(c.to_string()).to_string();
        let mut text = format!(
            "header = {header}\nrefang = {refang}\ntype = \"{}\"\nvalue = {}\n\
             confidence_column = {}\nvalid_from_column = {}\nvalid_until_column = {}\n\
             label_columns = [{}]\nname_column = {}\n",
            kinds[kind], columns[0], columns[1], columns[2], columns[3], columns[4], columns[5],
        );
        // Most are the usual ones, or hardly any table would be read.
        if separators.0.is_ascii() {
            text += &format!("delimiter = {}\nquote = {}\n", quoted(separators.0), quoted(separators.1));
        }
        if let Some(c) = separators.2 {
            text += &format!("comment = {}\n", quoted(c));
        }
        if let Some(days) = days {
            text += &format!("valid_days = {}\n", days % 40_000);
        }
        let mapping = match Mapping::parse(&text) {
            Ok(mapping) => mapping,
            Err(why) => {
                prop_assert!(!why.is_empty());
                return Ok(());
            }
        };
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| HOSTILE[*token].to_vec()).collect();
        let Ok(mut rows) = Rows::new(mapping, bytes) else { return Ok(()) };
        while let Ok(batch) = rows.next(3) {
            if batch.is_empty() {
                break;
            }
            for row in batch.into_iter().filter_map(|(_, row)| row.ok()) {
                if let Ok(Some(first)) = made(&row, None, "2024-01-01T00:00:00Z") {
                    prop_assert_eq!(&first["pattern"], &Json::from(row.value.pattern()));
                    // A second look never panics, and never makes another object of it.
                    if let Ok(Some(second)) = made(&row, Some(&first), "2025-01-01T00:00:00Z") {
                        prop_assert_eq!(&second["id"], &first["id"]);
                    }
                }
                let observed = id_of("x", Makes::Observable, &row).and_then(|id| observable(&id, &row));
                prop_assert!(observed.is_ok() || row.value.observable().is_none(), "{:?}", row);
            }
        }
    }
}

/// Pieces of tables that meet every branch: separators, quotes, broken UTF-8, numbers and dates at
/// their ends, values of every kind and almost so.
const HOSTILE: [&[u8]; 34] = [
    b",",
    b",",
    b",",
    b"\n",
    b"\n",
    b"\r\n",
    b"\"",
    b"'",
    b"\\",
    b"\0",
    b"#",
    b";",
    b"\t",
    b" ",
    b"\xff\xfe",
    b"\xf0\x9f\x92\xa9",
    b"\xe2\x80\xae",
    b"-1",
    b"100",
    b"9223372036854775807",
    b"253402300800",
    b"99999999999999999999",
    b"9999-12-31T23:59:59.999999999Z",
    b"0000-00-00",
    b"1970-01-01",
    b"2024-05-06 07:08:09",
    b"hxxp[:]//a[.]example/",
    b"http://[::1]:65536/",
    b"1.2.3.4:443",
    b"::ffff:1.2.3.4/129",
    b"a@b.example",
    b"d41d8cd98f00b204e9800998ecf8427e",
    b"xn--a.example",
    b"' OR [x:y = 'z",
];
