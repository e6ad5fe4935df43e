use polder_policy::{Action, Permit};

pub fn read(permit: &Permit) -> bool {
    permit.action() == Action::Read
}
