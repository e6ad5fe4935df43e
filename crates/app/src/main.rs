//! The `polder` program; everything is in the library, so that its tests reach it.

fn main() -> std::process::ExitCode {
    polder_app::main()
}
