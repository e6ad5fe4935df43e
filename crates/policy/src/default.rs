/// The group that may do everything under the default policies. The program puts into it whoever opens the root key.
pub const OWNERS_GROUP: &str = "owners";

/// The policy files of a new project, as (path in the project, text). What they do not permit is denied.
pub fn default_policies() -> Vec<(String, String)> {
    vec![
        ("policies/owners.cedar".to_owned(), include_str!("default/owners.cedar").to_owned()),
        ("policies/models.cedar".to_owned(), include_str!("default/models.cedar").to_owned()),
    ]
}
