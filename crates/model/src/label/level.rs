//! The two ordered scales of a label: TLP 2.0 (how far something may be passed on) and PAP (what
//! may be done with it where an adversary could notice).

use std::fmt;
use std::str::FromStr;

/// Traffic Light Protocol 2.0, ordered from open to closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tlp {
    /// No limit on disclosure.
    Clear,
    /// Within the community.
    Green,
    /// Within the recipient's organisation and its clients.
    Amber,
    /// Within the recipient's organisation only.
    AmberStrict,
    /// For the named recipients' eyes only.
    Red,
}

impl Tlp {
    /// Every level, from open to closed.
    pub const ALL: [Tlp; 5] = [
        Tlp::Clear,
        Tlp::Green,
        Tlp::Amber,
        Tlp::AmberStrict,
        Tlp::Red,
    ];
}

impl fmt::Display for Tlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tlp::Clear => "TLP:CLEAR",
            Tlp::Green => "TLP:GREEN",
            Tlp::Amber => "TLP:AMBER",
            Tlp::AmberStrict => "TLP:AMBER+STRICT",
            Tlp::Red => "TLP:RED",
        })
    }
}

impl FromStr for Tlp {
    type Err = TlpError;

    /// Reads a level with or without `TLP:` in front, in any case. TLP 1's WHITE is CLEAR.
    fn from_str(text: &str) -> Result<Tlp, TlpError> {
        let text = text.to_ascii_uppercase();
        match text.strip_prefix("TLP:").unwrap_or(&text) {
            "CLEAR" | "WHITE" => Ok(Tlp::Clear),
            "GREEN" => Ok(Tlp::Green),
            "AMBER" => Ok(Tlp::Amber),
            "AMBER+STRICT" => Ok(Tlp::AmberStrict),
            "RED" => Ok(Tlp::Red),
            _ => Err(TlpError),
        }
    }
}

/// The text names no TLP level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlpError;

impl fmt::Display for TlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a TLP level is one of TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT, TLP:RED",
        )
    }
}

impl std::error::Error for TlpError {}

/// Permissible Actions Protocol, ordered from open to closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pap {
    /// No limit stated.
    #[default]
    Clear,
    /// Active actions are allowed (blocking, for instance).
    Green,
    /// Passive checks only: nothing that the adversary could see.
    Amber,
    /// Only where nothing can be observed from outside: on one's own logs, off line.
    Red,
}

impl Pap {
    /// Every level, from open to closed.
    pub const ALL: [Pap; 4] = [Pap::Clear, Pap::Green, Pap::Amber, Pap::Red];
}

impl fmt::Display for Pap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pap::Clear => "PAP:CLEAR",
            Pap::Green => "PAP:GREEN",
            Pap::Amber => "PAP:AMBER",
            Pap::Red => "PAP:RED",
        })
    }
}

impl FromStr for Pap {
    type Err = PapError;

    /// Reads a level with or without `PAP:` in front, in any case. The older WHITE is CLEAR.
    fn from_str(text: &str) -> Result<Pap, PapError> {
        let text = text.to_ascii_uppercase();
        match text.strip_prefix("PAP:").unwrap_or(&text) {
            "CLEAR" | "WHITE" => Ok(Pap::Clear),
            "GREEN" => Ok(Pap::Green),
            "AMBER" => Ok(Pap::Amber),
            "RED" => Ok(Pap::Red),
            _ => Err(PapError),
        }
    }
}

/// The text names no PAP level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PapError;

impl fmt::Display for PapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a PAP level is one of PAP:CLEAR, PAP:GREEN, PAP:AMBER, PAP:RED")
    }
}

impl std::error::Error for PapError {}
