//! `polder serve` and `polder scheduler` on the command line.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Do not run the pipelines, whatever polder.yaml says: other programs begin them
    #[arg(long)]
    pub no_scheduler: bool,
}

#[derive(Debug, Args)]
pub struct SchedulerArgs {
    #[command(subcommand)]
    pub command: Option<SchedulerCommand>,
}

#[derive(Debug, Subcommand)]
pub enum SchedulerCommand {
    /// Show who runs the pipelines when they are due, what goes on, and what is next
    Status,
}
