//! `kurultai request`: ask other members for information, and answer what they ask.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use node::admin::types::{
    AnswerRequest, AskRequest, DraftInfo, PostReport, RequestInfo, RequestThread, RequestsPage,
    RouteRequest,
};

use crate::admin::{Admin, escape};
use crate::commands::request_rule::Rule;
use crate::commands::who;
use crate::exit::Failure;
use crate::input::Input;
use crate::{Data, show};

/// Requests for information: questions to members of a channel, and their answers.
#[derive(Subcommand)]
pub(crate) enum Request {
    /// Ask members of a channel
    Ask(Ask),
    /// What is asked: of this member, by it, or at all
    List(List),
    /// One request with everything that was said to it
    Show(Show),
    /// Say who in this nation is to answer a request
    Route(Route),
    /// Answer a request, in part or finally
    Answer(Answer),
    /// Decline to answer; no reason is given
    Decline(Decline),
    /// Rules that say who answers what
    #[command(subcommand)]
    Rule(Rule),
}

/// Asks members of a channel. The question is an object like any other: it is taken in, and what
/// the release authority decides about it is shown.
#[derive(Args)]
pub(crate) struct Ask {
    /// The channel, ACCORD/CHANNEL
    channel: String,
    /// The code of a member that is asked (may be repeated, or separated by commas)
    #[arg(long, required = true, value_name = "CODE", value_delimiter = ',')]
    to: Vec<String>,
    /// What it is about, in one line
    #[arg(long)]
    subject: String,
    #[command(flatten)]
    text: Text,
    /// When the answer is needed: 2026-08-01T12:00:00Z, +12h or +3d
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// routine, priority or immediate [default: routine]
    #[arg(long, value_name = "WORD")]
    urgency: Option<String>,
    /// A STIX type that would answer it (may be repeated)
    #[arg(long, value_name = "TYPE")]
    kind: Vec<String>,
    /// A keyword (may be repeated)
    #[arg(long, value_name = "WORD")]
    topic: Vec<String>,
    /// An object of the channel that it is about (may be repeated)
    #[arg(long, value_name = "ID")]
    about: Vec<String>,
    /// The answer that this question follows up
    #[arg(long, value_name = "ID")]
    reply_to: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Lists requests.
#[derive(Args)]
pub(crate) struct List {
    /// Only what others ask of this member
    #[arg(long)]
    inbox: bool,
    /// Only what this member asks of others
    #[arg(long, conflicts_with = "inbox")]
    outbox: bool,
    /// Only where somebody still owes an answer
    #[arg(long)]
    open: bool,
    /// Only this channel, ACCORD/CHANNEL
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Only what is routed to this desk, duty or person
    #[arg(long, value_name = "NAME")]
    routed_to: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Shows one request and its answers.
#[derive(Args)]
pub(crate) struct Show {
    /// The request's id
    id: String,
    /// The channel, where the request is in several
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Says who in this nation is to answer; partners do not learn of it.
#[derive(Args)]
pub(crate) struct Route {
    /// The request's id
    id: String,
    /// The desk, duty or person
    #[arg(long, value_name = "NAME")]
    to: String,
    /// A word to them
    #[arg(long, default_value = "", value_name = "TEXT")]
    note: String,
    /// The channel, where the request is in several
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Who does this, for the audit log [default: the login name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// Answers a request. Objects that are given are released with the answer, before it.
#[derive(Args)]
pub(crate) struct Answer {
    /// The request's id
    id: String,
    #[command(flatten)]
    text: Text,
    /// More will follow
    #[arg(long)]
    partial: bool,
    /// An object of the national collection that is the answer (may be repeated)
    #[arg(long, value_name = "ID")]
    object: Vec<String>,
    /// The answer of the thread to which this refers back
    #[arg(long, value_name = "ID")]
    reply_to: Option<String>,
    /// The channel, where the request is in several
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Declines to answer. The partner learns just that.
#[derive(Args)]
pub(crate) struct Decline {
    /// The request's id
    id: String,
    /// The channel, where the request is in several
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// The words of a post.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct Text {
    /// The words
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Read the words from this file, or - for standard input
    #[arg(long, value_name = "FILE|-")]
    text_file: Option<PathBuf>,
}

/// What every post has.
#[derive(Args)]
pub(crate) struct Common {
    /// The label of the note [default: the channel's members, up to TLP:AMBER]
    #[arg(long)]
    label: Option<String>,
    /// Who does this, for the audit log [default: the login name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Request {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Request::Ask(command) => command.run().await,
            Request::List(command) => command.run().await,
            Request::Show(command) => command.run().await,
            Request::Route(command) => command.run().await,
            Request::Answer(command) => command.run().await,
            Request::Decline(command) => command.run().await,
            Request::Rule(command) => command.run().await,
        }
    }
}

impl Text {
    fn read(self) -> Result<Option<String>, Failure> {
        let Some(path) = self.text_file else {
            return Ok(self.text);
        };
        let input = if path.as_os_str() == "-" {
            Input::Standard
        } else {
            Input::File(path)
        };
        String::from_utf8(input.read()?)
            .map(Some)
            .map_err(|_| Failure::usage(format!("{} is not UTF-8 text", input.name())))
    }
}

impl Ask {
    async fn run(self) -> Result<(), Failure> {
        let text = self.text.read()?.ok_or_else(|| {
            Failure::usage("there is no question; give it with --text or --text-file")
        })?;
        let request = AskRequest {
            channel: self.channel,
            to: self.to,
            subject: self.subject,
            text,
            deadline: self.deadline,
            urgency: self.urgency,
            kinds: self.kind,
            topics: self.topic,
            about: self.about,
            in_reply_to: self.reply_to,
            label: self.common.label,
            who: who(&self.common.who),
        };
        let mut admin = Admin::open(&self.common.data.folder()).await?;
        let report: PostReport = admin.post("/requests", &request).await?;
        posted("request", &report, self.common.json)
    }
}

impl Answer {
    async fn run(self) -> Result<(), Failure> {
        let request = AnswerRequest {
            channel: self.channel,
            status: if self.partial { "partial" } else { "final" }.to_owned(),
            text: self.text.read()?,
            objects: self.object,
            in_reply_to: self.reply_to,
            label: None,
            who: String::new(),
        };
        answer(&self.id, request, self.common).await
    }
}

impl Decline {
    async fn run(self) -> Result<(), Failure> {
        let request = AnswerRequest {
            channel: self.channel,
            status: "declined".to_owned(),
            ..AnswerRequest::default()
        };
        answer(&self.id, request, self.common).await
    }
}

async fn answer(id: &str, request: AnswerRequest, common: Common) -> Result<(), Failure> {
    let request = AnswerRequest {
        label: common.label,
        who: who(&common.who),
        ..request
    };
    let mut admin = Admin::open(&common.data.folder()).await?;
    let path = format!("/requests/{}/answers", escape(id));
    let report: PostReport = admin.post(&path, &request).await?;
    posted("answer", &report, common.json)
}

/// Says what became of a post; ends badly when it has not gone.
fn posted(what: &str, report: &PostReport, json: bool) -> Result<(), Failure> {
    if json {
        show::json(report)?;
    } else {
        show::line(format!("{what} {} ({})", report.id, report.label));
        for result in report.releases.iter().flat_map(|release| &release.results) {
            let outcome = serde_json::to_value(result.outcome).unwrap_or_default();
            show::line(format!(
                "  {} {}: {}",
                outcome.as_str().unwrap_or("?"),
                result.id,
                result.why.join("; ")
            ));
        }
        if report.unsolicited {
            show::notice("this member was not asked; partners see the answer as unsolicited");
        }
        if report.sent {
            show::line(format!("sent in {}", report.channel));
        }
    }
    match &report.next {
        None => Ok(()),
        Some(next) => Err(Failure::refused(format!(
            "the {what} is kept here and not sent: {next}"
        ))),
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let mut path = format!(
            "/requests?inbox={}&outbox={}&open={}",
            self.inbox, self.outbox, self.open
        );
        for (key, value) in [("channel", &self.channel), ("routed_to", &self.routed_to)] {
            if let Some(value) = value {
                path.push_str(&format!("&{key}={}", escape(value)));
            }
        }
        let mut admin = Admin::open(&self.data.folder()).await?;
        let page: RequestsPage = admin.get(&path).await?;
        if self.json {
            return show::json(&page);
        }
        let headings = [
            "id",
            "from",
            "asked",
            "urgency",
            "deadline",
            "routed to",
            "subject",
        ];
        let mut table = show::Table::new(&headings);
        for request in &page.requests {
            table.row(vec![
                request.id.clone(),
                request.from.clone(),
                standings(request),
                request.urgency.clone(),
                deadline(request),
                request
                    .routed
                    .iter()
                    .map(|routed| routed.to.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
                request.subject.clone(),
            ]);
        }
        if !table.is_empty() {
            table.print();
        }
        drafts(&page.drafts);
        for stray in &page.strays {
            show::line(format!(
                "counts for nobody: {} from {} in {}: {}",
                stray.id, stray.from, stray.channel, stray.why
            ));
        }
        if page.omitted > 0 {
            show::notice(format!(
                "{} more are kept as objects only",
                show::count(page.omitted as u64, "older post")
            ));
        }
        Ok(())
    }
}

impl Show {
    async fn run(self) -> Result<(), Failure> {
        let mut path = format!("/requests/{}", escape(&self.id));
        if let Some(channel) = &self.channel {
            path.push_str(&format!("?channel={}", escape(channel)));
        }
        let mut admin = Admin::open(&self.data.folder()).await?;
        let thread: RequestThread = admin.get(&path).await?;
        if self.json {
            return show::json(&thread);
        }
        print(&thread);
        Ok(())
    }
}

fn print(thread: &RequestThread) {
    let request = &thread.request;
    show::line(format!(
        "{}, {}, {} in {}",
        request.from, request.at, request.urgency, request.channel
    ));
    show::line(format!("subject: {}", request.subject));
    show::line(format!("asked: {}", standings(request)));
    let lists = [
        ("deadline", deadline(request)),
        ("wanted", request.kinds.join(", ")),
        ("topics", request.topics.join(", ")),
        ("about", request.about.join(", ")),
        ("follows", request.in_reply_to.clone().unwrap_or_default()),
    ];
    for (name, text) in lists.iter().filter(|(_, text)| !text.is_empty()) {
        show::line(format!("{name}: {text}"));
    }
    for routed in &request.routed {
        show::line(format!("routed to {} ({})", routed.to, routed.why));
    }
    if request.revoked {
        show::line("the asking member has taken it back");
    }
    if request.contested {
        show::line("another member has posted under the same id; ask both");
    }
    indented(&thread.text);
    for answer in &thread.answers {
        let flags = [
            (answer.unsolicited, ", was not asked"),
            (answer.revoked, ", taken back"),
        ];
        let flags: String = flags
            .iter()
            .filter(|(holds, _)| *holds)
            .map(|(_, text)| *text)
            .collect();
        show::line(format!(
            "{}, {}, {}{flags} ({})",
            answer.from, answer.at, answer.status, answer.id
        ));
        if let Some(id) = &answer.in_reply_to {
            show::line(format!("to {id}"));
        }
        indented(&answer.text);
        for id in &answer.objects {
            show::line(format!("  + {id}"));
        }
    }
    drafts(&thread.drafts);
}

/// Text of others, kept apart from what this program says.
fn indented(text: &str) {
    for line in text.lines() {
        let plain: String = line.chars().filter(|c| !c.is_control()).collect();
        show::line(format!("  | {plain}"));
    }
}

fn drafts(drafts: &[DraftInfo]) {
    for draft in drafts {
        let what = match &draft.answers {
            Some(request) => format!("answer to {request}"),
            None => "request".to_owned(),
        };
        show::line(format!(
            "not in the channel: {what}, {} for {}: {}",
            draft.id, draft.channel, draft.text
        ));
    }
}

/// `KG final, UZ -`.
fn standings(request: &RequestInfo) -> String {
    let each = request.asked.iter().map(|one| {
        let status = one.status.as_deref().unwrap_or("-");
        format!("{} {status}", one.member)
    });
    each.collect::<Vec<_>>().join(", ")
}

fn deadline(request: &RequestInfo) -> String {
    match (&request.deadline, request.overdue) {
        (None, _) => String::new(),
        (Some(deadline), true) => format!("{deadline} PASSED"),
        (Some(deadline), false) => deadline.clone(),
    }
}

impl Route {
    async fn run(self) -> Result<(), Failure> {
        let request = RouteRequest {
            channel: self.channel,
            to: self.to,
            note: self.note,
            who: who(&self.who),
        };
        let mut admin = Admin::open(&self.data.folder()).await?;
        let path = format!("/requests/{}/route", escape(&self.id));
        let info: RequestInfo = admin.post(&path, &request).await?;
        if self.json {
            return show::json(&info);
        }
        for routed in &info.routed {
            show::line(format!("routed to {} ({})", routed.to, routed.why));
        }
        Ok(())
    }
}
