//! What the columns of a table mean, as the operator wrote it (TOML), and how a row becomes values.
//!
//! Pure. A value that is not what its column claims is refused with the reason; nothing is guessed
//! beyond undoing the usual defanging where the mapping asks for it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::Timestamp;
use serde::Deserialize;

use super::limits::{MAPPING_BYTES_MAX, VALUE_BYTES_MAX};
use super::said;

/// What the columns mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    /// Between values.
    #[serde(default = "comma")]
    pub(super) delimiter: char,
    /// Around values that hold delimiters.
    #[serde(default = "quote")]
    pub(super) quote: char,
    /// Lines that begin with it are passed over.
    #[serde(default)]
    pub(super) comment: Option<char>,
    /// Whether the first line that is no comment names the columns.
    #[serde(default = "yes")]
    pub(super) header: bool,
    /// What becomes of a row.
    #[serde(default)]
    pub(super) makes: Makes,
    /// The column with the value.
    pub(super) value: Column,
    /// What the value is.
    #[serde(default, rename = "type")]
    pub(super) kind: Option<Kind>,
    /// The column that says what the value is.
    #[serde(default)]
    pub(super) type_column: Option<Column>,
    /// What the words of that column mean; rows with other words are passed over.
    #[serde(default)]
    pub(super) types: BTreeMap<String, Kind>,
    /// Whether values are defanged (`hxxp`, `[.]`).
    #[serde(default)]
    pub(super) refang: bool,
    #[serde(default)]
    pub(super) confidence: Option<u8>,
    #[serde(default)]
    pub(super) confidence_column: Option<Column>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) label_columns: Vec<Column>,
    #[serde(default)]
    pub(super) indicator_types: Vec<String>,
    #[serde(default)]
    pub(super) name_column: Option<Column>,
    #[serde(default)]
    pub(super) description_column: Option<Column>,
    #[serde(default)]
    pub(super) valid_from_column: Option<Column>,
    #[serde(default)]
    pub(super) valid_until_column: Option<Column>,
    /// Days for which a row counts; renewed while it is listed.
    #[serde(default)]
    pub(super) valid_days: Option<u32>,
}

fn comma() -> char {
    ','
}

fn quote() -> char {
    '"'
}

fn yes() -> bool {
    true
}

/// A column by its name or by its number, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Column {
    Number(usize),
    Name(String),
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Makes {
    /// Something that is bad, with a pattern.
    #[default]
    Indicator,
    /// Something that was seen, without judgement.
    Observable,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Ipv4Addr,
    Ipv6Addr,
    /// Either of them.
    Ip,
    /// `address:port`.
    IpPort,
    DomainName,
    Url,
    EmailAddr,
    FileName,
    /// MD5, SHA-1, SHA-256 or SHA-512, by its length.
    FileHash,
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

/// One value, checked and in its usual spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Ip(IpAddr, Option<u8>),
    IpPort(IpAddr, u16),
    Domain(String),
    Url(String),
    Email(String),
    FileName(String),
    Hash(&'static str, String),
}

/// What a row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) value: Value,
    pub(super) confidence: Option<u8>,
    pub(super) labels: Vec<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) valid_from: Option<Timestamp>,
    pub(super) valid_until: Option<Timestamp>,
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub(super) fn parse(text: &str) -> Result<Mapping, String> {
        if text.len() > MAPPING_BYTES_MAX {
            return Err(format!(
                "the mapping has more than {MAPPING_BYTES_MAX} bytes"
            ));
        }
        let mapping: Mapping = toml::from_str(text)
            .map_err(|error| format!("the mapping cannot be read: {}", said(error.message())))?;
        let single = |what: &str, c: char| match c.is_ascii() && c != '\n' && c != '\r' {
            true => Ok(()),
            false => Err(format!(
                "{what} must be one ASCII character, such as \",\" or \"\\t\""
            )),
        };
        single("delimiter", mapping.delimiter)?;
        single("quote", mapping.quote)?;
        mapping.comment.map_or(Ok(()), |c| single("comment", c))?;
        if mapping.kind.is_none() && (mapping.type_column.is_none() || mapping.types.is_empty()) {
            return Err(
                "the mapping says nothing of the values' type; give type, or type_column and types"
                    .into(),
            );
        }
        if mapping
            .confidence
            .is_some_and(|confidence| confidence > 100)
        {
            return Err("confidence must be 0 to 100".into());
        }
        if mapping
            .valid_days
            .is_some_and(|days| !(1..=36_500).contains(&days))
        {
            return Err("valid_days must be 1 to 36500".into());
        }
        for column in mapping.columns() {
            match column {
                Column::Number(0) => return Err("columns are numbered from 1".into()),
                Column::Name(_) if !mapping.header => {
                    return Err("without a header line columns are numbers, from 1".into());
                }
                _ => {}
            }
        }
        Ok(mapping)
    }

    fn columns(&self) -> impl Iterator<Item = &Column> {
        [
            Some(&self.value),
            self.type_column.as_ref(),
            self.confidence_column.as_ref(),
            self.name_column.as_ref(),
            self.description_column.as_ref(),
            self.valid_from_column.as_ref(),
            self.valid_until_column.as_ref(),
        ]
        .into_iter()
        .flatten()
        .chain(&self.label_columns)
    }

    /// Checks that a header has every column that is named.
    ///
    /// # Errors
    /// The first that it does not have.
    pub(super) fn check_header(&self, header: &[String]) -> Result<(), String> {
        for column in self.columns() {
            if let Column::Name(name) = column
                && place(column, header).is_none()
            {
                return Err(format!(
                    "the table has no column {:?}; it has {}",
                    said(name),
                    said(&header.join(", "))
                ));
            }
        }
        Ok(())
    }

    /// What a row says; `None`: it is passed over.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn row(&self, header: &[String], cells: &[&str]) -> Result<Option<Row>, String> {
        let cell = |column: &Column| {
            let at = place(column, header)?;
            cells
                .get(at)
                .map(|text| text.trim())
                .filter(|text| !text.is_empty())
        };
        let optional = |column: &Option<Column>| column.as_ref().and_then(cell);
        let kind = match optional(&self.type_column) {
            Some(word) => match (self.types.get(word), self.types.is_empty()) {
                (Some(kind), _) => *kind,
                (None, false) => return Ok(None),
                (None, true) => self.kind.ok_or("the row has no type")?,
            },
            None => match self.kind {
                Some(kind) => kind,
                None => return Err("the row has no type".into()),
            },
        };
        let text = cell(&self.value).ok_or("the row has no value")?;
        if text.len() > VALUE_BYTES_MAX {
            return Err(format!("the value has more than {VALUE_BYTES_MAX} bytes"));
        }
        let text = if self.refang {
            refanged(text)
        } else {
            text.to_owned()
        };
        let value = Value::parse(kind, &text)?;
        let time = |column: &Option<Column>| {
            optional(column)
                .map(|text| moment(text).ok_or_else(|| format!("{:?} is no time", said(text))))
                .transpose()
        };
        let confidence = match optional(&self.confidence_column) {
            Some(text) => Some(
                text.parse::<u8>()
                    .ok()
                    .filter(|number| *number <= 100)
                    .ok_or_else(|| format!("the confidence {:?} is not 0 to 100", said(text)))?,
            ),
            None => self.confidence,
        };
        let mut labels = self.labels.clone();
        labels.extend(self.label_columns.iter().filter_map(cell).map(said));
        labels.sort();
        labels.dedup();
        Ok(Some(Row {
            value,
            confidence,
            labels,
            name: optional(&self.name_column).map(said),
            description: optional(&self.description_column).map(|text| {
                text.chars()
                    .filter(|c| !c.is_control())
                    .take(2_000)
                    .collect()
            }),
            valid_from: time(&self.valid_from_column)?,
            valid_until: time(&self.valid_until_column)?,
        }))
    }
}

fn place(column: &Column, header: &[String]) -> Option<usize> {
    match column {
        Column::Number(number) => number.checked_sub(1),
        Column::Name(name) => header
            .iter()
            .position(|held| held.trim().eq_ignore_ascii_case(name.trim())),
    }
}

fn refanged(text: &str) -> String {
    let text = text
        .replace("[.]", ".")
        .replace("(.)", ".")
        .replace("[:]", ":")
        .replace("[@]", "@");
    match text.get(..4).map(str::to_ascii_lowercase).as_deref() {
        Some("hxxp") => format!("http{}", &text[4..]),
        _ => text,
    }
}

/// A time as tables write it: RFC 3339, `2024-05-06 07:08:09` with or without UTC, a date, or
/// seconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim().trim_end_matches(" UTC").trim_end_matches('Z');
    if text.len() >= 9 && text.bytes().all(|b| b.is_ascii_digit()) {
        let secs: i64 = text.parse().ok()?;
        return Some(Timestamp::from_unix_micros(secs.checked_mul(1_000_000)?));
    }
    let text = match text.len() {
        10 => format!("{text}T00:00:00"),
        _ => text.replacen(' ', "T", 1),
    };
    Timestamp::parse(&format!("{text}Z")).ok()
}

impl Value {
    /// Checks a value of this kind.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Value, String> {
        if text.chars().any(char::is_control) {
            return Err("the value has control characters".into());
        }
        let wrong = |what: &str| format!("{:?} is not {what}", said(text));
        match kind {
            Kind::Ipv4Addr | Kind::Ipv6Addr | Kind::Ip => {
                let (address, prefix) = match text.split_once('/') {
                    Some((address, prefix)) => (address, Some(prefix)),
                    None => (text, None),
                };
                let address: IpAddr = address.parse().map_err(|_| wrong("an IP address"))?;
                let most = if address.is_ipv4() { 32 } else { 128 };
                let prefix = prefix
                    .map(|prefix| prefix.parse::<u8>().ok().filter(|bits| *bits <= most))
                    .map(|prefix| prefix.ok_or_else(|| wrong("an IP network")))
                    .transpose()?;
                match (kind, address.is_ipv4()) {
                    (Kind::Ipv4Addr, false) => Err(wrong("an IPv4 address")),
                    (Kind::Ipv6Addr, true) => Err(wrong("an IPv6 address")),
                    _ => Ok(Value::Ip(address, prefix)),
                }
            }
            Kind::IpPort => {
                let at: std::net::SocketAddr =
                    text.parse().map_err(|_| wrong("an address and port"))?;
                Ok(Value::IpPort(at.ip(), at.port()))
            }
            Kind::DomainName => {
                let name = text.trim_end_matches('.').to_lowercase();
                let fits = (1..=253).contains(&name.len())
                    && name.contains('.')
                    && name.parse::<IpAddr>().is_err()
                    && name.split('.').all(|label| {
                        (1..=63).contains(&label.len())
                            && label
                                .chars()
                                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
                    });
                fits.then_some(Value::Domain(name))
                    .ok_or_else(|| wrong("a domain name"))
            }
            Kind::Url => match url::Url::parse(text) {
                Ok(url) if url.has_host() => Ok(Value::Url(text.to_owned())),
                _ => Err(wrong("a URL")),
            },
            Kind::EmailAddr => match text.split_once('@') {
                Some((user, host))
                    if !user.is_empty() && !host.is_empty() && !host.contains('@') =>
                {
                    Ok(Value::Email(text.to_owned()))
                }
                _ => Err(wrong("an e-mail address")),
            },
            Kind::FileName => Ok(Value::FileName(text.to_owned())),
            Kind::FileHash | Kind::Md5 | Kind::Sha1 | Kind::Sha256 | Kind::Sha512 => {
                let name = match text.len() {
                    32 => "MD5",
                    40 => "SHA-1",
                    64 => "SHA-256",
                    128 => "SHA-512",
                    _ => return Err(wrong("a hash")),
                };
                let meant = match kind {
                    Kind::Md5 => "MD5",
                    Kind::Sha1 => "SHA-1",
                    Kind::Sha256 => "SHA-256",
                    Kind::Sha512 => "SHA-512",
                    _ => name,
                };
                if name != meant || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(wrong(&format!("a hash of {meant}")));
                }
                Ok(Value::Hash(name, text.to_ascii_lowercase()))
            }
        }
    }

    /// The STIX pattern that matches it, with its text escaped (STIX 2.1 §9).
    pub(super) fn pattern(&self) -> String {
        match self {
            Value::Ip(address, prefix) => {
                format!(
                    "[{}:value = '{}']",
                    ip_type(*address),
                    network(*address, *prefix)
                )
            }
            Value::IpPort(address, port) => format!(
                "[network-traffic:dst_ref.type = '{}' AND network-traffic:dst_ref.value = '{address}' AND network-traffic:dst_port = {port}]",
                ip_type(*address)
            ),
            Value::Domain(name) => format!("[domain-name:value = {}]", literal(name)),
            Value::Url(url) => format!("[url:value = {}]", literal(url)),
            Value::Email(address) => format!("[email-addr:value = {}]", literal(address)),
            Value::FileName(name) => format!("[file:name = {}]", literal(name)),
            Value::Hash(kind, hash) => format!("[file:hashes.'{kind}' = '{hash}']"),
        }
    }

    /// The value for people.
    pub(super) fn text(&self) -> String {
        match self {
            Value::Ip(address, prefix) => network(*address, *prefix),
            Value::IpPort(address, port) => std::net::SocketAddr::new(*address, *port).to_string(),
            Value::Domain(text)
            | Value::Url(text)
            | Value::Email(text)
            | Value::FileName(text)
            | Value::Hash(_, text) => text.clone(),
        }
    }

    /// The STIX type and the properties of the observable; `None`: one object cannot say it.
    pub(super) fn observable(&self) -> Option<(&'static str, serde_json::Value)> {
        use serde_json::json;
        Some(match self {
            Value::Ip(address, prefix) => (
                ip_type(*address),
                json!({"value": network(*address, *prefix)}),
            ),
            Value::IpPort(..) => return None,
            Value::Domain(name) => ("domain-name", json!({"value": name})),
            Value::Url(url) => ("url", json!({"value": url})),
            Value::Email(address) => ("email-addr", json!({"value": address})),
            Value::FileName(name) => ("file", json!({"name": name})),
            Value::Hash(kind, hash) => ("file", json!({"hashes": {*kind: hash}})),
        })
    }
}

fn ip_type(address: IpAddr) -> &'static str {
    if address.is_ipv4() {
        "ipv4-addr"
    } else {
        "ipv6-addr"
    }
}

fn network(address: IpAddr, prefix: Option<u8>) -> String {
    match prefix {
        Some(prefix) => format!("{address}/{prefix}"),
        None => address.to_string(),
    }
}

/// A string literal of a STIX pattern.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
#[path = "mapping/tests.rs"]
mod tests;
