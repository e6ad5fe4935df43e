use polder_policy::{Access, Action, Permit};

pub fn read(permit: &Permit) -> bool {
    permit.action() == Action::Read
}

pub fn whole(access: &Access) -> bool {
    access.is_whole() && read(access.permit())
}
