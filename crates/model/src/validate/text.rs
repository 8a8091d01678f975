//! The forms of strings: hex, Base64, language tags, URLs, hashes, addresses.

/// Whether the text has one or more pairs of hex digits.
pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty()
        && text.len().is_multiple_of(2)
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether the text is Base64 with padding (RFC 4648, section 4).
pub(super) fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// Whether the text has the form of a language tag (RFC 5646, section 2.1). Whether its parts are
/// registered is not asked: the registry grows.
pub(super) fn is_language(text: &str) -> bool {
    const GRANDFATHERED: &[&str] = &[
        "en-gb-oed",
        "i-ami",
        "i-bnn",
        "i-default",
        "i-enochian",
        "i-hak",
        "i-klingon",
        "i-lux",
        "i-mingo",
        "i-navajo",
        "i-pwn",
        "i-tao",
        "i-tay",
        "i-tsu",
        "sgn-be-fr",
        "sgn-be-nl",
        "sgn-ch-de",
    ];
    let lower = text.to_ascii_lowercase();
    if GRANDFATHERED.contains(&lower.as_str()) {
        return true;
    }
    let parts: Vec<&str> = lower.split('-').collect();
    if parts.iter().any(|part| {
        !(1..=8).contains(&part.len()) || !part.bytes().all(|b| b.is_ascii_alphanumeric())
    }) {
        return false;
    }
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut rest = parts.as_slice();
    if let ["x", private @ ..] = rest {
        return !private.is_empty();
    }
    let [language, after @ ..] = rest else {
        return false;
    };
    if !letters(language) || language.len() < 2 {
        return false;
    }
    rest = after;
    let mut extended = 0;
    while let [part, after @ ..] = rest
        && language.len() <= 3
        && extended < 3
        && part.len() == 3
        && letters(part)
    {
        extended += 1;
        rest = after;
    }
    if let [part, after @ ..] = rest
        && part.len() == 4
        && letters(part)
    {
        rest = after;
    }
    if let [part, after @ ..] = rest
        && ((part.len() == 2 && letters(part)) || (part.len() == 3 && digits(part)))
    {
        rest = after;
    }
    while let [part, after @ ..] = rest
        && (part.len() >= 5 || (part.len() == 4 && part.as_bytes()[0].is_ascii_digit()))
    {
        rest = after;
    }
    // Extensions: a single character, then parts of two to eight; `x` takes all that follows.
    while let [single, after @ ..] = rest {
        if single.len() != 1 || after.is_empty() {
            return false;
        }
        if *single == "x" {
            return true;
        }
        let taken = after.iter().take_while(|part| part.len() >= 2).count();
        if taken == 0 {
            return false;
        }
        rest = &after[taken..];
    }
    true
}

/// Whether the text is a URI with a scheme (RFC 3986), international characters allowed (RFC 3987).
pub(super) fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let mut letters = scheme.bytes();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && rest.chars().all(|c| {
            !c.is_control()
                && !c.is_whitespace()
                && !matches!(c, '<' | '>' | '"' | '{' | '}' | '|' | '\\' | '^' | '`')
        })
        && percent_encoded(rest)
}

fn percent_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| {
            bytes
                .get(at + 1..at + 3)
                .is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
        })
}

/// Whether a value has the form of its hash algorithm; algorithms that STIX does not list pass.
pub(super) fn is_hash(algorithm: &str, value: &str) -> bool {
    let hex =
        |length: usize| value.len() == length && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    match algorithm {
        "MD5" => hex(32),
        "SHA-1" => hex(40),
        "SHA-256" | "SHA3-256" => hex(64),
        "SHA-512" | "SHA3-512" => hex(128),
        "SSDEEP" => is_ssdeep(value),
        "TLSH" => {
            hex(70)
                || value.strip_prefix("T1").is_some_and(|rest| {
                    rest.len() == 70 && rest.bytes().all(|b| b.is_ascii_hexdigit())
                })
        }
        _ => !value.is_empty(),
    }
}

/// `blocksize:hash:hash`.
fn is_ssdeep(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let digest = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
    };
    match parts.as_slice() {
        [size, first, second] => {
            !size.is_empty()
                && size.bytes().all(|byte| byte.is_ascii_digit())
                && digest(first)
                && digest(second)
        }
        _ => false,
    }
}

/// Whether the text may be a property's name (section 3.1).
pub(super) fn is_property_name(text: &str) -> bool {
    text == "id"
        || ((3..=250).contains(&text.len())
            && text.as_bytes()[0].is_ascii_lowercase()
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')))
}

/// Whether the text may be a type's name (section 3.1).
pub(super) fn is_type_name(text: &str) -> bool {
    (3..=250).contains(&text.len())
        && text.as_bytes()[0].is_ascii_lowercase()
        && !text.contains("--")
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Whether the text is a word in lower case with hyphens.
pub(super) fn is_lower_case(text: &str) -> bool {
    !text.is_empty()
        && !text
            .chars()
            .any(|c| c.is_uppercase() || c == '_' || c == ' ')
}

/// Whether the text is a domain name: labels of 1 to 63, 253 in all. Underscores are let through
/// (service names have them), and so is whatever is not ASCII.
pub(super) fn is_domain(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            (1..=63).contains(&label.chars().count())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| {
                    c.is_alphanumeric()
                        || matches!(c, '-' | '_')
                        || (!c.is_ascii() && !c.is_whitespace() && !c.is_control())
                })
        })
}

/// Whether the text is `local@domain` (RFC 5322, addr-spec, without comments).
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let literal = domain.starts_with('[') && domain.ends_with(']') && domain.len() > 2;
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let atoms = !local.is_empty()
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom.chars().all(|c| {
                    !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
                })
        });
    (quoted || atoms) && (literal || is_domain(domain))
}

/// Whether the text is an IPv4 address or, with `/N`, a network.
pub(super) fn is_ipv4(text: &str) -> bool {
    network::<core::net::Ipv4Addr>(text, 32)
}

/// Whether the text is an IPv6 address or, with `/N`, a network.
pub(super) fn is_ipv6(text: &str) -> bool {
    network::<core::net::Ipv6Addr>(text, 128)
}

fn network<A: std::str::FromStr>(text: &str, bits: u8) -> bool {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    address.parse::<A>().is_ok()
        && prefix.is_none_or(|prefix| {
            !prefix.is_empty()
                && prefix.bytes().all(|byte| byte.is_ascii_digit())
                && (prefix == "0" || !prefix.starts_with('0'))
                && prefix.parse::<u8>().is_ok_and(|length| length <= bits)
        })
}

/// Whether the text is six pairs of lower-case hex digits with colons.
pub(super) fn is_mac(text: &str) -> bool {
    text.len() == 17
        && text.bytes().enumerate().all(|(at, byte)| match at % 3 {
            2 => byte == b':',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Whether the text has the form `type/subtype` (RFC 6838), parameters allowed after a semicolon.
pub(super) fn is_media_type(text: &str) -> bool {
    let bare = text.split(';').next().unwrap_or(text).trim_end();
    let name = |part: &str| {
        (1..=127).contains(&part.len())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    bare.split_once('/')
        .is_some_and(|(kind, subtype)| name(kind) && name(subtype))
}

/// Whether the text has the form of a character set's name (RFC 2978). Whether it is registered is
/// not asked.
pub(super) fn is_charset(text: &str) -> bool {
    (1..=45).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:()+".contains(&byte))
}

/// Whether the text is a CPE 2.3 formatted string: `cpe:2.3:` and eleven parts.
pub(super) fn is_cpe(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("cpe:2.3:") else {
        return false;
    };
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in rest.chars() {
        if c == ':' && !escaped {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    parts.len() == 11
        && !escaped
        && matches!(parts[0].as_str(), "a" | "h" | "o" | "*" | "-")
        && parts
            .iter()
            .all(|part| !part.is_empty() && !part.chars().any(char::is_whitespace))
}
