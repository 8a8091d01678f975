//! Rows as people publish them, and rows as nobody should.

use proptest::prelude::*;

use super::*;

fn mapping(text: &str) -> Mapping {
    Mapping::parse(text).unwrap()
}

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_row_becomes_values_as_its_columns_say() {
    let mapping = mapping(
        "value = \"ioc\"\ntype_column = \"kind\"\nrefang = true\nconfidence = 50\n\
         confidence_column = \"score\"\nlabels = [\"c2\"]\nlabel_columns = [\"family\"]\n\
         valid_from_column = \"seen\"\n[types]\n\"ip:port\" = \"ip-port\"\ndomain = \"domain-name\"\n",
    );
    let names = header(&["seen", "kind", "ioc", "score", "family"]);
    let row = mapping
        .row(
            &names,
            &[
                "2024-05-06 07:08:09 UTC",
                "domain",
                " EVIL[.]Example. ",
                "90",
                "Emotet",
            ],
        )
        .unwrap()
        .unwrap();
    assert_eq!(row.value, Value::Domain("evil.example".into()));
    assert_eq!(row.confidence, Some(90));
    assert_eq!(row.labels, ["Emotet", "c2"]);
    assert_eq!(
        row.valid_from.unwrap().to_string(),
        "2024-05-06T07:08:09.000Z"
    );
    let row = mapping
        .row(&names, &["", "ip:port", "192.0.2.1:443"])
        .unwrap()
        .unwrap();
    assert_eq!(
        row.value.pattern(),
        "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]"
    );
    assert_eq!(row.confidence, Some(50));
    // Another type than those that are named is passed over; a wrong value is refused.
    assert_eq!(mapping.row(&names, &["", "sha3", "x"]), Ok(None));
    for cells in [
        ["", "domain", "no domain", "", ""],
        ["", "domain", "", "", ""],
        ["", "ip:port", "192.0.2.1", "", ""],
        ["", "domain", "a.example", "101", ""],
        ["yesterday", "domain", "a.example", "", ""],
    ] {
        assert!(mapping.row(&names, &cells).is_err(), "{cells:?}");
    }
}

#[test]
fn values_are_what_they_claim() {
    let good = [
        (
            Kind::Ipv4Addr,
            "192.0.2.0/24",
            "[ipv4-addr:value = '192.0.2.0/24']",
        ),
        (Kind::Ip, "2001:DB8::1", "[ipv6-addr:value = '2001:db8::1']"),
        (
            Kind::Url,
            "http://x.example/a'b\\c",
            "[url:value = 'http://x.example/a\\'b\\\\c']",
        ),
        (
            Kind::Md5,
            "D41D8CD98F00B204E9800998ECF8427E",
            "[file:hashes.'MD5' = 'd41d8cd98f00b204e9800998ecf8427e']",
        ),
        (
            Kind::FileHash,
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "[file:hashes.'SHA-1' = 'da39a3ee5e6b4b0d3255bfef95601890afd80709']",
        ),
        (
            Kind::DomainName,
            "пример.рф",
            "[domain-name:value = 'пример.рф']",
        ),
        (
            Kind::FileName,
            "a'] OR [x:y = 'b",
            "[file:name = 'a\\'] OR [x:y = \\'b']",
        ),
    ];
    for (kind, text, pattern) in good {
        assert_eq!(Value::parse(kind, text).unwrap().pattern(), pattern);
    }
    let bad = [
        (Kind::Ipv4Addr, "2001:db8::1"),
        (Kind::Ipv6Addr, "192.0.2.1"),
        (Kind::Ipv4Addr, "192.0.2.0/33"),
        (Kind::Ipv4Addr, "192.0.2.01"),
        (Kind::DomainName, "192.0.2.1"),
        (Kind::DomainName, "localhost"),
        (Kind::DomainName, "a..example"),
        (Kind::Url, "x.example/a"),
        (Kind::EmailAddr, "a@b@c"),
        (Kind::Sha256, "d41d8cd98f00b204e9800998ecf8427e"),
        (Kind::Md5, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"),
        (Kind::FileName, "a\nb"),
    ];
    for (kind, text) in bad {
        assert!(Value::parse(kind, text).is_err(), "{kind:?} {text}");
    }
}

#[test]
fn mappings_that_cannot_work_are_refused_when_they_are_given() {
    for text in [
        "",
        "value = 1",
        "value = 0\ntype = \"url\"\nheader = false",
        "value = \"a\"\ntype = \"url\"\nheader = false",
        "value = 1\ntype = \"url\"\nconfidence = 101",
        "value = 1\ntype = \"url\"\nvalid_days = 0",
        "value = 1\ntype = \"url\"\ndelimiter = \"ab\"",
        "value = 1\ntype = \"url\"\ndelimiter = \"…\"",
        "value = 1\ntype = \"url\"\nsurprise = 1",
        "value = 1\ntype_column = 2",
    ] {
        assert!(Mapping::parse(text).is_err(), "{text:?}");
    }
    let mapping = mapping("value = \"a\"\ntype = \"url\"");
    let why = mapping.check_header(&header(&["b", "c"])).unwrap_err();
    assert!(why.contains("no column \"a\"; it has b, c"), "{why}");
    assert!(mapping.check_header(&header(&[" A "])).is_ok());
}

/// Reads a string literal of a pattern back, as the standard says.
fn unescaped(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    let (mut text, mut chars) = (String::new(), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next()?),
            '\'' => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

proptest! {
    #[test]
    fn whatever_a_cell_holds_it_stays_within_its_literal(text in "\\PC*") {
        prop_assert_eq!(unescaped(&literal(&text)), Some(text));
    }

    #[test]
    fn no_cell_panics(cells in prop::collection::vec(".*", 0..6), kind in 0usize..13) {
        let kinds = [
            "ipv4-addr", "ipv6-addr", "ip", "ip-port", "domain-name", "url", "email-addr",
            "file-name", "file-hash", "md5", "sha1", "sha256", "sha512",
        ];
        let mapping = Mapping::parse(&format!(
            "header = false\nvalue = 1\ntype = {:?}\nrefang = true\nconfidence_column = 2\n\
             valid_from_column = 3\nvalid_until_column = 4\nlabel_columns = [5]\nname_column = 6",
            kinds[kind]
        )).unwrap();
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        if let Ok(Some(row)) = mapping.row(&[], &cells) {
            let _ = (row.value.text(), row.value.pattern(), row.value.observable());
        }
    }

    #[test]
    fn no_mapping_panics(text in ".*") {
        let _ = Mapping::parse(&text);
    }

    #[test]
    fn times_read_back(secs in 100_000_000i64..4_000_000_000) {
        let at = Timestamp::from_unix_micros(secs * 1_000_000);
        let text = at.to_string();
        let plain = format!("{} {}", &text[..10], &text[11..19]);
        for spelling in [text.clone(), plain.clone(), format!("{plain} UTC"), secs.to_string()] {
            prop_assert_eq!(moment(&spelling), Some(at), "{}", spelling);
        }
    }
}
