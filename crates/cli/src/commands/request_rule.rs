//! `kurultai request rule`: who in this nation answers what.

use clap::{Args, Subcommand};
use node::admin::types::RouteRule;

use crate::admin::{Admin, escape};
use crate::commands::who;
use crate::exit::Failure;
use crate::{Data, show};

/// Rules by which requests are routed when nobody routes them by hand.
#[derive(Subcommand)]
pub(crate) enum Rule {
    /// Make or change a rule
    Set(RuleSet),
    /// Every rule
    List(RuleList),
    /// Remove a rule
    Remove(RuleRemove),
}

/// Makes a rule. It applies when each sort of word that it names has one in common with the request.
#[derive(Args)]
pub(crate) struct RuleSet {
    /// The rule's name
    name: String,
    /// The desk, duty or person that answers
    #[arg(long, value_name = "NAME")]
    to: String,
    /// A channel, ACCORD/CHANNEL (may be repeated)
    #[arg(long, value_name = "NAME")]
    channel: Vec<String>,
    /// The code of an asking member (may be repeated)
    #[arg(long, value_name = "CODE")]
    from: Vec<String>,
    /// A STIX type that is asked for or about (may be repeated)
    #[arg(long, value_name = "TYPE")]
    kind: Vec<String>,
    /// A keyword (may be repeated)
    #[arg(long, value_name = "WORD")]
    topic: Vec<String>,
    /// Who does this, for the audit log [default: the login name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    #[command(flatten)]
    data: Data,
}

/// Lists rules.
#[derive(Args)]
pub(crate) struct RuleList {
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Removes a rule.
#[derive(Args)]
pub(crate) struct RuleRemove {
    /// The rule's name
    name: String,
    #[command(flatten)]
    data: Data,
}

impl Rule {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Rule::Set(command) => command.run().await,
            Rule::List(command) => command.run().await,
            Rule::Remove(command) => command.run().await,
        }
    }
}

impl RuleSet {
    async fn run(self) -> Result<(), Failure> {
        let rule = RouteRule {
            name: self.name,
            to: self.to,
            channels: self.channel,
            from: self.from,
            kinds: self.kind,
            topics: self.topic,
            who: who(&self.who),
        };
        let mut admin = Admin::open(&self.data.folder()).await?;
        let rule: RouteRule = admin.post("/request-rules", &rule).await?;
        show::line(format!("rule {}: to {}", rule.name, rule.to));
        Ok(())
    }
}

impl RuleList {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let rules: Vec<RouteRule> = admin.get("/request-rules").await?;
        if self.json {
            return show::json(&rules);
        }
        let mut table = show::Table::new(&["name", "to", "channels", "from", "kinds", "topics"]);
        for rule in &rules {
            table.row(vec![
                rule.name.clone(),
                rule.to.clone(),
                rule.channels.join(" "),
                rule.from.join(" "),
                rule.kinds.join(" "),
                rule.topics.join(", "),
            ]);
        }
        table.print();
        Ok(())
    }
}

impl RuleRemove {
    async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let path = format!("/request-rules/{}", escape(&self.name));
        admin.delete(&path).await?;
        show::line(format!("rule {} is removed", self.name));
        Ok(())
    }
}
