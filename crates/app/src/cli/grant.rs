use std::path::PathBuf;

use clap::{ArgGroup, Subcommand};
use polder_policy::identity::{BREAK_GLASS_HOURS_MAX, GRANT_HOURS_MAX};

#[derive(Debug, Subcommand)]
pub enum GrantCommand {
    /// Ask that an account be in a group for some time; another person approves it within 24 hours
    #[command(group = ArgGroup::new("length").required(true))]
    Request {
        /// The group
        #[arg(long, value_name = "GROUP")]
        group: String,
        /// The user or service (default: the account of your own name)
        #[arg(long = "for", value_name = "NAME")]
        account: Option<String>,
        /// How many hours from now
        #[arg(long, value_name = "N", group = "length", value_parser = clap::value_parser!(u32).range(1..=i64::from(GRANT_HOURS_MAX)))]
        hours: Option<u32>,
        /// How many minutes from now
        #[arg(long, value_name = "N", group = "length", value_parser = clap::value_parser!(u32).range(1..=i64::from(GRANT_HOURS_MAX) * 60))]
        minutes: Option<u32>,
        /// Until when, such as 2026-03-01T18:00:00Z
        #[arg(long, value_name = "TIME", group = "length")]
        until: Option<String>,
        /// What for: whoever approves reads it
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Approve it, with an enrolled key of someone who did not ask for it and does not get it
    Approve {
        id: String,
        /// The approver's key (default: approver_key of polder.yaml)
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Say no to what was asked for, or take back what you asked for
    Deny {
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// End it before its time; what is being read by it ends within a second
    Revoke { id: String },
    /// List what waits for an approval and what is in force
    List {
        /// What has ended within 30 days, too
        #[arg(long)]
        all: bool,
    },
    /// Show one: who asked, what for, who approved, how it stands
    Show { id: String },
}

#[derive(Debug, Subcommand)]
pub enum BreakGlassCommand {
    /// Make the account, or seal it again: its sessions and its token end at once
    Seal,
    /// Ask that it be opened; two approvers sign that within 24 hours
    Request {
        /// What for: whoever approves reads it
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// How many hours it is open
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(BREAK_GLASS_HOURS_MAX)))]
        hours: u32,
    },
    /// Approve it, with an enrolled key of someone who did not ask
    Approve {
        id: String,
        /// The approver's key (default: approver_key of polder.yaml)
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Open it, tell every receiver of notices, and print its token: once, and only to who asked
    Open { id: String },
    /// Show whether it is open, and what was asked for
    Show,
}
