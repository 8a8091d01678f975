//! The national rules of the leak check: what must not be in what leaves.
//!
//! The format is described in docs/redaction.md. An empty text is a usable set of rules: references
//! to unreleased objects, private addresses, internal host names and document metadata block, and
//! there are no terms. Reading is strict.

use aho_corasick::AhoCorasick;
use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::addresses;
use super::fold::{Case, Folded};
use crate::fault::PolicyError;

/// The file of a policy set that holds the rules.
const FILE: &str = "leak.toml";

/// LIMIT: bytes of the rules; room for the terms of a service.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// LIMIT: terms of all lists, so that the automaton stays within tens of megabytes.
const TERMS_MAX: usize = 50_000;

/// LIMIT: domains, hosts and networks.
const PLACES_MAX: usize = 4096;

/// Letters of the shortest term. Two letters are found in every other text.
const TERM_LETTERS_MIN: usize = 3;

/// Letters from which a term is also found inside and across words; below, it has to begin where a
/// word begins, and below `PREFIX_LETTERS_MIN` to end where one ends.
const ANYWHERE_LETTERS_MIN: usize = 6;
const PREFIX_LETTERS_MIN: usize = 4;

/// Last parts of names that exist inside networks only (RFC 6762 appendix G, RFC 8375, and ICANN's
/// reservation of `internal`).
const INTERNAL_ENDS: [&str; 8] = [
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "corp",
    "private",
    "home.arpa",
];

/// Networks that are nobody's outside: RFC 1918, 3927, 4193, 4291 and 6598.
const INTERNAL_NETWORKS: [&str; 7] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
];

/// The rules, ready to be used.
#[derive(Debug, Clone)]
pub struct LeakRules {
    terms: Vec<Term>,
    automaton: Option<AhoCorasick>,
    /// For each pattern of the automaton: which term, in which reduction.
    patterns: Vec<(usize, Case)>,
    domains: Vec<String>,
    hosts: Vec<String>,
    networks: Vec<IpNet>,
    pub(crate) unreleased: bool,
    pub(crate) unknown: bool,
    pub(crate) host_blocks: bool,
    pub(crate) address_blocks: bool,
    pub(crate) metadata_blocks: bool,
}

#[derive(Debug, Clone)]
struct Term {
    list: String,
    /// Its place in the list, from 1.
    number: usize,
    plain: String,
    letters: usize,
    blocks: bool,
}

/// A term that was found, without the term itself.
pub(crate) struct TermFound<'r> {
    pub(crate) list: &'r str,
    pub(crate) number: usize,
    pub(crate) plain: bool,
    pub(crate) blocks: bool,
}

impl Default for LeakRules {
    fn default() -> LeakRules {
        LeakRules::from_raw("", RawRules::default()).unwrap_or_else(|_| LeakRules::bare())
    }
}

impl LeakRules {
    /// Reads the rules.
    ///
    /// # Errors
    /// The first fault, with its place.
    pub fn parse(text: &str) -> Result<LeakRules, PolicyError> {
        if text.len() > TEXT_BYTES_MAX {
            let why = format!("the leak rules have more than {TEXT_BYTES_MAX} bytes");
            return Err(PolicyError::at(FILE, text, 0, why));
        }
        let raw = toml::from_str(text).map_err(|error| PolicyError::toml(FILE, text, &error))?;
        LeakRules::from_raw(text, raw)
    }

    fn bare() -> LeakRules {
        LeakRules {
            terms: Vec::new(),
            automaton: None,
            patterns: Vec::new(),
            domains: Vec::new(),
            hosts: Vec::new(),
            networks: Vec::new(),
            unreleased: true,
            unknown: true,
            host_blocks: true,
            address_blocks: true,
            metadata_blocks: true,
        }
    }

    fn from_raw(text: &str, raw: RawRules) -> Result<LeakRules, PolicyError> {
        let mut rules = LeakRules {
            unreleased: raw.references.unreleased.blocks(),
            unknown: raw.references.unknown.blocks(),
            host_blocks: raw.hosts.action.blocks(),
            address_blocks: raw.addresses.action.blocks(),
            metadata_blocks: raw.metadata.action.blocks(),
            ..LeakRules::bare()
        };
        let mut folded = Vec::new();
        for list in raw.terms {
            for (at, term) in list.list.iter().enumerate() {
                let place = term.span().start;
                let term = term.get_ref();
                if rules.terms.len() >= TERMS_MAX {
                    let why = format!("there are more than {TERMS_MAX} terms");
                    return Err(PolicyError::at(FILE, text, place, why));
                }
                let letters = term.chars().filter(|c| c.is_alphanumeric()).count();
                for case in [Case::Capital, Case::Small] {
                    let pattern = Folded::of(term, case).text;
                    if letters < TERM_LETTERS_MIN || pattern.is_empty() {
                        let why =
                            format!("a term has at least {TERM_LETTERS_MIN} letters or digits");
                        return Err(PolicyError::at(FILE, text, place, why));
                    }
                    folded.push(pattern);
                    rules.patterns.push((rules.terms.len(), case));
                }
                rules.terms.push(Term {
                    list: list.name.clone(),
                    number: at + 1,
                    plain: term.to_lowercase(),
                    letters,
                    blocks: list.action.blocks(),
                });
            }
        }
        if !folded.is_empty() {
            let automaton = AhoCorasick::new(&folded);
            let automaton =
                automaton.map_err(|error| PolicyError::at(FILE, text, 0, error.to_string()))?;
            rules.automaton = Some(automaton);
        }
        if raw.hosts.reserved {
            rules
                .domains
                .extend(INTERNAL_ENDS.iter().map(|end| (*end).to_owned()));
        }
        for (list, names, into) in [
            ("domains", raw.hosts.domains, &mut rules.domains),
            ("names", raw.hosts.names, &mut rules.hosts),
        ] {
            for name in names {
                let place = name.span().start;
                let name = name.into_inner().to_lowercase();
                let name = name.trim_matches('.');
                let is_name = name.split('.').all(|part| {
                    !part.is_empty()
                        && part
                            .chars()
                            .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
                });
                if !is_name || into.len() >= PLACES_MAX || (list == "names" && name.contains('.')) {
                    let why = format!(
                        "{list} are at most {PLACES_MAX} host names without spaces, one part for names"
                    );
                    return Err(PolicyError::at(FILE, text, place, why));
                }
                into.push(name.to_owned());
            }
        }
        let private = INTERNAL_NETWORKS.iter().filter(|_| raw.addresses.private);
        rules
            .networks
            .extend(private.filter_map(|net| net.parse::<IpNet>().ok()));
        for net in raw.addresses.networks {
            let place = net.span().start;
            let net = addresses::whole(net.get_ref()).filter(|_| rules.networks.len() < PLACES_MAX);
            let why = format!(
                "networks are at most {PLACES_MAX} addresses or networks such as 192.0.2.0/24"
            );
            rules
                .networks
                .push(net.ok_or_else(|| PolicyError::at(FILE, text, place, why))?);
        }
        Ok(rules)
    }

    /// The terms in a text, each once.
    pub(crate) fn terms(&self, text: &str) -> Vec<TermFound<'_>> {
        let Some(automaton) = &self.automaton else {
            return Vec::new();
        };
        let mut found: Vec<usize> = Vec::new();
        for case in [Case::Capital, Case::Small] {
            let folded = Folded::of(text, case);
            for hit in automaton.find_overlapping_iter(&folded.text) {
                let (index, of) = self.patterns[hit.pattern().as_usize()];
                let letters = self.terms[index].letters;
                let starts = letters >= ANYWHERE_LETTERS_MIN || folded.is_edge(hit.start());
                let ends = letters >= PREFIX_LETTERS_MIN || folded.is_edge(hit.end());
                if of == case && starts && ends && !found.contains(&index) {
                    found.push(index);
                }
            }
        }
        found.sort_unstable();
        let low = if found.is_empty() {
            String::new()
        } else {
            text.to_lowercase()
        };
        found
            .into_iter()
            .map(|index| {
                let term = &self.terms[index];
                TermFound {
                    list: &term.list,
                    number: term.number,
                    plain: low.contains(&term.plain),
                    blocks: term.blocks,
                }
            })
            .collect()
    }

    /// Whether a host name is internal.
    pub(crate) fn is_internal_host(&self, host: &str) -> bool {
        let host = host.trim_matches('.').to_lowercase();
        let below = |domain: &String| {
            host.strip_suffix(domain.as_str()).is_some_and(|rest| {
                rest.ends_with('.') || (rest.is_empty() && domain.contains('.'))
            })
        };
        self.domains.iter().any(below)
            || (!self.hosts.is_empty()
                && host
                    .split('.')
                    .any(|part| self.hosts.iter().any(|name| name == part)))
    }

    /// Whether an address or network lies in an internal network.
    pub(crate) fn is_internal(&self, net: IpNet) -> bool {
        let net = addresses::as_ipv4(net);
        self.networks.iter().any(|internal| internal.contains(&net))
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawRules {
    terms: Vec<RawTerms>,
    references: RawReferences,
    hosts: RawHosts,
    addresses: RawAddresses,
    metadata: RawMetadata,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTerms {
    name: String,
    #[serde(default)]
    action: RawAction,
    list: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawReferences {
    unreleased: RawAction,
    unknown: RawAction,
}

impl Default for RawReferences {
    fn default() -> RawReferences {
        RawReferences {
            unreleased: RawAction::Block,
            unknown: RawAction::Warn,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawHosts {
    action: RawAction,
    reserved: bool,
    domains: Vec<Spanned<String>>,
    names: Vec<Spanned<String>>,
}

impl Default for RawHosts {
    fn default() -> RawHosts {
        RawHosts {
            action: RawAction::Block,
            reserved: true,
            domains: Vec::new(),
            names: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawAddresses {
    action: RawAction,
    private: bool,
    networks: Vec<Spanned<String>>,
}

impl Default for RawAddresses {
    fn default() -> RawAddresses {
        RawAddresses {
            action: RawAction::Block,
            private: true,
            networks: Vec::new(),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawMetadata {
    action: RawAction,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum RawAction {
    #[default]
    Block,
    Warn,
}

impl RawAction {
    fn blocks(self) -> bool {
        matches!(self, RawAction::Block)
    }
}
