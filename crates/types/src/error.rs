//! What an error means to whoever must act on it: one table from kinds to exit codes, SQLSTATE, gRPC and HTTP.

/// Kinds differ only where a caller acts differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A policy or the SQL door said no.
    Denied,
    /// The request, a project file or an argument is wrong; nothing was done.
    Invalid,
    /// A contract, a quality rule or the reconciliation of counts refused the data; nothing became visible.
    Rejected,
    /// What was named does not exist (or the caller may not know of it).
    NotFound,
    /// Another change came first; trying again may work.
    Conflict,
    /// Another writer holds the lease.
    Busy,
    /// A source, the store or the keys cannot be reached now; trying again may work.
    Unavailable,
    /// Stored bytes, a count or a proof are not what they must be.
    Corrupt,
    /// A defect of the program.
    Internal,
}

impl ErrorKind {
    /// The exit code of the command line: says whether to try again.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Invalid | Self::NotFound => 2,
            Self::Rejected => 3,
            Self::Unavailable | Self::Conflict => 4,
            Self::Busy => 5,
            Self::Corrupt => 6,
            Self::Denied => 7,
        }
    }

    /// How much a failure of this kind weighs beside others: of several, the gravest is told to the caller. Those that trying again
    /// may cure weigh least, so that a code that says so is true of all of them.
    pub const fn gravity(self) -> u8 {
        match self {
            Self::Conflict => 0,
            Self::Unavailable => 1,
            Self::Busy => 2,
            Self::NotFound => 3,
            Self::Invalid => 4,
            Self::Rejected => 5,
            Self::Denied => 6,
            Self::Internal => 7,
            Self::Corrupt => 8,
        }
    }

    /// The five-character SQLSTATE.
    pub const fn sqlstate(self) -> &'static str {
        match self {
            Self::Denied => "42501",
            Self::Invalid => "42601",
            Self::Rejected => "23514",
            Self::NotFound => "42P01",
            Self::Conflict => "40001",
            Self::Busy => "55P03",
            Self::Unavailable => "57P03",
            Self::Corrupt => "XX001",
            Self::Internal => "XX000",
        }
    }

    /// The HTTP status.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Denied => 403,
            Self::Invalid => 400,
            Self::Rejected => 422,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Busy => 423,
            Self::Unavailable => 503,
            Self::Corrupt | Self::Internal => 500,
        }
    }

    /// The gRPC status code.
    pub const fn grpc_code(self) -> u8 {
        match self {
            Self::Denied => 7,
            Self::Invalid => 3,
            Self::Rejected | Self::Busy => 9,
            Self::NotFound => 5,
            Self::Conflict => 10,
            Self::Unavailable => 14,
            Self::Corrupt => 15,
            Self::Internal => 13,
        }
    }

    /// The kind's name in machine-readable output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::Rejected => "rejected",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
            Self::Internal => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let all = [
            (ErrorKind::Internal, 1),
            (ErrorKind::Invalid, 2),
            (ErrorKind::NotFound, 2),
            (ErrorKind::Rejected, 3),
            (ErrorKind::Unavailable, 4),
            (ErrorKind::Conflict, 4),
            (ErrorKind::Busy, 5),
            (ErrorKind::Corrupt, 6),
            (ErrorKind::Denied, 7),
        ];
        for (kind, code) in all {
            assert_eq!(kind.exit_code(), code, "{}", kind.name());
        }
    }
}
