//! Reads the identity providers of an environment.

use std::collections::BTreeMap;

use polder_contract::yaml::{Node, Value, suggest};
use polder_policy::identity::{PROVIDER_NAME_RULE, Signing, is_provider_name};
use url::Url;

use super::SettingsReader;
use crate::secret_ref;
use crate::settings::{self, ProviderSettings};

const ISSUER: &str = "write the provider's issuer as it says it, such as https://sso.example.org/realms/clinic";

impl SettingsReader {
    pub(super) fn identity_providers(&mut self, node: &Node) -> BTreeMap<String, ProviderSettings> {
        let mut providers: BTreeMap<String, ProviderSettings> = BTreeMap::new();
        for (key, value) in self.map(node, "identity_providers", None) {
            if !is_provider_name(&key.name) {
                self.wrong(key.line, format!("`{}` is no name of an identity provider", key.name), PROVIDER_NAME_RULE);
                continue;
            }
            let Some(provider) = self.identity_provider(&key.name, value) else { continue };
            // By its issuer a token is known to be one of the provider's.
            if let Some((other, _)) = providers.iter().find(|(_, other)| other.issuer == provider.issuer) {
                let problem = format!("`{}` has the issuer of `{other}`", key.name);
                self.wrong(value.line, problem, "keep one of them; `audiences` may list several");
            }
            providers.insert(key.name.clone(), provider);
        }
        providers
    }

    fn identity_provider(&mut self, name: &str, node: &Node) -> Option<ProviderSettings> {
        let what = format!("identity provider {name}");
        let map = self.map(node, &what, Some(&settings::PROVIDER_KEYS));
        let at = |key: &str| map.iter().find(|(found, _)| found.name == key).map(|(found, node)| (found.line, *node));
        let issuer = self.text(&map, "issuer", &what, node.line);
        let client_id = self.text(&map, "client_id", &what, node.line);
        let client_secret = self.optional(&map, "client_secret", &what);
        let ca = self.optional(&map, "ca", &what);
        // What stands there may be the secret itself, so it is not repeated.
        if client_secret.as_ref().is_some_and(|secret| !secret_ref::is_reference(secret)) {
            let line = at("client_secret").map_or(node.line, |(line, _)| line);
            self.wrong(line, format!("`client_secret` of {what} is no reference to a secret"), secret_ref::ADVICE);
        }
        if issuer.as_ref().is_some_and(|issuer| !is_issuer(issuer)) {
            let line = at("issuer").map_or(node.line, |(line, _)| line);
            self.wrong(line, format!("`issuer` of {what} is no https address without user, query and fragment"), ISSUER);
        }
        let mut lists = BTreeMap::new();
        for key in ["audiences", "scopes", "algorithms"] {
            let Some((line, list)) = at(key) else { continue };
            let texts = self.texts(list, key);
            let empty = matches!(&list.value, Value::List(items) if items.is_empty());
            if empty || texts.iter().any(|text| text.is_empty() || text.contains(char::is_whitespace)) {
                self.wrong(
                    line,
                    format!("`{key}` of {what} has an empty item, one with spaces, or none"),
                    "write each as one word, or leave the key out",
                );
            }
            lists.insert(key, (line, texts));
        }
        let signing = match lists.get("algorithms") {
            None => Signing::ALL.to_vec(),
            Some((line, names)) => {
                let known = Signing::ALL.map(Signing::name);
                for name in names.iter().filter(|name| Signing::named(name).is_none()) {
                    self.wrong(*line, format!("`{name}` of {what} is no signature that is taken"), suggest(name, &known));
                }
                names.iter().filter_map(|name| Signing::named(name)).collect()
            }
        };
        let mut list = |key: &str| lists.remove(key).map(|(_, texts)| texts);
        let mut scopes = list("scopes").unwrap_or_default();
        if !scopes.iter().any(|scope| scope == settings::SCOPE) {
            scopes.insert(0, settings::SCOPE.to_owned());
        }
        let client_id = client_id?;
        let audiences = list("audiences").unwrap_or_else(|| vec![client_id.clone()]);
        Some(ProviderSettings { issuer: issuer?, client_id, client_secret, audiences, scopes, signing, ca })
    }
}

/// Whether it can be an issuer (OpenID Connect Discovery, 3).
fn is_issuer(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}
