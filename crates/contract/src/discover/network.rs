//! Addresses of networks and machines.

use std::net::{IpAddr, Ipv4Addr};

/// An IPv4 address: four numbers up to 255 without leading zeros; a port may follow, or a length of the network that is that of one address.
pub fn ipv4(value: &str) -> Option<Ipv4Addr> {
    let value = value.strip_suffix("/32").unwrap_or(value);
    let port = value.split_once(':').filter(|(_, port)| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()));
    let value = port.map_or(value, |(address, _)| address);
    let address: Ipv4Addr = value.parse().ok()?;
    // 0.x is no host, and a mask is none.
    (address.octets().first() != Some(&0) && !value.starts_with("255.")).then_some(address)
}

/// Whether it could as well be a version: those count up from small numbers. Of addresses that are drawn one in forty looks so.
pub fn is_version_like(address: Ipv4Addr) -> bool {
    address.octets().iter().all(|part| *part < 100)
}

/// An IPv6 address (RFC 4291), with or without a zone, or in brackets before a port.
pub fn is_ipv6(value: &str) -> bool {
    let bracketed = value.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let value = bracketed.filter(|(_, port)| port.is_empty() || port.starts_with(':')).map_or(value, |(address, _)| address);
    let value = value.strip_suffix("/128").unwrap_or(value);
    let value = value.split_once('%').map_or(value, |(address, _)| address);
    // `::` alone, or a time such as 12:30:45, is no address.
    value.len() > 3 && value.contains(':') && matches!(value.parse(), Ok(IpAddr::V6(_)))
}

/// A MAC address in one of its notations: `00:1a:2b:3c:4d:5e`, `00-1A-2B-3C-4D-5E`, `00 1A 2B 3C 4D 5E`, `001a.2b3c.4d5e`.
pub fn is_mac(value: &str) -> bool {
    let of_groups = |separator: char, count: usize, length: usize| {
        value.split(separator).count() == count
            && value.split(separator).all(|group| group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    of_groups(':', 6, 2) || of_groups('-', 6, 2) || of_groups(' ', 6, 2) || of_groups('.', 3, 4)
}

/// Twelve hexadecimal digits: a MAC address where the column's name says so.
pub fn is_bare_mac(value: &str) -> bool {
    value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A URL with a scheme and a host.
pub fn is_url(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme_is_name = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    scheme_is_name && !host.is_empty() && !value.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_networks_are_told_from_versions_times_and_hashes() {
        assert!(ipv4("192.168.1.20").is_some() && ipv4("8.8.8.8/32").is_some() && ipv4("8.8.8.8:443").is_some());
        for wrong in ["256.1.1.1", "1.2.3", "01.2.3.4", "0.0.0.0", "255.255.255.0", "10.0.0.0/8", "1.2.3.4.5", ""] {
            assert!(ipv4(wrong).is_none(), "{wrong}");
        }
        assert!(is_version_like(ipv4("10.0.19.44").unwrap()) && !is_version_like(ipv4("10.0.19.144").unwrap()));
        assert!(is_ipv6("2001:db8::ff00:42:8329") && is_ipv6("fe80::1%eth0") && is_ipv6("::ffff:192.0.2.1"));
        assert!(is_ipv6("[2001:db8::1]:443") && is_ipv6("[2001:db8::1]") && !is_ipv6("[12:30]:443") && !is_ipv6("["));
        assert!(!is_ipv6("::") && !is_ipv6("12:30:45") && !is_ipv6("2001:db8:::1") && !is_ipv6("1.2.3.4") && !is_ipv6(""));
        for right in ["00:1a:2B:3c:4d:5e", "00 1A 2B 3C 4D 5E", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e"] {
            assert!(is_mac(right), "{right}");
        }
        for wrong in ["00:1a:2b:3c:4d", "00:1a-2b:3c:4d:5e", "001a2b3c4d5e", "00:1a:2b:3c:4d:5g", "", "12:30:45:00:00:0"] {
            assert!(!is_mac(wrong), "{wrong}");
        }
        assert!(is_bare_mac("001a2b3c4d5e") && !is_bare_mac("001a2b3c4d5"));
        assert!(is_url("https://example.org/a?b=c") && !is_url("example.org") && !is_url("a: //b") && !is_url("://x"));
    }
}
