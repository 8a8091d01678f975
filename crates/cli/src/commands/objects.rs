//! `kurultai objects`: what a collection shows.

use clap::Args;
use node::admin::types::ObjectsPage;

use crate::admin::{Admin, escape};
use crate::commands::who;
use crate::exit::Failure;
use crate::{Data, show};

/// Lists objects of the national collection or of a channel.
#[derive(Args)]
pub(crate) struct Objects {
    /// `national` or ACCORD/CHANNEL
    #[arg(default_value = "national")]
    collection: String,
    /// Only this STIX type (may be repeated)
    #[arg(long, value_name = "TYPE")]
    kind: Vec<String>,
    /// Only this id (may be repeated)
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    /// Every version, not only the latest
    #[arg(long)]
    all_versions: bool,
    /// With the objects themselves (needs --json)
    #[arg(long, requires = "json")]
    bodies: bool,
    /// At most this many
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// For what purpose: needed when the answer is about persons; it goes into the audit log
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// Who asks, for the audit log [default: the login name]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// The largest page that the node gives.
const PAGE_OBJECTS_MAX: usize = 1_000;

impl Objects {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::open(&self.data.folder()).await?;
        let mut all = ObjectsPage::default();
        let mut after = None;
        while all.objects.len() < self.limit {
            let wanted = (self.limit - all.objects.len()).min(PAGE_OBJECTS_MAX);
            let page: ObjectsPage = admin.get(&self.path(after, wanted)).await?;
            all.objects.extend(page.objects);
            all.next = page.next;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if self.json {
            return show::json(&all);
        }
        let mut table = show::Table::new(&["id", "version", "label", "from"]);
        for object in &all.objects {
            table.row(vec![
                object.id.clone(),
                object.version.clone().unwrap_or_default(),
                object.label.clone(),
                object.origin.clone().unwrap_or_default(),
            ]);
        }
        table.print();
        if all.next.is_some() {
            show::notice(format!(
                "there are more; ask for them with --limit {}",
                self.limit * 10
            ));
        }
        Ok(())
    }

    fn path(&self, after: Option<i64>, limit: usize) -> String {
        let mut path = format!(
            "/objects?collection={}&limit={limit}",
            escape(&self.collection)
        );
        if let Some(after) = after {
            path.push_str(&format!("&after={after}"));
        }
        if !self.kind.is_empty() {
            path.push_str(&format!("&kinds={}", escape(&self.kind.join(","))));
        }
        if !self.id.is_empty() {
            path.push_str(&format!("&ids={}", escape(&self.id.join(","))));
        }
        if self.all_versions {
            path.push_str("&all_versions=true");
        }
        if let Some(purpose) = &self.purpose {
            path.push_str(&format!("&purpose={}", escape(purpose)));
        }
        path.push_str(&format!("&who={}", escape(&who(&self.who))));
        if self.bodies {
            path.push_str("&bodies=true");
        }
        path
    }
}
