//! Reads files of rules into what the engine evaluates: parsed, validated strictly against the
//! schema, and with their annotations understood.
//!
//! INVARIANT: a set of rules either loads whole or not at all, and every fault is given with file,
//! line and column. The engine's warnings are faults here: a rule that can never apply or that
//! mixes look-alike letters is a mistake of the kind that nobody notices later.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    ActionConstraint, Effect, Policy, PolicyId, PolicySet as Engine, Schema, ValidationMode,
    Validator,
};

use crate::authority::decision::{Need, Rule};
use crate::authority::duty::Duty;
use crate::authority::facts::Action;
use crate::authority::limits::{
    ID_CHARS_MAX, NEED_COUNT_MAX, REDACT_MAX, RULES_MAX, WORDS_CHARS_MAX,
};
use crate::authority::request::Names;
use crate::authority::statement::{Statement, statements};
use crate::fault::PolicyError;

/// What rules can ask about; the same file that their authors read.
const SCHEMA: &str = include_str!("../../../../policies/schema.cedarschema");

/// The schema as the engine knows it, or what is wrong with the text above.
static PARSED: LazyLock<Result<Schema, String>> = LazyLock::new(|| {
    Schema::from_cedarschema_str(SCHEMA)
        .map(|(schema, _)| schema)
        .map_err(|error| error.to_string())
});

/// The schema, or what is wrong with its text.
pub(crate) fn schema() -> Result<&'static Schema, &'static str> {
    PARSED.as_ref().map_err(String::as_str)
}

/// A rule with what its annotations say.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) rule: Arc<Rule>,
    pub(crate) effect: Effect,
    pub(crate) needs: Vec<Need>,
    pub(crate) redact: BTreeSet<String>,
    /// The rule's conditions as written, and the id under which `Rules::parts` tries each alone.
    pub(crate) conditions: Vec<(String, PolicyId)>,
    /// The id under which `Rules::parts` tries the rule's head alone.
    pub(crate) head: PolicyId,
}

/// Every rule of a set, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Rules {
    /// What the engine calls things.
    pub(crate) names: &'static Names,
    /// The rules as they are written.
    pub(crate) engine: Engine,
    /// In the order of the files' names and of the lines in them.
    pub(crate) loaded: Vec<Loaded>,
    by_id: HashMap<PolicyId, usize>,
    /// Each condition of each permit as a permit of its own; only explanations ask it.
    pub(crate) parts: Engine,
}

impl Rules {
    /// Reads all files of rules: their names in the set and their texts.
    pub(crate) fn load(files: &BTreeMap<&str, &str>) -> Result<Rules, PolicyError> {
        let schema = schema().map_err(|why| PolicyError::whole("schema.cedarschema", why))?;
        let names = Names::get().map_err(|why| PolicyError::whole("schema.cedarschema", why))?;
        let mut rules = Rules {
            names,
            engine: Engine::new(),
            loaded: Vec::new(),
            by_id: HashMap::new(),
            parts: Engine::new(),
        };
        let mut starts = Vec::new();
        for (file, text) in files {
            for statement in statements(file, text)? {
                starts.push((*file, *text, statement.start));
                rules.add(file, text, &statement)?;
            }
        }
        rules.validate(schema, &starts)?;
        Ok(rules)
    }

    /// Where in `loaded` the rule with this id of the engine is.
    pub(crate) fn position(&self, id: &PolicyId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    fn add(
        &mut self,
        file: &str,
        text: &str,
        statement: &Statement<'_>,
    ) -> Result<(), PolicyError> {
        let fault = |at, why: String| PolicyError::at(file, text, at, why);
        if self.loaded.len() == RULES_MAX {
            let why = format!("more than {RULES_MAX} rules; a policy set holds at most that many");
            return Err(fault(statement.start, why));
        }
        let stated = Annotations::read(file, text, statement)?;
        let id = PolicyId::new(&stated.id);
        let policy = Policy::parse(Some(id.clone()), statement.source)
            .map_err(|errors| placed(file, text, statement.start, &DetailedError::from(&errors)))?;
        let on_release = match policy.action_constraint() {
            ActionConstraint::Eq(action) => action == *self.names.action(Action::Release),
            ActionConstraint::Any | ActionConstraint::In(_) => false,
        };
        if policy.effect() == Effect::Forbid || !on_release {
            let what = [("@needs", stated.needs_at), ("@redact", stated.redact_at)];
            if let Some((name, Some(at))) = what.iter().find(|(_, at)| at.is_some()) {
                let why = format!(
                    "{name} has a meaning only on a permit with action == Action::\"release\""
                );
                return Err(fault(*at, why));
            }
        }
        if self.by_id.contains_key(&id) {
            let why = format!(
                "the id {} is taken by another rule; each rule has its own",
                stated.id
            );
            return Err(fault(statement.start, why));
        }
        let line = PolicyError::at(file, text, statement.effect, "").line;
        let mut loaded = Loaded {
            rule: Arc::new(Rule {
                id: stated.id,
                words: stated.explain,
                change: stated.change,
                place: format!("{file}:{line}"),
            }),
            effect: policy.effect(),
            needs: stated.needs,
            redact: stated.redact,
            conditions: Vec::new(),
            head: id.clone(),
        };
        if loaded.effect == Effect::Permit {
            self.take_apart(&mut loaded, statement);
        }
        self.engine
            .add(policy)
            .map_err(|error| fault(statement.start, error.to_string()))?;
        self.by_id.insert(id, self.loaded.len());
        self.loaded.push(loaded);
        Ok(())
    }

    /// Adds the rule's head and each of its conditions to `parts`. A piece that does not stand
    /// alone is left out; the explanation then says less, and no decision depends on it.
    fn take_apart(&mut self, loaded: &mut Loaded, statement: &Statement<'_>) {
        let mut add = |name: String, source: String| {
            let id = PolicyId::new(name);
            let part = Policy::parse(Some(id.clone()), source).ok()?;
            self.parts.add(part).ok()?;
            Some(id)
        };
        let name = &loaded.rule.id;
        let head = statement.head;
        if let Some(id) = add(format!("{name}/head"), format!("{head};")) {
            loaded.head = id;
        }
        for (at, (word, condition)) in statement.conditions.iter().enumerate() {
            let source = format!("{head} {word} {{ {condition} }};");
            if let Some(id) = add(format!("{name}/{at}"), source) {
                let shown = match *word {
                    "unless" => format!("not {}", one_line(condition)),
                    _ => one_line(condition),
                };
                loaded.conditions.push((shown, id));
            }
        }
    }

    /// Strict validation of all rules at once.
    fn validate(&self, schema: &Schema, starts: &[(&str, &str, usize)]) -> Result<(), PolicyError> {
        let validator = Validator::new(schema.clone());
        let result = validator.validate(&self.engine, ValidationMode::Strict);
        let errors = result
            .validation_errors()
            .map(|error| (false, error.policy_id(), DetailedError::from(error)));
        let warnings = result
            .validation_warnings()
            .map(|warning| (true, warning.policy_id(), DetailedError::from(warning)));
        // The validator's order is not fixed. Errors come first, because they are often why there
        // are warnings; within each, the first in the order of the files.
        let first = errors
            .chain(warnings)
            .map(|(warning, id, error)| {
                let at = self.by_id.get(id).copied().unwrap_or(0);
                let (file, text, start) = starts.get(at).copied().unwrap_or(("", "", 0));
                let fault = placed(file, text, start, &error);
                ((warning, at, fault.line, fault.column), fault)
            })
            .min_by(|(a, x), (b, y)| (a, &x.why).cmp(&(b, &y.why)));
        match first {
            Some((_, fault)) => Err(fault),
            None => Ok(()),
        }
    }

    /// Checks that every redaction profile that a rule names is there.
    pub(crate) fn check_profiles(&self, known: impl Fn(&str) -> bool) -> Result<(), PolicyError> {
        for loaded in &self.loaded {
            if let Some(profile) = loaded.redact.iter().find(|profile| !known(profile)) {
                let (file, line) = loaded.rule.place.rsplit_once(':').unwrap_or_default();
                return Err(PolicyError {
                    file: file.to_owned(),
                    line: line.parse().unwrap_or(1),
                    column: 1,
                    why: format!(
                        "the rule names the redaction profile {profile}, which redact.toml does \
                         not have"
                    ),
                });
            }
        }
        Ok(())
    }
}

/// A fault of the engine, whose offsets count from the statement's first byte.
fn placed(file: &str, text: &str, start: usize, error: &DetailedError) -> PolicyError {
    let innermost = error.related.first().unwrap_or(error);
    let at = innermost
        .source_locations
        .first()
        .or(error.source_locations.first())
        .map_or(0, |label| label.loc.start);
    let mut why = one_line(&error.message);
    if let Some(help) = error.help.as_ref().or(innermost.help.as_ref()) {
        why += "; ";
        why += &one_line(help);
    }
    PolicyError::at(file, text, start + at, why)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the annotations of one rule state.
struct Annotations {
    id: String,
    explain: String,
    change: Option<String>,
    needs: Vec<Need>,
    needs_at: Option<usize>,
    redact: BTreeSet<String>,
    redact_at: Option<usize>,
}

impl Annotations {
    fn read(file: &str, text: &str, statement: &Statement<'_>) -> Result<Annotations, PolicyError> {
        let mut id = None;
        let mut explain = None;
        let mut change = None;
        let mut needs = None;
        let mut redact = None;
        for (key, quoted, at) in &statement.annotations {
            let fault = |why: String| PolicyError::at(file, text, *at, why);
            let value = plain(quoted).map_err(|why| fault(format!("@{key}: {why}")))?;
            let fresh = match *key {
                "id" => {
                    name(&value).map_err(|why| fault(format!("@id: {why}")))?;
                    id.replace(value).is_none()
                }
                "explain" | "change" => {
                    let slot = if *key == "explain" {
                        &mut explain
                    } else {
                        &mut change
                    };
                    words(&value).map_err(|why| fault(format!("@{key}: {why}")))?;
                    slot.replace(value).is_none()
                }
                "needs" => {
                    let read = read_needs(&value).map_err(|why| fault(format!("@needs: {why}")))?;
                    needs.replace((read, *at)).is_none()
                }
                "redact" => {
                    let read =
                        read_redact(&value).map_err(|why| fault(format!("@redact: {why}")))?;
                    redact.replace((read, *at)).is_none()
                }
                other => {
                    return Err(fault(format!(
                        "@{other} is no annotation; there are @id, @explain, @change, @needs and \
                         @redact"
                    )));
                }
            };
            if !fresh {
                return Err(fault(format!("@{key} is there twice")));
            }
        }
        let missing = |what: &str| {
            let why = format!("the rule has no {what}; every rule is named and explained");
            PolicyError::at(file, text, statement.effect, why)
        };
        let (needs, needs_at) = needs.map_or((Vec::new(), None), |(needs, at)| (needs, Some(at)));
        let (redact, redact_at) =
            redact.map_or((BTreeSet::new(), None), |(redact, at)| (redact, Some(at)));
        Ok(Annotations {
            id: id.ok_or_else(|| missing("@id(\"…\")"))?,
            explain: explain.ok_or_else(|| missing("@explain(\"…\")"))?,
            change,
            needs,
            needs_at,
            redact,
            redact_at,
        })
    }
}

/// The text between an annotation's quotes. Escapes are not needed there and are refused, so that
/// what a person reads in the file is what is shown later.
fn plain(quoted: &str) -> Result<String, String> {
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(quoted);
    if inner.contains('\\') || inner.contains(char::is_control) {
        return Err("write it in one line and without backslashes".to_owned());
    }
    Ok(inner.to_owned())
}

fn words(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("it says nothing".to_owned());
    }
    if text.chars().count() > WORDS_CHARS_MAX {
        return Err(format!("it has more than {WORDS_CHARS_MAX} characters"));
    }
    Ok(())
}

/// Names of rules and profiles: `[a-z0-9-]`.
fn name(text: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > ID_CHARS_MAX || !text.chars().all(fits) {
        return Err(format!(
            "{text:?} must have 1 to {ID_CHARS_MAX} characters of a-z, 0-9 and -"
        ));
    }
    Ok(())
}

/// `2 of approver, 1 of releaser`.
fn read_needs(text: &str) -> Result<Vec<Need>, String> {
    let mut needs: Vec<Need> = Vec::new();
    for part in text.split(',').map(str::trim) {
        let read = part.split_once(" of ").and_then(|(count, duty)| {
            Some(Need {
                count: count.trim().parse().ok()?,
                duty: duty.trim().parse::<Duty>().ok()?,
            })
        });
        let Some(need) = read.filter(|need| (1..=NEED_COUNT_MAX).contains(&need.count)) else {
            return Err(format!(
                "{part:?} is not of the form \"2 of approver\", with 1 to {NEED_COUNT_MAX} people \
                 of a duty"
            ));
        };
        if needs.iter().any(|other| other.duty == need.duty) {
            return Err(format!("{} is there twice", need.duty));
        }
        needs.push(need);
    }
    Ok(needs)
}

fn read_redact(text: &str) -> Result<BTreeSet<String>, String> {
    let mut profiles = BTreeSet::new();
    for part in text.split(',').map(str::trim) {
        name(part)?;
        if !profiles.insert(part.to_owned()) {
            return Err(format!("{part} is there twice"));
        }
    }
    if profiles.len() > REDACT_MAX {
        return Err(format!("more than {REDACT_MAX} profiles"));
    }
    Ok(profiles)
}
