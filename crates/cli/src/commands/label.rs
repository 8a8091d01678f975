//! `kurultai label`: labels in words, and between the forms in which others write them.
//!
//! Nothing here looks at a node: what foreign markings mean is the equivalence table's to say,
//! which is given as a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use model::nato::{ConfidentialityLabel, Role};
use model::{
    Id, Label, MarkingMeaning, Object, PartialLabel, Releasable, Timestamp, about_person,
    container_label, label_of, marking_object, misp, tlp_marking,
};
use policy::Equivalence;

use crate::exit::Failure;
use crate::input::{Input, inputs};
use crate::show;

/// Labels: what may be done with an object.
#[derive(Subcommand)]
pub(crate) enum LabelCommand {
    /// Check a label and say each part of it in words
    Show(Show),
    /// Bring a label from one form to another
    Convert(Convert),
}

impl LabelCommand {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            LabelCommand::Show(command) => command.run(),
            LabelCommand::Convert(command) => command.run(),
        }
    }
}

/// Checks a label and explains it.
#[derive(Args)]
pub(crate) struct Show {
    /// The label, such as 'TLP:GREEN//REL KZ,@pact/east//NOT KG'
    label: String,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let label = Label::parse(&self.label).map_err(Failure::usage)?;
        let parts = parts(&label);
        if self.json {
            let mut object = serde_json::Map::new();
            object.insert("label".to_owned(), label.to_string().into());
            for (name, value) in parts {
                object.insert(name.replace(' ', "_"), value.into());
            }
            return show::json(&object);
        }
        show::line(label.to_string());
        for (name, value) in parts {
            show::line(format!("  {name:<18} {value}"));
        }
        Ok(())
    }
}

/// Every part with what it says in words.
fn parts(label: &Label) -> Vec<(&'static str, String)> {
    let list = |words: &std::collections::BTreeSet<String>, none: &str| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words.is_empty() {
            none.to_owned()
        } else {
            words.join(", ")
        }
    };
    let releasable = match &label.releasable_to {
        Releasable::Everyone => "everyone".to_owned(),
        several => {
            let clauses = several.clauses().map(|clause| list(clause, "nobody"));
            clauses.collect::<Vec<_>>().join("; and of these only: ")
        }
    };
    let expires = label
        .expires
        .map_or("never".to_owned(), |at| at.to_string());
    vec![
        ("tlp", label.tlp.to_string()),
        ("pap", label.pap.to_string()),
        ("releasable to", releasable),
        (
            "not releasable to",
            list(&label.not_releasable_to, "none named"),
        ),
        ("caveats", list(&label.caveats, "none")),
        ("purposes", list(&label.purposes, "any")),
        ("legal basis", list(&label.legal_basis, "none stated")),
        ("expires", expires),
        (
            "exercise",
            if label.exercise { "yes" } else { "no" }.to_owned(),
        ),
    ]
}

/// A form in which a label is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One line, as everywhere in this program
    Text,
    /// ADatP-4774 XML, alone or in an ADatP-4778 binding
    Nato,
    /// MISP tags, one a line
    Misp,
    /// STIX: objects with their markings in; a marking definition out
    Stix,
}

/// Brings a label from one form to another.
#[derive(Args)]
pub(crate) struct Convert {
    /// The form of FILE
    #[arg(long)]
    from: Form,
    /// The form to write
    #[arg(long)]
    to: Form,
    /// The national equivalence table, which says what foreign markings mean
    #[arg(long, value_name = "equivalence.toml")]
    equivalence: Option<PathBuf>,
    /// What STIX objects that do not state it have [default: nobody may have them]
    #[arg(long, value_name = "LABEL")]
    default: Option<String>,
    /// With --to nato: when the label was made [default: now]
    #[arg(long, value_name = "TIME")]
    created: Option<String>,
    /// With --from stix --to nato: bind the label to the one object of FILE (ADatP-4778)
    #[arg(long)]
    bind: bool,
    /// Where the label is; - is standard input
    file: PathBuf,
}

impl Convert {
    fn run(self) -> Result<(), Failure> {
        if self.bind && (self.from, self.to) != (Form::Stix, Form::Nato) {
            return Err(Failure::usage(
                "--bind needs an object: --from stix --to nato",
            ));
        }
        let equivalence = match &self.equivalence {
            None => Equivalence::default(),
            Some(path) => {
                let bytes = Input::File(path.clone()).read()?;
                let text = text_of(&bytes)?;
                Equivalence::parse(text).map_err(Failure::usage)?
            }
        };
        let source = inputs(std::slice::from_ref(&self.file))?;
        let [source] = source.as_slice() else {
            return Err(Failure::usage("give one file, or - for standard input"));
        };
        let bytes = source.read()?;
        let mut objects = Vec::new();
        let label = match self.from {
            Form::Text => Label::parse(text_of(&bytes)?.trim()).map_err(Failure::usage)?,
            Form::Nato => from_nato(&bytes, &equivalence)?,
            Form::Misp => from_misp(text_of(&bytes)?, &equivalence)?,
            Form::Stix => {
                objects = read_objects(&bytes)?;
                from_stix(&objects, &equivalence, &self.default()?)?
            }
        };
        match self.to {
            Form::Text => show::line(label.to_string()),
            Form::Misp => misp::tags(&label).iter().for_each(show::line),
            Form::Nato => show::raw(&self.nato(&label, &objects)?),
            Form::Stix => return to_stix(&label, self.created()?),
        }
        Ok(())
    }

    fn default(&self) -> Result<Label, Failure> {
        match &self.default {
            Some(text) => Label::parse(text).map_err(Failure::usage),
            None => Ok(Label::nobody()),
        }
    }

    fn created(&self) -> Result<Timestamp, Failure> {
        match &self.created {
            Some(text) => Timestamp::parse(text)
                .map_err(|error| Failure::usage(format!("--created {text:?}: {error}"))),
            None => Ok(node::Clock::system().now()),
        }
    }

    fn nato(&self, label: &Label, objects: &[Object]) -> Result<String, Failure> {
        let label = ConfidentialityLabel::of_label(label, self.created()?, None);
        if !self.bind {
            return label.to_xml().map_err(Failure::refused);
        }
        let mut subjects = objects
            .iter()
            .filter(|object| object.kind() != "marking-definition");
        match (subjects.next(), subjects.next()) {
            (Some(object), None) => {
                ConfidentialityLabel::bind(&[label], object).map_err(Failure::refused)
            }
            _ => Err(Failure::usage(
                "--bind takes a file with one object beside its marking definitions",
            )),
        }
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| Failure::usage("the input is not UTF-8 text"))
}

/// The originator's label where it is understood, else its equivalents of other policies.
fn from_nato(bytes: &[u8], equivalence: &Equivalence) -> Result<Label, Failure> {
    let labels = ConfidentialityLabel::parse_all(bytes).map_err(Failure::usage)?;
    let understood = |wanted: fn(Role) -> bool| {
        let meanings = labels
            .iter()
            .filter(|label| wanted(label.role))
            .filter_map(|label| equivalence.label_of_nato(label));
        meanings.reduce(|all, one| all.combine(&one))
    };
    understood(|role| matches!(role, Role::Originator | Role::Plain))
        .or_else(|| understood(|role| role == Role::Alternative))
        .ok_or_else(|| {
            Failure::refused(
                "a term of the label has no equivalent, so what it marks is withheld from everybody; \
                 give a table that has every term with --equivalence",
            )
        })
}

fn from_misp(text: &str, equivalence: &Equivalence) -> Result<Label, Failure> {
    let tags = || text.lines().map(str::trim).filter(|tag| !tag.is_empty());
    let read = misp::Tags::read(tags()).map_err(Failure::usage)?;
    equivalence.label_of_tags(tags()).ok_or_else(|| {
        Failure::refused(format!(
            "of these tags one has no equivalent, so what they mark is withheld from everybody; \
             give a table that has them with --equivalence: {}",
            read.unknown.join(" ")
        ))
    })
}

fn read_objects(bytes: &[u8]) -> Result<Vec<Object>, Failure> {
    let mut objects = Vec::new();
    let mut refused = None;
    model::bundle(bytes, |_, object| match object {
        Ok(object) => objects.push(object),
        Err(refusal) => {
            refused.get_or_insert(refusal);
        }
    })
    .map_err(Failure::usage)?;
    match refused {
        Some(refusal) => Err(Failure::usage(refusal)),
        None => Ok(objects),
    }
}

/// The label of all objects together, by the marking definitions among them.
fn from_stix(
    objects: &[Object],
    equivalence: &Equivalence,
    default: &Label,
) -> Result<Label, Failure> {
    let meanings: BTreeMap<&Id, MarkingMeaning> = objects
        .iter()
        .filter(|object| object.kind() == "marking-definition")
        .map(|marking| {
            let meaning = equivalence.meaning(marking);
            let meaning = meaning.map_or(MarkingMeaning::Unknown, MarkingMeaning::Label);
            (marking.id(), meaning)
        })
        .collect();
    let lookup = |id: &Id| meanings.get(id).cloned();
    let mut labels = objects
        .iter()
        .filter(|object| object.kind() != "marking-definition")
        .map(|object| {
            let label = label_of(object.marking_refs(), &lookup, default);
            (label, about_person(object))
        });
    match labels.next() {
        Some((first, _)) => Ok(container_label(&first, labels)),
        None => Err(Failure::usage(
            "there is no object beside marking definitions; add the object that they mark",
        )),
    }
}

/// The marking definition of our extension that says all but the TLP level, and the level's own.
fn to_stix(label: &Label, created: Timestamp) -> Result<(), Failure> {
    let stated = PartialLabel {
        tlp: None,
        pap: Some(label.pap),
        releasable_to: Some(label.releasable_to.clone()),
        not_releasable_to: Some(label.not_releasable_to.clone()),
        caveats: Some(label.caveats.clone()),
        purposes: Some(label.purposes.clone()),
        legal_basis: Some(label.legal_basis.clone()),
        expires: label.expires,
        exercise: Some(label.exercise),
    };
    let marking = marking_object(&stated, created).map_err(Failure::refused)?;
    let definition: serde_json::Value =
        serde_json::from_slice(marking.bytes()).map_err(Failure::refused)?;
    show::json(&serde_json::json!({
        "object_marking_refs": [tlp_marking(label.tlp), marking.id().as_str()],
        "marking_definition": definition,
    }))
}
