//! Who comes in because an identity provider vouches for them. Groups are the register's alone: what a provider says of anyone but who they are
//! is not looked at.

use std::sync::Arc;

use async_trait::async_trait;
use polder_policy::identity::{Refusal, Vouched, Wanted, resembles_jwt};
use polder_serve::{Departure, Device, Fault, Origin, Providers, Return, Session, Waited};
use polder_types::{ErrorKind, Secret};

use super::arrivals::Arrivals;
use crate::providers::{Provider, Stepped, deadline};

impl Arrivals {
    /// Whether a text is to be judged as a token of a provider. Without providers it is what any other text is.
    pub(super) fn is_voucher(&self, text: &str) -> bool {
        !self.0.providers.is_empty() && resembles_jwt(text)
    }

    /// Judges a token of a provider, whose owner the name must be where one came with it.
    pub(super) async fn by_bearer(&self, name: Option<&str>, text: &str, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        self.wait(name.unwrap_or_default(), origin).await;
        let hall = &self.0;
        let Some(provider) = hall.providers.of_token(text) else {
            return Err(self.refuse_with(name, Refusal::NoProvider, &[], origin).await);
        };
        match provider.judge(text, Wanted::Bearer, hall.now_ms(), deadline()).await {
            Ok(vouched) => self.by_voucher(name, &vouched, origin).await,
            Err(refusal) => Err(self.refuse_with(name, refusal, &[("provider", provider.name())], origin).await),
        }
    }

    /// Lets in whom a provider vouches for, if an account is linked with them.
    async fn by_voucher(&self, name: Option<&str>, vouched: &Vouched, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        // The register of now: what was revoked while the provider was asked counts.
        let judged = self.0.identities.current().by_provider(vouched, self.0.now_ms());
        let judged = judged.and_then(|signed_in| match name {
            Some(name) if name != signed_in.name() => Err(Refusal::Owner),
            _ => Ok(signed_in),
        });
        match judged {
            Ok(signed_in) => self.let_in(signed_in, origin).await,
            // Whoever keeps the accounts can link them by what stands in the record.
            Err(refusal) => {
                let private = [("provider", vouched.provider()), ("provider_subject", vouched.subject())];
                Err(self.refuse_with(name, refusal, &private, origin).await)
            }
        }
    }

    /// The provider of a name, where it may be asked for whoever comes from there.
    async fn asked(&self, name: &str, origin: &Origin) -> Result<&Provider, Fault> {
        self.wait("", origin).await;
        match self.0.providers.named(name) {
            Ok(provider) => Ok(provider),
            Err(refusal) => Err(self.refuse_with(None, refusal, &[], origin).await),
        }
    }

    async fn refuse_of(&self, provider: &Provider, refusal: Refusal, origin: &Origin) -> Fault {
        self.refuse_with(None, refusal, &[("provider", provider.name())], origin).await
    }

    async fn stopped(&self, provider: &Provider, stepped: Stepped, origin: &Origin) -> Fault {
        match stepped {
            Stepped::Refused(refusal) => self.refuse_of(provider, refusal, origin).await,
            Stepped::Fault(fault) => fault,
        }
    }

    fn back(&self, provider: &Provider) -> Result<String, Fault> {
        let text = "sign in through a browser: the server does not know how browsers reach it; whoever keeps it writes `public_url` into its listener `rest`";
        self.0.providers.back(provider.name()).ok_or_else(|| Fault::new(ErrorKind::Unavailable, text))
    }
}

#[async_trait]
impl Providers for Arrivals {
    fn names(&self) -> Vec<String> {
        self.0.providers.names()
    }

    async fn depart(&self, provider: &str, origin: &Origin) -> Result<Departure, Fault> {
        let provider = self.asked(provider, origin).await?;
        let back = self.back(provider)?;
        let hall = &self.0;
        let departed = hall.flows.depart(provider, &back, origin.address, hall.now_ms(), hall.installation.rng.as_ref()).await;
        match departed {
            Ok(departure) => Ok(departure),
            Err(stepped) => Err(self.stopped(provider, stepped, origin).await),
        }
    }

    async fn arrive(&self, provider: &str, returned: Return, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        let provider = self.asked(provider, origin).await?;
        let back = self.back(provider)?;
        match self.0.flows.arrive(provider, &back, &returned, self.0.now_ms()).await {
            Ok(vouched) => self.by_voucher(None, &vouched, origin).await,
            Err(refusal) => Err(self.refuse_of(provider, refusal, origin).await),
        }
    }

    async fn begin_device(&self, provider: &str, origin: &Origin) -> Result<Device, Fault> {
        let provider = self.asked(provider, origin).await?;
        let hall = &self.0;
        let begun = hall.flows.begin_device(provider, origin.address, hall.now_ms(), hall.installation.rng.as_ref()).await;
        match begun {
            Ok(device) => Ok(device),
            Err(stepped) => Err(self.stopped(provider, stepped, origin).await),
        }
    }

    async fn wait_for_device(&self, provider: &str, device: Secret<String>, origin: &Origin) -> Result<Waited, Fault> {
        let provider = self.asked(provider, origin).await?;
        match self.0.flows.wait_for_device(provider, device.expose_secret(), self.0.now_ms()).await {
            Ok(Err(interval_s)) => Ok(Waited::Pending { interval_s }),
            Ok(Ok(vouched)) => self.by_voucher(None, &vouched, origin).await.map(Waited::In),
            Err(refusal) => Err(self.refuse_of(provider, refusal, origin).await),
        }
    }
}
