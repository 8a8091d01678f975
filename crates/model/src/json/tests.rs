use proptest::prelude::*;

use super::number;
use super::*;
use crate::refusal::NumberFault;

fn canonical(json: &str) -> String {
    let bytes = canonicalise(json.as_bytes()).expect(json);
    String::from_utf8(bytes).expect("canonical form is UTF-8")
}

fn refused(json: &[u8]) -> Refusal {
    let refusal = canonicalise(json).expect_err("must be refused");
    assert_eq!(is_canonical(json), Err(refusal.clone()));
    refusal
}

#[test]
fn writes_doubles_as_rfc_8785_appendix_b() {
    for (bits, text) in [
        (0x0000000000000000u64, "0"),
        (0x8000000000000000, "0"),
        (0x0000000000000001, "5e-324"),
        (0x8000000000000001, "-5e-324"),
        (0x7fefffffffffffff, "1.7976931348623157e+308"),
        (0xffefffffffffffff, "-1.7976931348623157e+308"),
        (0x4340000000000000, "9007199254740992"),
        (0xc340000000000000, "-9007199254740992"),
        (0x4430000000000000, "295147905179352830000"),
        (0x44b52d02c7e14af5, "9.999999999999997e+22"),
        (0x44b52d02c7e14af6, "1e+23"),
        (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
        (0x444b1ae4d6e2ef4e, "999999999999999700000"),
        (0x444b1ae4d6e2ef4f, "999999999999999900000"),
        (0x444b1ae4d6e2ef50, "1e+21"),
        (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
        (0x3eb0c6f7a0b5ed8d, "0.000001"),
        (0x41b3de4355555553, "333333333.3333332"),
        (0x41b3de4355555554, "333333333.33333325"),
        (0x41b3de4355555555, "333333333.3333333"),
        (0x41b3de4355555556, "333333333.3333334"),
        (0x41b3de4355555557, "333333333.33333343"),
        (0xbecbf647612f3696, "-0.0000033333333333333333"),
        (0x43143ff3c1cb0959, "1424953923781206.2"),
    ] {
        let mut out = Vec::new();
        number::write(&mut out, f64::from_bits(bits));
        assert_eq!(String::from_utf8_lossy(&out), text, "{bits:016x}");
    }
}

#[test]
fn canonicalises_rfc_8785_samples() {
    assert_eq!(
        canonical(
            r#"{ "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                 "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                 "literals": [null, true, false] }"#
        ),
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
         \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
    );
    // Section 3.2.3: order by UTF-16 code units, where U+1F600 (D83D DE00) precedes U+FB33.
    let sorted = canonical(
        r#"{ "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
             "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin" }"#,
    );
    let places: Vec<_> = [
        "Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew",
    ]
    .iter()
    .map(|word| sorted.find(word).expect(word))
    .collect();
    assert!(places.is_sorted(), "{sorted}");
    assert_eq!(is_canonical(sorted.as_bytes()), Ok(true));
}

#[test]
fn accepts_numbers_that_keep_their_value() {
    for (token, written) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0e5", "0"),
        ("1.50", "1.5"),
        ("1E3", "1000"),
        ("0.1", "0.1"),
        ("100000000000000000000", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("9007199254740991", "9007199254740991"),
        ("9007199254740992", "9007199254740992"),
        ("9007199254740994", "9007199254740994"),
        ("-123456789012345680000", "-123456789012345680000"),
        ("0.10000000000000001", "0.1"),
        ("333333333.33333329", "333333333.3333333"),
        ("5e-324", "5e-324"),
        ("0e999999999999999999999", "0"),
        ("1000000000000000000000000e-24", "1"),
    ] {
        assert_eq!(canonical(token), written, "{token}");
        assert_eq!(
            is_canonical(token.as_bytes()),
            Ok(token == written),
            "{token}"
        );
    }
}

#[test]
fn refuses_numbers_that_a_double_changes() {
    use NumberFault::*;
    for (token, fault) in [
        ("9007199254740993", Integer),
        ("-9007199254740993", Integer),
        ("9007199254740993.0", Integer),
        ("9007199254740993e0", Integer),
        ("90071992547409.93e2", Integer),
        ("12345678901234567890", Integer),
        ("9007199254740992.5", Integer),
        ("1e400", Overflow),
        ("-1e400", Overflow),
        ("1e99999999999999999999", Overflow),
        ("1e-400", Precision),
        ("3e-324", Precision),
        ("1e-99999999999999999999", Precision),
        ("0.1234567890123456789", Precision),
        ("0.1000000000000000055511151231257827", Precision),
    ] {
        let refusal = refused(format!("{{\"a\":[{token}]}}").as_bytes());
        assert_eq!(refusal.pointer, "/a/0", "{token}");
        assert_eq!(refusal.reason, Reason::Number(fault), "{token}");
    }
}

#[test]
fn refuses_with_a_pointer() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(canonicalise(deep(64).as_bytes()).is_ok());
    let too_deep = refused(deep(65).as_bytes());
    assert_eq!(
        (too_deep.reason, too_deep.pointer),
        (Reason::TooDeep, "/0".repeat(64))
    );
    for (json, pointer, reason) in [
        (r#"{"a":1,"a":1}"#, "/a", Reason::DuplicateKey),
        (r#"{"a":1,"b":2,"\u0061":1}"#, "/a", Reason::DuplicateKey),
        (
            r#"{"x":[0,{"b":2,"a":1,"b":3}]}"#,
            "/x/1/b",
            Reason::DuplicateKey,
        ),
        (
            r#"{"a/b":{"~":{"é\n":1,"é\u000a":2}}}"#,
            "/a~1b/~0/é\n",
            Reason::DuplicateKey,
        ),
        (r#"["\ud800"]"#, "/0", Reason::LoneSurrogate),
        (r#"["\udc00"]"#, "/0", Reason::LoneSurrogate),
        (r#"["\ud800\ud800"]"#, "/0", Reason::LoneSurrogate),
        (r#"["\ud800x\udc00"]"#, "/0", Reason::LoneSurrogate),
        (r#"{"\udfff":1}"#, "", Reason::LoneSurrogate),
    ] {
        let refusal = refused(json.as_bytes());
        assert_eq!(
            (refusal.pointer.as_str(), refusal.reason),
            (pointer, reason),
            "{json}"
        );
    }
}

#[test]
fn refuses_what_is_not_json() {
    for json in [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "-Infinity",
        "tru",
        "nul",
        "True",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\\u12\"",
        "\"a\u{1}\"",
        "\"a\nb\"",
        "1 1",
        "{} {}",
        "[1]]",
        "\u{feff}{}",
        "/**/1",
        "\u{a0}1",
        "\u{b}1",
        "[1}",
        "{\"a\":1]",
    ] {
        let refusal = refused(json.as_bytes());
        assert!(
            matches!(refusal.reason, Reason::Syntax { .. }),
            "{json:?}: {refusal}"
        );
        assert!(
            serde_json::from_str::<serde_json::Value>(json).is_err(),
            "{json:?}"
        );
    }
    assert_eq!(refused(b"[\"\xff\"]").reason, Reason::Utf8 { offset: 2 });
    assert_eq!(
        refused(b"\"\xed\xa0\x80\"").reason,
        Reason::Utf8 { offset: 1 }
    );
    let Reason::Syntax { offset, .. } = refused(b"{\"a\": [1, x]}").reason else {
        panic!("syntax")
    };
    assert_eq!(offset, 10);
}

#[test]
fn knows_canonical_bytes() {
    for json in [
        "{}",
        "[]",
        "null",
        "\"\"",
        "{\"a\":1,\"b\":[{},[]]}",
        "\"\\u001f\\b\\t\\n\\f\\r\\\"\\\\/é\u{7f}\u{2028}\"",
        "{\"\":0,\"\\n\":1,\" \":2,\"\\\"\":3,\"a\":4,\"aa\":5}",
        "{\"\u{1f600}\":1,\"\u{fb33}\":2}",
        "{\"\\u000b\":1,\"\\f\":2}",
    ] {
        assert_eq!(is_canonical(json.as_bytes()), Ok(true), "{json}");
        assert_eq!(canonical(json), json);
    }
    for json in [
        " {}",
        "{} ",
        "[1, 2]",
        "{\"b\":1,\"a\":2}",
        "\"\\/\"",
        "\"\\u0041\"",
        "\"\\u001F\"",
        "\"\\u000a\"",
        "\"\\u007f\"",
        "{\"\u{fb33}\":1,\"\u{1f600}\":2}",
        "1.0",
        "1e2",
        "-0",
        "1E+21",
    ] {
        assert_eq!(is_canonical(json.as_bytes()), Ok(false), "{json}");
    }
}

/// What the reference crate makes of a document that both accept.
fn oracle(json: &[u8]) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_slice(json).expect("valid JSON");
    serde_json_canonicalizer::to_vec(&value).expect("the oracle writes any value")
}

/// Any JSON document as a value; numbers such as JSON writers produce them.
fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let text = || prop_oneof![3 => "[ -~]{0,12}", 1 => "\\PC{0,6}", 1 => "[\u{0}-\u{1f}\"\\\\\u{e000}\u{ffff}\u{10000}\u{10ffff}a]{0,6}"];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-(1i64 << 53)..=1 << 53).prop_map(Into::into),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::vec((text(), inner), 0..8)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Writes a value as another program might: white space, needless escapes, members in any order.
fn write_oddly(value: &serde_json::Value, odd: &mut impl FnMut() -> bool, out: &mut String) {
    use serde_json::Value;
    let space = |odd: &mut dyn FnMut() -> bool, out: &mut String| {
        if odd() {
            out.push_str(if odd() { " \n" } else { "\t\r " });
        }
    };
    let text = |text: &str, odd: &mut dyn FnMut() -> bool, out: &mut String| {
        out.push('"');
        for character in text.chars() {
            if character < ' ' || "\"\\".contains(character) || odd() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            } else {
                out.push(character);
            }
        }
        out.push('"');
    };
    space(odd, out);
    match value {
        Value::String(string) => text(string, odd, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_oddly(item, odd, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if odd() {
                members.reverse();
            }
            out.push('{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                space(odd, out);
                text(name, odd, out);
                space(odd, out);
                out.push(':');
                write_oddly(member, odd, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    space(odd, out);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn agrees_with_the_reference_crate(value in any_value(), oddities in prop::collection::vec(any::<bool>(), 1..64)) {
        let mut odd = oddities.iter().cycle().copied();
        let mut text = String::new();
        write_oddly(&value, &mut || odd.next().unwrap_or_default(), &mut text);
        let ours = canonicalise(text.as_bytes());
        prop_assert_eq!(&ours, &Ok(oracle(text.as_bytes())), "{}", text);
        let ours = ours.expect("compared above");
        prop_assert_eq!(is_canonical(&ours), Ok(true));
        prop_assert_eq!(is_canonical(text.as_bytes()), Ok(text.as_bytes() == ours));
        prop_assert_eq!(canonicalise(&ours), Ok(ours));
    }

    #[test]
    fn writes_every_double_as_the_reference_crate(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let mut out = Vec::new();
        number::write(&mut out, value);
        prop_assert_eq!(&out, &serde_json_canonicalizer::to_vec(&value).expect("finite"));
        prop_assert!(number::is_canonical(&out));
        let mut again = Vec::new();
        prop_assert_eq!(number::rewrite(&mut again, &out), Ok(()));
        prop_assert_eq!(again, out);
    }

    #[test]
    fn writes_ties_as_the_reference_crate(quarters in 1i64 << 50..1 << 54) {
        let value = quarters as f64 / 4.0;
        let mut out = Vec::new();
        number::write(&mut out, value);
        prop_assert_eq!(&out, &serde_json_canonicalizer::to_vec(&value).expect("finite"));
    }

    #[test]
    fn seventeen_digits_always_pass(whole in -(1i64 << 53)..1 << 53, scale in 0i32..300) {
        let value = whole as f64 * 2f64.powi(-scale);
                let token = format!("{value:.16e}");
        let mut out = Vec::new();
        prop_assert_eq!(number::rewrite(&mut out, token.as_bytes()), Ok(()));
        let read: f64 = String::from_utf8_lossy(&out).parse().expect("a number");
        prop_assert_eq!(read, value);
    }

    #[test]
    fn accepted_integers_keep_their_value(value in any::<i128>(), shift in 0u32..127) {
        let value = value >> shift;
        match canonicalise(value.to_string().as_bytes()) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                // Rust writes every digit of an f64 that is an integer.
                let exact: f64 = text.parse().expect("a number");
                prop_assert_eq!(format!("{exact}"), value.to_string());
            }
            Err(refusal) => {
                prop_assert_eq!(refusal.reason, Reason::Number(NumberFault::Integer));
                prop_assert!(value.unsigned_abs() > 1 << 53);
            }
        }
    }

    #[test]
    fn any_bytes_agree_with_serde_json(bytes in prop::collection::vec(
        prop_oneof![prop::sample::select(b"{}[],:\"\\u0d8e1-+.tfn \n".to_vec()), any::<u8>()], 0..40))
    {
        match canonicalise(&bytes) {
            Ok(ours) => prop_assert_eq!(ours, oracle(&bytes)),
            Err(refusal) => match refusal.reason {
                Reason::Syntax { .. } | Reason::Utf8 { .. } | Reason::LoneSurrogate => {
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_err(), "{}", refusal);
                }
                _ => {}
            },
        }
    }
}
