//! A person's own account: first password, change of it, one-time codes. Nobody else's command and
//! nobody else's knowledge; each proves itself and needs no `--as`.

use clap::Args;
use node::admin::types::{ConfirmRequest, EnrolRequest, PasswordRequest, RecoveryReply, TotpReply};

use crate::admin::Admin;
use crate::exit::Failure;
use crate::{Data, admin, show, sign_in};

/// Sets one's own first password. Asks for the enrolment code and the password.
#[derive(Args)]
pub(crate) struct Enrol {
    /// Your user name
    name: String,
    #[command(flatten)]
    data: Data,
}

/// Changes one's own password. Asks for the one until now, a one-time code where one is set up, and
/// the new one.
#[derive(Args)]
pub(crate) struct Password {
    /// Your user name
    name: String,
    /// You sign in with one-time codes too
    #[arg(long)]
    code: bool,
    #[command(flatten)]
    data: Data,
}

/// Sets up one-time codes as a second factor, with `--as` your name. Shows the secret for your
/// authenticator, asks for a code of it, and prints recovery codes.
#[derive(Args)]
pub(crate) struct Totp {
    /// Remove them instead
    #[arg(long, conflicts_with = "replace")]
    remove: bool,
    /// Set up another app in place of the one until now, whose code is asked first
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    data: Data,
}

impl Enrol {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::operator(&self.data.folder()).await?;
        let code = sign_in::ask("enrolment code")?;
        let password = sign_in::ask("new password")?;
        let name = self.name.clone();
        let request = EnrolRequest {
            name,
            code,
            password,
        };
        admin.tell("/auth/enrol", &request).await?;
        show::line(format!("{} is enrolled", self.name));
        Ok(())
    }
}

impl Password {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut admin = Admin::operator(&self.data.folder()).await?;
        let password = sign_in::password_of(&self.name)?;
        let code = match self.code {
            true => Some(sign_in::secret("KURULTAI_CODE", "one-time code")?),
            false => None,
        };
        let new = sign_in::ask("new password")?;
        let name = self.name.clone();
        let request = PasswordRequest {
            name,
            password,
            code,
            new,
        };
        admin.tell("/auth/password", &request).await?;
        show::line(format!("the password of {} is changed", self.name));
        Ok(())
    }
}

impl Totp {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if admin::acting().is_none() {
            return Err(Failure::usage(
                "say who you are with --as NAME; nobody sets up another's second factor",
            ));
        }
        let mut admin = Admin::open(&self.data.folder()).await?;
        if self.remove {
            let code = sign_in::ask("one-time code or recovery code")?;
            admin
                .tell("/auth/totp/remove", &ConfirmRequest { code })
                .await?;
            show::line("one-time codes are removed");
            return Ok(());
        }
        let before = match self.replace {
            true => Some(ConfirmRequest {
                code: sign_in::ask("one-time code or recovery code until now")?,
            }),
            false => None,
        };
        let new: TotpReply = admin.post("/auth/totp/new", &before).await?;
        show::line(format!("secret: {}", new.secret));
        show::line(format!("uri:    {}", new.uri));
        show::notice("this is the only time it is shown; give it to your authenticator");
        let code = sign_in::ask("code that it shows now")?;
        let reply: RecoveryReply = admin
            .post("/auth/totp/confirm", &ConfirmRequest { code })
            .await?;
        show::line("recovery codes, each good once in place of a code:");
        for code in reply.recovery_codes {
            show::line(format!("  {code}"));
        }
        show::notice(
            "this is the only time they are shown; keep them apart from the authenticator",
        );
        Ok(())
    }
}
